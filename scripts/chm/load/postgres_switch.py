"""Put new PostgreSQL tables in the place of the old ones, inside the caller's transaction.

A view is bound to the table that it was made on, whatever that is called later, and the role that
loads may neither drop nor make other roles' views. So an old table with views stays behind, empty
and renamed, as the parent of the new one (table inheritance): its views read the new rows through
it. It goes with the first load after its last view was made anew, as dbt does in each build.
"""

from time import monotonic, sleep
from typing import Any

import psycopg
from psycopg import sql

from chm.contract import Contract
from chm.errors import ChmError
from chm.load.postgres_aside import aside

Connection = psycopg.Connection[Any]

# Readers that come while the switch waits for one that reads, wait too: not for longer than this.
_PATIENCE_SECONDS = 2
_PAUSE_SECONDS = 0.5
_EMPTY = "holds_no_rows"
STAND_IN_COMMENT = "chm load: empty; views that were made on an earlier table read through it"


def switch_tables(connection: Connection, contract: Contract, timeout: float) -> None:
    """Rename the new tables to what the old ones are called.

    Raises:
        ChmError: readers did not let go of the old tables for `timeout` seconds.
        psycopg.Error: the old tables are not this role's, or another table refers to them.
    """
    old = [name for name in contract.tables if _exists(connection, contract, name)]
    if old:
        _lock(connection, [f"{contract.schema}.{name}" for name in old], timeout)
    for name in old:
        _drop_constraints(connection, f"{contract.schema}.{name}")
    stand_ins = {name: _retire(connection, contract, name) for name in old}
    for name in contract.tables:
        former = stand_ins[name][-1] if name in old else None
        _take_name(connection, contract, name, former)
    # Children before parents: a table that another one refers to can't be dropped.
    for name in reversed(old):
        for stand_in in stand_ins[name]:
            _drop_or_inherit(connection, f"{contract.schema}.{name}", stand_in)


def _exists(connection: Connection, contract: Contract, name: str) -> bool:
    return bool(_values(connection, "select to_regclass(%s)", f"{contract.schema}.{name}")[0])


def _values(connection: Connection, query: str, *arguments: str) -> list[Any]:
    """The first column of a query's rows."""
    return [row[0] for row in connection.execute(query, arguments).fetchall()]


def _lock(connection: Connection, tables: list[str], timeout: float) -> None:
    deadline = monotonic() + timeout
    while True:
        try:
            with connection.transaction():
                connection.execute(f"set local lock_timeout = '{_PATIENCE_SECONDS}s'")
                connection.execute(f"lock table {', '.join(tables)} in access exclusive mode")
                return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if monotonic() > deadline:
                raise ChmError(
                    f"others go on reading {', '.join(tables)} (waited {timeout:.0f} s); "
                    "nothing was loaded"
                ) from None
        sleep(_PAUSE_SECONDS)


def _drop_constraints(connection: Connection, table: str) -> None:
    """Leave an old table only what a view may stand on: its columns and its primary key."""
    for constraint in _values(
        connection,
        "select conname from pg_constraint "
        "where conrelid = %s::regclass and contype in ('c', 'f') order by contype desc",
        table,
    ):
        _run(connection, f"alter table {table} drop constraint {{}}", constraint)


def _retire(connection: Connection, contract: Contract, name: str) -> list[str]:
    """Empty and rename an old table; return it and the stand-ins that it served, the eldest first.

    Its indexes are renamed too, for the new ones take their names.
    """
    table = f"{contract.schema}.{name}"
    # A truncate looks at all the tables that refer to this one, so the constraints went first.
    connection.execute(f"truncate {table}")
    oid = _values(connection, "select %s::regclass::oid", table)[0]
    parents = _values(
        connection,
        "select inhparent::regclass::text from pg_inherits where inhrelid = %s::regclass "
        "order by inhparent",
        table,
    )
    for parent in parents:
        connection.execute(f"alter table {table} no inherit {parent}")
    indexes = _values(
        connection,
        "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass",
        table,
    )
    for number, index in enumerate(indexes):
        connection.execute(f"alter index {index} rename to {name}_was_{oid}_{number}")
    connection.execute(f"alter table {table} rename to {name}_was_{oid}")
    return [*parents, f"{contract.schema}.{name}_was_{oid}"]


def _take_name(connection: Connection, contract: Contract, name: str, former: str | None) -> None:
    """Rename a new table with its constraints and indexes; its comment becomes the old table's."""
    new = aside(name)
    table = f"{contract.schema}.{name}"
    connection.execute(f"alter table {contract.schema}.{new} rename to {name}")
    comment = None
    if former:
        comment = _values(connection, "select obj_description(%s::regclass, 'pg_class')", former)[0]
    statement = sql.SQL("comment on table {} is {}").format(
        sql.Identifier(contract.schema, name), sql.Literal(comment)
    )
    connection.execute(statement)
    names = connection.execute(_MADE_NAMES, {"table": table, "new": new}).fetchall()
    for kind, made, noted in names:
        wanted = noted or name + made[len(new) :]
        if kind == "constraint":
            _run(connection, f"alter table {table} rename constraint {{}} to {{}}", made, wanted)
            target = f"constraint {{}} on {table}"
        else:
            _run(connection, f"alter index {contract.schema}.{{}} rename to {{}}", made, wanted)
            target = f"index {contract.schema}.{{}}"
        if noted:
            _run(connection, f"comment on {target} is null", wanted)


# The constraints, and the indexes of none, that are named after the table's name beside the old
# one; with the name that was noted for them, if any.
_MADE_NAMES = """
    select 'constraint', conname, obj_description(oid, 'pg_constraint')
    from pg_constraint
    where conrelid = %(table)s::regclass and starts_with(conname, %(new)s)
    union all
    select 'index', relname, obj_description(indexrelid, 'pg_class')
    from pg_index inner join pg_class on pg_class.oid = indexrelid
    where indrelid = %(table)s::regclass and starts_with(relname, %(new)s)
        and not exists (select from pg_constraint where conindid = indexrelid and contype <> 'f')
"""


def _drop_or_inherit(connection: Connection, table: str, stand_in: str) -> None:
    try:
        with connection.transaction():
            connection.execute(f"drop table {stand_in}")
    except psycopg.errors.DependentObjectsStillExist:
        connection.execute(f"alter table {table} inherit {stand_in}")
        # A row written through a view would land in the stand-in, which has no keys.
        connection.execute(
            f"alter table {stand_in} drop constraint if exists {_EMPTY}, "
            f"add constraint {_EMPTY} check (false) no inherit"
        )
        connection.execute(f"comment on table {stand_in} is '{STAND_IN_COMMENT}'")


def _run(connection: Connection, text: str, *names: str) -> None:
    statement = sql.SQL(text).format(*(sql.Identifier(name) for name in names))
    connection.execute(statement)
