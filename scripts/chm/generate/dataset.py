"""A whole data set as plain values: the fleet, its runs and what was planted."""

from dataclasses import dataclass
from typing import Any

from chm.generate.alerts import AlertRule, make_alert_rules
from chm.generate.behaviour import assign_roles, place_incident
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Client, Pipeline, make_clients, make_pipelines
from chm.generate.outcomes import settle
from chm.generate.runs import Run, make_runs, plan_runs
from chm.generate.schedule import jitter, plan_schedules
from chm.generate.truth import planted_truth


@dataclass(frozen=True)
class DataSet:
    """The rows of the four tables, and the planted truth as `truth` describes it."""

    config: GenerateConfig
    clients: list[Client]
    pipelines: list[Pipeline]
    runs: list[Run]
    alert_rules: list[AlertRule]
    truth: dict[str, Any]

    def count(self, status: str) -> int:
        """Return how many runs have this status."""
        return sum(run.status == status for run in self.runs)


def generate(config: GenerateConfig) -> DataSet:
    """Return the data set that this configuration and its seed settle, to the last value.

    Raises:
        ChmError: the configuration asks for what its numbers cannot hold; the message names
            the key.
    """
    clients = make_clients(config)
    pipelines = make_pipelines(config, clients)
    behaviours = assign_roles(config, pipelines)
    schedules = plan_schedules(config, pipelines, behaviours)
    starts = {item.id: jitter(config, item, schedules[item.id]) for item in pipelines}
    incident = place_incident(config, {item.id: item for item in pipelines}, starts)
    planned = plan_runs(config, pipelines, behaviours, schedules, starts)
    outcomes = settle(config, planned, behaviours, incident)
    runs = make_runs(config, planned, outcomes)
    return DataSet(
        config=config,
        clients=clients,
        pipelines=pipelines,
        runs=runs,
        alert_rules=make_alert_rules(config, clients, pipelines),
        truth=planted_truth(config, pipelines, behaviours, schedules, incident, planned, runs),
    )
