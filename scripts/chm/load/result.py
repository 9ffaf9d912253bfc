"""What a load reports, and what the loaders of all engines share."""

from collections.abc import Callable
from dataclasses import dataclass

from chm.errors import ChmError

Progress = Callable[[str, int, int], None]
"""Told what is being done, the rows done so far and the rows in all (0 if not known)."""


@dataclass(frozen=True)
class TableLoad:
    """The rows written into one table and the seconds that took."""

    table: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class LoadResult:
    """A load that was committed.

    `tables` tells what was written, in the order of writing; `former` how many rows each table
    held before, `counts` how many it holds now.
    """

    tables: tuple[TableLoad, ...]
    former: dict[str, int]
    counts: dict[str, int]


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
            "--replace puts the new data set in its place"
        )
