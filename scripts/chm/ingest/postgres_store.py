"""Ingestion into PostgreSQL, beside other ingestions and loads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from chm.contract import load_contract
from chm.errors import ChmError
from chm.ingest.merge import MergeCounts, merge_postgres
from chm.ingest.store import Row, Store
from chm.postgres import connect
from chm.targets import PostgresTarget

LOCK_TIMEOUT_SECONDS = 600

_EVENTS = "chm_events"


class PostgresStore(Store):
    """An open connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._columns = load_contract().tables["runs"].column_names

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

    def merge(self, rows: Sequence[Row]) -> MergeCounts:
        """See Store."""
        self.execute(f"create temporary table {_EVENTS} (like raw.runs) on commit drop")
        columns = ", ".join(self._columns)
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"copy {_EVENTS} ({columns}) from stdin") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        counts = merge_postgres(self._connection, _EVENTS)
        self.execute(f"drop table {_EVENTS}")
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
            yield PostgresStore(connection)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise ChmError(f"{target.place}: {_reason(error)}: run chm load first") from None
    except psycopg.Error as error:
        raise ChmError(f"{target.place}: {_reason(error)}") from None


def _reason(error: psycopg.Error) -> str:
    # The row that it may quote is left out: it is not for messages.
    return " ".join((error.diag.message_primary or str(error)).split())
