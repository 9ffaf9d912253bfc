"""One data set with a run on every edge of every window, and on every step of the run order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from oracle import AlertRule, Client, DataSet, Pipeline, Run

AS_OF = datetime(2026, 2, 18, 12, 0, tzinfo=UTC)
WINDOW_END = AS_OF + timedelta(hours=1)
TICK = timedelta(microseconds=1)
EDGES = {
    "as_of": AS_OF,
    "week": datetime(2026, 2, 16, tzinfo=UTC),
    **{f"{days} days": WINDOW_END - timedelta(days=days) for days in (1, 7, 14, 21, 30)},
}
# What orders two runs: (started_at, finished_at) of each, as hours before as_of, the older first.
RUN_ORDER: dict[str, tuple[tuple[int | None, int | None], ...]] = {
    "started": ((3, 1), (2, 2)),
    "never started": ((None, 1), (9, 8)),
    "finished": ((3, 2), (3, 1)),
    "never finished": ((3, None), (3, 2)),
    "id": ((3, 2), (3, 2)),
}
# Each status on its own, then decided runs that flip over the edge.
PATTERNS = {
    "failed": ("failed",) * 3,
    "success": ("success",) * 3,
    "flip": ("failed", "success", "failed"),
    "canceled": ("canceled",) * 3,
}


def edge_scene() -> tuple[DataSet, datetime]:
    """Return the data set and its as_of: a pipeline for each edge and pattern, and each pair."""
    numbers = count(1)
    created = datetime(2025, 1, 1, tzinfo=UTC)
    client = Client(_id(numbers), "Edge", True, created, created)
    pipelines, runs = [], []
    for edge, instant in EDGES.items():
        for pattern, statuses in PATTERNS.items():
            pipeline = _pipeline(_id(numbers), client.id, f"{edge} {pattern}", created)
            pipelines.append(pipeline)
            runs += [
                _run(_id(numbers), pipeline.id, status, instant + offset, created)
                for status, offset in zip(statuses, (-TICK, timedelta(0), TICK), strict=True)
            ]
    for step, times in RUN_ORDER.items():
        for statuses in (("failed", "success"), ("success", "failed")):
            pipeline = _pipeline(_id(numbers), client.id, f"{step} {statuses[0]}", created)
            pipelines.append(pipeline)
            for status, (started, finished) in zip(statuses, times, strict=True):
                run = _run(_id(numbers), pipeline.id, status, AS_OF, created)
                runs.append(
                    replace(run, started_at=_before(started), finished_at=_before(finished))
                )
    rule = AlertRule(
        _id(numbers), client.id, None, "failures_in_window", 7, 7 * 24 * 60,
        "slack", "#edge", True, created, created,
    )  # fmt: skip
    return DataSet([client], pipelines, runs, [rule]), AS_OF


def _before(hours: int | None) -> datetime | None:
    return None if hours is None else AS_OF - timedelta(hours=hours)


def _pipeline(key: str, client_id: str, name: str, created: datetime) -> Pipeline:
    return Pipeline(
        key, client_id, name, "cron", None, "export", None, "prod", True, created, created
    )


def _run(key: str, pipeline_id: str, status: str, at: datetime, created: datetime) -> Run:
    return Run(
        key, pipeline_id, key, status, at, at, 30, 10, None, None, None, created, created, created
    )


def _id(numbers: "count[int]") -> str:
    return str(UUID(int=next(numbers)))
