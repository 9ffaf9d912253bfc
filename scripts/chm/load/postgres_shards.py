"""Put CSV files of runs into a PostgreSQL table: two streams of binary COPY, piece by piece.

The validator has found out where records begin, every 16 MB. So the streams share a single file as
well as they share many, and end together.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue

from chm.contract import Table
from chm.errors import ChmError
from chm.load.binary_writer import BinaryWriter, NoCsvError, padded
from chm.load.postgres_streams import Connect, Connection, run_streams
from chm.load.result import Progress
from chm.load.source import Source
from chm.validate.fields import Bytes
from chm.validate.records import MAX_RECORD_BYTES


@dataclass(frozen=True)
class _Piece:
    """Whole records of a file: its bytes from `start` to `end`."""

    path: Path
    start: int
    end: int


def copy_shards(
    connect: Connect, source: Source, table: Table, relation: str, progress: Progress
) -> int:
    """Copy the records of the source's shards into `relation`; return their number.

    Raises:
        ChmError: a file is not what was validated.
        psycopg.Error: the server refuses a row, or is gone.
    """
    # Before its records are looked for at the places where they were.
    source.check_unchanged()
    queue: SimpleQueue[_Piece] = SimpleQueue()
    for shard in source.shards:
        for start, end in pairwise((*shard.starts, source.size(shard.path))):
            queue.put(_Piece(shard.path, start, end))
    lock = threading.Lock()
    total_rows = source.rows[table.name]
    total_bytes = sum(source.size(shard.path) for shard in source.shards)
    read = 0

    def stream(connection: Connection, go_on: Callable[[], None]) -> int:
        def tell(count: int) -> None:
            nonlocal read
            go_on()
            with lock:
                read += count
                progress(f"loading {table.name}", total_rows * read // total_bytes, total_rows)

        rows = 0
        writer = BinaryWriter(connection, table, relation, MAX_RECORD_BYTES, tell)
        while True:
            try:
                piece = queue.get_nowait()
            except Empty:
                return rows
            try:
                rows += writer.copy(_read(piece))
            except NoCsvError:
                raise _changed(piece.path) from None

    return run_streams(connect, stream)


def _read(piece: _Piece) -> Bytes:
    """The bytes of a piece, padded."""
    data, records = padded(piece.end - piece.start)
    try:
        with piece.path.open("rb", buffering=0) as file:
            done = 0
            while done < len(records):
                count = os.preadv(file.fileno(), [records[done:].data], piece.start + done)
                if count == 0:
                    raise _changed(piece.path)
                done += count
    except OSError as error:
        raise ChmError(
            f"{piece.path} can't be read: {error.strerror}; nothing was loaded"
        ) from None
    return data


def _changed(path: Path) -> ChmError:
    return ChmError(f"{path} changed while it was loaded: nothing was loaded")
