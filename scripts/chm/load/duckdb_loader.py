"""Load a data set into a DuckDB file, inside one transaction."""

import duckdb

from chm.contract import Contract, Table, load_contract
from chm.contract.ddl import table_statements
from chm.errors import ChmError
from chm.ingest.merge import merge_duckdb
from chm.load.append import MERGED, add_new_rows
from chm.load.duckdb_extras import take_extras
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
from chm.load.verify import check_counts, checked_spread, repeated_key_queries, spread_query
from chm.targets import DuckDBTarget
from chm.validate.sql import literal

# The table whose keys are checked by a query over all rows: DuckDB's indexes would take four
# times as long as the rows themselves, and have to fit in memory.
UNINDEXED = "runs"


def load_duckdb(
    source: Source, target: DuckDBTarget, mode: Mode, progress: Progress, clock: StepClock
) -> LoadResult:
    """Load a valid data set into the database file of `target`.

    Raises:
        ChmError: the file can't be opened or is in use, it refuses the data, or it holds data
            already and `mode` is first.
    """
    contract, connection = source.contract, source.connection
    try:
        connection.execute(f"attach {literal(str(target.path))} as warehouse")
        connection.execute("use warehouse")
    except duckdb.Error as error:
        raise ChmError(f"can't open the DuckDB file {target.path}: {_first_line(error)}") from None
    former = _counts(connection, contract)
    if mode == "first":
        refuse_existing(target.name, former)
    try:
        connection.begin()
        is_new = mode != "append" or not any(former.values())
        extras = take_extras(connection, contract) if is_new else []
        if is_new:
            _create_tables(connection, contract)
        load_table = _load_table if is_new else _append_table
        tables = tuple(
            load_table(source, table, progress, clock) for table in contract.tables.values()
        )
        for statement in extras:
            connection.execute(statement)
        expected = {
            table.table: table.rows + (0 if is_new else former[table.table]) for table in tables
        }
        progress("verifying", 0, 0)
        with clock.step("verify", expected[UNINDEXED]):
            spread = _verify(connection, contract, expected)
        source.check_unchanged()
        progress("committing", 0, 0)
        clock.commits = True
        with clock.step("commit", sum(source.rows.values())):
            connection.commit()
    # The caller closes the connection, which takes back what was not committed.
    except duckdb.Error as error:
        raise ChmError(
            f"{target.path} refuses the load: {_first_line(error)}; nothing was loaded"
        ) from None
    counts = _counts(connection, contract)
    return LoadResult(tables, former, counts, tuple(clock.steps), spread)


def held_in_duckdb(target: DuckDBTarget) -> dict[str, int]:
    """Return the rows of each table; none where there is no file.

    Raises:
        ChmError: the file can't be opened or is in use.
    """
    contract = load_contract()
    if not target.path.exists():
        return dict.fromkeys(contract.tables, 0)
    try:
        with duckdb.connect(str(target.path)) as connection:
            return _counts(connection, contract)
    except duckdb.Error as error:
        raise ChmError(f"can't open the DuckDB file {target.path}: {_first_line(error)}") from None


def _create_tables(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    # New tables instead of deleted rows: DuckDB's indexes refuse a key that was deleted in the
    # same transaction, and the tables of an older contract get its present constraints.
    connection.execute(f"create schema if not exists {contract.schema}")
    for name in reversed(contract.tables):
        connection.execute(f"drop table if exists {contract.schema}.{name}")
    for statement in table_statements(contract, "duckdb", without_keys=(UNINDEXED,)):
        connection.execute(statement)


def _load_table(source: Source, table: Table, progress: Progress, clock: StepClock) -> TableLoad:
    rows = source.rows[table.name]
    progress(f"loading {table.name}", 0, rows)
    columns = ", ".join(table.column_names)
    with clock.step(f"load {table.name}", rows):
        source.connection.execute(
            f"insert into {source.contract.schema}.{table.name} ({columns}) {source.select(table)}"
        )
    progress(f"loading {table.name}", rows, rows)
    return TableLoad(table.name, rows, clock.steps[-1].seconds)


def _append_table(source: Source, table: Table, progress: Progress, clock: StepClock) -> TableLoad:
    connection, rows = source.connection, source.rows[table.name]
    incoming = f"incoming_{table.name}"
    progress(f"loading {table.name}", 0, rows)
    with clock.step(f"append {table.name}", rows):
        connection.execute(f"create temp table {incoming} as {source.select(table)}")
        if table.name == MERGED:
            added = merge_duckdb(connection, incoming).inserted
        else:
            added = add_new_rows(connection.execute, source.contract, table, incoming)
    progress(f"loading {table.name}", rows, rows)
    return TableLoad(table.name, added, clock.steps[-1].seconds)


def _verify(
    connection: duckdb.DuckDBPyConnection, contract: Contract, expected: dict[str, int]
) -> RunsPerPipeline:
    """Check what no constraint of the tables does."""
    check_counts(expected, _counts(connection, contract))
    runs = contract.tables[UNINDEXED]
    for columns, query in repeated_key_queries(contract, runs).items():
        if connection.execute(query).fetchone():
            raise ChmError(f"{runs.name}: ({columns}) is not unique; nothing was loaded")
    pipelines = f"{contract.schema}.pipelines"
    row = connection.execute(spread_query(f"{contract.schema}.{runs.name}", pipelines)).fetchone()
    assert row is not None
    return checked_spread(row)


def _counts(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    found = connection.execute(
        "select table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name = ?",
        [contract.schema],
    ).fetchall()
    return {
        name: _count(connection, f"{contract.schema}.{name}") if (name,) in found else 0
        for name in contract.tables
    }


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    assert row is not None
    return int(row[0])


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
