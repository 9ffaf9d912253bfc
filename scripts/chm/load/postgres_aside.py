"""The new tables beside the old ones in PostgreSQL: made, marked and keyed.

Each stands in the schema raw as `chm_new_` and its name. A comment marks it as the work of a load:
a table of that name without the mark is somebody else's, and stays.
"""

from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from chm.contract import Contract, Table
from chm.contract.ddl import key_name, key_statements, table_statements
from chm.errors import ChmError

Connection = psycopg.Connection[Any]

# Longer names are cut by PostgreSQL.
NAME_LETTERS = 63
WORK_COMMENT = "chm load: rows on their way; the next load drops this table"

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
    return f"chm_new_{name}"


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
    new = aside_contract(contract)
    # At once: a table without its mark would be taken for somebody else's.
    with connection.transaction():
        drop_tables(connection, contract)
        for statement in table_statements(new, "postgres", without_keys=new.tables):
            connection.execute(statement)
        for name in new.tables:
            connection.execute(f"comment on table {contract.schema}.{name} is '{WORK_COMMENT}'")


def drop_tables(connection: Connection, contract: Contract) -> None:
    """Remove the new tables, if they are there.

    Raises:
        ChmError: a table of such a name is not marked as the work of a load.
    """
    found = connection.execute(
        "select relname, coalesce(obj_description(oid, 'pg_class') = %s, false) from pg_class "
        "where relnamespace = to_regnamespace(%s) and relname = any(%s)",
        [WORK_COMMENT, contract.schema, [aside(name) for name in contract.tables]],
    ).fetchall()
    for name, is_marked in found:
        if not is_marked:
            raise ChmError(
                f"{contract.schema}.{name} is not of chm load, which needs the name: rename it; "
                "nothing was loaded"
            )
    if found:
        names = ", ".join(f"{contract.schema}.{name}" for name, _ in found)
        connection.execute(f"drop table {names}")


def add_keys(connection: Connection, contract: Contract, table: Table) -> None:
    """Give the new table its primary, unique and foreign keys."""
    contract = aside_contract(contract)
    new = contract.tables[aside(table.name)]
    for statement in key_statements(contract, new):
        connection.execute(statement)
    for key in new.unique:
        wanted, made = key_name(table, key)[:NAME_LETTERS], key_name(new, key)[:NAME_LETTERS]
        if table.name + made[len(new.name) :] != wanted:
            kind = "index" if key.where else "constraint"
            note_name(connection, kind, f"{contract.schema}.{new.name}", made, wanted)


def note_name(connection: Connection, kind: str, table: str, made: str, name: str) -> None:
    """Note as a comment what the switch is to call a constraint or index."""
    shown = sql.Identifier(made).as_string(connection)
    place = f"{shown} on {table}" if kind == "constraint" else f"{table.split('.')[0]}.{shown}"
    connection.execute(f"comment on {kind} {place} is {sql.Literal(name).as_string(connection)}")
