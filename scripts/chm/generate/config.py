"""The typed configuration of a generated data set.

Every share lies between 0 and 1. Platforms, pipeline types, environments, rule types and
channels that a key names must be in the contract; values that it does not name are not
generated, so a new value in a seed leaves existing data sets as they are.
"""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from chm.expectations import WrongPartError
from chm.generate.fleet_config import (
    AlertRulesConfig,
    ClientsConfig,
    Part,
    PipelinesConfig,
)
from chm.generate.run_config import (
    DurationsConfig,
    FailuresConfig,
    IngestionConfig,
    RetriesConfig,
    RolesConfig,
    RowsConfig,
    RunsConfig,
    ScheduleConfig,
    UpstreamConfig,
)

# Windows and roles need a few days to show.
_SHORTEST = timedelta(days=2)
# Instants are seconds since 1970, and clients are older than the range.
_FIRST_YEAR, _LAST_YEAR = 1972, 2200
_LONGEST = timedelta(days=20 * 366)
_EXPECTED = "expected a day or an ISO 8601 instant with a UTC offset"


def _day_as_instant(value: object) -> object:
    """A day stands for its first instant in UTC."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, str) and value.replace(".", "").isdigit():
        raise ValueError(_EXPECTED)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime | str):
        raise ValueError(_EXPECTED)  # noqa: TRY004
    return value


def _whole_second_utc(instant: datetime) -> datetime:
    if instant.microsecond:
        raise ValueError("expected a whole second")
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(f"expected an instant in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return instant.astimezone(UTC)


Instant = Annotated[
    AwareDatetime, BeforeValidator(_day_as_instant), AfterValidator(_whole_second_utc)
]


class RangeConfig(Part):
    """The instants that the history covers."""

    start: Instant = Field(datetime(2026, 1, 1, tzinfo=UTC), description="its first instant")
    end: Instant = Field(datetime(2026, 4, 1, tzinfo=UTC), description="its end, excluded")

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if not _SHORTEST <= self.end - self.start <= _LONGEST:
            raise ValueError(
                f"end {self.end:%Y-%m-%dT%H:%M:%SZ} must lie 2 days to 20 years after "
                f"start {self.start:%Y-%m-%dT%H:%M:%SZ}"
            )
        return self


class TextsConfig(Part):
    """The texts of runs that did not succeed."""

    folders: tuple[Path, ...] = Field(
        (), description="folders with further template files, besides the project's own"
    )
    variants: int = Field(
        48,
        strict=True,
        ge=1,
        le=10_000,
        description="filled-in texts of each pool that a data set uses",
    )


class GenerateConfig(Part):
    """A whole data set; with the seed it settles every byte."""

    seed: int = Field(42, strict=True, ge=0, description="the same seed gives the same bytes")
    range: RangeConfig = RangeConfig()
    clients: ClientsConfig = ClientsConfig()
    pipelines: PipelinesConfig = PipelinesConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    runs: RunsConfig = RunsConfig()
    durations: DurationsConfig = DurationsConfig()
    rows: RowsConfig = RowsConfig()
    failures: FailuresConfig = FailuresConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    retries: RetriesConfig = RetriesConfig()
    roles: RolesConfig = RolesConfig()
    ingestion: IngestionConfig = IngestionConfig()
    texts: TextsConfig = TextsConfig()
    alert_rules: AlertRulesConfig = AlertRulesConfig()

    @model_validator(mode="after")
    def _types_have_durations(self) -> Self:
        for platform, types in self.pipelines.mix.items():
            for pipeline_type in types:
                if pipeline_type not in self.durations.by_type:
                    raise WrongPartError(
                        "durations.by_type", f"lacks {pipeline_type}, which is in pipelines.mix"
                    )
            if platform not in self.durations.platform_percent:
                raise WrongPartError(
                    "durations.platform_percent", f"lacks {platform}, which is in pipelines.mix"
                )
        return self
