"""Put validated rows of text into a PostgreSQL table: two streams of binary COPY."""

import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyarrow import csv

from chm.contract import Table
from chm.load.binary_writer import BinaryWriter, padded
from chm.load.postgres_streams import Connect, Connection, run_streams
from chm.load.result import Progress
from chm.load.source import Source
from chm.validate.fields import Bytes
from chm.validate.files import source_table

ROWS_PER_BATCH = 10_000


def copy_batches(
    connect: Connect, source: Source, table: Table, relation: str, progress: Progress
) -> int:
    """Copy the rows that the source's connection holds into `relation`; return their number.

    Raises:
        psycopg.Error: the server refuses a row, or is gone.
    """
    # As they are spelled in the files.
    query = f"select {', '.join(table.column_names)} from {source_table(table)}"
    batches = source.connection.execute(query).to_arrow_reader(ROWS_PER_BATCH)
    lock = threading.Lock()
    total, done = source.rows[table.name], 0

    def stream(connection: Connection, go_on: Callable[[], None]) -> int:
        nonlocal done
        rows = 0
        while True:
            with lock:
                batch = next(batches, None)
            if batch is None:
                return rows
            data = _records(batch)
            writer = BinaryWriter(connection, table, relation, len(data), lambda _: go_on())
            rows += writer.copy(data)
            with lock:
                done += batch.num_rows
                progress(f"loading {table.name}", done, total)

    return run_streams(connect, stream)


def _records(batch: pa.RecordBatch) -> Bytes:
    """The rows as padded CSV."""
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    text = sink.getvalue()
    data, records = padded(text.size)
    records[:] = np.frombuffer(text, np.uint8)
    return data
