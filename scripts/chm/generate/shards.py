"""Write the runs into files, or as one stream; go on where an earlier call was interrupted."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chm.generate.blocks import Block
from chm.generate.journal import Journal, Part, WrittenFile, resumed_hash
from chm.generate.run_formats import CsvFormat, Lines, ParquetFormat
from chm.generate.runs import Runs
from chm.generate.workers import work_in_order

OnRows = Callable[[int], None]
# Each row group repeats the texts that its columns share.
_ROW_GROUP_ROWS = 1 << 17
_HASH_BYTES = 1 << 22


@dataclass(frozen=True)
class Shard:
    """A file of runs: its path in the data set, and which rows of all runs it holds."""

    path: str
    first_row: int
    rows: int


@dataclass
class _Tool:
    """What a worker makes the lines of a block with."""

    room: Runs
    buffer: NDArray[np.uint8]


class _CsvFiles:
    """Takes the lines of blocks in order and cuts them into the shards' files."""

    def __init__(
        self, shards: Sequence[Shard], header: bytes, journal: Journal, on_rows: OnRows
    ) -> None:
        self._journal = journal
        self._header = header
        self._on_rows = on_rows
        self._hasher = ThreadPoolExecutor(1)
        done = {file.path for file in journal.progress.files}
        self._left = [shard for shard in shards if shard.path not in done]
        self._file: BinaryIO | None = None
        self._rows = self._bytes = 0
        self._digest = hashlib.sha256()
        part = journal.progress.part
        if part and self._left and self._left[0].path == part.path:
            digest = resumed_hash(self._aside(self._left[0]), part)
            if digest:
                self._rows, self._bytes, self._digest = part.rows, part.bytes, digest
                self._file = self._aside(self._left[0]).open("ab", buffering=0)
        self.first_row = self._left[0].first_row + self._rows if self._left else None

    def take(self, lines: Lines, skipped: int) -> None:
        """Write the lines after the `skipped` first ones."""
        at = skipped
        while at < lines.ends.size:
            self._open()
            taken = min(self._left[0].rows - self._rows, lines.ends.size - at)
            first = lines.ends[at - 1] if at else 0
            self._write(lines.content.data[first : lines.ends[at + taken - 1]])
            self._rows += taken
            at += taken
            self._on_rows(taken)
            if self._rows == self._left[0].rows:
                self._finish()
        if self._file:
            path = self._left[0].path
            digest = self._digest.copy().hexdigest()
            self._journal.reach(Part(path, self._rows, self._bytes, digest))

    def close(self) -> None:
        """Close what is open, finished or not."""
        self._hasher.shutdown()
        if self._file:
            self._file.close()
        self._journal.flush()

    def finish_empty(self) -> None:
        """Finish a shard without rows: a file with a header alone."""
        while self._left and self._left[0].rows == 0:
            self._open()
            self._finish()

    def _aside(self, shard: Shard) -> Path:
        return self._journal.folder / f"{shard.path}.part"

    def _open(self) -> None:
        if self._file is None:
            self._file = self._aside(self._left[0]).open("wb", buffering=0)
            self._rows = self._bytes = 0
            self._digest = hashlib.sha256()
            self._write(memoryview(self._header))

    def _write(self, content: memoryview) -> None:
        assert self._file is not None
        # Both leave the interpreter alone: they take as long as the slower of them.
        hashed = self._hasher.submit(self._digest.update, content)
        self._bytes += len(content)
        try:
            _write_all(self._file, content)
        finally:
            hashed.result()

    def _finish(self) -> None:
        assert self._file is not None
        shard = self._left.pop(0)
        self._file.close()
        self._file = None
        self._aside(shard).replace(self._journal.folder / shard.path)
        digest = self._digest.hexdigest()
        self._journal.finish(WrittenFile(shard.path, self._rows, self._bytes, digest))


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
    files = _CsvFiles(shards, lines.header, journal, on_rows)
    try:
        files.finish_empty()
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
                lambda index, made: files.take(made, skipped if index == first else 0),
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
    take: Callable[[int, Lines], None],
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
    with pq.ParquetWriter(aside, tables.schema, compression="zstd", compression_level=1) as writer:
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
