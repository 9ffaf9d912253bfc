"""The runs: what each was planned to take, and the row it left."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chm.contract import load_contract
from chm.generate.behaviour import Behaviour, Role, has_long_tail
from chm.generate.config import GenerateConfig
from chm.generate.draw import from_quantiles, nearest, stream
from chm.generate.fleet import Pipeline, make_id
from chm.generate.names import slug
from chm.generate.outcomes import Outcome, PlannedRun
from chm.generate.schedule import Schedule
from chm.generate.texts import CANCELED_REASONS, SKIPPED_REASONS, error_message

_DURATION_LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)
_LATE_REPORT_SHARE = 0.03


@dataclass(frozen=True)
class Run:
    """A run as the contract has it; `updated_at` is the time of its latest event."""

    id: str
    pipeline_id: str
    external_run_id: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: int | None
    rows_processed: int | None
    error_message: str | None
    status_reason: str | None
    payload: str
    ingested_at: datetime
    created_at: datetime
    updated_at: datetime


def plan_runs(
    config: GenerateConfig,
    pipelines: list[Pipeline],
    behaviours: Mapping[str, Behaviour],
    schedules: Mapping[str, Schedule],
    starts: Mapping[str, list[datetime]],
) -> list[PlannedRun]:
    """Return the runs in the order in which they start."""
    planned = []
    for pipeline in pipelines:
        rng = stream(config.seed, "durations", pipeline.id)
        speed_percent = rng.randint(70, 140)
        tail = config.long_tail
        runs = len(starts[pipeline.id])
        long_runs: set[int] = set()
        if has_long_tail(config, pipeline):
            long_runs = set(rng.sample(range(runs), nearest(runs, tail.run_share)))
        quantiles = config.runs.durations_seconds[pipeline.pipeline_type]
        behaviour = behaviours[pipeline.id]
        for index, (due_at, started_at) in enumerate(
            zip(schedules[pipeline.id].due_at, starts[pipeline.id], strict=True)
        ):
            load = rng.random()
            typical = from_quantiles(load, quantiles, _DURATION_LEVELS)
            factor = 1
            if index in long_runs:
                factor = rng.randint(*tail.factor)
            elif behaviour.holds(Role.SLOW, started_at):
                factor = behaviour.factor or 1
            is_late = rng.random() < _LATE_REPORT_SHARE
            planned.append(
                PlannedRun(
                    pipeline=pipeline,
                    due_at=due_at,
                    started_at=started_at,
                    duration_seconds=max(typical * speed_percent * factor // 100, 1),
                    load=load,
                    report_lag_seconds=rng.randint(300, 1800) if is_late else rng.randint(2, 60),
                    is_long=index in long_runs,
                )
            )
    return sorted(planned, key=lambda run: (run.started_at, run.pipeline.id))


def make_runs(
    config: GenerateConfig, planned: list[PlannedRun], outcomes: list[Outcome]
) -> list[Run]:
    """Return the row of each planned run, in their order."""
    typical_rows: dict[str, int] = {}
    for run in planned:
        if run.pipeline.id not in typical_rows:
            low, high = _usual_rows(run.pipeline.pipeline_type)
            rng = stream(config.seed, "rows", run.pipeline.id)
            # Most pipelines are small: the least of three draws.
            typical_rows[run.pipeline.id] = min(rng.randint(low, high) for _ in range(3))
    return [
        _make_run(config, run, outcome, typical_rows[run.pipeline.id])
        for run, outcome in zip(planned, outcomes, strict=True)
    ]


def _make_run(
    config: GenerateConfig, planned: PlannedRun, outcome: Outcome, typical_rows: int
) -> Run:
    pipeline, status = planned.pipeline, outcome.status
    rng = stream(config.seed, "run", planned.key)
    low, high = _usual_rows(pipeline.pipeline_type)
    # The more a run has to do, the longer it takes and the more rows it moves.
    full_rows = typical_rows * (80 + int(40 * planned.load) + rng.randint(-5, 5)) // 100
    finished_at: datetime | None = None
    duration: int | None = None
    rows: int | None = None
    message: str | None = None
    reason: str | None = None
    if status == "success":
        duration = planned.duration_seconds
        rows = min(max(full_rows, low), high)
    elif status == "failed":
        done_percent = rng.randint(15, 100)
        duration = planned.duration_seconds * done_percent // 100
        partial_rows = full_rows * done_percent // 100
        # What a failed run got through is only known, and only told, above the usual minimum.
        rows = partial_rows if low <= partial_rows <= high else None
        if outcome.cause:
            table = slug(pipeline.name).replace("-", "_")
            message = error_message(rng, outcome.cause, table, duration)
            reason = outcome.cause.reason
    elif status == "canceled":
        duration = planned.duration_seconds * rng.randint(5, 95) // 100
        reason = rng.choice(CANCELED_REASONS)
    elif status == "skipped":
        duration = 0
        reason = rng.choice(SKIPPED_REASONS)
    if duration is not None:
        finished_at = planned.started_at + timedelta(seconds=duration)
    latest_event_at = finished_at or planned.started_at
    lag_seconds = planned.report_lag_seconds if finished_at else rng.randint(1, 60)
    payload = {
        "attempt": rng.choice((1, 1, 1, 1, 2, 3)) if status in ("success", "failed") else 1,
        "environment": pipeline.environment,
        "platform": pipeline.platform,
        "scheduled_at": iso(planned.due_at),
        "source": "chm-generate",
        "trigger": "schedule",
    }
    return Run(
        id=make_id(config.seed, "runs", planned.key),
        pipeline_id=pipeline.id,
        external_run_id=planned.key,
        status=status,
        started_at=planned.started_at,
        finished_at=finished_at,
        duration_seconds=duration,
        rows_processed=rows,
        error_message=message,
        status_reason=reason,
        payload=json.dumps(payload, sort_keys=True, separators=(",", ":")),
        ingested_at=latest_event_at + timedelta(seconds=lag_seconds),
        created_at=planned.started_at,
        updated_at=latest_event_at,
    )


def iso(instant: datetime) -> str:
    """Write an instant in UTC as the contract wants it, to the second, with a `Z`."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _usual_rows(pipeline_type: str) -> tuple[int, int]:
    types = load_contract().enums["pipeline_types"]
    return (
        types.numbers("usual_rows_processed_min")[pipeline_type],
        types.numbers("usual_rows_processed_max")[pipeline_type],
    )
