"""Write the runs into files, or as one stream; go on where an earlier call was interrupted."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chm.generate.blocks import Block
from chm.generate.csv_files import CsvFiles, Shard
from chm.generate.journal import Journal, WrittenFile
from chm.generate.run_formats import CsvFormat, Lines, ParquetFormat
from chm.generate.runs import Runs
from chm.generate.workers import work_in_order

OnRows = Callable[[int], None]
# Each row group repeats the texts that its columns share.
_ROW_GROUP_ROWS = 1 << 17
_HASH_BYTES = 1 << 22


@dataclass
class _Tool:
    """What a worker makes the lines of a block with."""

    room: Runs
    buffer: NDArray[np.uint8]


def _write_all(out: BinaryIO, content: memoryview) -> None:
    while content:
        content = content[os.write(out.fileno(), content) :]


def write_csv(
    lines: CsvFormat,
    blocks: Sequence[Block],
    shards: Sequence[Shard],
    workers: int,
    journal: Journal,
    on_rows: OnRows,
) -> None:
    """Write the shards as CSV files, from where the journal says that an earlier call was.

    Args:
        lines: The format.
        blocks: The runs.
        shards: The files, in order; together they hold all rows.
        workers: The number of threads; it does not change the bytes.
        journal: Knows the finished files; at the end all of them.
        on_rows: Told of rows that have been written.
    """
    files = CsvFiles(shards, lines.header, workers, journal, on_rows)
    try:
        files.place_empty()
        if files.first_row is not None:
            ends = list(accumulate(block.rows for block in blocks))
            first = next((i for i, end in enumerate(ends) if end > files.first_row), len(blocks))
            skipped = (
                files.first_row - (ends[first] - blocks[first].rows) if first < len(blocks) else 0
            )
            _each_block(
                lines,
                blocks,
                first,
                workers,
                lambda index, made: files.place(made, skipped if index == first else 0),
            )
    finally:
        files.close()


def stream_csv(
    lines: CsvFormat, blocks: Sequence[Block], workers: int, out: BinaryIO, on_rows: OnRows
) -> None:
    """Write all runs as one CSV to an open stream; `on_rows` is told of written rows."""

    def take(_: int, made: Lines) -> None:
        _write_all(out, made.content.data)
        on_rows(made.ends.size)

    _write_all(out, memoryview(lines.header))
    _each_block(lines, blocks, 0, workers, take)
    out.flush()


def _each_block(
    lines: CsvFormat,
    blocks: Sequence[Block],
    first: int,
    workers: int,
    take: Callable[[int, Lines], Callable[[], None] | None],
) -> None:
    work_in_order(
        first,
        len(blocks),
        workers,
        lambda: _Tool(lines.room(), np.empty(lines.buffer_bytes, np.uint8)),
        lambda index, tool: lines.lines(blocks[index], tool.room, tool.buffer),
        take,
    )


def write_parquet(
    tables: ParquetFormat,
    blocks: Sequence[Block],
    shards: Sequence[Shard],
    workers: int,
    journal: Journal,
    on_rows: OnRows,
) -> None:
    """Write the shards as Parquet files, one a worker at a time; see `write_csv`."""
    done = {file.path for file in journal.progress.files}
    left = [shard for shard in shards if shard.path not in done]
    ends = list(accumulate(block.rows for block in blocks))

    def make(index: int, _: None) -> None:
        journal.finish(_write_shard(tables, blocks, ends, left[index], journal.folder, on_rows))

    try:
        work_in_order(0, len(left), workers, lambda: None, make, lambda *_: None)
    finally:
        journal.flush()


def _parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How columns are stored: a dictionary where texts repeat, differences of numbers.

    A dictionary of values that do not repeat is made in vain: it nearly doubles the time.
    """
    repeating = [
        column.name
        for column in schema
        if pa.types.is_dictionary(column.type) or column.name == "pipeline_id"
    ]
    numbers = [
        column.name
        for column in schema
        if pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)
    ]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": repeating,
        "column_encoding": dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
    }


def _write_shard(
    tables: ParquetFormat,
    blocks: Sequence[Block],
    ends: Sequence[int],
    shard: Shard,
    folder: Path,
    on_rows: OnRows,
) -> WrittenFile:
    aside = folder / f"{shard.path}.part"
    last_row = shard.first_row + shard.rows
    group: list[pa.Table] = []
    grouped = 0
    with pq.ParquetWriter(aside, tables.schema, **_parquet_options(tables.schema)) as writer:
        for block, end in zip(blocks, ends, strict=True):
            begin = end - block.rows
            first, last = max(begin, shard.first_row), min(end, last_row)
            if first < last:
                group.append(tables.table(block).slice(first - begin, last - first))
                grouped += last - first
                on_rows(last - first)
            if group and (grouped >= _ROW_GROUP_ROWS or last == last_row):
                writer.write_table(pa.concat_tables(group), row_group_size=grouped)
                group, grouped = [], 0
    digest = hashlib.sha256()
    with aside.open("rb") as content:
        while chunk := content.read(_HASH_BYTES):
            digest.update(chunk)
    size = aside.stat().st_size
    aside.replace(folder / shard.path)
    return WrittenFile(shard.path, shard.rows, size, digest.hexdigest())
