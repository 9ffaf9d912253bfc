"""Q7: whose data is late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any

from oracle.clock import DAY, Clock
from oracle.common import Row, World, descending, last_success_at, newest_event, ranked
from oracle.inputs import Pipeline, Run
from oracle.stats import (
    MAD_TO_SIGMA,
    hours,
    later,
    median,
    median_absolute_deviation,
    percentile,
    seconds,
)

STATE_ORDER = ("late", "never_succeeded", "grace", "unknown", "fresh")
FEWEST_GAPS = 4


@dataclass(frozen=True)
class Rhythm:
    """How often a pipeline runs and how much delay is ordinary, in seconds."""

    interval: Fraction
    grace: Fraction


def rhythm(runs: Sequence[Run], clock: Clock) -> Rhythm | None:
    """Learn the rhythm from the last 21 days by started_at; null below 4 gaps."""
    window = clock.last(21 * DAY)
    regular = [
        (run.started_at, run)
        for run in runs
        if run.status != "skipped" and run.started_at is not None and window.holds(run.started_at)
    ]
    starts = sorted(started_at for started_at, _ in regular)
    gaps = [seconds(after - before) for before, after in pairwise(starts)]
    if len(gaps) < FEWEST_GAPS:
        return None
    durations = [
        Fraction(run.duration_seconds)
        for _, run in regular
        if run.is_success and run.duration_seconds is not None
    ]
    interval = median(gaps)
    grace = max(
        3 * MAD_TO_SIGMA * median_absolute_deviation(gaps),
        percentile(durations, Fraction(95, 100)) if durations else Fraction(0),
        interval / 10,
    )
    return Rhythm(interval, grace)


def q07_pipeline_freshness_watchlist(world: World) -> list[Row]:
    """Return one row an active pipeline, the most overdue first."""
    return ranked("watch_rank", (_keyed_row(world, p) for p in world.active_pipelines()))


def _keyed_row(world: World, pipeline: Pipeline) -> tuple[tuple[Any, ...], Row]:
    as_of = world.clock.as_of
    runs = world.runs_by_pipeline[pipeline.id]
    learned = rhythm(runs, world.clock)
    success_at = last_success_at(runs)
    since_success = None if success_at is None else seconds(as_of - success_at)
    due_at = None
    if success_at is not None and learned is not None:
        due_at = later(success_at, learned.interval + learned.grace)
    overdue = None if due_at is None else max(Fraction(0), seconds(as_of - due_at))
    state = _freshness_state(as_of, since_success, learned, due_at)
    row: Row = {
        "client_id": pipeline.client_id,
        "client_name": world.client_name(pipeline),
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "platform": pipeline.platform,
        "environment": pipeline.environment,
        "freshness_state": state,
        "last_run_at": newest_event(runs),
        "last_success_at": success_at,
        "hours_since_last_success": None if since_success is None else hours(since_success),
        "expected_interval_hours": None if learned is None else hours(learned.interval),
        "grace_hours": None if learned is None else hours(learned.grace),
        "due_at": due_at,
        "hours_overdue": None if overdue is None else hours(overdue),
    }
    key = (
        STATE_ORDER.index(state),
        descending(_overdue_intervals(overdue, learned)),
        descending(since_success),
        pipeline.id,
    )
    return key, row


def _freshness_state(
    as_of: datetime,
    since_success: Fraction | None,
    learned: Rhythm | None,
    due_at: datetime | None,
) -> str:
    if since_success is None:
        return "never_succeeded"
    if learned is None or due_at is None:
        return "unknown"
    if as_of >= due_at:
        return "late"
    return "grace" if since_success >= learned.interval else "fresh"


def _overdue_intervals(overdue: Fraction | None, learned: Rhythm | None) -> Fraction | None:
    # Runs that all started at one instant have an interval of 0: the ratio is null there.
    if overdue is None or learned is None or learned.interval == 0:
        return None
    return overdue / learned.interval
