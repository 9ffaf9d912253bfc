"""Load a data set into PostgreSQL by COPY, inside one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import duckdb
import psycopg
from psycopg.rows import scalar_row

from chm.contract import Column, Contract, Table, load_contract
from chm.contract.ddl import enum_statements, table_statements
from chm.errors import ChmError
from chm.load.result import LoadResult, Progress, TableLoad, refuse_existing
from chm.postgres import connect
from chm.targets import PostgresTarget
from chm.validate.reader import source_table, typed_select

LOCK_TIMEOUT_SECONDS = 60
ROWS_PER_WRITE = 10_000

Connection = psycopg.Connection[Any]


def load_postgres(
    source: duckdb.DuckDBPyConnection, target: PostgresTarget, replace: bool, progress: Progress
) -> LoadResult:
    """Load the valid data set that `source` holds into the database of `target`.

    One load at a time: a second one waits up to LOCK_TIMEOUT_SECONDS. Readers see the former
    rows until the commit.

    Raises:
        ChmError: the server can't be reached or refuses the data, another load goes on, or the
            tables hold data already and `replace` is false.
    """
    contract = load_contract()
    with _connection(target) as connection:
        _wait_for_turn(connection)
        _create_schema(connection, contract)
        with connection.transaction():
            _create_and_lock_tables(connection, contract)
            former = _counts(connection, contract)
            if not replace:
                refuse_existing(target.name, former)
            for name in reversed(contract.tables):
                connection.execute(f"delete from {contract.schema}.{name}")
            tables = tuple(
                _copy_table(connection, source, contract, table, progress)
                for table in contract.tables.values()
            )
        connection.execute(f"analyze {_table_list(contract)}")
        return LoadResult(tables, former, _counts(connection, contract))


@contextmanager
def _connection(target: PostgresTarget) -> Iterator[Connection]:
    try:
        with connect(
            target, autocommit=True, row_factory=scalar_row, application_name="chm load"
        ) as connection:
            yield connection
    except psycopg.errors.LockNotAvailable:
        raise ChmError(
            f"{target.place}: another load goes on (waited {LOCK_TIMEOUT_SECONDS} s); "
            "nothing was loaded"
        ) from None
    except psycopg.Error as error:
        raise ChmError(
            f"{target.place} refuses the load: {_reason(error)}; nothing was loaded"
        ) from None


def _reason(error: psycopg.Error) -> str:
    """What PostgreSQL says, with the row and the column where it says so."""
    parts = (error.diag.message_primary or str(error), error.diag.message_detail)
    context = (error.diag.context or "").splitlines()[:1]
    return "; ".join(part.strip().replace("\n", " ") for part in (*parts, *context) if part)


def _wait_for_turn(connection: Connection) -> None:
    connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    # The tables may not exist yet, so the turn is a lock of its own, held until the connection
    # ends, also when the process is killed.
    connection.execute("select pg_advisory_lock(hashtextextended('chm load', 0))")


def _create_schema(connection: Connection, contract: Contract) -> None:
    # Asked first: "create schema if not exists" wants the right to create even if it exists.
    if not connection.execute("select to_regnamespace(%s)", [contract.schema]).fetchone():
        connection.execute(f"create schema {contract.schema}")
    for statement in enum_statements(contract):
        connection.execute(statement)


def _create_and_lock_tables(connection: Connection, contract: Contract) -> None:
    for statement in table_statements(contract, "postgres"):
        connection.execute(statement)
    # Other writers wait; readers go on, as they could not beside a truncate.
    connection.execute(f"lock table {_table_list(contract)} in share row exclusive mode")


def _copy_table(
    connection: Connection,
    source: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    progress: Progress,
) -> TableLoad:
    started = perf_counter()
    step = f"loading {table.name}"
    row = source.execute(f"select count(*) from {source_table(table)}").fetchone()
    assert row is not None
    done, total = 0, int(row[0])
    progress(step, done, total)
    lines = source.execute(_copy_lines(table))
    columns = ", ".join(table.column_names)
    with connection.cursor().copy(
        f"copy {contract.schema}.{table.name} ({columns}) from stdin"
    ) as copy:
        while batch := lines.fetchmany(ROWS_PER_WRITE):
            copy.write("".join(line for (line,) in batch))
            done += len(batch)
            progress(step, done, total)
    return TableLoad(table.name, done, perf_counter() - started)


def _copy_lines(table: Table) -> str:
    """A query for the rows as lines of COPY's text format, made by DuckDB's vectors."""
    fields = ", ".join(_copy_field(column) for column in table.columns)
    return f"select concat_ws(chr(9), {fields}) || chr(10) from ({typed_select(table)})"


def _copy_field(column: Column) -> str:
    field = f"{column.name}::varchar"
    if column.is_text:
        # The backslash goes first: the others put in new ones.
        for character, escaped in (("'\\'", "\\\\"), ("chr(9)", "\\t"), ("chr(10)", "\\n")):
            field = f"replace({field}, {character}, '{escaped}')"
        field = f"replace({field}, chr(13), '\\r')"
    return f"coalesce({field}, '\\N')"


def _counts(connection: Connection, contract: Contract) -> dict[str, int]:
    return {
        name: connection.execute(f"select count(*) from {contract.schema}.{name}").fetchone() or 0
        for name in contract.tables
    }


def _table_list(contract: Contract) -> str:
    return ", ".join(f"{contract.schema}.{name}" for name in contract.tables)
