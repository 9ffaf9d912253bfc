"""What was planted, for scoring the marts against it.

planted_truth.json, all instants in UTC:

    format      1, raised when the shape changes
    range       {start, end}: the history, end excluded
    incidents   one entry an outage: {platform, started_at, ended_at (excluded), minutes,
                pipeline_ids (with a run that starts in it), runs, failed_runs}
    pipelines   one entry a pipeline: {pipeline_id, pipeline_name, client_name, role, since,
                factor, cadence_minutes, runs}. role is healthy, new (no run yet), flaky,
                broken, silent or slow; since is when the fault begins (broken, silent,
                slow), factor how many times as long a slow one takes; null elsewhere
    long_tail   {platform, pipeline_type, pipeline_ids, factor ([from, to]), run_ids (the
                successful runs that took that many times as long)}
"""

from collections.abc import Mapping
from typing import Any

from chm.generate.behaviour import Behaviour, Incident, has_long_tail
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Pipeline
from chm.generate.outcomes import PlannedRun
from chm.generate.runs import Run, iso
from chm.generate.schedule import Schedule

FORMAT = 1


def planted_truth(
    config: GenerateConfig,
    pipelines: list[Pipeline],
    behaviours: Mapping[str, Behaviour],
    schedules: Mapping[str, Schedule],
    incident: Incident | None,
    planned: list[PlannedRun],
    runs: list[Run],
) -> dict[str, Any]:
    """Return the planted truth as plain values, in the shape that this module describes."""
    tail = config.long_tail
    return {
        "format": FORMAT,
        "range": {"start": iso(config.range.start), "end": iso(config.range.end)},
        "incidents": [_incident_entry(incident, planned, runs)] if incident else [],
        "pipelines": [
            _pipeline_entry(pipeline, behaviours[pipeline.id], schedules[pipeline.id])
            for pipeline in pipelines
        ],
        "long_tail": {
            "platform": tail.platform,
            "pipeline_type": tail.pipeline_type,
            "pipeline_ids": [
                pipeline.id for pipeline in pipelines if has_long_tail(config, pipeline)
            ],
            "factor": list(tail.factor),
            "run_ids": [
                run.id
                for plan, run in zip(planned, runs, strict=True)
                if plan.is_long and run.status == "success"
            ],
        },
    }


def _incident_entry(
    incident: Incident, planned: list[PlannedRun], runs: list[Run]
) -> dict[str, Any]:
    hit = [
        run
        for plan, run in zip(planned, runs, strict=True)
        if incident.covers(plan.pipeline, plan.started_at)
    ]
    return {
        "platform": incident.platform,
        "started_at": iso(incident.started_at),
        "ended_at": iso(incident.ended_at),
        "minutes": int((incident.ended_at - incident.started_at).total_seconds()) // 60,
        "pipeline_ids": sorted({run.pipeline_id for run in hit}),
        "runs": len(hit),
        "failed_runs": sum(run.status == "failed" for run in hit),
    }


def _pipeline_entry(pipeline: Pipeline, behaviour: Behaviour, schedule: Schedule) -> dict[str, Any]:
    return {
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "client_name": pipeline.client.name,
        "role": str(behaviour.role),
        "since": iso(behaviour.since) if behaviour.since else None,
        "factor": behaviour.factor,
        "cadence_minutes": schedule.cadence_minutes,
        "runs": len(schedule.due_at),
    }
