"""health_state of a pipeline, and what changed it (Q5)."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from oracle.clock import DAY
from oracle.common import Row, Tally, World, decided, within
from oracle.inputs import Pipeline, Run


def health_state(runs: Sequence[Run]) -> str:
    """Name the state the pipeline's runs, oldest first, leave it in."""
    if not runs:
        return "never_run"
    deciding = decided(runs)
    if not deciding:
        return "undecided"
    return "failing" if deciding[-1].is_failure else "healthy"


def consecutive_failures(runs: Sequence[Run]) -> int:
    """Count the failed decided runs since the last success, in run order."""
    return len(list(takewhile(lambda run: run.is_failure, reversed(decided(runs)))))


def changed_at(runs: Sequence[Run]) -> datetime:
    """Return when the current streak began; where nothing is decided, when the first run was."""
    deciding = decided(runs)
    if not deciding:
        return runs[0].event_at
    status = deciding[-1].status
    streak = list(takewhile(lambda run: run.status == status, reversed(deciding)))
    return streak[-1].event_at


def change_type(before: str, now: str) -> str:
    """Name the change between two different states."""
    if before == "failing" and now == "healthy":
        return "recovered"
    return "broke" if now == "failing" else "started"


def q05_recent_changes(world: World) -> list[Row]:
    """Return one row an active pipeline whose state differs from 24 hours ago."""
    rows = (_change_row(world, pipeline) for pipeline in world.active_pipelines())
    return [row for row in rows if row is not None]


def _change_row(world: World, pipeline: Pipeline) -> Row | None:
    runs = world.runs_by_pipeline[pipeline.id]
    yesterday = world.clock.last(DAY)
    before = health_state([run for run in runs if run.event_at < yesterday.start])
    now = health_state(runs)
    if before == now:
        return None
    return {
        "client_id": pipeline.client_id,
        "client_name": world.client_name(pipeline),
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "platform": pipeline.platform,
        "environment": pipeline.environment,
        "change_type": change_type(before, now),
        "state_before": before,
        "state_now": now,
        "changed_at": changed_at(runs),
        "failed_runs_24h": Tally.of(within(runs, yesterday)).failed,
        # As in Q3: of the latest run of any status, so a recovered pipeline shows none.
        "latest_error_message": runs[-1].error_message,
    }
