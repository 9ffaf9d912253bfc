"""The new tables beside the old ones in PostgreSQL: made, keyed, and given what the old ones had.

Each stands in the schema raw under its own name with `_` for the last letter. A name of the same
length makes PostgreSQL cut the names of its constraints and indexes at the same letter, so that
the switch only has to mend how they begin.
"""

from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from chm.contract import Contract, Table
from chm.contract.ddl import key_statements, table_statements
from chm.errors import ChmError

Connection = psycopg.Connection[Any]

# For this connection alone. Two workers and the leader are more than two cores can use.
SESSION_SETTINGS = {
    "maintenance_work_mem": "'512MB'",
    "max_parallel_maintenance_workers": "2",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # A load that says it is done must still be done after a crash, whatever the server's default.
    "synchronous_commit": "on",
    # The statement of a client that is gone ends with it.
    "client_connection_check_interval": "'2s'",
}


def aside(name: str) -> str:
    """Return the name under which the new table of that name is made."""
    return name[:-1] + "_"


def aside_contract(contract: Contract) -> Contract:
    """Return the contract of the new tables, which refer to each other."""
    return replace(
        contract,
        tables={aside(name): _renamed(table) for name, table in contract.tables.items()},
    )


def _renamed(table: Table) -> Table:
    return replace(
        table,
        name=aside(table.name),
        columns=tuple(
            replace(column, references=aside(column.references)) if column.references else column
            for column in table.columns
        ),
        foreign_keys=tuple(replace(key, table=aside(key.table)) for key in table.foreign_keys),
    )


def create_tables(connection: Connection, contract: Contract) -> None:
    """Make the new tables with their checks, after removing those of a load that was killed."""
    drop_tables(connection, contract)
    new = aside_contract(contract)
    for statement in table_statements(new, "postgres", without_keys=new.tables):
        connection.execute(statement)


def drop_tables(connection: Connection, contract: Contract) -> None:
    """Remove the new tables, if they are there."""
    names = ", ".join(f"{contract.schema}.{aside(name)}" for name in contract.tables)
    connection.execute(f"drop table if exists {names}")


def add_keys(connection: Connection, contract: Contract, table: Table) -> None:
    """Give the new table its primary, unique and foreign keys."""
    new = aside_contract(contract)
    for statement in key_statements(new, new.tables[aside(table.name)]):
        connection.execute(statement)


def add_former_extras(connection: Connection, contract: Contract, name: str) -> None:
    """Give the new table what its owner added to the old one: constraints, indexes, comments.

    Grants become those of the old table, and no others.

    Raises:
        ChmError: the old table has what can't be given to another one.
        psycopg.Error: the new rows break such a constraint.
    """
    old, new = f"{contract.schema}.{name}", f"{contract.schema}.{aside(name)}"
    if not connection.execute("select to_regclass(%s)", [old]).fetchone()[0]:  # type: ignore[index]
        return
    _refuse_what_stays(connection, old)
    _take_over_owner(connection, old, new)
    extras = connection.execute(_EXTRA_CONSTRAINTS, [old, new]).fetchall()
    for number, (constraint, definition) in enumerate(extras):
        for referenced in contract.tables:
            definition = definition.replace(
                f" {contract.schema}.{referenced}(", f" {contract.schema}.{aside(referenced)}("
            )
        # The names of unique keys are taken; the others stay, for the message of a refusal.
        is_free = definition.startswith(("CHECK", "FOREIGN")) and not constraint.startswith(
            aside(name)
        )
        made = sql.Identifier(constraint if is_free else f"{aside(name)}extra_{number}")
        shown = made.as_string(connection)
        connection.execute(f"alter table {new} add constraint {shown} {definition}")
        if not is_free:
            _note_name(connection, f"constraint {shown} on {new}", constraint)
    indexes = connection.execute(_EXTRA_INDEXES, [old, new]).fetchall()
    for number, (index, definition) in enumerate(indexes, start=len(extras)):
        shown = f"{aside(name)}extra_{number}"
        head, _, rest = definition.partition(f" ON {old} ")
        unique = "unique " if head.startswith("CREATE UNIQUE") else ""
        connection.execute(f"create {unique}index {shown} on {new} {rest}")
        _note_name(connection, f"index {contract.schema}.{shown}", index)
    for (statement,) in connection.execute(_FORMER_GRANTS, {"old": old, "new": new}).fetchall():
        connection.execute(statement)


def _note_name(connection: Connection, made: str, name: str) -> None:
    """Note as a comment what the switch is to call a constraint or index."""
    connection.execute(f"comment on {made} is {sql.Literal(name).as_string(connection)}")


def _take_over_owner(connection: Connection, old: str, new: str) -> None:
    owner, role = connection.execute(
        "select pg_get_userbyid(relowner), current_user from pg_class where oid = %s::regclass",
        [old],
    ).fetchall()[0]
    if owner != role:
        connection.execute(
            f"alter table {new} owner to {sql.Identifier(owner).as_string(connection)}"
        )


def _refuse_what_stays(connection: Connection, table: str) -> None:
    found = connection.execute(_BOUND_TO_TABLE, {"table": table}).fetchall()
    if found:
        raise ChmError(
            f"{table} has what a new table can't take over: "
            f"{', '.join(what for (what,) in found)}; nothing was loaded"
        )


# What hangs on the table itself and would be lost with it.
_BOUND_TO_TABLE = """
    select 'trigger ' || tgname from pg_trigger
    where tgrelid = %(table)s::regclass and not tgisinternal
    union all
    select 'row security' from pg_class where oid = %(table)s::regclass and relrowsecurity
    union all
    select 'publication ' || pubname
    from pg_publication_rel inner join pg_publication on pg_publication.oid = prpubid
    where prrelid = %(table)s::regclass
    union all
    select 'the foreign key ' || conname || ' of ' || conrelid::regclass
    from pg_constraint
    where confrelid = %(table)s::regclass and contype = 'f'
        and connamespace <> (select relnamespace from pg_class where oid = %(table)s::regclass)
"""
_EXTRA_CONSTRAINTS = """
    with new as (
        select old.relname as old_name, made.relname as new_name, made.oid as new_oid,
            old.oid as old_oid
        from pg_class as old, pg_class as made
        where old.oid = %s::regclass and made.oid = %s::regclass
    )
    select conname, pg_get_constraintdef(pg_constraint.oid)
    from pg_constraint inner join new on conrelid = old_oid
    where contype in ('c', 'f', 'u', 'x') and not exists (
        select from pg_constraint as made
        where made.conrelid = new_oid
            and old_name || substr(made.conname, length(old_name) + 1) = pg_constraint.conname
    )
    order by contype, conname
"""
_EXTRA_INDEXES = """
    with new as (
        select old.relname as old_name, made.oid as new_oid, old.oid as old_oid
        from pg_class as old, pg_class as made
        where old.oid = %s::regclass and made.oid = %s::regclass
    )
    select relname, pg_get_indexdef(indexrelid)
    from pg_index
    inner join new on indrelid = old_oid
    inner join pg_class on pg_class.oid = indexrelid
    where not exists (select from pg_constraint where conindid = indexrelid and contype <> 'f')
        and not exists (
            select from pg_index as made inner join pg_class as named on named.oid = made.indexrelid
            where made.indrelid = new_oid
                and old_name || substr(named.relname, length(old_name) + 1) = pg_class.relname
        )
    order by relname
"""
# Statements, in order: revoke what default privileges gave, grant what the old table grants.
_FORMER_GRANTS = """
    with acl as (
        select relation.oid, null::name as column_name, relation.relowner, granted.*
        from pg_class as relation, aclexplode(relation.relacl) as granted
        where relation.oid in (%(old)s::regclass, %(new)s::regclass)
        union all
        select attrelid, attname, relowner, granted.*
        from pg_attribute
        inner join pg_class on pg_class.oid = attrelid, aclexplode(attacl) as granted
        where attrelid = %(old)s::regclass
    ),
    named as (
        select
            *,
            case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as who,
            privilege_type || coalesce(' (' || quote_ident(column_name) || ')', '') as what
        from acl
        where grantee <> relowner
    ),
    statements as (
        select distinct 1 as place, format('revoke all on %%s from %%s', %(new)s, who) as statement
        from named
        where oid = %(new)s::regclass
        union all
        select 2, format('grant %%s on %%s to %%s', what, %(new)s, who)
            || case when is_grantable then ' with grant option' else '' end
        from named
        where oid = %(old)s::regclass
        union all
        select 3, format('comment on table %%s is %%L', %(new)s, obj_description(oid, 'pg_class'))
        from pg_class
        where oid = %(old)s::regclass and obj_description(oid, 'pg_class') is not null
        union all
        select 4, format('comment on column %%s.%%I is %%L', %(new)s, attname, description)
        from pg_attribute
        inner join pg_description on objoid = attrelid and objsubid = attnum
        where attrelid = %(old)s::regclass and attnum > 0 and classoid = 'pg_class'::regclass
    )
    select statement from statements order by place, statement
"""
