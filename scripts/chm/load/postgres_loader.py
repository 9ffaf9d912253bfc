"""Load a data set into PostgreSQL: new tables beside the old ones, then one short switch."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from chm.contract import Contract, Table, load_contract
from chm.contract.ddl import enum_statements
from chm.errors import ChmError
from chm.ingest.merge import merge_postgres
from chm.load.append import MERGED, add_new_rows
from chm.load.postgres_aside import (
    SESSION_SETTINGS,
    add_keys,
    aside,
    create_tables,
    drop_tables,
)
from chm.load.postgres_copy import copy_table
from chm.load.postgres_extras import add_former_extras, refuse_what_stays
from chm.load.postgres_switch import switch_tables
from chm.load.result import (
    LoadResult,
    Mode,
    Progress,
    RunsPerPipeline,
    StepClock,
    TableLoad,
    refuse_existing,
)
from chm.load.source import Source
from chm.load.verify import check_counts, checked_spread, spread_query
from chm.postgres import connect
from chm.targets import PostgresTarget

LOCK_TIMEOUT_SECONDS = 60

Connection = psycopg.Connection[Any]


def load_postgres(
    source: Source, target: PostgresTarget, mode: Mode, progress: Progress, clock: StepClock
) -> LoadResult:
    """Load a valid data set into the database of `target`.

    One load at a time: a second one waits up to LOCK_TIMEOUT_SECONDS. Other writers wait, readers
    see the former rows until the switch.

    Raises:
        ChmError: the server can't be reached or refuses the data, another load goes on, or the
            tables hold data already and `mode` is first.
    """
    contract = source.contract
    with _refusals(target), _session(target) as main:
        _wait_for_turn(main)
        _create_schema(main, contract)
        try:
            with _told_of_a_lost_commit(target, clock), main.transaction():
                _lock_out_writers(main, contract)
                former = _counts(main, contract)
                if mode == "first":
                    refuse_existing(target.name, former)
                if mode == "append" and any(former.values()):
                    tables, spread = _append(main, source, target, progress, clock)
                else:
                    refuse_what_stays(main, contract)
                    tables, spread = _build(source, target, progress, clock)
                    source.check_unchanged()
                    progress("switching", 0, 0)
                    with clock.step("switch", 0):
                        switch_tables(main, contract, LOCK_TIMEOUT_SECONDS)
                clock.commits = True
        except BaseException:
            # Only now: the transaction that was taken back may have held the new tables. And by
            # this connection, which has the turn. What is left if it fails goes with the next load.
            with suppress(psycopg.Error, ChmError):
                drop_tables(main, contract)
            raise
        counts = _counts(main, contract)
        return LoadResult(tables, former, counts, tuple(clock.steps), spread)


def held_in_postgres(target: PostgresTarget) -> dict[str, int]:
    """Return the rows of each table; none where there is no table.

    Raises:
        ChmError: the server can't be reached or refuses to tell.
    """
    with _refusals(target), _session(target) as connection:
        return _counts(connection, load_contract())


@contextmanager
def _session(target: PostgresTarget) -> Iterator[Connection]:
    with connect(target, autocommit=True, application_name="chm load") as connection:
        connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        for name, value in SESSION_SETTINGS.items():
            connection.execute(f"set {name} = {value}")
        # New in PostgreSQL 17.
        connection.execute(
            "select set_config(name, '0', false) from pg_settings "
            "where name = 'transaction_timeout'"
        )
        yield connection


@contextmanager
def _refusals(target: PostgresTarget) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise ChmError(
            f"{target.place}: another load goes on (waited {LOCK_TIMEOUT_SECONDS} s); "
            "nothing was loaded"
        ) from None
    except psycopg.Error as error:
        raise ChmError(
            f"{target.place} refuses the load: {_reason(error)}; nothing was loaded"
        ) from None


@contextmanager
def _told_of_a_lost_commit(target: PostgresTarget, clock: StepClock) -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError:
        if not clock.commits:
            raise
        raise ChmError(
            f"{target.place}: the connection was lost at the commit; the tables hold either all "
            "of the former rows or all of the new ones: look before you load again"
        ) from None


def _reason(error: psycopg.Error) -> str:
    """What PostgreSQL says, with the row and the column where it says so."""
    parts = (error.diag.message_primary or str(error), error.diag.message_detail)
    context = (error.diag.context or "").splitlines()[:1]
    return "; ".join(part.strip().replace("\n", " ") for part in (*parts, *context) if part)


def _wait_for_turn(connection: Connection) -> None:
    # The tables may not exist yet, so the turn is a lock of its own, held until the connection
    # ends, also when the process is killed.
    connection.execute("select pg_advisory_lock(hashtextextended('chm load', 0))")


def _create_schema(connection: Connection, contract: Contract) -> None:
    # Asked first: "create schema if not exists" wants the right to create even if it exists.
    if not _value(connection, "select to_regnamespace(%s)", contract.schema):
        connection.execute(f"create schema {contract.schema}")
    for statement in enum_statements(contract):
        connection.execute(statement)


def _lock_out_writers(connection: Connection, contract: Contract) -> None:
    tables = _present(connection, contract)
    if tables:
        names = ", ".join(f"{contract.schema}.{name}" for name in tables)
        # Readers pass. A writer must not: one that held the lock of a foreign key on pipelines
        # while it waits for runs would stand in the way of the switch, and that in its way.
        connection.execute(f"lock table {names} in exclusive mode")


def _build(
    source: Source, target: PostgresTarget, progress: Progress, clock: StepClock
) -> tuple[tuple[TableLoad, ...], RunsPerPipeline]:
    """Make the new tables whole: rows, keys, statistics; then look at them."""
    contract = source.contract
    with _session(target) as connection:
        create_tables(connection, contract)
        loads = tuple(
            _copy(source, target, table, progress, clock) for table in contract.tables.values()
        )
        for table in contract.tables.values():
            progress(f"keys and indexes of {table.name}", 0, 0)
            with clock.step(f"keys of {table.name}", source.rows[table.name]):
                add_keys(connection, contract, table)
                add_former_extras(connection, contract, table.name)
        progress("analyzing", 0, 0)
        names = {name: f"{contract.schema}.{aside(name)}" for name in contract.tables}
        with clock.step("analyze", sum(source.rows.values())):
            connection.execute(f"analyze {', '.join(names.values())}")
        progress("verifying", 0, 0)
        with clock.step("verify", sum(source.rows.values())):
            found = {
                name: int(_value(connection, f"select count(*) from {relation}"))
                for name, relation in names.items()
            }
            check_counts(source.rows, found)
            row = connection.execute(spread_query(names["runs"], names["pipelines"])).fetchone()
            assert row is not None
            return loads, checked_spread(row)


def _append(
    main: Connection,
    source: Source,
    target: PostgresTarget,
    progress: Progress,
    clock: StepClock,
) -> tuple[tuple[TableLoad, ...], RunsPerPipeline]:
    """Copy the rows beside the tables, then add and merge them in the transaction of `main`."""
    contract = source.contract
    with _session(target) as connection:
        create_tables(connection, contract)
        for table in contract.tables.values():
            _copy(source, target, table, progress, clock)
            connection.execute(f"analyze {contract.schema}.{aside(table.name)}")
    source.check_unchanged()
    loads = []
    for table in contract.tables.values():
        incoming = f"{contract.schema}.{aside(table.name)}"
        progress(f"adding to {table.name}", 0, 0)
        with clock.step(f"append {table.name}", source.rows[table.name]):
            if table.name == MERGED:
                added = merge_postgres(main, incoming).inserted
            else:
                added = add_new_rows(main.execute, contract, table, incoming)
        loads.append(TableLoad(table.name, added, clock.steps[-1].seconds))
    drop_tables(main, contract)
    runs, pipelines = f"{contract.schema}.{MERGED}", f"{contract.schema}.pipelines"
    main.execute(f"analyze {runs}")
    row = main.execute(spread_query(runs, pipelines)).fetchone()
    assert row is not None
    return tuple(loads), checked_spread(row)


def _copy(
    source: Source, target: PostgresTarget, table: Table, progress: Progress, clock: StepClock
) -> TableLoad:
    rows = source.rows[table.name]
    with clock.step(f"copy {table.name}", rows):
        relation = f"{source.contract.schema}.{aside(table.name)}"
        copied = copy_table(lambda: _session(target), source, table, relation, progress)
    return TableLoad(table.name, copied, clock.steps[-1].seconds)


def _present(connection: Connection, contract: Contract) -> list[str]:
    return [
        name
        for name in contract.tables
        if _value(connection, "select to_regclass(%s)", f"{contract.schema}.{name}")
    ]


def _counts(connection: Connection, contract: Contract) -> dict[str, int]:
    present = _present(connection, contract)
    return {
        name: int(_value(connection, f"select count(*) from {contract.schema}.{name}"))
        if name in present
        else 0
        for name in contract.tables
    }


def _value(connection: Connection, query: str, *arguments: str) -> Any:  # noqa: ANN401
    row = connection.execute(query, arguments or None).fetchone()
    assert row is not None
    return row[0]
