"""What a load reports, and what the loaders of all engines share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from chm.errors import ChmError

Progress = Callable[[str, int, int], None]
"""Told what is being done, the rows done so far and the rows in all (0 if not known)."""

Mode = Literal["first", "replace", "append"]
"""Into empty tables, in the place of what is there, or beside it."""


@dataclass(frozen=True)
class TableLoad:
    """The rows written into one table and the seconds that took."""

    table: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class StepTime:
    """A step of the load, the rows that it went over and the seconds that it took."""

    step: str
    rows: int
    seconds: float


class StepClock:
    """Times the steps of one load, in `steps`; `commits` once it may have been committed."""

    def __init__(self) -> None:
        self.steps: list[StepTime] = []
        self.commits = False

    @contextmanager
    def step(self, name: str, rows: int) -> Iterator[None]:
        """Time the block as a step over so many rows."""
        started = perf_counter()
        yield
        self.add(name, rows, perf_counter() - started)

    def add(self, name: str, rows: int, seconds: float) -> None:
        """Note a step that was timed elsewhere."""
        self.steps.append(StepTime(name, rows, seconds))


@dataclass(frozen=True)
class RunsPerPipeline:
    """How the runs spread over the pipelines; `orphans` are runs without a pipeline."""

    orphans: int
    pipelines: int
    without_runs: int
    fewest: int
    most: int


@dataclass(frozen=True)
class LoadResult:
    """A load that was committed.

    `tables` tells what was written, in the order of writing; `former` how many rows each table
    held before, `counts` how many it holds now; `steps` where the time went.
    """

    tables: tuple[TableLoad, ...]
    former: dict[str, int]
    counts: dict[str, int]
    steps: tuple[StepTime, ...]
    spread: RunsPerPipeline


def no_progress(step: str, done: int, total: int) -> None:
    """Show nothing."""


def refuse_existing(target: str, counts: dict[str, int]) -> None:
    """Stop a load that would add to what is there.

    Raises:
        ChmError: a table is not empty; names the rows of each.
    """
    if any(counts.values()):
        found = ", ".join(f"{table} {rows:,}" for table, rows in counts.items())
        raise ChmError(
            f"target '{target}' already holds data ({found}): nothing was loaded; "
            "--replace puts the new data set in its place, --append adds to it"
        )
