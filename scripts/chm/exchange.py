"""Put a staged folder in the place of another in one step."""

import ctypes
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


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
        try:
            stage.rename(folder)
        except BaseException:
            former.rename(folder)
            raise
        former.rename(stage)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; False where the system can't."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
