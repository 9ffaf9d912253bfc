"""The configuration of what happens: schedules, runs, failures and their planted causes."""

from typing import Annotated, Self
from zoneinfo import ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from chm.generate.fleet_config import (
    Bounds,
    Count,
    Part,
    PipelineType,
    Platform,
    PositiveCount,
    Share,
    not_falling,
)
from chm.generate.zones import zone_rules

Percent = Annotated[int, Field(strict=True, ge=1, le=10_000)]
PartPercent = Annotated[int, Field(strict=True, ge=1, le=100)]
Attempts = Annotated[int, Field(strict=True, ge=1, le=7)]
Hour = Annotated[int, Field(strict=True, ge=0, le=24)]
Rate = Annotated[float, Field(strict=True, ge=0, le=1000)]
# There is to be more time up than down.
_HALF_MONTH_MINUTES = 15 * 1440
# The widest spread keeps the 4096 quantiles of a draw inside the whole numbers.
Sigma = Annotated[float, Field(strict=True, ge=0, le=3)]


def _known_zone(name: str) -> str:
    try:
        zone_rules(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"'{name}' is no time zone of the IANA database") from error
    return name


def _day_part(minutes: int) -> int:
    is_part = minutes >= 5 and 1440 % minutes == 0 and (minutes <= 60 or minutes % 60 == 0)
    if not is_part and minutes != 10080:
        raise ValueError(
            "expected a part of a day from 5 minutes on (whole hours above 60 minutes) or a week "
            "(10080)"
        )
    return minutes


def _rising(hours: tuple[int, int]) -> tuple[int, int]:
    if hours[0] >= hours[1]:
        raise ValueError("expected a first hour below the second")
    return hours


def _sorted(cadences: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(cadences)))


class ScheduleConfig(Part):
    """When pipelines are due: from wall-clock times of their home time zone."""

    cadences_minutes: Annotated[
        tuple[Annotated[int, Field(strict=True), AfterValidator(_day_part)], ...],
        Field(min_length=1),
        AfterValidator(_sorted),
    ] = Field(
        (5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 10080),
        description="the intervals that a schedule may have, in minutes",
    )
    tail_exponent: Annotated[float, Field(strict=True, ge=0.2, le=10)] = Field(
        0.9,
        description="exponent of the power law of runs over pipelines: the smaller, the more "
        "of the runs belong to a few pipelines",
    )
    time_zones: Annotated[
        dict[Annotated[str, AfterValidator(_known_zone)], PositiveCount], Field(min_length=1)
    ] = Field(
        {
            "America/New_York": 6,
            "America/Los_Angeles": 3,
            "America/Sao_Paulo": 1,
            "Europe/London": 4,
            "Europe/Berlin": 4,
            "Asia/Kolkata": 2,
            "Asia/Tokyo": 1,
            "Australia/Sydney": 1,
            "UTC": 3,
        },
        description="weights of the clients' home time zones (IANA names)",
    )
    business_hours_share: Share = Field(
        0.3, description="share of the schedules of more than 2 runs a day that keep to these hours"
    )
    business_hours: Annotated[tuple[Hour, Hour], AfterValidator(_rising)] = Field(
        (7, 19), description="local hours: from, up to"
    )
    weekdays_share: Share = Field(0.25, description="share of schedules without weekends")
    jitter_seconds: Annotated[
        tuple[Count, Annotated[int, Field(strict=True, ge=0, le=3600)]], AfterValidator(not_falling)
    ] = Field((0, 180), description="a pipeline's starts come up to so much after they were due")


class RunsConfig(Part):
    """The number of runs, and those that neither succeed nor fail."""

    total: Count = Field(10_000, description="how many, retries and manual ones included")
    batch: Annotated[int, Field(strict=True, ge=1, le=99)] = Field(
        1, description="the batch's number"
    )
    manual_share: Annotated[float, Field(strict=True, ge=0, le=0.5)] = Field(
        0.01,
        description="share of runs that no schedule starts, about: manual runs make up for what "
        "the schedules lack to the total, which is more where few pipelines run often",
    )
    canceled_share: Share = Field(0.02, description="share of runs that end canceled")
    skipped_share: Share = Field(
        0.02, description="share of runs that end skipped, besides those after a failure upstream"
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if self.canceled_share + self.skipped_share > 1:
            raise ValueError(
                "canceled_share and skipped_share add up to "
                f"{self.canceled_share + self.skipped_share:g}, above 1"
            )
        return self


class DurationConfig(Part):
    """The log-normal duration of a pipeline type's runs."""

    median_seconds: Annotated[int, Field(strict=True, ge=1, le=36_000)] = Field(
        description="its median"
    )
    sigma: Sigma = Field(description="standard deviation of its natural logarithm")


class LongTailConfig(Part):
    """Latency with a long tail: runs of one platform and type that take many times as long."""

    platform: Platform = Field("dbt", description="of these pipelines")
    pipeline_type: PipelineType = Field("transform", description="and this type")
    run_share: Share = Field(0.06, description="share of their runs")
    factor: Bounds = Field((4, 12), description="how many times as long: least, most")


class DurationsConfig(Part):
    """How long runs take. No run takes more than 20 hours."""

    by_type: Annotated[dict[PipelineType, DurationConfig], Field(min_length=1)] = Field(
        {
            "ingestion": DurationConfig(median_seconds=420, sigma=0.45),
            "transform": DurationConfig(median_seconds=600, sigma=0.5),
            "quality": DurationConfig(median_seconds=180, sigma=0.4),
            "export": DurationConfig(median_seconds=240, sigma=0.4),
            "healthcheck": DurationConfig(median_seconds=15, sigma=0.35),
        },
        description="median and spread by pipeline type",
    )
    platform_percent: dict[Platform, Percent] = Field(
        {"airflow": 100, "dbt": 120, "cron": 80, "vendor_api": 140, "custom": 110},
        description="a platform's median, in percent of its type's",
    )
    pipeline_percent: Annotated[tuple[Percent, Percent], AfterValidator(not_falling)] = Field(
        (50, 200), description="a pipeline's median, in percent of that: least, most"
    )
    cadence_percent: Percent = Field(
        40, description="but a pipeline's median is at most so much of its cadence, in percent"
    )
    long_tail: LongTailConfig | None = Field(LongTailConfig(), description="null: none")


class RowsConfig(Part):
    """Rows processed by successful runs: in the type's usual range, more in longer runs."""

    sigma: Sigma = Field(0.25, description="standard deviation of the natural logarithm")
    drift_percent_per_month: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        10, description="a pipeline's rows grow or shrink by up to this, in percent of the range"
    )
    weekday_percent: tuple[Percent, Percent, Percent, Percent, Percent, Percent, Percent] = Field(
        (110, 105, 100, 100, 105, 80, 75),
        description="load of each weekday from Monday on; it holds for durations as well",
    )


class IncidentConfig(Part):
    """Outages of a whole platform, or of a whole client."""

    per_30_days: Rate = Field(description="how many on average")
    minutes: Bounds = Field(description="how long: least, most")
    failed_share: Share = Field(description="share of the runs starting in them that fail")

    @model_validator(mode="after")
    def _leave_time(self) -> Self:
        if self.per_30_days * self.mean_minutes > _HALF_MONTH_MINUTES:
            raise ValueError(
                f"{self.per_30_days:g} times {self.mean_minutes:g} minutes are more than half of "
                "30 days: lower per_30_days or minutes"
            )
        return self

    @property
    def mean_minutes(self) -> float:
        """How long one lasts on average."""
        return sum(self.minutes) / 2


class OutagesConfig(IncidentConfig):
    """Times in which one pipeline is down: a process of two states, up and down."""


class FailuresConfig(Part):
    """Why runs fail, besides what their upstream does to them."""

    transient_share: Share = Field(
        0.015,
        description="share of attempts that fail for no reason around them, of those that nothing "
        "else ended; pipelines differ by up to a factor of 4 either way",
    )
    outages: OutagesConfig = Field(
        OutagesConfig(per_30_days=0.5, minutes=(120, 2160), failed_share=0.95),
        description="a pipeline's own times of being down",
    )
    platform_incidents: IncidentConfig = Field(
        IncidentConfig(per_30_days=1.0, minutes=(60, 240), failed_share=0.9),
        description="of each platform",
    )
    client_incidents: IncidentConfig = Field(
        IncidentConfig(per_30_days=0.15, minutes=(60, 480), failed_share=0.9),
        description="of each client",
    )


class UpstreamConfig(Part):
    """Pipelines that wait for another one of their client, up to two steps deep."""

    share: Share = Field(
        0.35,
        description="share of pipelines with one upstream, of those whose client has one further "
        "up the line (ingestion, transform, others; probes wait for nobody)",
    )
    lag_minutes: Bounds = Field((10, 90), description="how much later they are due")
    effect_share: Share = Field(
        0.9, description="share of their runs that suffer when the run upstream has failed"
    )
    skipped_share: Share = Field(
        0.6, description="share of those that are skipped; the others fail"
    )


class RetriesConfig(Part):
    """Failed runs are started again, under a new external_run_id."""

    pipeline_share: Share = Field(0.6, description="share of pipelines that retry")
    attempts: Annotated[tuple[Attempts, Attempts], AfterValidator(not_falling)] = Field(
        (2, 4), description="attempts in all of those: least, most (at most 7)"
    )
    delay_seconds: Bounds = Field((60, 900), description="from a failure to the next attempt")


class RolesConfig(Part):
    """Pipelines with a planted fault; each has one at most. Numbers are rounded up."""

    flaky_share: Share = Field(
        0.06, description="share of active pipelines of active clients that are flaky"
    )
    flaky_failed_percent: Annotated[
        tuple[PartPercent, PartPercent], AfterValidator(not_falling)
    ] = Field(
        (15, 35), description="share of a flaky one's runs that fail, in percent: least, most"
    )
    broken_share: Share = Field(0.03, description="share that only fail since some day")
    silent_share: Share = Field(0.03, description="share that no longer run since some day")
    slow_share: Share = Field(0.03, description="share that are slow since some day")
    slow_factor: Bounds = Field((2, 5), description="how many times as long: least, most")
    since_days: Bounds = Field(
        (1, 10), description="days before the end at which a fault begins: least, most"
    )

    @model_validator(mode="after")
    def _fit(self) -> Self:
        total = self.flaky_share + self.broken_share + self.silent_share + self.slow_share
        if total > 1:
            raise ValueError(f"the shares of the roles add up to {total:g}, above 1")
        return self


class IngestionConfig(Part):
    """How long after its end a run is known."""

    median_seconds: PositiveCount = Field(15, description="median of the log-normal lag")
    sigma: Sigma = Field(0.8, description="standard deviation of its natural logarithm")
    late_share: Share = Field(0.01, description="share of runs that are known late")
    late_minutes: Bounds = Field((10, 480), description="how late: least, most")
