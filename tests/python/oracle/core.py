"""monitoring_clock, the dimensions and the facts."""

from collections import defaultdict
from datetime import datetime

from oracle.clock import hour_start
from oracle.common import STATUSES, Row, Tally, World, platform_group
from oracle.inputs import Run


def monitoring_clock(world: World) -> list[Row]:
    """Return the one row of the clock."""
    clock = world.clock
    return [
        {
            "as_of": clock.as_of,
            "window_end": clock.window_end,
            "clock_source": clock.clock_source,
        }
    ]


def dim_clients(world: World) -> list[Row]:
    """Return one row a client."""
    return [
        {
            "client_id": client.id,
            "client_name": client.name,
            "is_active": client.is_active,
            "created_at": client.created_at,
            "updated_at": client.updated_at,
        }
        for client in world.data.clients
    ]


def dim_pipelines(world: World) -> list[Row]:
    """Return one row a pipeline."""
    return [
        {
            "pipeline_id": pipeline.id,
            "pipeline_name": pipeline.name,
            "client_id": pipeline.client_id,
            "client_name": world.client_name(pipeline),
            "platform": pipeline.platform,
            "platform_group": platform_group(pipeline.platform),
            "pipeline_type": pipeline.pipeline_type,
            "environment": pipeline.environment,
            "external_id": pipeline.external_id,
            "description": pipeline.description,
            "is_active": pipeline.is_active,
            "is_client_active": world.clients[pipeline.client_id].is_active,
            "is_monitored": world.is_monitored(pipeline),
            "created_at": pipeline.created_at,
            "updated_at": pipeline.updated_at,
        }
        for pipeline in world.data.pipelines
    ]


def dim_alert_rules(world: World) -> list[Row]:
    """Return one row an alert rule."""
    return [
        {
            "alert_rule_id": rule.id,
            "client_id": rule.client_id,
            "pipeline_id": rule.pipeline_id,
            "rule_type": rule.rule_type,
            "threshold": rule.threshold,
            "window_minutes": rule.window_minutes,
            "channel": rule.channel,
            "destination": rule.destination,
            "is_enabled": rule.is_enabled,
            "created_at": rule.created_at,
            "updated_at": rule.updated_at,
        }
        for rule in world.data.alert_rules
    ]


def fct_runs(world: World) -> list[Row]:
    """Return one row a run, future ones included: the only mart that keeps them."""
    return [_run_row(world, run) for run in world.data.runs]


def _run_row(world: World, run: Run) -> Row:
    pipeline = world.pipeline_of(run)
    return {
        "run_id": run.id,
        "pipeline_id": run.pipeline_id,
        "client_id": pipeline.client_id,
        "external_run_id": run.external_run_id,
        "platform": pipeline.platform,
        "pipeline_type": pipeline.pipeline_type,
        "environment": pipeline.environment,
        "status": run.status,
        "is_decided": run.is_decided,
        "is_failure": run.is_failure,
        "is_visible": run.event_at <= world.clock.as_of,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "event_at": run.event_at,
        "ingested_at": run.ingested_at,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "duration_seconds": run.duration_seconds,
        "rows_processed": run.rows_processed,
        "error_message": run.error_message,
        "status_reason": run.status_reason,
    }


def fct_pipeline_hourly(world: World) -> list[Row]:
    """Return one row an hour and pipeline with at least one visible run."""
    groups: dict[tuple[datetime, str], list[Run]] = defaultdict(list)
    for run in world.visible_runs:
        groups[hour_start(run.event_at), run.pipeline_id].append(run)
    rows: list[Row] = []
    for (hour, pipeline_id), runs in sorted(groups.items()):
        pipeline = world.pipelines[pipeline_id]
        counts = Tally.of(runs)
        rows.append(
            {
                "hour_start": hour,
                "pipeline_id": pipeline_id,
                "client_id": pipeline.client_id,
                "platform": pipeline.platform,
                "environment": pipeline.environment,
                "total_runs": counts.total,
                **{f"{status}_runs": counts.by_status[status] for status in STATUSES},
                "rows_processed": sum(run.rows_processed or 0 for run in runs),
                "success_duration_seconds": sum(
                    run.duration_seconds or 0 for run in runs if run.is_success
                ),
            }
        )
    return rows
