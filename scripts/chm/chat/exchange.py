"""A folder beside a data set, in which what is imported is staged."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chm.errors import ChmError


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
