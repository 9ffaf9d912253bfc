"""What was planted, for scoring the marts against it.

planted_truth.json, all instants in UTC:

    format             2, raised when the shape changes
    generator_version  of the generator that wrote it
    seed, batch        of the data set's batch
    range              {start, end}: the history, end excluded
    incidents          one entry an outage of a whole platform or client: {scope ("platform" or
                       "client"), platform, client_id (the one that is its scope, null the
                       other), started_at, ended_at (excluded), minutes, failed_share (of the
                       runs that start in it), pipeline_ids (in its scope), runs, failed_runs}
    pipelines          one entry a pipeline that could run: {pipeline_id, pipeline_name,
                       client_name, role, since, factor, cadence_minutes (null: only started
                       by hand), upstream_pipeline_id (what it waits for, or null), runs,
                       failed_runs, retries (of its runs), overlong_runs, outages ([from, to]
                       of the times when it alone was down)}. role is healthy, new (no run
                       yet), flaky, broken, silent or slow; since is when the fault begins
                       (broken, silent, slow), factor how many times as long a slow one takes
                       and failed_share of a flaky one's attempts; null elsewhere
    long_tail          {platform, pipeline_type, run_share, factor ([from, to]), pipeline_ids,
                       runs}, or null: successful runs that took that many times as long
    retries            {runs, external_run_id_suffix}: runs that repeat a failed one; theirs is
                       the id of the first attempt with the suffix and the attempt's number

A further batch has a file of its own, planted_truth_batchNN.json.
"""

from datetime import UTC, datetime
from typing import Any

from chm.generate.arithmetic import power_of_two
from chm.generate.config import GenerateConfig
from chm.generate.history import History
from chm.generate.plan import NONE
from chm.generate.version import GENERATOR_VERSION
from chm.generate.windows import Incident

FORMAT = 2
RETRY_SUFFIX = "-r"
# A factor is told to a hundredth.
_HUNDRED_LOG = 435412


def iso(instant: datetime | int) -> str:
    """Write an instant in UTC as the contract wants it, to the second, with a `Z`."""
    if isinstance(instant, int):
        instant = datetime.fromtimestamp(instant, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def planted_truth(config: GenerateConfig, history: History) -> dict[str, Any]:
    """Return the planted truth as plain values, in the shape that this module describes."""
    outages: dict[int, list[list[str]]] = {}
    for outage in history.outages:
        outages.setdefault(outage.row, []).append([iso(outage.start), iso(outage.end)])
    return {
        "format": FORMAT,
        "generator_version": GENERATOR_VERSION,
        "seed": config.seed,
        "batch": config.runs.batch,
        "range": {"start": iso(config.range.start), "end": iso(config.range.end)},
        "incidents": [
            _incident_entry(history, number, incident)
            for number, incident in enumerate(history.incidents)
        ],
        "pipelines": [
            _pipeline_entry(history, row, outages.get(row, []))
            for row in range(len(history.pipelines))
        ],
        "long_tail": _long_tail(config, history),
        "retries": {
            "runs": int(history.tally.retries.sum()),
            "external_run_id_suffix": RETRY_SUFFIX,
        },
    }


def _incident_entry(history: History, number: int, incident: Incident) -> dict[str, Any]:
    is_platform = incident.scope == "platform"
    return {
        "scope": incident.scope,
        "platform": incident.name if is_platform else None,
        "client_id": None if is_platform else incident.name,
        "started_at": iso(incident.start),
        "ended_at": iso(incident.end),
        "minutes": (incident.end - incident.start) // 60,
        "failed_share": incident.failed_share,
        "pipeline_ids": [history.pipelines[row].id for row in incident.rows],
        "runs": int(history.tally.incident_runs[number]),
        "failed_runs": int(history.tally.incident_failed[number]),
    }


def _pipeline_entry(history: History, row: int, outages: list[list[str]]) -> dict[str, Any]:
    pipeline, planted, tally = history.pipelines[row], history.roles[row], history.tally
    plan_row = history.plan.pipelines[row]
    factor = None
    if planted.factor_log is not None:
        factor = power_of_two(planted.factor_log + _HUNDRED_LOG) / 100
    share = None if planted.failed_percent is None else planted.failed_percent / 100
    upstream = int(plan_row["upstream"])
    return {
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "client_name": pipeline.client.name,
        "role": str(planted.role),
        "since": None if planted.since is None else iso(planted.since),
        "factor": factor,
        "failed_share": share,
        "cadence_minutes": int(plan_row["cadence_minutes"]) or None,
        "upstream_pipeline_id": None if upstream == NONE else history.pipelines[upstream].id,
        "runs": int(tally.runs[row]),
        "failed_runs": int(tally.failed[row]),
        "retries": int(tally.retries[row]),
        "overlong_runs": int(tally.overlong[row]),
        "outages": outages,
    }


def _long_tail(config: GenerateConfig, history: History) -> dict[str, Any] | None:
    tail = config.durations.long_tail
    if tail is None:
        return None
    rows = [row for row, item in enumerate(history.plan.pipelines) if item["long_bound"]]
    return {
        "platform": tail.platform,
        "pipeline_type": tail.pipeline_type,
        "run_share": tail.run_share,
        "factor": list(tail.factor),
        "pipeline_ids": [history.pipelines[row].id for row in rows],
        "runs": int(history.tally.overlong.sum()),
    }
