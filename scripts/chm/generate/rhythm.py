"""Each pipeline's own ways: home hours, speed, size, retries, and what it waits for.

They follow from the pipeline's id alone, so a further batch of a data set finds its
pipelines as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from chm.contract import load_contract
from chm.generate.arithmetic import DOUBLING, logarithm
from chm.generate.config import GenerateConfig
from chm.generate.draw import log_uniform, stream
from chm.generate.fleet import Pipeline

# How far down the line a pipeline type stands; those not named come last. A pipeline waits
# for one further up.
_STAGES = {"ingestion": 0, "transform": 1}
_LAST_STAGE = 2
# Probes wait for nobody.
_INDEPENDENT = ("healthcheck",)
_EVERY_DAY, _WEEKDAYS = 0b1111111, 0b0011111


@dataclass(frozen=True)
class Rhythm:
    """What a pipeline brings along. `_log` names logarithms to base 2, times 65536.

    `activity_log` is how often it runs against the others: -log2 of a uniform number.
    `upstream` is the row of the pipeline that it waits for; it then shares that one's
    schedule, `lag_minutes` later.
    """

    activity_log: int
    zone: str
    phase: float
    weekday: int
    keeps_business_hours: bool
    skips_weekends: bool
    jitter_seconds: int
    speed_percent: int
    rows_position: float
    rows_drift: float
    attempts: int
    retry_delay_seconds: int
    transient_log: int
    upstream: int | None
    lag_minutes: int


def make_rhythms(config: GenerateConfig, pipelines: Sequence[Pipeline]) -> list[Rhythm]:
    """Return the rhythm of each pipeline, in their order."""
    by_client: dict[str, list[int]] = {}
    for row, pipeline in enumerate(pipelines):
        by_client.setdefault(pipeline.client.id, []).append(row)
    upstream: dict[int, int] = {}
    zones: dict[str, str] = {}
    for client_id, rows in by_client.items():
        rng = stream(client_id, "ways")
        zones[client_id] = rng.choices(
            list(config.schedule.time_zones), list(config.schedule.time_zones.values())
        )[0]
        upstream |= _upstreams(rng, config, pipelines, rows)
    return [
        _rhythm(config, pipeline, zones[pipeline.client.id], upstream.get(row))
        for row, pipeline in enumerate(pipelines)
    ]


def _upstreams(
    rng: Random, config: GenerateConfig, pipelines: Sequence[Pipeline], rows: list[int]
) -> dict[int, int]:
    """For those of a client's pipelines that wait for one: its row."""
    found = {}
    for row in rows:
        stage = _stage(pipelines[row])
        earlier = [other for other in rows if _stage(pipelines[other]) < stage]
        can_wait = earlier and pipelines[row].pipeline_type not in _INDEPENDENT
        if can_wait and rng.random() < config.upstream.share:
            found[row] = rng.choice(earlier)
    return found


def _stage(pipeline: Pipeline) -> int:
    if pipeline.pipeline_type in _INDEPENDENT:
        return _LAST_STAGE
    return _STAGES.get(pipeline.pipeline_type, _LAST_STAGE)


def _rhythm(config: GenerateConfig, pipeline: Pipeline, zone: str, upstream: int | None) -> Rhythm:
    rng = stream(pipeline.id, "ways")
    retries = rng.random() < config.retries.pipeline_share
    least_lag, most_lag = config.upstream.lag_minutes
    return Rhythm(
        activity_log=(32 << 16) - logarithm(rng.randint(1, 1 << 32)),
        zone=zone,
        phase=rng.random(),
        weekday=rng.randint(0, 4),
        keeps_business_hours=rng.random() < config.schedule.business_hours_share,
        skips_weekends=rng.random() < config.schedule.weekdays_share,
        jitter_seconds=rng.randint(*config.schedule.jitter_seconds),
        speed_percent=rng.randint(*config.durations.pipeline_percent),
        rows_position=rng.random(),
        rows_drift=rng.uniform(-1, 1),
        attempts=rng.randint(*config.retries.attempts) if retries else 1,
        retry_delay_seconds=rng.randint(*config.retries.delay_seconds),
        transient_log=log_uniform(rng, 1, 16) - 2 * DOUBLING,
        upstream=upstream,
        lag_minutes=rng.randint(least_lag, most_lag),
    )


@cache
def usual_rows(pipeline_type: str) -> tuple[int, int]:
    """Return the bounds of rows_processed that are usual for a pipeline type."""
    types = load_contract().enums["pipeline_types"]
    return (
        types.numbers("usual_rows_processed_min")[pipeline_type],
        types.numbers("usual_rows_processed_max")[pipeline_type],
    )


def weekdays(rhythm: Rhythm, cadence_minutes: int) -> int:
    """Return the days of a schedule as bits, Monday first."""
    if cadence_minutes > 1440:
        return 1 << rhythm.weekday
    return _WEEKDAYS if rhythm.skips_weekends else _EVERY_DAY


def opening_minutes(
    config: GenerateConfig, rhythm: Rhythm, cadence_minutes: int
) -> tuple[int, int]:
    """Return the minutes of the local day at which a schedule opens and closes."""
    if cadence_minutes >= 1440:
        minute = int(rhythm.phase * 288) * 5
        return minute, minute + 1
    first_hour, last_hour = config.schedule.business_hours
    if rhythm.keeps_business_hours and cadence_minutes <= (last_hour - first_hour) * 60 // 2:
        return first_hour * 60, last_hour * 60
    return int(rhythm.phase * cadence_minutes), 1440


def platforms_in_use(pipelines: Sequence[Pipeline]) -> list[str]:
    """Return the platforms of a fleet, sorted."""
    return sorted({pipeline.platform for pipeline in pipelines})


def zones_in_use(rhythms: Sequence[Rhythm]) -> list[str]:
    """Return the time zones of a fleet, sorted."""
    return sorted({rhythm.zone for rhythm in rhythms})
