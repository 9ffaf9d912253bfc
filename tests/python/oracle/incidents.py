"""incidents, and the on-call's list of the open ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from oracle.alerts import covering_rules
from oracle.common import ENVIRONMENTS, Row, World, decided, last_success_at, ranked
from oracle.inputs import Pipeline, Run
from oracle.stats import hours, seconds


@dataclass(frozen=True)
class Incident:
    """One unbroken streak of failures of a pipeline, in run order."""

    pipeline: Pipeline
    failures: Sequence[Run]
    closed_by: Run | None
    is_left_censored: bool

    @property
    def id(self) -> str:
        """Text that stays as long as the first failed run does."""
        return f"{self.pipeline.id}:{self.failures[0].id}"

    @property
    def opened_at(self) -> datetime:
        """Return the event_at of the first failed run."""
        return self.failures[0].event_at


def incidents_of(world: World, pipeline: Pipeline) -> Iterator[Incident]:
    """Cut the pipeline's decided runs into streaks and yield the failing ones."""
    deciding = decided(world.runs_by_pipeline[pipeline.id])
    streaks = [list(streak) for _, streak in groupby(deciding, key=lambda run: run.status)]
    for position, streak in enumerate(streaks):
        if streak[0].is_failure:
            after = streaks[position + 1] if position + 1 < len(streaks) else None
            yield Incident(
                pipeline=pipeline,
                failures=streak,
                closed_by=after[0] if after else None,
                # Its first decided run failed already: the true start was not seen.
                is_left_censored=position == 0,
            )


def incidents(world: World) -> list[Row]:
    """Return one row an incident, of inactive pipelines too: this is history."""
    return [
        _incident_row(world, incident)
        for pipeline in world.data.pipelines
        for incident in incidents_of(world, pipeline)
    ]


def _incident_row(world: World, incident: Incident) -> Row:
    first, last = incident.failures[0], incident.failures[-1]
    closed_at = incident.closed_by.event_at if incident.closed_by else None
    # Run order is not event order: a success may close an incident before it opened.
    lasted = max(timedelta(0), (closed_at or world.clock.as_of) - incident.opened_at)
    return {
        "incident_id": incident.id,
        "pipeline_id": incident.pipeline.id,
        "client_id": incident.pipeline.client_id,
        "platform": incident.pipeline.platform,
        "environment": incident.pipeline.environment,
        "opened_at": incident.opened_at,
        "closed_at": closed_at,
        "is_open": closed_at is None,
        "is_left_censored": incident.is_left_censored,
        "failed_runs": len(incident.failures),
        "first_failed_run_id": first.id,
        "last_failed_run_id": last.id,
        "duration_seconds": float(seconds(lasted)),
        "first_error_message": first.error_message,
        "last_error_message": last.error_message,
    }


def triage_queue(world: World) -> list[Row]:
    """Return the open incidents of active pipelines, the most urgent first."""
    keyed = [
        (
            (
                ENVIRONMENTS.index(pipeline.environment),
                -len(incident.failures),
                incident.opened_at,
                incident.id,
            ),
            _triage_row(world, incident),
        )
        for pipeline in world.active_pipelines()
        for incident in incidents_of(world, pipeline)
        if incident.closed_by is None
    ]
    return ranked("triage_rank", keyed)


def _triage_row(world: World, incident: Incident) -> Row:
    pipeline = incident.pipeline
    last = incident.failures[-1]
    rules = covering_rules(world, pipeline)
    return {
        "incident_id": incident.id,
        "client_name": world.client_name(pipeline),
        "pipeline_name": pipeline.name,
        "platform": pipeline.platform,
        "pipeline_type": pipeline.pipeline_type,
        "environment": pipeline.environment,
        "opened_at": incident.opened_at,
        "hours_open": hours(seconds(world.clock.as_of - incident.opened_at)),
        "failed_runs": len(incident.failures),
        "last_error_message": last.error_message,
        "last_status_reason": last.status_reason,
        "last_success_at": last_success_at(world.runs_by_pipeline[pipeline.id]),
        "alert_channels": ",".join(sorted({rule.channel for rule in rules})) or None,
        "alert_destinations": ",".join(sorted({rule.destination for rule in rules})) or None,
    }
