"""Put a staged folder in the place of another in one step."""

import ctypes
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chm.errors import ChmError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def stage_beside(folder: Path) -> Iterator[Path]:
    """Give an empty folder on the file system of `folder`, and remove it at the end.

    Only one process at a time gets one for a folder that is there.

    Raises:
        ChmError: another process is at it, or the folder can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ChmError(f"{folder} is a file: give the folder of a data set")
    if Path.cwd().is_relative_to(folder):
        raise ChmError(f"{folder} holds the working directory: call chm from outside of it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            stage = Path(
                tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".import", dir=folder.parent)
            )
            try:
                # mkdtemp keeps others out; a data set has the rights of any new folder.
                stage.chmod(folder.stat().st_mode if folder.exists() else 0o777 & ~_umask())
                yield stage
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise ChmError(f"{folder} can't be written: {error.strerror or error}") from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    if not folder.exists():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChmError(f"{folder}: another import is at it, try again after it") from None
        yield
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def put_in_place(stage: Path, folder: Path) -> None:
    """Make the stage the content of `folder`; the former content, if any, becomes the stage.

    On Linux there is no moment without the one or the other.

    Raises:
        OSError: it can't be renamed.
    """
    if not folder.exists():
        stage.rename(folder)
    elif not _exchange(stage, folder):
        former = stage.with_suffix(".former")
        folder.rename(former)
        stage.rename(folder)
        former.rename(stage)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system can't."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
