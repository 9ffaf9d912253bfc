"""What every mart needs: visible runs, run order, tallies, ranks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from oracle.clock import Clock, Window
from oracle.inputs import Client, DataSet, Pipeline, Run, with_lower_case_ids
from oracle.stats import ratio, wilson

Row = dict[str, object]

PLATFORMS = ("airflow", "dbt", "cron", "vendor_api", "custom")
PLATFORM_GROUPS = ("vendor_api", "other_platforms")
ENVIRONMENTS = ("prod", "staging", "dev")
STATUSES = ("success", "failed", "canceled", "skipped", "running")

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def run_order(run: Run) -> tuple[bool, datetime, bool, datetime, str]:
    """Sort key from oldest to newest; a null instant is older than any."""
    return (
        run.started_at is not None,
        run.started_at or _BEFORE_ALL,
        run.finished_at is not None,
        run.finished_at or _BEFORE_ALL,
        run.id,
    )


def platform_group(platform: str) -> str:
    """Return the group Q4 splits by."""
    return "vendor_api" if platform == "vendor_api" else "other_platforms"


@dataclass(frozen=True)
class World:
    """A data set seen at one clock; every list of runs is oldest first in run order."""

    data: DataSet
    clock: Clock
    clients: dict[str, Client] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    visible_runs: list[Run] = field(default_factory=list)
    runs_by_pipeline: dict[str, list[Run]] = field(default_factory=dict)

    @staticmethod
    def at(data: DataSet, clock: Clock) -> "World":
        """Index the data set and hide what the clock does not see yet."""
        lowered = with_lower_case_ids(data)
        visible = sorted((r for r in lowered.runs if r.event_at <= clock.as_of), key=run_order)
        by_pipeline: dict[str, list[Run]] = {pipeline.id: [] for pipeline in lowered.pipelines}
        for run in visible:
            by_pipeline[run.pipeline_id].append(run)
        return World(
            data=lowered,
            clock=clock,
            clients={client.id: client for client in lowered.clients},
            pipelines={pipeline.id: pipeline for pipeline in lowered.pipelines},
            visible_runs=visible,
            runs_by_pipeline=by_pipeline,
        )

    def is_monitored(self, pipeline: Pipeline) -> bool:
        """Whether the pipeline and its client are active."""
        return pipeline.is_active and self.clients[pipeline.client_id].is_active

    def active_pipelines(self) -> list[Pipeline]:
        """Return the pipelines the standing lists show."""
        return [pipeline for pipeline in self.data.pipelines if self.is_monitored(pipeline)]

    def active_clients(self) -> list[Client]:
        """Return the clients the standing lists show."""
        return [client for client in self.data.clients if client.is_active]

    def runs_of_client(self, client_id: str) -> list[Run]:
        """Return the visible runs of all the client's pipelines, active or not."""
        return [r for r in self.visible_runs if self.client_of(r).id == client_id]

    def pipeline_of(self, run: Run) -> Pipeline:
        """Return the run's pipeline."""
        return self.pipelines[run.pipeline_id]

    def client_of(self, run: Run) -> Client:
        """Return the run's client."""
        return self.clients[self.pipeline_of(run).client_id]

    def client_name(self, pipeline: Pipeline) -> str:
        """Return the name of the pipeline's client."""
        return self.clients[pipeline.client_id].name


def within(runs: Iterable[Run], window: Window) -> list[Run]:
    """Keep the runs whose event_at lies in the window."""
    return [run for run in runs if window.holds(run.event_at)]


def decided(runs: Iterable[Run]) -> list[Run]:
    """Keep the decided runs, in the order given."""
    return [run for run in runs if run.is_decided]


def newest_event(runs: Iterable[Run]) -> datetime | None:
    """Return the greatest event_at."""
    return max((run.event_at for run in runs), default=None)


def last_success_at(runs: Iterable[Run]) -> datetime | None:
    """Return the event_at of the newest success, by event_at."""
    return newest_event(run for run in runs if run.is_success)


@dataclass(frozen=True)
class Tally:
    """Counts of a set of runs by status."""

    total: int
    by_status: dict[str, int]

    @staticmethod
    def of(runs: Sequence[Run]) -> "Tally":
        """Count the runs."""
        return Tally(
            total=len(runs),
            by_status={status: sum(run.status == status for run in runs) for status in STATUSES},
        )

    @property
    def success(self) -> int:
        """Return how many succeeded."""
        return self.by_status["success"]

    @property
    def failed(self) -> int:
        """Return how many failed."""
        return self.by_status["failed"]

    @property
    def decided(self) -> int:
        """Return how many are decided."""
        return self.success + self.failed

    @property
    def failure_rate(self) -> float | None:
        """Failed out of all."""
        return ratio(self.failed, self.total)

    @property
    def decided_failure_rate(self) -> float | None:
        """Failed out of decided."""
        return ratio(self.failed, self.decided)

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Return the Wilson interval of failed out of decided."""
        return wilson(self.failed, self.decided)

    def rates_30d(self) -> Row:
        """Return the seven columns that Q4, Q8 and Q10 share."""
        low, high = self.interval
        return {
            "total_runs_30d": self.total,
            "failed_runs_30d": self.failed,
            "decided_runs_30d": self.decided,
            "failure_rate_30d": self.failure_rate,
            "decided_failure_rate_30d": self.decided_failure_rate,
            "failure_rate_30d_low": low,
            "failure_rate_30d_high": high,
        }


def descending(value: Any) -> tuple[bool, Any]:
    """Sort key for a number, descending, nulls last."""
    return (True, 0) if value is None else (False, -value)


def ranked(column: str, keyed_rows: Iterable[tuple[tuple[Any, ...], Row]]) -> list[Row]:
    """Sort by the keys and put the rank 1, 2, 3 ... first in each row."""
    ordered = sorted(keyed_rows, key=lambda keyed: keyed[0])
    return [{column: rank, **row} for rank, (_, row) in enumerate(ordered, start=1)]
