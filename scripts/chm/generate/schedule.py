"""When each pipeline runs: cadences that add up to the number of runs asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chm.errors import ChmError
from chm.generate.behaviour import Behaviour, Role
from chm.generate.config import GenerateConfig
from chm.generate.draw import stream
from chm.generate.fleet import Pipeline

# How much more often some pipelines run than others.
_BUSYNESS = (1, 2, 4, 8, 16, 32)
_BUSYNESS_WITH_FAULT = 4
# A fault shows only where there are runs: its pipeline, or an outage's, runs at least this often.
_SLOWEST_WITH_FAULT_MINUTES = 1440
# A run starts and is reported a little later than it was due. So nothing is due in the last
# minutes before a range ends, a pipeline is switched off or falls silent.
_QUIET_END = timedelta(minutes=5)


@dataclass(frozen=True)
class Schedule:
    """A pipeline's cadence and the instants at which its runs were due, in order."""

    cadence_minutes: int
    due_at: tuple[datetime, ...]


def plan_schedules(
    config: GenerateConfig, pipelines: list[Pipeline], behaviours: Mapping[str, Behaviour]
) -> dict[str, Schedule]:
    """Return each pipeline's schedule by its id; together they hold exactly `runs.total` runs.

    Every pipeline begins at the slowest cadence. The one that runs the least for its
    busyness is moved to the next faster one until there are enough runs; the history of
    the one moved last begins later by what is then too much.

    Raises:
        ChmError: the number of runs is out of reach of the cadences allowed.
    """
    total = config.runs.total
    ladder = sorted(set(config.runs.cadences_minutes), reverse=True)
    busyness: dict[str, int] = {}
    anchors: dict[str, int] = {}
    rungs: dict[str, int] = {}
    for pipeline in pipelines:
        rng = stream(config.seed, "schedule", pipeline.id)
        has_fault = behaviours[pipeline.id].is_planted
        is_outage_platform = config.incident and pipeline.platform == config.incident.platform
        busyness[pipeline.id] = _BUSYNESS_WITH_FAULT if has_fault else rng.choice(_BUSYNESS)
        anchors[pipeline.id] = _anchor_minutes(config, pipeline, rng.random(), rng.randint(0, 6))
        rungs[pipeline.id] = next(
            (
                rung
                for rung, minutes in enumerate(ladder)
                if not (has_fault or is_outage_platform) or minutes <= _SLOWEST_WITH_FAULT_MINUTES
            ),
            len(ladder) - 1,
        )

    def due(pipeline: Pipeline) -> list[datetime]:
        cadence = ladder[rungs[pipeline.id]]
        return _due_at(config, pipeline, behaviours[pipeline.id], cadence, anchors[pipeline.id])

    plan = {pipeline.id: due(pipeline) for pipeline in pipelines}
    planned = sum(len(instants) for instants in plan.values())
    if planned > total:
        raise ChmError(
            f"runs.total: {len(pipelines)} pipelines run {planned} times even at their slowest "
            f"cadences, more than {total}"
        )
    while planned < total:
        movable = [
            pipeline
            for pipeline in pipelines
            if behaviours[pipeline.id].role != Role.NEW and rungs[pipeline.id] < len(ladder) - 1
        ]
        if not movable:
            raise ChmError(
                f"runs.total: {len(pipelines)} pipelines run {planned} times at the fastest "
                f"cadence, fewer than {total}"
            )
        moved = min(movable, key=lambda item: len(plan[item.id]) / busyness[item.id])
        rungs[moved.id] += 1
        before = len(plan[moved.id])
        instants = due(moved)
        surplus = max(planned - before + len(instants) - total, 0)
        plan[moved.id] = instants[surplus:]
        planned += len(plan[moved.id]) - before
    return {
        key: Schedule(cadence_minutes=ladder[rungs[key]], due_at=tuple(instants))
        for key, instants in plan.items()
    }


def _anchor_minutes(
    config: GenerateConfig, pipeline: Pipeline, time_of_day: float, weekday: int
) -> int:
    """When the schedule is due for the first time, in minutes since the range began."""
    first_hour, last_hour = (0, 24)
    if pipeline.platform in config.runs.night_platforms:
        first_hour, last_hour = config.runs.night_hours
    slots_of_5_minutes = (last_hour - first_hour) * 12
    midnight = config.range.start.hour * 60 + config.range.start.minute
    minutes = first_hour * 60 + int(time_of_day * slots_of_5_minutes) * 5
    return weekday * 24 * 60 + minutes - midnight


def _due_at(
    config: GenerateConfig,
    pipeline: Pipeline,
    behaviour: Behaviour,
    cadence_minutes: int,
    anchor_minutes: int,
) -> list[datetime]:
    if behaviour.role == Role.NEW:
        return []
    begin = max(config.range.start, pipeline.created_at)
    ends = [config.range.end, pipeline.stopped_at]
    if behaviour.role == Role.SILENT:
        ends.append(behaviour.since)
    end = min(instant for instant in ends if instant is not None) - _QUIET_END
    step = timedelta(minutes=cadence_minutes)
    instant = config.range.start + timedelta(minutes=anchor_minutes) % step
    if instant < begin:
        instant += -((instant - begin) // step) * step
    instants = []
    while instant < end:
        instants.append(instant)
        instant += step
    return instants


def jitter(config: GenerateConfig, pipeline: Pipeline, schedule: Schedule) -> list[datetime]:
    """Return when the runs really started: up to three minutes after they were due."""
    rng = stream(config.seed, "jitter", pipeline.id)
    return [instant + timedelta(seconds=rng.randint(0, 180)) for instant in schedule.due_at]
