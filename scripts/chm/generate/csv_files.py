"""The CSV files of the runs, written by several threads at once."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from chm.generate.journal import Journal, Part, WrittenFile, resumed_hash
from chm.generate.run_formats import Lines


@dataclass(frozen=True)
class Shard:
    """A file of runs: its path in the data set, and which rows of all runs it holds."""

    path: str
    first_row: int
    rows: int


@dataclass
class _OpenFile:
    """A shard being written: what has been given to it so far, written or not."""

    shard: Shard
    aside: Path
    rows: int = 0
    bytes: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


@dataclass(frozen=True)
class _Piece:
    """A stretch of a file, and how far the file is with it; `sha256` is of all up to its end."""

    file: _OpenFile
    content: memoryview
    offset: int
    rows: int
    sha256: Future[str]

    @property
    def end(self) -> Part:
        """How far the file is with this piece."""
        size = self.offset + len(self.content)
        return Part(self.file.shard.path, self.rows, size, self.sha256.result())


def _write_at(path: Path, content: memoryview, offset: int) -> None:
    # Opened for each piece: a block may be cut into more files than a process may have open.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        while content:
            written = os.pwrite(descriptor, content, offset)
            content, offset = content[written:], offset + written
    finally:
        os.close(descriptor)


class CsvFiles:
    """Cuts the lines of blocks, which come in order, into the shards' files.

    Where a block lies in the files is settled in order; the blocks are then written in any
    order, by any thread. The journal knows only of what is written without a gap.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        header: bytes,
        workers: int,
        journal: Journal,
        on_rows: Callable[[int], None],
    ) -> None:
        """Go on where the journal says that an earlier call was; see `chm.generate.shards`."""
        self._journal = journal
        self._header = memoryview(header)
        self._on_rows = on_rows
        # A worker alone does everything itself.
        self._hasher = ThreadPoolExecutor(1) if workers > 1 else None
        done = {file.path for file in journal.progress.files}
        self._left = [shard for shard in shards if shard.path not in done]
        self._file: _OpenFile | None = None
        self._lock = threading.Lock()
        self._numbered = self._noted = 0
        self._written: dict[int, list[_Piece]] = {}
        self.first_row = self._resume() if self._left else None

    def _resume(self) -> int:
        shard, part = self._left[0], self._journal.progress.part
        if part and part.path == shard.path:
            aside = self._journal.folder / f"{shard.path}.part"
            digest = resumed_hash(aside, part)
            if digest:
                self._file = _OpenFile(self._left.pop(0), aside, part.rows, part.bytes, digest)
                return shard.first_row + part.rows
        return shard.first_row

    def place(self, lines: Lines, skipped: int) -> Callable[[], None]:
        """Settle where the lines after the `skipped` first ones lie; return what writes them."""
        pieces: list[_Piece] = []
        at = skipped
        while at < lines.ends.size:
            file = self._open(pieces)
            taken = min(file.shard.rows - file.rows, lines.ends.size - at)
            first = lines.ends[at - 1] if at else 0
            file.rows += taken
            self._add(pieces, file, lines.content.data[first : lines.ends[at + taken - 1]])
            at += taken
            if file.rows == file.shard.rows:
                self._file = None
        number = self._numbered
        self._numbered += 1
        return lambda: self._write(number, pieces, lines.ends.size - skipped)

    def place_empty(self) -> None:
        """Write the shards without rows: files with a header alone."""
        while self._left and self._left[0].rows == 0:
            pieces: list[_Piece] = []
            self._open(pieces)
            self._file = None
            self._numbered += 1
            self._write(self._numbered - 1, pieces, 0)

    def close(self) -> None:
        """Write down how far the files are, finished or not."""
        if self._hasher:
            self._hasher.shutdown()
        self._journal.flush()

    def _open(self, pieces: list[_Piece]) -> _OpenFile:
        if self._file is None:
            shard = self._left.pop(0)
            aside = self._journal.folder / f"{shard.path}.part"
            aside.open("wb").close()
            self._file = _OpenFile(shard, aside)
            self._add(pieces, self._file, self._header)
        return self._file

    def _add(self, pieces: list[_Piece], file: _OpenFile, content: memoryview) -> None:
        def hashed() -> str:
            file.digest.update(content)
            return file.digest.hexdigest()

        sha256: Future[str]
        if self._hasher:
            # A hash takes as long as a write, and one of them has to come after the other.
            sha256 = self._hasher.submit(hashed)
        else:
            sha256 = Future()
            sha256.set_result(hashed())
        pieces.append(_Piece(file, content, file.bytes, file.rows, sha256))
        file.bytes += len(content)

    def _write(self, number: int, pieces: list[_Piece], rows: int) -> None:
        for piece in pieces:
            _write_at(piece.file.aside, piece.content, piece.offset)
        for piece in pieces:
            piece.sha256.result()
        with self._lock:
            self._written[number] = pieces
            while self._noted in self._written:
                self._note(self._written.pop(self._noted))
                self._noted += 1
        self._on_rows(rows)

    def _note(self, pieces: list[_Piece]) -> None:
        for piece in pieces:
            part, shard = piece.end, piece.file.shard
            if part.rows < shard.rows:
                self._journal.reach(part)
                continue
            piece.file.aside.replace(self._journal.folder / shard.path)
            self._journal.finish(WrittenFile(part.path, part.rows, part.bytes, part.sha256))
