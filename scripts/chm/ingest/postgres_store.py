"""Ingestion into PostgreSQL, beside other ingestions and loads."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
from pyarrow import csv as pa_csv

from chm.errors import ChmError
from chm.ingest.merge import MergeCounts, merge_postgres
from chm.ingest.sieve import ROW
from chm.ingest.store import STAGED, Row, Store
from chm.postgres import connect
from chm.targets import PostgresTarget

LOCK_TIMEOUT_SECONDS = 600

# Rows that are text in memory at once.
_COPIED_ROWS = 10_000
# Of the server's memory; for this session only.
_SETTINGS = {"work_mem": "256MB", "temp_buffers": "256MB", "jit": "off"}


class PostgresStore(Store):
    """An open connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, *, registers: bool) -> Iterator[None]:
        """See Store; transactions take turns, so that each sees what the others stored."""
        with self._connection.transaction():
            # Parents first, as every writer of several of the tables does: no deadlock.
            if registers:
                self.execute("lock table raw.clients, raw.pipelines in share row exclusive mode")
            else:
                self.execute("lock table raw.pipelines in row share mode")
            self.execute("lock table raw.runs in share row exclusive mode")
            yield

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """See Store."""
        cursor = self._connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def stage(self, rows: pa.Table) -> None:
        """See Store."""
        self.execute(f"create temporary table {STAGED} (like raw.runs, {ROW} integer)")
        # What is not quoted is null.
        options = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
        columns = ", ".join(rows.column_names)
        copied = f"copy {STAGED} ({columns}) from stdin (format csv)"
        with self._connection.cursor() as cursor, cursor.copy(copied) as copy:
            for part in rows.to_batches(max_chunksize=_COPIED_ROWS):
                text = io.BytesIO()
                pa_csv.write_csv(part, text, options)
                copy.write(text.getvalue())
        self.execute(f"analyze {STAGED}")

    def merge(self) -> MergeCounts:
        """See Store."""
        counts = merge_postgres(self._connection, STAGED)
        self.execute(f"drop table {STAGED}")
        return counts


@contextmanager
def open_postgres(target: PostgresTarget) -> Iterator[PostgresStore]:
    """Connect to the database of `target`.

    Raises:
        ChmError: it can't be reached, has no raw tables, or refuses what the block does.
    """
    try:
        with connect(target, autocommit=True, application_name="chm ingest") as connection:
            connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            connection.execute("set timezone = 'UTC'")
            for name, value in _SETTINGS.items():
                connection.execute(f"set {name} = '{value}'")
            yield PostgresStore(connection)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise ChmError(f"{target.place}: {_reason(error)}: run chm load first") from None
    except psycopg.Error as error:
        raise ChmError(f"{target.place}: {_reason(error)}") from None


def _reason(error: psycopg.Error) -> str:
    # The row that it may quote is left out: it is not for messages.
    return " ".join((error.diag.message_primary or str(error)).split())
