"""The scores as plain values.

A score that has nothing to divide by is None: recall where nothing was planted, precision where
nothing was flagged, and every score of a category that nothing was planted in.
"""

from dataclasses import dataclass
from datetime import datetime

from chm.generate.faults import Role


@dataclass(frozen=True)
class WindowScore:
    """Found windows against planted ones, matched one to one by overlap.

    `invisible` windows are planted but no run failed in them: no mart can show them, and
    they are not among the `planted`. In `detectable` ones enough failed for the rule that
    finds windows: three pipelines of a platform or client, two runs of a pipeline. Fewer
    look like a smaller outage, or like none. `mean_iou` is over the matched pairs.
    """

    scope: str
    planted: int
    invisible: int
    detectable: int
    found: int
    matched: int
    precision: float | None
    recall: float | None
    detectable_recall: float | None
    mean_iou: float | None


@dataclass(frozen=True)
class RankingScore:
    """A ranking of pipelines against the planted flaky ones."""

    ranking: str
    precision_at_k: float | None
    ndcg_at_k: float | None
    ndcg: float | None


@dataclass(frozen=True)
class FlakyScore:
    """The rankings on one set of pipelines; `k` is the number of planted flaky ones in it."""

    ranked: int
    k: int
    rankings: tuple[RankingScore, ...]


@dataclass(frozen=True)
class Delay:
    """Hours from the start of a fault to its sign, over those that were found."""

    mean: float
    median: float
    max: float


@dataclass(frozen=True)
class FaultScore:
    """The pipelines that a sign in the marts flags, against those with a fault planted."""

    role: Role
    sign: str
    planted: int
    flagged: int
    found: int
    precision: float | None
    recall: float | None
    delay_hours: Delay | None


@dataclass(frozen=True)
class NotCovered:
    """Something planted, or not told, that no score stands for, and why."""

    name: str
    planted: int | None
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """All scores of the marts of a target on one data set."""

    as_of: datetime
    windows: tuple[WindowScore, ...]
    flaky: FlakyScore
    faults: tuple[FaultScore, ...]
    not_covered: tuple[NotCovered, ...]
