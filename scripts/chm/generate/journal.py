"""What an unfinished data set already holds, so that the same command goes on from there."""

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from chm.errors import ChmError

_NAME = "journal.json"
# How much work an interruption may cost at most.
_SECONDS = 1.0
_READ_BYTES = 1 << 22


@dataclass(frozen=True)
class WrittenFile:
    """A file of a data set: its path inside it, rows (None if not a table), size and SHA-256."""

    path: str
    rows: int | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """The beginning of a file that was being written: rows, bytes, and their SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Progress:
    """The finished files, and the one begun."""

    files: tuple[WrittenFile, ...] = ()
    part: Part | None = None


@dataclass
class Journal:
    """Keeps the progress of one command in a folder; `fingerprint` tells the command."""

    folder: Path
    fingerprint: str
    progress: Progress = field(default_factory=Progress)
    _written: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def finish(self, file: WrittenFile) -> None:
        """Note a finished file; on disk it is noted once in a while."""
        with self._lock:
            self.progress = Progress((*self.progress.files, file))
            self._write_now_and_then()

    def reach(self, part: Part) -> None:
        """Note how far a file is; on disk it is noted once in a while."""
        with self._lock:
            self.progress = replace(self.progress, part=part)
            self._write_now_and_then()

    def flush(self) -> None:
        """Write down what is known."""
        with self._lock:
            self._write()

    def _write_now_and_then(self) -> None:
        if monotonic() - self._written > _SECONDS:
            self._write()

    def _write(self) -> None:
        content = {"fingerprint": self.fingerprint, "progress": asdict(self.progress)}
        aside = self.folder / f"{_NAME}.part"
        aside.write_text(json.dumps(content), "utf-8")
        aside.replace(self.folder / _NAME)
        self._written = monotonic()


def open_journal(folder: Path, fingerprint: str) -> Journal | None:
    """Return the journal in a folder if the same command wrote it and its files are there."""
    try:
        content: dict[str, Any] = json.loads((folder / _NAME).read_text("utf-8"))
        if content["fingerprint"] != fingerprint:
            return None
        files = tuple(WrittenFile(**file) for file in content["progress"]["files"])
        part = content["progress"]["part"]
        progress = Progress(files, Part(**part) if part else None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sizes = all((folder / file.path).is_file() for file in files) and all(
        (folder / file.path).stat().st_size == file.bytes for file in files
    )
    return Journal(folder, fingerprint, progress) if sizes else None


def remove_journal(folder: Path) -> None:
    """Remove the journal of a folder that is complete."""
    (folder / _NAME).unlink(missing_ok=True)


def resumed_hash(file: Path, part: Part) -> "hashlib._Hash | None":
    """Cut a file to the part that was noted; return its hash, None if the content differs."""
    digest = hashlib.sha256()
    try:
        # It is gone if the end came between the file's last row and the note of that.
        if not file.is_file() or file.stat().st_size < part.bytes:
            return None
        os.truncate(file, part.bytes)
        with file.open("rb") as content:
            while chunk := content.read(_READ_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise ChmError(f"{file} can't be read: {error.strerror}") from error
    return digest if digest.hexdigest() == part.sha256 else None
