"""How each run ends: planted faults first, then exact shares over the other runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chm.errors import ChmError
from chm.generate.behaviour import Behaviour, Incident, Role
from chm.generate.config import GenerateConfig
from chm.generate.draw import nearest, stream
from chm.generate.fleet import Pipeline
from chm.generate.texts import OUTAGE, Cause, causes

_RUNNING_FROM = timedelta(hours=12)


@dataclass(frozen=True)
class PlannedRun:
    """A run before its end is known.

    `duration_seconds` is what it takes unless it fails or is canceled, `load` how much it
    has to do, from 0 up to 1; `report_lag_seconds` how long its end takes to be reported.
    """

    pipeline: Pipeline
    due_at: datetime
    started_at: datetime
    duration_seconds: int
    load: float
    report_lag_seconds: int
    is_long: bool

    @property
    def key(self) -> str:
        """The run's name within the whole data set."""
        return f"{self.pipeline.key}-{self.due_at:%Y%m%dT%H%M}"

    @property
    def reported_at(self) -> datetime:
        """When its end is known."""
        return self.started_at + timedelta(seconds=self.duration_seconds + self.report_lag_seconds)


@dataclass(frozen=True)
class Outcome:
    """A run's status, and why it failed if it did."""

    status: str
    cause: Cause | None = None


def settle(
    config: GenerateConfig,
    planned: list[PlannedRun],
    behaviours: Mapping[str, Behaviour],
    incident: Incident | None,
) -> list[Outcome]:
    """Return the outcome of each planned run, in their order.

    Raises:
        ChmError: the shares of `runs` leave no room for the planted faults, or ask for more
            than the healthy runs can bear.
    """
    outcomes: dict[int, Outcome] = {
        index: Outcome("running") for index in _running(config, planned, behaviours)
    }
    outcomes |= _planted_failures(config, planned, behaviours, incident, outcomes)
    ordinary = [
        index
        for index, run in enumerate(planned)
        if index not in outcomes
        and behaviours[run.pipeline.id].role != Role.FLAKY
        and not (incident and incident.covers(run.pipeline, run.started_at))
    ]
    total = len(planned)
    canceled = nearest(total, config.runs.canceled_share)
    skipped = nearest(total, config.runs.skipped_share)
    not_success = total - nearest(total, config.runs.success_share)
    failed = not_success - len(outcomes) - canceled - skipped
    if failed < 0:
        raise ChmError(
            f"runs.success_share: the planted faults and the runs still running are "
            f"{len(outcomes)} of {total} runs; the shares leave room for "
            f"{len(outcomes) + failed}"
        )
    if failed + canceled + skipped > len(ordinary):
        raise ChmError(
            f"runs.success_share: {failed + canceled + skipped} runs besides the planted faults "
            f"should not succeed, and only {len(ordinary)} are free for that"
        )
    rng = stream(config.seed, "outcomes")
    drawn = rng.sample(ordinary, failed + canceled + skipped)
    for index in drawn[:failed]:
        platform = planned[index].pipeline.platform
        outcomes[index] = Outcome("failed", rng.choice(causes(platform)))
    for index in drawn[failed : failed + canceled]:
        outcomes[index] = Outcome("canceled")
    for index in drawn[failed + canceled :]:
        outcomes[index] = Outcome("skipped")
    return [outcomes.get(index, Outcome("success")) for index in range(total)]


def _running(
    config: GenerateConfig, planned: list[PlannedRun], behaviours: Mapping[str, Behaviour]
) -> set[int]:
    """Runs whose end is not known at the end of the range, and the latest ones besides."""
    end = config.range.end
    running = {index for index, run in enumerate(planned) if run.reported_at >= end}
    latest = {run.pipeline.id: index for index, run in enumerate(planned)}
    for index in sorted(latest.values(), reverse=True):
        run = planned[index]
        if len(running) >= config.runs.running_at_least or run.started_at < end - _RUNNING_FROM:
            break
        # A planted fault that began today may have this run alone to show in.
        if not behaviours[run.pipeline.id].is_planted:
            running.add(index)
    return running


def _planted_failures(
    config: GenerateConfig,
    planned: list[PlannedRun],
    behaviours: Mapping[str, Behaviour],
    incident: Incident | None,
    running: Iterable[int],
) -> dict[int, Outcome]:
    rng = stream(config.seed, "planted failures")
    failures: dict[int, Outcome] = {}
    in_outage: list[int] = []
    by_flaky: dict[str, list[int]] = {}
    still_running = set(running)
    for index, run in enumerate(planned):
        pipeline = run.pipeline
        behaviour = behaviours[pipeline.id]
        if index in still_running:
            continue
        if behaviour.holds(Role.BROKEN, run.started_at):
            # What broke a pipeline is one thing, the same until it is mended.
            reasons = causes(pipeline.platform)
            cause = stream(config.seed, "broken", pipeline.id).choice(reasons)
            failures[index] = Outcome("failed", cause)
        elif incident and incident.covers(pipeline, run.started_at):
            in_outage.append(index)
        elif behaviour.role == Role.FLAKY:
            by_flaky.setdefault(pipeline.id, []).append(index)
    if incident and config.incident:
        hit = nearest(len(in_outage), config.incident.failed_share)
        failures |= {index: Outcome("failed", OUTAGE) for index in rng.sample(in_outage, hit)}
    for indexes in by_flaky.values():
        hit = nearest(len(indexes), config.roles.flaky_failed_share)
        for index in rng.sample(indexes, hit):
            platform = planned[index].pipeline.platform
            failures[index] = Outcome("failed", rng.choice(causes(platform)))
    return failures
