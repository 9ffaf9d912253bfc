"""Read a stream of lines by large blocks, that end early where the stream is slow."""

import io
import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 28
# What was read is not kept back for longer.
BLOCK_SECONDS = 1.5

_CHUNK_BYTES = 1 << 20
# The first block has so small a part of the bytes of others.
_FIRST_PART = 4
_NEWLINE = 0x0A


@dataclass(frozen=True)
class Block:
    """Whole lines of a stream, the last of which may lack its newline.

    `starts` holds where each line begins, and the end; `first_line` is the number of the first
    line in its stream, from 1.
    """

    data: memoryview
    starts: NDArray[np.int64]
    first_line: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def line(self, row: int) -> bytes:
        """Return a line, with what ends it."""
        return bytes(self.data[self.starts[row] : self.starts[row + 1]])


def read_blocks(
    stream: BinaryIO,
    most_lines: int,
    most_bytes: int = BLOCK_BYTES,
    seconds: float = BLOCK_SECONDS,
) -> Iterator[Block]:
    """Yield the lines of a stream: blocks of so many lines or bytes, or what `seconds` bring.

    The first is smaller: until then whoever takes them has nothing to do. A line that is
    longer than a block is read to its end.
    """
    read = _reader(stream)
    first_line, begun = 1, b""
    at_end = False
    bytes_wanted = most_bytes // _FIRST_PART
    while not at_end:
        chunks, lines, size = [begun], begun.count(b"\n"), len(begun)
        deadline = None
        while not (lines and (lines >= most_lines or size >= bytes_wanted)):
            chunk = read(None if not lines or deadline is None else deadline - time.monotonic())
            if chunk is None:
                break
            if not chunk:
                at_end = True
                break
            deadline = deadline or time.monotonic() + seconds
            chunks.append(chunk)
            lines += chunk.count(b"\n")
            size += len(chunk)
            if lines and time.monotonic() > deadline:
                break
        data = b"".join(chunks)
        del chunks
        end = len(data) if at_end else data.rfind(b"\n") + 1
        begun = data[end:]
        if end:
            for block in _cut(memoryview(data)[:end], first_line, most_lines):
                first_line += len(block)
                yield block
        bytes_wanted = most_bytes


def _reader(stream: BinaryIO):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """A function that reads some bytes: b"" at the end, None if none come within a time."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return lambda _timeout: stream.read(_CHUNK_BYTES)

    def read(timeout: float | None) -> bytes | None:
        # Past the stream's own buffer, which would wait for more than there is.
        if timeout is not None and not select.select([descriptor], [], [], max(timeout, 0))[0]:
            return None
        return os.read(descriptor, _CHUNK_BYTES)

    return read


def _cut(data: memoryview, first_line: int, most_lines: int) -> Iterator[Block]:
    """Blocks of at most so many lines."""
    starts = _starts(data)
    for first in range(0, len(starts) - 1, most_lines):
        part = starts[first : first + most_lines + 1]
        yield Block(data[part[0] : part[-1]], part - part[0], first_line + first)


def _starts(data: memoryview) -> NDArray[np.int64]:
    """Where lines begin, and the end. By parts that fit a cache."""
    codes = np.frombuffer(data, np.uint8)
    starts = [np.zeros(1, np.int64)]
    for begin in range(0, len(data), _CHUNK_BYTES):
        part = codes[begin : begin + _CHUNK_BYTES]
        starts.append(np.flatnonzero(part == _NEWLINE) + (begin + 1))
    if codes[-1] != _NEWLINE:
        starts.append(np.array([len(data)]))
    return np.concatenate(starts)
