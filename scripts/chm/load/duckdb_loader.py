"""Load a data set into a DuckDB file, inside one transaction."""

from time import perf_counter

import duckdb

from chm.contract import Contract, Table, load_contract
from chm.contract.ddl import table_statements
from chm.errors import ChmError
from chm.load.result import LoadResult, Progress, TableLoad, refuse_existing
from chm.targets import DuckDBTarget
from chm.validate.reader import source_table, typed_select
from chm.validate.sql import literal


def load_duckdb(
    source: duckdb.DuckDBPyConnection, target: DuckDBTarget, replace: bool, progress: Progress
) -> LoadResult:
    """Load the valid data set that `source` holds into the database file of `target`.

    Raises:
        ChmError: the file can't be opened or is in use, it refuses the data, or it holds data
            already and `replace` is false.
    """
    contract = load_contract()
    try:
        source.execute(f"attach {literal(str(target.path))} as warehouse")
        source.execute("use warehouse")
    except duckdb.Error as error:
        raise ChmError(f"can't open the DuckDB file {target.path}: {_first_line(error)}") from None
    former = _counts(source, contract)
    if not replace:
        refuse_existing(target.name, former)
    try:
        source.begin()
        _create_tables(source, contract)
        tables = tuple(
            _load_table(source, contract, table, progress) for table in contract.tables.values()
        )
        source.commit()
    # The caller closes the connection, which takes back what was not committed.
    except duckdb.Error as error:
        raise ChmError(
            f"{target.path} refuses the load: {_first_line(error)}; nothing was loaded"
        ) from None
    return LoadResult(tables, former, _counts(source, contract))


def _create_tables(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    # New tables instead of deleted rows: DuckDB's indexes refuse a key that was deleted in the
    # same transaction, and the tables of an older contract get its present constraints.
    connection.execute(f"create schema if not exists {contract.schema}")
    for name in reversed(contract.tables):
        connection.execute(f"drop table if exists {contract.schema}.{name}")
    for statement in table_statements(contract, "duckdb"):
        connection.execute(statement)


def _load_table(
    connection: duckdb.DuckDBPyConnection, contract: Contract, table: Table, progress: Progress
) -> TableLoad:
    started = perf_counter()
    rows = _count(connection, source_table(table))
    progress(f"loading {table.name}", 0, rows)
    columns = ", ".join(table.column_names)
    connection.execute(
        f"insert into {contract.schema}.{table.name} ({columns}) {typed_select(table)}"
    )
    progress(f"loading {table.name}", rows, rows)
    return TableLoad(table.name, rows, perf_counter() - started)


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
