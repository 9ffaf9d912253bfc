"""The events that could not be taken: a file of JSON lines, for later."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from chm.errors import ChmError
from chm.ingest.events import SourceEvent
from chm.ingest.redact import redact_text
from chm.ingest.sources.jsonl import read_jsonl


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused event: why, from which source, where it stood, and what it said, redacted."""

    reason: str
    source: str
    position: str
    event: dict[str, Any]

    def line(self) -> str:
        """Return the letter as a line of the file."""
        letter = {
            "reason": redact_text(self.reason),
            "source": self.source,
            "position": self.position,
            "event": self.event,
        }
        return json.dumps(letter, ensure_ascii=False) + "\n"


def append_letters(path: Path, letters: Sequence[DeadLetter]) -> None:
    """Add letters to the file and see them on the disk; it is made if it is not there.

    Raises:
        ChmError: the file can't be written.
    """
    if not letters:
        return
    text = "".join(letter.line() for letter in letters)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, create=True) as file:
            file.seek(0, os.SEEK_END)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ChmError(f"can't write the dead letters {path}: {error.strerror}") from None


@contextmanager
def letters_to_retry(path: Path, left: Path) -> Iterator[Iterator[SourceEvent]]:
    """Yield the events of the file; at the end the letters in `left` take the file's place.

    Others who add to the file wait until then. A block that fails leaves the file as it was.

    Raises:
        ChmError: the file can't be read, or is not there.
    """
    try:
        with _locked(path, create=False) as file:
            left.write_text("")
            try:
                yield _events(file, path)
                left.replace(path)
            finally:
                left.unlink(missing_ok=True)
    except OSError as error:
        raise ChmError(f"can't retry {path}: {error.strerror}") from None


def _events(file: BinaryIO, path: Path) -> Iterator[SourceEvent]:
    for letter in read_jsonl(file, str(path)):
        event = letter.fields.get("event")
        reason, source, position = (
            letter.fields.get(name) for name in ("reason", "source", "position")
        )
        told = (reason, source, position)
        if letter.fault or not isinstance(event, dict) or not all(isinstance(x, str) for x in told):
            yield replace(letter, fault=letter.fault or "is no dead letter")
        else:
            # What could not be read is refused for the same reason again.
            fault = str(reason) if event.keys() == {"unread"} else None
            yield SourceEvent(event, str(position), fault, str(source))


@contextmanager
def _locked(path: Path, *, create: bool) -> Iterator[BinaryIO]:
    """Open the file with a lock that no other process holds, also if it was just replaced."""
    while True:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                is_current = os.path.samestat(path.stat(), os.fstat(file.fileno()))
            except FileNotFoundError:
                is_current = False
            if is_current:
                yield file
                return
