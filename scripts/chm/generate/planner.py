"""From a fleet to the arrays of its plan: what does not depend on how often pipelines run."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chm.generate.arithmetic import DOUBLING, logarithm, power_of_two, share_bound
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Pipeline, is_new
from chm.generate.plan import NEVER, NONE, PIPELINE, WINDOW, Chances, Integers, Plan, Pools
from chm.generate.rhythm import Rhythm, platforms_in_use, usual_rows, zones_in_use
from chm.generate.zones import zone_tables

_DAY = 86400
# Log-normal spreads are given for the natural logarithm; log2(e) = 1.442695.
_LOG2_E = 94548
# Local days, and the texts of instants, beyond both ends of the range.
_MARGIN_DAYS = 3


def first_day(config: GenerateConfig) -> int:
    """Return the first day, since 1970, that tables of days must hold."""
    return int(config.range.start.timestamp()) // _DAY - _MARGIN_DAYS


def table_days(config: GenerateConfig) -> int:
    """Return how many days tables of days must hold."""
    last = int(config.range.end.timestamp()) // _DAY + _MARGIN_DAYS
    return last - first_day(config) + 1


def make_plan(
    config: GenerateConfig, pipelines: Sequence[Pipeline], rhythms: Sequence[Rhythm], pools: Pools
) -> Plan:
    """Return the plan of a fleet that has neither schedules nor planted faults yet."""
    start, end = int(config.range.start.timestamp()), int(config.range.end.timestamp())
    zones = zones_in_use(rhythms)
    tables = zone_tables(zones, first_day(config), table_days(config))
    platforms = platforms_in_use(pipelines)
    rows = np.zeros(len(pipelines), PIPELINE)
    for row, (pipeline, rhythm) in enumerate(zip(pipelines, rhythms, strict=True)):
        rows[row] = _row(config, pipeline, rhythm, platforms, zones)
    percents = config.rows.weekday_percent
    return Plan(
        start=start,
        end=end,
        run_key=_key(config, "runs"),
        other_run_key=_key(config, "runs, lower half"),
        pipelines=rows,
        windows=np.zeros(0, WINDOW),
        incidents=0,
        first_day=first_day(config),
        offset_before=tables.offset_before,
        offset_after=tables.offset_after,
        change_minute=tables.change_minute,
        season=np.array([ratio_log(percent, 100) for percent in percents], np.int64),
        chances=_chances(config),
        pools=pools,
    )


def ratio_log(numerator: int, denominator: int) -> int:
    """Return the logarithm to base 2 of a ratio of whole numbers."""
    return logarithm(numerator << 16) - logarithm(denominator << 16)


def _key(config: GenerateConfig, *parts: object) -> np.uint64:
    name = "/".join(map(str, ("chm", config.seed, config.runs.batch, *parts)))
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))


def _row(
    config: GenerateConfig,
    pipeline: Pipeline,
    rhythm: Rhythm,
    platforms: list[str],
    zones: list[str],
) -> NDArray[np.void]:
    row = np.zeros((), PIPELINE)
    start, end = int(config.range.start.timestamp()), int(config.range.end.timestamp())
    stop = pipeline.stopped_at
    row["key"] = _key(config, pipeline.id)
    row["active_from"] = max(start, int(pipeline.created_at.timestamp()))
    row["active_until"] = end if stop is None else min(end, int(stop.timestamp()))
    if is_new(config, pipeline):
        row["active_until"] = row["active_from"]
    row["zone"] = zones.index(rhythm.zone)
    row["jitter_seconds"] = rhythm.jitter_seconds
    row["upstream"] = NONE
    row["platform"] = platforms.index(pipeline.platform)
    tail = config.durations.long_tail
    if tail and (pipeline.platform, pipeline.pipeline_type) == (tail.platform, tail.pipeline_type):
        row["long_bound"] = share_bound(tail.run_share)
    duration = config.durations.by_type[pipeline.pipeline_type]
    row["duration_sigma"] = _sigma(duration.sigma)
    row["slow_since"] = NEVER
    least, most = usual_rows(pipeline.pipeline_type)
    span = ratio_log(most, least)
    drift = config.rows.drift_percent_per_month * span // 100
    # The middle third of the range leaves room for seasons and drift.
    row["rows"] = span // 3 + int(rhythm.rows_position * (span // 3))
    row["rows_sigma"] = _sigma(config.rows.sigma)
    row["rows_drift_per_day"] = int(rhythm.rows_drift * drift) // 30
    row["rows_least"] = least
    row["rows_span"] = span
    row["attempts"] = rhythm.attempts
    row["retry_delay_seconds"] = rhythm.retry_delay_seconds
    return row


def median_seconds(
    config: GenerateConfig, pipeline: Pipeline, rhythm: Rhythm, cadence_minutes: int
) -> int:
    """Return the median duration of a pipeline's runs that is fit for its cadence."""
    durations = config.durations
    median = durations.by_type[pipeline.pipeline_type].median_seconds
    median = median * durations.platform_percent[pipeline.platform] // 100
    median = median * rhythm.speed_percent // 100
    if cadence_minutes:
        median = min(median, cadence_minutes * 60 * durations.cadence_percent // 100)
    return max(median, 1)


def _sigma(natural: float) -> int:
    return round(natural * _LOG2_E)


def with_transient_shares(
    config: GenerateConfig, plan: Plan, rhythms: Sequence[Rhythm], slots: Integers
) -> Plan:
    """Return the plan with each pipeline's share of transient failures.

    They differ by up to a factor of 4 either way; weighed by `slots`, their mean is the share
    asked for. Where that would lift one above 1, all have the same.
    """
    share = config.failures.transient_share
    factors = np.array([power_of_two(rhythm.transient_log + 20 * DOUBLING) for rhythm in rhythms])
    weights = slots if slots.sum() else np.ones(len(rhythms))
    shares = share * factors * weights.sum() / (factors * weights).sum()
    if shares.max(initial=0) > 1:
        shares = np.full(len(rhythms), share)
    rows = plan.pipelines.copy()
    rows["transient_bound"] = [share_bound(float(value)) for value in shares]
    return plan._replace(pipelines=rows)


def _chances(config: GenerateConfig) -> Chances:
    tail = config.durations.long_tail
    least, most = tail.factor if tail else (1, 1)
    late_least, late_most = config.ingestion.late_minutes
    return Chances(
        canceled_bound=share_bound(config.runs.canceled_share),
        skipped_bound=share_bound(config.runs.skipped_share),
        upstream_bound=share_bound(config.upstream.effect_share),
        upstream_skipped_bound=share_bound(config.upstream.skipped_share),
        long_least=logarithm(least),
        long_most=logarithm(most),
        lag=logarithm(config.ingestion.median_seconds),
        lag_sigma=_sigma(config.ingestion.sigma),
        late_bound=share_bound(config.ingestion.late_share),
        late_least_seconds=late_least * 60,
        late_most_seconds=late_most * 60,
    )
