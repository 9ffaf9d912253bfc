"""The columns of the marts that the scores stand on; the only SQL of the evaluation."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chm.query import read_queries
from chm.targets import Target

Row = TypeVar("Row")

# The same numbers in each query of one database.
_NUMBERED = """
    with numbered as (
        select *, row_number() over (order by pipeline_id) - 1 as number from marts.dim_pipelines
    )
"""
_SECONDS = "cast(extract(epoch from {}) as bigint)"


@dataclass(frozen=True)
class Pipeline:
    """A row of dim_pipelines."""

    pipeline_id: str
    client_id: str
    platform: str
    is_monitored: bool


@dataclass(frozen=True)
class FlakyRank:
    """A row of q09_flaky_pipeline_ranking."""

    pipeline_id: str
    flaky_rank: int
    stability_class: str
    failed_runs_30d: int
    failure_rate_30d: float


@dataclass(frozen=True)
class Freshness:
    """A row of q07_pipeline_freshness_watchlist."""

    pipeline_id: str
    freshness_state: str
    last_run_at: datetime | None
    last_success_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True)
class FailingSpell:
    """A row of incidents: failures of one pipeline without a success in between.

    `started_at` is when the first failed run started and `closed_at` when the success that
    ended it did, null while it is open; `in_triage` is whether triage_queue lists it.
    """

    pipeline_id: str
    started_at: datetime
    closed_at: datetime | None
    failed_runs: int
    in_triage: bool


@dataclass(frozen=True)
class Runs:
    """The decided runs of fct_runs by pipeline and start, as columns of equal length.

    `pipeline` counts the rows of dim_pipelines from 0; instants are seconds since 1970.
    """

    pipeline: NDArray[np.int64]
    started_at: NDArray[np.int64]
    event_at: NDArray[np.int64]
    is_failure: NDArray[np.bool_]

    def of(self, pipeline: int) -> slice:
        """Return where a pipeline's runs are."""
        first, end = np.searchsorted(self.pipeline, [pipeline, pipeline + 1])
        return slice(int(first), int(end))


@dataclass(frozen=True)
class Marts:
    """What the marts of a target say."""

    as_of: datetime
    pipelines: tuple[Pipeline, ...]
    runs: Runs
    flaky: tuple[FlakyRank, ...]
    freshness: tuple[Freshness, ...]
    spells: tuple[FailingSpell, ...]


def read_marts(target: Target) -> Marts:
    """Return what the marts of `target` say.

    Raises:
        ChmError: the target can't be reached, or a mart is not built.
    """
    found = read_queries(
        target,
        {
            "clock": "select as_of from marts.monitoring_clock",
            "pipelines": f"{_NUMBERED} select {_columns(Pipeline)} from numbered order by number",
            "runs": f"""
                {_NUMBERED}
                select
                    numbered.number,
                    {_SECONDS.format("coalesce(runs.started_at, runs.event_at)")} as started_at,
                    {_SECONDS.format("runs.event_at")} as event_at,
                    runs.is_failure
                from marts.fct_runs as runs
                inner join numbered on runs.pipeline_id = numbered.pipeline_id
                where runs.is_decided and runs.is_visible
                order by numbered.number, started_at, event_at, runs.run_id
            """,
            "flaky": f"select {_columns(FlakyRank)} from marts.q09_flaky_pipeline_ranking",
            "freshness": f"""
                select {_columns(Freshness)} from marts.q07_pipeline_freshness_watchlist
            """,
            "spells": """
                select
                    incidents.pipeline_id,
                    coalesce(first_failed.started_at, incidents.opened_at),
                    incidents.closed_at,
                    incidents.failed_runs,
                    triage.incident_id is not null
                from marts.incidents as incidents
                inner join marts.fct_runs as first_failed
                    on incidents.first_failed_run_id = first_failed.run_id
                left join marts.triage_queue as triage
                    on incidents.incident_id = triage.incident_id
                order by incidents.incident_id
            """,
        },
    )
    return Marts(
        as_of=found["clock"][0][0],
        pipelines=_rows(Pipeline, found["pipelines"]),
        runs=_runs(found["runs"]),
        flaky=_rows(FlakyRank, found["flaky"]),
        freshness=_rows(Freshness, found["freshness"]),
        spells=_rows(FailingSpell, found["spells"]),
    )


def _columns(row: type[Any]) -> str:
    return ", ".join(field.name for field in fields(row))


def _rows(row: Callable[..., Row], found: list[tuple[Any, ...]]) -> tuple[Row, ...]:
    return tuple(row(*values) for values in found)


def _runs(rows: list[tuple[Any, ...]]) -> Runs:
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Runs(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(bool))
