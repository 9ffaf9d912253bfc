"""A data set's profile as plain values."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class TableSize:
    """How much the files of a table hold; without a file all is 0."""

    table: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Orphans:
    """The rows of a table whose `column` names no row of the table `parent`."""

    table: str
    column: str
    parent: str
    rows: int


@dataclass(frozen=True)
class Runs:
    """A number of runs, of those that are decided, and of those that failed."""

    total: int = 0
    decided: int = 0
    failed: int = 0

    @property
    def failure_rate(self) -> float | None:
        """The failed runs' share of the decided ones, 0 to 1; None where none is decided."""
        return self.failed / self.decided if self.decided else None

    def __add__(self, other: "Runs") -> "Runs":
        return Runs(
            self.total + other.total, self.decided + other.decided, self.failed + other.failed
        )


@dataclass(frozen=True)
class Bucket:
    """The pipelines that have from `first` to `last` runs."""

    first: int
    last: int
    pipelines: int


@dataclass(frozen=True)
class ClientRuns:
    """A client's pipelines, and the runs of all of them."""

    id: str
    name: str
    pipelines: int
    runs: Runs


@dataclass(frozen=True)
class Profile:
    """What a person checks after a data set was made.

    `statuses` has the contract's statuses first, in its order, then others that were found.
    `platforms` are those of the pipelines; runs of no known pipeline count as UNKNOWN. `days`
    are the UTC days on which runs started, by platform; `undated_runs` have no start.
    """

    folder: Path
    tables: tuple[TableSize, ...]
    orphans: tuple[Orphans, ...]
    statuses: dict[str, int]
    runs_per_pipeline: tuple[Bucket, ...]
    platforms: dict[str, Runs]
    days: dict[date, dict[str, Runs]]
    undated_runs: int
    clients: tuple[ClientRuns, ...]

    @property
    def runs(self) -> int:
        """The number of runs."""
        return sum(self.statuses.values())


UNKNOWN = "unknown"
