"""Sift large batches of runs: leave out the rows that are proved clean.

What is left (rows that are not proved, and all rows of a key that seems to be there twice) is
what the exact path has to look at: it finds in them all it would find in the whole files.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from chm.errors import ChmError
from chm.runs_layout import RUNS_COLUMNS
from chm.validate.find_fields import LEAST_ROW_BYTES, SCANNED, WIDTH
from chm.validate.proofs import Proofs
from chm.validate.scan import scan_records

_BLOCK_BYTES = 1 << 24
# A record that begins in a block is read to its end.
_MARGIN_BYTES = 1 << 20
_GUESS_BYTES = 1 << 16
# More than the scan looks ahead or back at once.
_PADDING = 64
# With more doubtful rows than this share, sifting spares nothing.
_MOST_DOUBTFUL = 0.25


@dataclass(frozen=True)
class Sifted:
    """The rows of a file that are left, as a CSV file of their own.

    `lines` are their physical lines in the file that they come from, `proved` is the number
    of its other rows, `starts` are the bytes where its blocks begin, each with a record.
    """

    path: Path
    lines: Sequence[int]
    proved: int
    starts: tuple[int, ...]


@dataclass(frozen=True)
class _Source:
    path: Path
    file: BinaryIO
    size: int
    modified: int
    index: int
    first_record: int


@dataclass(frozen=True)
class _Block:
    """The records that begin in source[start:stop], and where the first one after it begins.

    Offsets of rows count from `start`, lines from the line that begins there.
    """

    start: int
    end: int
    outcome: int
    line_count: int
    hashes: NDArray[np.uint64]
    offsets: NDArray[np.uint32]
    lines: NDArray[np.uint32]
    doubts: NDArray[np.bool_]


class _Scanner:
    """Scans blocks, with the same buffers for all blocks of a thread."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs
        self._local = threading.local()

    def block(self, source: _Source, start: int, stop: int, *, is_guess: bool) -> _Block:
        """Scan the records from `start` to `stop`; a guessed start is the next line's."""
        if not hasattr(self._local, "data"):
            self._local.data = np.zeros(_BLOCK_BYTES + _MARGIN_BYTES + 3 * _PADDING, np.uint8)
            rows = _BLOCK_BYTES // LEAST_ROW_BYTES + 2
            self._local.rows = (
                np.empty((3, rows), np.uint64),
                np.empty(rows, np.uint32),
                np.empty(rows, np.uint32),
                np.empty(rows, np.bool_),
            )
            self._local.work = (
                np.empty((4, WIDTH), np.int64),
                np.empty(2, np.bool_),
            )
        data, rows = self._local.data, self._local.rows
        begin = start - is_guess
        length = min(source.size, stop + _MARGIN_BYTES) - begin
        _read(source, begin, data[_PADDING : _PADDING + length])
        end = _PADDING + length
        if begin + length == source.size and data[end - 1] != ord("\n"):
            data[end] = ord("\n")
            end += 1
        data[end : end + _PADDING] = 0
        first = _PADDING
        if is_guess:
            # Without a newline near, the start is a wrong guess.
            first += data[_PADDING : _PADDING + _GUESS_BYTES].tobytes().find(b"\n") + 1
        outcome, at, count, lines = scan_records(
            data,
            first,
            _PADDING + stop - begin,
            end,
            source.index,
            self._proofs.pipelines,
            self._proofs.status_words,
            self._proofs.status_duties,
            *rows,
            *self._local.work,
        )
        hashes, offsets, row_lines, doubts = rows
        return _Block(
            begin + first - _PADDING,
            begin + at - _PADDING,
            outcome,
            lines,
            hashes[:, :count].copy(),
            offsets[:count] - np.uint32(first),
            row_lines[:count].copy(),
            doubts[:count].copy(),
        )


def sift(
    paths: Sequence[Path],
    first_index: int,
    proofs: Proofs,
    folder: Path,
    on_step: Callable[[str], None],
) -> list[Sifted] | None:
    """Sift the batches, each into a file in `folder`.

    Args:
        paths: all batches of the data set.
        first_index: the index of the first of them among the files of the data set.
        proofs: what rows are compared with.
        folder: where to put the rows that are left.
        on_step: told how far it is.

    Returns:
        None if the files can't be sifted: one is spelled otherwise or broken, or too many
        rows are doubtful.

    Raises:
        ChmError: a file changes while it is read.
        OSError: a file can't be read.
    """
    header = ",".join(RUNS_COLUMNS).encode() + b"\n"
    with ExitStack() as stack:
        sources = []
        for index, path in enumerate(paths, start=first_index):
            file = stack.enter_context(path.open("rb", buffering=0))
            status = os.fstat(file.fileno())
            sources.append(
                _Source(path, file, status.st_size, status.st_mtime_ns, index, len(header))
            )
            if file.read(len(header)) != header:
                return None
        blocks = _scan_all(sources, _Scanner(proofs), on_step)
        if blocks is None:
            return None
        on_step("looking for repeated keys")
        _doubt_repeated_keys([block for found in blocks for block in found])
        rows = sum(len(block.doubts) for found in blocks for block in found)
        left = sum(int(block.doubts.sum()) for found in blocks for block in found)
        if left > rows * _MOST_DOUBTFUL:
            return None
        sifted = [
            _write_rest(source, found, header, folder / f"{source.index}.csv")
            for source, found in zip(sources, blocks, strict=True)
        ]
        for source in sources:
            _check_unchanged(source)
        return sifted


def _read(source: _Source, begin: int, into: NDArray[np.uint8]) -> None:
    done = 0
    while done < len(into):
        count = os.preadv(source.file.fileno(), [into[done:].data], begin + done)
        if count == 0:
            raise ChmError(f"{source.path} changed while it was read: validate it again")
        done += count


def _check_unchanged(source: _Source) -> None:
    status = os.fstat(source.file.fileno())
    if (status.st_size, status.st_mtime_ns) != (source.size, source.modified):
        raise ChmError(f"{source.path} changed while it was read: validate it again")


def _scan_all(
    sources: Sequence[_Source], scanner: _Scanner, on_step: Callable[[str], None]
) -> list[list[_Block]] | None:
    """Scan every file by blocks, side by side; None if a file is broken."""
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        try:
            scans = [
                [
                    (stop, pool.submit(scanner.block, source, start, stop, is_guess=is_guess))
                    for start, stop, is_guess in _blocks_of(source)
                ]
                for source in sources
            ]
            found = []
            for source, futures in zip(sources, scans, strict=True):
                blocks = _joined(source, futures, scanner, on_step)
                if blocks is None:
                    return None
                found.append(blocks)
            return found
        finally:
            pool.shutdown(cancel_futures=True)


def _blocks_of(source: _Source) -> Iterator[tuple[int, int, bool]]:
    for start in range(source.first_record, source.size, _BLOCK_BYTES):
        yield start, min(start + _BLOCK_BYTES, source.size), start > source.first_record


def _joined(
    source: _Source,
    futures: Sequence[tuple[int, Future[_Block]]],
    scanner: _Scanner,
    on_step: Callable[[str], None],
) -> list[_Block] | None:
    """Take the blocks whose guessed start is where the block before ended, scan others again."""
    blocks = []
    expected = source.first_record
    for stop, future in futures:
        block = future.result()
        if expected >= stop:
            continue
        if block.start != expected:
            block = scanner.block(source, expected, stop, is_guess=False)
        if block.outcome != SCANNED:
            return None
        blocks.append(block)
        expected = block.end
        on_step(f"reading {source.path.name}: {100 * stop // source.size} %")
    return blocks


def _doubt_repeated_keys(blocks: Sequence[_Block]) -> None:
    """Mark every row that shares a hash with another row: its key may not be unique."""
    if not blocks:
        return

    def repeated(kind: int) -> NDArray[np.uint64]:
        hashes: NDArray[np.uint64] = np.concatenate([block.hashes[kind] for block in blocks])
        hashes.sort()
        is_repeated: NDArray[np.bool_] = hashes[1:] == hashes[:-1]
        return hashes[1:][is_repeated]

    with ThreadPoolExecutor() as pool:
        for kind, found in enumerate(pool.map(repeated, range(3))):
            if len(found):
                for block in blocks:
                    # `found` is sorted; not np.isin, which would sort it for every block.
                    near = np.searchsorted(found[:-1], block.hashes[kind])
                    block.doubts[found[near] == block.hashes[kind]] = True


def _write_rest(source: _Source, blocks: Sequence[_Block], header: bytes, path: Path) -> Sifted:
    lines: list[int] = []
    line_of_block, rows = 2, 0
    with path.open("wb") as rest:
        rest.write(header)
        for block in blocks:
            doubtful = np.flatnonzero(block.doubts)
            if len(doubtful):
                text = np.empty(min(block.end, source.size) - block.start, np.uint8)
                _read(source, block.start, text)
                ends = np.append(block.offsets[1:], np.uint32(len(text)))
                for row in doubtful:
                    rest.write(text[block.offsets[row] : ends[row]].tobytes())
                    if text[ends[row] - 1] != ord("\n"):
                        rest.write(b"\n")
                lines += (block.lines[doubtful].astype(np.int64) + line_of_block).tolist()
            line_of_block += block.line_count
            rows += len(block.doubts)
    starts = tuple(block.start for block in blocks)
    return Sifted(path, lines, rows - len(lines), starts)
