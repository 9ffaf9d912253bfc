"""Events on the disk until a database has them: one file each."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class SpooledEvent:
    """An event, the target that it is for, and whether its pipeline may be made there."""

    target: str
    register: bool
    event: dict[str, Any]


def put_event(folder: Path, event: SpooledEvent) -> Path:
    """Store an event so that it survives a crash; return its file.

    Raises:
        OSError: it can't be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{time.time_ns():020d}-{uuid4().hex}.json"
    unfinished = path.with_suffix(".unfinished")
    text = json.dumps({"target": event.target, "register": event.register, "event": event.event})
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    _sync_folder(folder)
    return path


def spooled_files(folder: Path) -> list[Path]:
    """Return the files of the events, the oldest first."""
    return sorted(folder.glob("*.json"))


def read_event(path: Path) -> SpooledEvent | None:
    """Return the event of a file; None if it holds none.

    Raises:
        OSError: it can't be read.
    """
    try:
        found = json.loads(path.read_bytes())
        target, register, event = found["target"], found["register"], found["event"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(target, str) and isinstance(register, bool) and isinstance(event, dict):
        return SpooledEvent(target, register, event)
    return None


@contextmanager
def locked_spool(folder: Path) -> Iterator[None]:
    """Wait until nobody else sends the events of this folder, and keep others from it."""
    with (folder / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
