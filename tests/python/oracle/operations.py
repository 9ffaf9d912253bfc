"""Q6, Q8, Q10, the duration histogram and governance."""

from oracle.alerts import covering_rules
from oracle.clock import DAY
from oracle.common import ENVIRONMENTS, PLATFORMS, Row, Tally, World, descending, ranked, within
from oracle.inputs import Run
from oracle.stats import coefficient_of_variation, ratio

BUCKETS = (
    ("0-30 s", 0, 30),
    ("30-60 s", 30, 60),
    ("1-2 min", 60, 120),
    ("2-5 min", 120, 300),
    ("5-10 min", 300, 600),
    ("10-30 min", 600, 1800),
    ("30-60 min", 1800, 3600),
    ("1-2 h", 3600, 7200),
    ("2-4 h", 7200, 14400),
    ("4 h or more", 14400, None),
)


def _runs_30d(world: World) -> list[Run]:
    return within(world.visible_runs, world.clock.last(30 * DAY))


def q06_client_throughput_stability(world: World) -> list[Row]:
    """Return one row an active client."""
    rows: list[Row] = []
    for client in world.active_clients():
        runs = within(world.runs_of_client(client.id), world.clock.last(30 * DAY))
        measured = [r.rows_processed for r in runs if r.rows_processed is not None]
        rows.append(
            {
                "client_id": client.id,
                "client_name": client.name,
                "total_runs_30d": len(runs),
                "measured_runs_30d": len(measured),
                "total_rows_30d": sum(measured),
                "avg_rows_per_run": ratio(sum(measured), len(measured)),
                "throughput_cv": coefficient_of_variation(measured),
            }
        )
    return rows


def q08_environment_reliability(world: World) -> list[Row]:
    """Return one row an environment, always three."""
    runs = _runs_30d(world)
    return [
        {
            "environment": environment,
            "active_pipelines": sum(p.environment == environment for p in world.active_pipelines()),
            **Tally.of(
                [r for r in runs if world.pipeline_of(r).environment == environment]
            ).rates_30d(),
        }
        for environment in ENVIRONMENTS
    ]


def q10_platform_failure_rate(world: World) -> list[Row]:
    """Return one row a platform, always five, the worst first."""
    runs = _runs_30d(world)
    keyed = []
    for platform in PLATFORMS:
        counts = Tally.of([r for r in runs if world.pipeline_of(r).platform == platform])
        row: Row = {
            "platform": platform,
            "active_pipelines": sum(p.platform == platform for p in world.active_pipelines()),
            **counts.rates_30d(),
        }
        keyed.append(((descending(counts.interval[0]), -counts.failed, platform), row))
    return ranked("failure_rank", keyed)


def run_duration_distribution(world: World) -> list[Row]:
    """Return all ten buckets of every platform and pipeline type that has a timed run."""
    durations: dict[tuple[str, str], list[int]] = {}
    for run in _runs_30d(world):
        if run.duration_seconds is not None:
            pipeline = world.pipeline_of(run)
            pair = (pipeline.platform, pipeline.pipeline_type)
            durations.setdefault(pair, []).append(run.duration_seconds)
    return [
        {
            "platform": platform,
            "pipeline_type": pipeline_type,
            "bucket_order": order,
            "bucket_label": label,
            "bucket_from_seconds": start,
            "bucket_to_seconds": end,
            "runs": sum(start <= value and (end is None or value < end) for value in values),
        }
        for (platform, pipeline_type), values in sorted(durations.items())
        for order, (label, start, end) in enumerate(BUCKETS, start=1)
    ]


def governance_coverage(world: World) -> list[Row]:
    """Return one row an active pipeline with its five checks."""
    rows: list[Row] = []
    for pipeline in world.active_pipelines():
        runs = within(world.runs_by_pipeline[pipeline.id], world.clock.last(30 * DAY))
        checks = {
            "has_enabled_alert_rule": bool(covering_rules(world, pipeline)),
            "has_run_in_30d": bool(runs),
            "has_success_in_30d": any(run.is_success for run in runs),
            "has_description": bool(pipeline.description),
            "has_external_id": bool(pipeline.external_id),
        }
        rows.append(
            {
                "client_id": pipeline.client_id,
                "client_name": world.client_name(pipeline),
                "pipeline_id": pipeline.id,
                "pipeline_name": pipeline.name,
                "environment": pipeline.environment,
                **checks,
                "coverage_score": sum(checks.values()) / len(checks),
            }
        )
    return rows
