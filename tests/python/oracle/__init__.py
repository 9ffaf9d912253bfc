"""Every mart of health-questions.md in plain Python: the oracle the dbt marts are tested against.

Written from the spec's text alone, never from the models: independence is its whole value.
"""

from oracle.alerts import alert_rule_firings
from oracle.business import (
    q01_run_health_trend,
    q02_client_risk_ranking,
    q03_latest_pipeline_status,
    q04_vendor_dependency_risk,
)
from oracle.clock import Clock, resolve_clock
from oracle.common import Row, World
from oracle.core import (
    dim_alert_rules,
    dim_clients,
    dim_pipelines,
    fct_pipeline_hourly,
    fct_runs,
    monitoring_clock,
)
from oracle.flakiness import q09_flaky_pipeline_ranking
from oracle.freshness import q07_pipeline_freshness_watchlist
from oracle.health import q05_recent_changes
from oracle.incidents import incidents, triage_queue
from oracle.inputs import AlertRule, Client, DataSet, Pipeline, Run, read_data_set
from oracle.operations import (
    governance_coverage,
    q06_client_throughput_stability,
    q08_environment_reliability,
    q10_platform_failure_rate,
    run_duration_distribution,
)

__all__ = [
    "AlertRule",
    "Client",
    "Clock",
    "DataSet",
    "Pipeline",
    "Row",
    "Run",
    "compute_marts",
    "read_data_set",
    "resolve_clock",
]


def compute_marts(
    data: DataSet, clock: Clock, flaky_flip_rate_threshold: float = 0.1
) -> dict[str, list[Row]]:
    """Return every mart's rows by mart name, as the clock sees the data set."""
    world = World.at(data, clock)
    return {
        "monitoring_clock": monitoring_clock(world),
        "dim_clients": dim_clients(world),
        "dim_pipelines": dim_pipelines(world),
        "dim_alert_rules": dim_alert_rules(world),
        "fct_runs": fct_runs(world),
        "fct_pipeline_hourly": fct_pipeline_hourly(world),
        "incidents": incidents(world),
        "triage_queue": triage_queue(world),
        "run_duration_distribution": run_duration_distribution(world),
        "alert_rule_firings": alert_rule_firings(world),
        "governance_coverage": governance_coverage(world),
        "q01_run_health_trend": q01_run_health_trend(world),
        "q02_client_risk_ranking": q02_client_risk_ranking(world),
        "q03_latest_pipeline_status": q03_latest_pipeline_status(world),
        "q04_vendor_dependency_risk": q04_vendor_dependency_risk(world),
        "q05_recent_changes": q05_recent_changes(world),
        "q06_client_throughput_stability": q06_client_throughput_stability(world),
        "q07_pipeline_freshness_watchlist": q07_pipeline_freshness_watchlist(world),
        "q08_environment_reliability": q08_environment_reliability(world),
        "q09_flaky_pipeline_ranking": q09_flaky_pipeline_ranking(world, flaky_flip_rate_threshold),
        "q10_platform_failure_rate": q10_platform_failure_rate(world),
    }
