"""Ingestion into a DuckDB file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from chm.contract import Table, load_contract
from chm.errors import ChmError
from chm.ingest.merge import MergeCounts, merge_duckdb
from chm.ingest.store import Row, Store
from chm.targets import DuckDBTarget

_EVENTS = "chm_events"
_ARROW_TYPES = {
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "timestamptz": pa.timestamp("us", "UTC"),
}


class DuckDBStore(Store):
    """An open DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._table = load_contract().tables["runs"]

    @contextmanager
    def transaction(self, *, registers: bool) -> Iterator[None]:  # noqa: ARG002
        """See Store; no other process can write the file."""
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """See Store."""
        return self._connection.execute(statement.replace("%s", "?"), list(values)).fetchall()

    def merge(self, rows: Sequence[Row]) -> MergeCounts:
        """See Store."""
        self._connection.register("chm_arrow", _arrow_table(self._table, rows))
        self._connection.execute(
            f"create or replace temp table {_EVENTS} as select {_typed(self._table)} from chm_arrow"
        )
        self._connection.unregister("chm_arrow")
        counts = merge_duckdb(self._connection, _EVENTS)
        self._connection.execute(f"drop table {_EVENTS}")
        return counts


@contextmanager
def open_duckdb(target: DuckDBTarget) -> Iterator[DuckDBStore]:
    """Open the file of `target`, which must be there.

    Raises:
        ChmError: it is not there, in use, has no raw tables, or refuses what the block does.
    """
    if not target.path.exists():
        raise ChmError(f"target '{target.name}': {target.path} is not there: run chm load first")
    try:
        with duckdb.connect(str(target.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield DuckDBStore(connection)
    except duckdb.CatalogException as error:
        raise ChmError(f"{target.path} {_reason(error)}: run chm load first") from None
    except duckdb.Error as error:
        raise ChmError(f"{target.path}: {_reason(error)}") from None


def _reason(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _arrow_table(table: Table, rows: Sequence[Row]) -> pa.Table:
    columns = zip(table.columns, zip(*rows, strict=True), strict=True)
    return pa.table(
        {
            column.name: pa.array(values, _ARROW_TYPES.get(column.sql_type, pa.string()))
            for column, values in columns
        }
    )


def _typed(table: Table) -> str:
    types = {"uuid": "uuid", "jsonb": "json"}
    return ", ".join(
        f"cast({column.name} as {types[column.sql_type]}) as {column.name}"
        if column.sql_type in types
        else column.name
        for column in table.columns
    )
