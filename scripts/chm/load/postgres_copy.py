"""Put the rows of a data set into PostgreSQL tables by COPY, two streams at a time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import duckdb
import psycopg

from chm.contract import Column, Table
from chm.errors import ChmError
from chm.load.result import Progress
from chm.load.source import Source
from chm.validate.files import DataFile

STREAMS = 2
ROWS_PER_WRITE = 10_000
_CHUNK_BYTES = 1 << 20

Connection = psycopg.Connection[Any]
Connect = Callable[[], AbstractContextManager[Connection]]


def copy_table(
    connect: Connect, source: Source, table: Table, relation: str, progress: Progress
) -> int:
    """Copy the rows of `table` into `relation`; return their number.

    CSV shards go to the server as they are, side by side; all else goes through DuckDB.

    Raises:
        psycopg.Error: the server refuses a row, or is gone.
    """
    shards = source.shards if source.reads_files(table) else ()
    step, total = f"loading {table.name}", source.rows[table.name]
    progress(step, 0, total)
    if shards and not any(_would_end_early(shard.path) for shard in shards):
        return _copy_shards(connect, shards, table, relation, step, progress)
    with connect() as connection:
        return _copy_lines(connection, source, table, relation, step, progress)


def _would_end_early(path: Path) -> bool:
    r"""Whether a line begins with \., which ends a COPY before PostgreSQL 18, even in quotes."""
    tail = b""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            text = tail + chunk
            if b"\n\\." in text:
                return True
            tail = text[-2:]
    return False


def _copy_shards(
    connect: Connect,
    shards: Sequence[DataFile],
    table: Table,
    relation: str,
    step: str,
    progress: Progress,
) -> int:
    queue: SimpleQueue[DataFile] = SimpleQueue()
    for shard in shards:
        queue.put(shard)
    size = sum(shard.path.stat().st_size for shard in shards)
    total = sum(shard.rows + shard.proved for shard in shards)
    lock, stop = threading.Lock(), threading.Event()
    read = 0

    def tell(count: int) -> None:
        nonlocal read
        if stop.is_set():
            raise ChmError("the load was stopped; nothing was loaded")
        with lock:
            read += count
            progress(step, total * read // size, total)

    def stream() -> int:
        rows = 0
        try:
            with connect() as connection:
                while True:
                    try:
                        shard = queue.get_nowait()
                    except Empty:
                        return rows
                    rows += _copy_file(connection, shard.path, table, relation, tell)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(STREAMS) as pool:
        futures = [pool.submit(stream) for _ in range(min(STREAMS, len(shards)))]
        try:
            found = _first_error(futures)
        except BaseException:
            # Ctrl-C, too: the streams end at their next write.
            stop.set()
            raise
    if found is not None:
        raise found
    return sum(future.result() for future in futures)


def _first_error(futures: Sequence[Future[int]]) -> BaseException | None:
    """Wait for the streams; of their errors the one that came of itself."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    return min(errors, key=lambda error: isinstance(error, ChmError), default=None)


def _copy_file(
    connection: Connection, path: Path, table: Table, relation: str, tell: Callable[[int], None]
) -> int:
    columns = ", ".join(table.column_names)
    with connection.cursor() as cursor:
        # An empty field is null even in quotes, as the validator reads it.
        with (
            path.open("rb", buffering=0) as file,
            cursor.copy(
                f"copy {relation} ({columns}) from stdin "
                f"(format csv, header true, force_null ({columns}))"
            ) as copy,
        ):
            while chunk := file.read(_CHUNK_BYTES):
                copy.write(chunk)
                tell(len(chunk))
        return cursor.rowcount


def _copy_lines(
    connection: Connection,
    source: Source,
    table: Table,
    relation: str,
    step: str,
    progress: Progress,
) -> int:
    done, total = 0, source.rows[table.name]
    lines: duckdb.DuckDBPyConnection = source.connection.execute(_lines(source, table))
    columns = ", ".join(table.column_names)
    with connection.cursor().copy(f"copy {relation} ({columns}) from stdin") as copy:
        while batch := lines.fetchmany(ROWS_PER_WRITE):
            copy.write("".join(line for (line,) in batch))
            done += len(batch)
            progress(step, done, total)
    return done


def _lines(source: Source, table: Table) -> str:
    """A query for the rows as lines of COPY's text format, made by DuckDB's vectors."""
    fields = ", ".join(_field(column) for column in table.columns)
    return f"select concat_ws(chr(9), {fields}) || chr(10) from ({source.select(table)})"


def _field(column: Column) -> str:
    field = f"{column.name}::varchar"
    if column.is_text:
        # The backslash goes first: the others put in new ones.
        for character, escaped in (("'\\'", "\\\\"), ("chr(9)", "\\t"), ("chr(10)", "\\n")):
            field = f"replace({field}, {character}, '{escaped}')"
        field = f"replace({field}, chr(13), '\\r')"
    return f"coalesce({field}, '\\N')"
