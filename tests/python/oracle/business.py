"""Q1 to Q4: trend, client risk, latest status, vendor dependency."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from oracle.clock import DAY, Window, week_start
from oracle.common import (
    PLATFORM_GROUPS,
    Row,
    Tally,
    World,
    descending,
    last_success_at,
    newest_event,
    platform_group,
    ranked,
    within,
)
from oracle.health import consecutive_failures, health_state
from oracle.inputs import Client, Pipeline
from oracle.stats import change, ratio

WEEK = timedelta(days=7)


def q01_run_health_trend(world: World) -> list[Row]:
    """Return one row an ISO week and client, zero rows included."""
    rows: list[Row] = []
    for client in world.data.clients:
        runs = world.runs_of_client(client.id)
        previous_rate: float | None = None
        for week in _weeks(world):
            start = datetime.combine(week, time(), UTC)
            counts = Tally.of(within(runs, Window(start, start + WEEK)))
            rows.append(
                {
                    "week_start": week,
                    "client_id": client.id,
                    "client_name": client.name,
                    "is_complete_week": start + WEEK <= world.clock.window_end,
                    "total_runs": counts.total,
                    "success_runs": counts.success,
                    "failed_runs": counts.failed,
                    "canceled_runs": counts.by_status["canceled"],
                    "skipped_runs": counts.by_status["skipped"],
                    "running_runs": counts.by_status["running"],
                    "success_rate": ratio(counts.success, counts.total),
                    "failure_rate": counts.failure_rate,
                    "decided_failure_rate": counts.decided_failure_rate,
                    "previous_week_failure_rate": previous_rate,
                    "failure_rate_change": change(counts.failure_rate, previous_rate),
                }
            )
            previous_rate = counts.failure_rate
    return rows


def _weeks(world: World) -> Iterator[date]:
    if not world.visible_runs:
        return
    week = week_start(min(run.event_at for run in world.visible_runs))
    last = week_start(world.clock.window_end - timedelta(microseconds=1))
    while week <= last:
        yield week
        week += WEEK


def q02_client_risk_ranking(world: World) -> list[Row]:
    """Return one row an active client, the most at risk first."""
    keyed = []
    for client in world.active_clients():
        row = _risk_row(world, client)
        key = (
            descending(row["failure_rate_7d_low"]),
            descending(row["failed_runs_7d"]),
            client.name,
            client.id,
        )
        keyed.append((key, row))
    return ranked("risk_rank", keyed)


def _risk_row(world: World, client: Client) -> Row:
    clock = world.clock
    runs = world.runs_of_client(client.id)
    pipelines = [p for p in world.active_pipelines() if p.client_id == client.id]
    failing = [p for p in pipelines if health_state(world.runs_by_pipeline[p.id]) == "failing"]
    week = Tally.of(within(runs, clock.last(WEEK)))
    week_before = Tally.of(within(runs, clock.last(WEEK, ending_before=WEEK)))
    low, high = week.interval
    return {
        "client_id": client.id,
        "client_name": client.name,
        "active_pipelines": len(pipelines),
        "failing_pipelines": len(failing),
        "total_runs_7d": week.total,
        "failed_runs_24h": Tally.of(within(runs, clock.last(DAY))).failed,
        "failed_runs_7d": week.failed,
        "failed_runs_30d": Tally.of(within(runs, clock.last(30 * DAY))).failed,
        "failure_rate_7d": week.failure_rate,
        "decided_failure_rate_7d": week.decided_failure_rate,
        "failure_rate_7d_low": low,
        "failure_rate_7d_high": high,
        "previous_failure_rate_7d": week_before.failure_rate,
        "failure_rate_change_7d": change(week.failure_rate, week_before.failure_rate),
    }


def q03_latest_pipeline_status(world: World) -> list[Row]:
    """Return one row an active pipeline."""
    return [_status_row(world, pipeline) for pipeline in world.active_pipelines()]


def _status_row(world: World, pipeline: Pipeline) -> Row:
    runs = world.runs_by_pipeline[pipeline.id]
    latest = runs[-1] if runs else None
    return {
        "client_id": pipeline.client_id,
        "client_name": world.client_name(pipeline),
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "platform": pipeline.platform,
        "pipeline_type": pipeline.pipeline_type,
        "environment": pipeline.environment,
        "health_state": health_state(runs),
        "latest_status": latest and latest.status,
        # Started first, unlike event_at: when the latest run ran, not when it was told of.
        "last_run_time": latest and (latest.started_at or latest.finished_at or latest.created_at),
        "latest_run_id": latest and latest.id,
        "latest_external_run_id": latest and latest.external_run_id,
        "latest_started_at": latest and latest.started_at,
        "latest_finished_at": latest and latest.finished_at,
        "latest_duration_seconds": latest and latest.duration_seconds,
        "latest_error_message": latest and latest.error_message,
        "latest_status_reason": latest and latest.status_reason,
        "last_success_at": last_success_at(runs),
        "last_failure_at": newest_event(run for run in runs if run.is_failure),
        "consecutive_failures": consecutive_failures(runs),
    }


def q04_vendor_dependency_risk(world: World) -> list[Row]:
    """Return the two platform groups side by side."""
    runs = within(world.visible_runs, world.clock.last(30 * DAY))
    everything = Tally.of(runs)
    tallies = {
        group: Tally.of([r for r in runs if platform_group(world.pipeline_of(r).platform) == group])
        for group in PLATFORM_GROUPS
    }
    rows: list[Row] = []
    for group, other in (PLATFORM_GROUPS, PLATFORM_GROUPS[::-1]):
        counts = tallies[group]
        exposed = {
            p.client_id for p in world.active_pipelines() if platform_group(p.platform) == group
        }
        rows.append(
            {
                "platform_group": group,
                **counts.rates_30d(),
                "share_of_runs": ratio(counts.total, everything.total),
                "share_of_failures": ratio(counts.failed, everything.failed),
                "relative_risk": _relative_risk(
                    counts.decided_failure_rate, tallies[other].decided_failure_rate
                ),
                "exposed_clients": len(exposed),
            }
        )
    return rows


def _relative_risk(rate: float | None, other_rate: float | None) -> float | None:
    return None if rate is None or not other_rate else rate / other_rate
