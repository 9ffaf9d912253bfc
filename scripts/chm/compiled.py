"""Functions compiled to machine code, for the loops over every run."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_PACKAGE = Path(__file__).parent
# Without reference counts; an option that numba has not put into its types.
_UNCOUNTED: dict[str, Any] = {"_nrt": False}
# Machine code of former sources is kept for a week.
_KEPT_SECONDS = 7 * 86400


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function when it is first called with a set of argument types.

    It runs without the interpreter's lock, so threads run it side by side; the machine code
    is kept for the next process. Integers are the processor's: 64 bits that wrap.
    """
    return cast("Callable[Parameters, Result]", numba.njit(nogil=True, cache=True)(function))


def lean(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function that makes no arrays, only reads and fills those it is given.

    numba then counts no references to them, which takes many times as long as the steps of
    a loop that hands its arrays on (measured: 1,300 ns a run instead of 60).
    """
    compiler = numba.njit(nogil=True, cache=True, **_UNCOUNTED)
    return cast("Callable[Parameters, Result]", compiler(function))


def inlined(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a small step that makes no arrays into each compiled function that calls it."""
    compiler = numba.njit(nogil=True, cache=True, forceinline=True, **_UNCOUNTED)
    return cast("Callable[Parameters, Result]", compiler(function))


def _cache_folder() -> Path:
    """The folder for machine code, of this very state of the sources.

    numba itself looks only at the module of the function that is called: after a change in
    one that is called from there it would go on with the old code.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"chm.compiled" in source:
            digest.update(source)
    home = _PACKAGE / "__pycache__"
    with suppress(OSError):
        home.mkdir(exist_ok=True)
    if not os.access(home, os.W_OK):
        home = Path(tempfile.gettempdir()) / f"chm-{os.getuid()}"
    for former in home.glob("machine-code-*"):
        if former.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(former, ignore_errors=True)
    return home / f"machine-code-{digest.hexdigest()[:16]}"


numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
