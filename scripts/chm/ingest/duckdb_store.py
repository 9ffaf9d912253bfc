"""Ingestion into a DuckDB file."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from chm.contract import load_contract
from chm.errors import ChmError
from chm.ingest.merge import MergeCounts, merge_duckdb
from chm.ingest.store import STAGED, Row, Store
from chm.targets import DuckDBTarget

# How long to wait for a file that someone else took in between.
LOCK_TIMEOUT_SECONDS = 60

_LOCK_PAUSE_SECONDS = 0.2
_SILENT_SECONDS = 2
# Each checkpoint writes most of the table anew: not after every batch.
_CHECKPOINT_THRESHOLD = "512MB"


class DuckDBStore(Store):
    """A DuckDB file, open from its first use until it is released."""

    def __init__(self, target: DuckDBTarget) -> None:
        self._target = target
        self._open: duckdb.DuckDBPyConnection | None = None

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._open is None:
            self._open = _connect(self._target)
        return self._open

    def release(self) -> None:
        """See Store; others can read the file until the next transaction."""
        if self._open is not None:
            self._open.close()
            self._open = None

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

    def stage(self, rows: pa.Table) -> None:
        """See Store."""
        types = {column.name: column.sql_type for column in load_contract().tables["runs"].columns}
        typed = {"uuid": "uuid", "jsonb": "json"}
        columns = [
            f"cast({name} as {typed[types[name]]}) as {name}" if types.get(name) in typed else name
            for name in rows.column_names
        ]
        self._connection.register("chm_arrow", rows)
        self._connection.execute(
            f"create or replace temp table {STAGED} as select {', '.join(columns)} from chm_arrow"
        )
        self._connection.unregister("chm_arrow")

    def merge(self) -> MergeCounts:
        """See Store."""
        counts = merge_duckdb(self._connection, STAGED)
        self._connection.execute(f"drop table {STAGED}")
        return counts


@contextmanager
def open_duckdb(target: DuckDBTarget) -> Iterator[DuckDBStore]:
    """Open the file of `target`, which must be there.

    Raises:
        ChmError: it is not there, in use, has no raw tables, or refuses what the block does.
    """
    if not target.path.exists():
        raise ChmError(f"target '{target.name}': {target.path} is not there: run chm load first")
    store = DuckDBStore(target)
    try:
        # Whether it can be had is known before any event is read.
        store.execute("select 1")
        yield store
    except duckdb.CatalogException as error:
        raise ChmError(f"{target.path} {_reason(error)}: run chm load first") from None
    except duckdb.Error as error:
        raise ChmError(f"{target.path}: {_reason(error)}") from None
    finally:
        store.release()


def _connect(target: DuckDBTarget) -> duckdb.DuckDBPyConnection:
    started = time.monotonic()
    is_told = False
    while True:
        try:
            connection = duckdb.connect(str(target.path))
        except duckdb.IOException as error:
            waited = time.monotonic() - started
            if "lock" not in str(error) or waited > LOCK_TIMEOUT_SECONDS:
                raise
            if waited > _SILENT_SECONDS and not is_told:
                sys.stderr.write(f"waiting for {target.path}, which another process has open\n")
                is_told = True
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"set checkpoint_threshold = '{_CHECKPOINT_THRESHOLD}'")
            return connection


def _reason(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
