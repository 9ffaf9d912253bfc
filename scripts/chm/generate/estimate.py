"""What a data set will be: rows by table, and about how many bytes, before it is written."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chm.generate.dataset import DataSet
from chm.generate.files import base_tables
from chm.generate.run_formats import CsvFormat

# So many blocks, evenly spread, tell how long a row is.
_SAMPLES = 8
# Measured: bytes of a row in Parquet for one of CSV, and of a row of the other tables.
_PARQUET_SHARE = 0.125
_OTHER_ROW_BYTES = 260


@dataclass(frozen=True)
class Estimate:
    """A table's exact number of rows and its size in bytes, about."""

    table: str
    rows: int
    bytes: int


def estimates(data: DataSet, file_format: str) -> Sequence[Estimate]:
    """Return the estimate of each table that the data set adds to."""
    found = [
        Estimate(table, len(rows), len(rows) * _OTHER_ROW_BYTES)
        for table, rows in base_tables(data).items()
    ]
    total = data.config.runs.total
    share = _PARQUET_SHARE if file_format == "parquet" else 1.0
    return [*found, Estimate("runs", total, int(total * _row_bytes(data) * share))]


def _row_bytes(data: DataSet) -> float:
    lines = CsvFormat(data.config, data.history)
    blocks = [block for block in data.history.blocks if block.rows]
    step = max(1, len(blocks) // _SAMPLES)
    room, buffer = lines.room(), np.empty(lines.buffer_bytes, np.uint8)
    rows = size = 0
    for block in blocks[::step]:
        made = lines.lines(block, room, buffer)
        rows += made.ends.size
        size += made.content.size
    return size / max(rows, 1)
