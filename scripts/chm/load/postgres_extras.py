"""What others gave an old PostgreSQL table: taken over by the new one, or a reason to stop."""

from typing import Any

import psycopg
from psycopg import sql

from chm.contract import Contract
from chm.errors import ChmError
from chm.load.postgres_aside import aside, note_name

Connection = psycopg.Connection[Any]


def refuse_what_stays(connection: Connection, contract: Contract) -> None:
    """Stop a load that would lose what hangs on an old table.

    Raises:
        ChmError: an old table has what can't be given to another one; names the table and what.
    """
    there = [name for name in contract.tables if _is_there(connection, contract, name)]
    own = [f"{contract.schema}.{name}" for name in there]
    for name, table in zip(there, own, strict=True):
        columns = list(contract.tables[name].column_names)
        found = connection.execute(
            _BOUND_TO_TABLE, {"table": table, "columns": columns, "own": own}
        ).fetchall()
        if found:
            raise ChmError(
                f"{table} has what a new table can't take over: "
                f"{', '.join(what for (what,) in found)}; nothing was loaded"
            )


def _is_there(connection: Connection, contract: Contract, name: str) -> bool:
    row = connection.execute("select to_regclass(%s)", [f"{contract.schema}.{name}"]).fetchone()
    return row != (None,)


def add_former_extras(connection: Connection, contract: Contract, name: str) -> None:
    """Give the new table what was added to the old one: constraints, indexes, defaults, settings.

    Grants become those of the old table, and no others. The table's comment is left to the switch,
    for until then it marks the new table.

    Raises:
        psycopg.Error: the new rows break such a constraint.
    """
    old, new = f"{contract.schema}.{name}", f"{contract.schema}.{aside(name)}"
    if not _is_there(connection, contract, name):
        return
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
        made = constraint if is_free else f"{aside(name)}_extra_{number}"
        shown = sql.Identifier(made).as_string(connection)
        connection.execute(f"alter table {new} add constraint {shown} {definition}")
        if not is_free:
            note_name(connection, "constraint", new, made, constraint)
    indexes = connection.execute(_EXTRA_INDEXES, [old, new]).fetchall()
    for number, (index, definition) in enumerate(indexes, start=len(extras)):
        made = f"{aside(name)}_extra_{number}"
        head, _, rest = definition.partition(f" ON {old} ")
        unique = "unique " if head.startswith("CREATE UNIQUE") else ""
        connection.execute(f"create {unique}index {made} on {new} {rest}")
        note_name(connection, "index", new, made, index)
    for query in (_FORMER_SETTINGS, _FORMER_GRANTS):
        for (statement,) in connection.execute(query, {"old": old, "new": new}).fetchall():
            connection.execute(statement)


def _take_over_owner(connection: Connection, old: str, new: str) -> None:
    owner, role = connection.execute(
        "select pg_get_userbyid(relowner), current_user from pg_class where oid = %s::regclass",
        [old],
    ).fetchall()[0]
    if owner != role:
        connection.execute(
            f"alter table {new} owner to {sql.Identifier(owner).as_string(connection)}"
        )


# What hangs on a table itself and would be lost with it, or would keep it from being replaced.
_BOUND_TO_TABLE = """
    with old as (select * from pg_class where oid = %(table)s::regclass)
    select 'its being no plain table' from old where relkind <> 'r'
    union all
    select 'the owner ' || pg_get_userbyid(relowner) || ', of which this role is no member'
    from old
    where not pg_has_role(relowner, 'member')
    union all
    select 'the column ' || attname
    from pg_attribute
    inner join old on old.oid = attrelid
    where attnum > 0 and not attisdropped and attname <> all (%(columns)s)
    union all
    select 'the trigger ' || tgname
    from pg_trigger
    inner join old on old.oid = tgrelid
    where not tgisinternal
    union all
    select 'the rule ' || rulename
    from pg_rewrite
    inner join old on old.oid = ev_class
    where relkind = 'r'
    union all
    select 'row security' from old where relrowsecurity
    union all
    select 'the policy ' || polname from pg_policy inner join old on old.oid = polrelid
    union all
    select 'the publication ' || pubname
    from pg_publication_rel
    inner join old on old.oid = prrelid
    inner join pg_publication on pg_publication.oid = prpubid
    union all
    select 'a replica identity' from old where relreplident <> 'd'
    union all
    select 'the extended statistics ' || stxname
    from pg_statistic_ext
    inner join old on old.oid = stxrelid
    union all
    select 'the child table ' || inhrelid::regclass
    from pg_inherits
    inner join old on old.oid = inhparent
    union all
    select 'the foreign key ' || conname || ' of ' || conrelid::regclass
    from pg_constraint
    inner join old on old.oid = confrelid
    where contype = 'f' and conrelid <> all (%(own)s::regclass[])
    order by 1
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
        where made.conrelid = new_oid and (
            old_name || substr(made.conname, length(new_name) + 1) = pg_constraint.conname
            or obj_description(made.oid, 'pg_constraint') = pg_constraint.conname
        )
    )
    order by contype, conname
"""
_EXTRA_INDEXES = """
    with new as (
        select old.relname as old_name, made.relname as new_name, made.oid as new_oid,
            old.oid as old_oid
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
            where made.indrelid = new_oid and (
                old_name || substr(named.relname, length(new_name) + 1) = pg_class.relname
                or obj_description(named.oid, 'pg_class') = pg_class.relname
            )
        )
    order by relname
"""
# Statements for the defaults, not-null rules and storage settings of the old table.
_FORMER_SETTINGS = """
    select format('alter table %%s alter column %%I set default %%s', %(new)s::text, attname,
        pg_get_expr(adbin, adrelid))
    from pg_attrdef
    inner join pg_attribute on attrelid = adrelid and attnum = adnum
    where adrelid = %(old)s::regclass
    union all
    select format('alter table %%s alter column %%I set not null', %(new)s::text, old.attname)
    from pg_attribute as old
    inner join pg_attribute as made on made.attname = old.attname
    where old.attrelid = %(old)s::regclass and made.attrelid = %(new)s::regclass
        and old.attnum > 0 and old.attnotnull and not made.attnotnull
    union all
    select format('alter table %%s set (%%s)', %(new)s::text, array_to_string(reloptions, ', '))
    from pg_class
    where oid = %(old)s::regclass and reloptions is not null
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
        select 3, format('comment on column %%s.%%I is %%L', %(new)s, attname, description)
        from pg_attribute
        inner join pg_description on objoid = attrelid and objsubid = attnum
        where attrelid = %(old)s::regclass and attnum > 0 and classoid = 'pg_class'::regclass
    )
    select statement from statements order by place, statement
"""
