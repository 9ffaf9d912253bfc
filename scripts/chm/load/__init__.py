"""Load a data set into the raw tables: validated first, then all four tables or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chm.errors import ChmError
from chm.load.duckdb_loader import held_in_duckdb, load_duckdb
from chm.load.postgres_loader import held_in_postgres, load_postgres
from chm.load.result import (
    LoadResult,
    Mode,
    Progress,
    RunsPerPipeline,
    StepClock,
    StepTime,
    TableLoad,
    no_progress,
    refuse_existing,
)
from chm.load.source import InvalidDataSetError, open_source
from chm.targets import DuckDBTarget, Target

__all__ = [
    "InvalidDataSetError",
    "LoadResult",
    "Progress",
    "RunsPerPipeline",
    "StepTime",
    "TableLoad",
    "held_rows",
    "load",
]


def held_rows(target: Target) -> dict[str, int]:
    """Return how many rows each raw table of a target holds, 0 where it is not there.

    Raises:
        ChmError: the target can't be reached, or is in use.
    """
    if isinstance(target, DuckDBTarget):
        return held_in_duckdb(target)
    return held_in_postgres(target)


def load(
    folder: Path,
    target: Target,
    *,
    replace: bool = False,
    append: bool = False,
    progress: Progress = no_progress,
) -> LoadResult:
    """Validate the data set in `folder`, then load its four tables into `target`.

    All or nothing: a load that fails or is killed leaves the former content and every
    constraint in place. With `replace` the data set takes the place of what is there, with `append`
    it is added to it. What is loaded is what was validated: a file that changes meanwhile stops
    the load.

    Raises:
        InvalidDataSetError: a rule of level E is broken.
        KeyboardInterrupt: Ctrl-C; says whether something may have been loaded.
        ChmError: the target can't be reached, is in use, refuses the data, or holds data
            already and neither `replace` nor `append` is true; or both are.
    """
    if replace and append:
        raise ChmError("--replace and --append exclude each other", exit_code=2)
    mode: Mode = "replace" if replace else "append" if append else "first"
    if mode == "first":
        refuse_existing(target.name, held_rows(target))
    clock = StepClock()
    with _told_of_an_interrupt(clock), open_source(folder, clock, progress) as source:
        if isinstance(target, DuckDBTarget):
            return load_duckdb(source, target, mode, progress, clock)
        return load_postgres(source, target, mode, progress, clock)


@contextmanager
def _told_of_an_interrupt(clock: StepClock) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as error:
        # DuckDB makes a RuntimeError of Ctrl-C.
        if not any(isinstance(cause, KeyboardInterrupt) for cause in (error, error.__cause__)):
            raise
        outcome = "all of it may be in place already" if clock.commits else "nothing was loaded"
        raise KeyboardInterrupt(f"interrupted: {outcome}") from None
