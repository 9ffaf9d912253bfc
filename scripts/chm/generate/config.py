"""The typed configuration of a generated data set; its defaults are the demo data set.

Every share lies between 0 and 1. Platforms, pipeline types, environments, rule types and
channels that a key names must be in the contract; values that it does not name are not
generated, so a new value in a seed leaves existing data sets as they are.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from chm.contract import load_contract
from chm.errors import ChmError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
Hour = Annotated[int, Field(ge=0, le=24)]
NonEmpty = Annotated[tuple[PositiveCount, ...], Field(min_length=1)]


def _whole_second_utc(instant: datetime) -> datetime:
    if instant.microsecond:
        raise ValueError("must be a whole second")
    return instant.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_whole_second_utc)]


def _one_of(enum: str) -> AfterValidator:
    def check(value: str) -> str:
        known = load_contract().enums[enum].values
        if value not in known:
            raise ValueError(f"'{value}' is not one of {', '.join(known)}")
        return value

    return AfterValidator(check)


def _not_falling(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if list(numbers) != sorted(numbers):
        raise ValueError("the numbers must not fall")
    return numbers


Platform = Annotated[str, _one_of("platforms")]
PipelineType = Annotated[str, _one_of("pipeline_types")]
Environment = Annotated[str, _one_of("environments")]
RuleType = Annotated[str, _one_of("alert_rule_types")]
Channel = Annotated[str, _one_of("alert_channels")]
# The least and the greatest value.
Bounds = Annotated[tuple[PositiveCount, PositiveCount], AfterValidator(_not_falling)]
Quantiles = Annotated[
    tuple[PositiveCount, PositiveCount, PositiveCount, PositiveCount, PositiveCount],
    AfterValidator(_not_falling),
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RangeConfig(_Part):
    """The instants that the history covers: `start` included, `end` excluded."""

    start: Instant = datetime(2026, 1, 1, tzinfo=UTC)
    end: Instant = datetime(2026, 2, 22, tzinfo=UTC)

    @field_validator("end")
    @classmethod
    def _end_after_start(cls, end: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start is not None and end < start + timedelta(days=2):
            raise ValueError("must lie at least 2 days after range.start")
        return end


class ClientsConfig(_Part):
    """Clients. Those that are not active were given up in the second half of the range."""

    total: PositiveCount = 12
    active_share: Share = 0.8


class PipelinesConfig(_Part):
    """Pipelines.

    `mix` weighs the pairs of platform and pipeline type, `environments` the environments.
    `late_share` of the pipelines were created inside the range, `new` ones just before its
    end, too late to have run. `described_share` have a description, `external_id_share` an
    external_id.
    """

    total: PositiveCount = 40
    active_share: Share = 0.95
    late_share: Share = 0.1
    new: Count = 1
    described_share: Share = 0.85
    external_id_share: Share = 0.9
    mix: Annotated[
        dict[Platform, Annotated[dict[PipelineType, PositiveCount], Field(min_length=1)]],
        Field(min_length=1),
    ] = {
        "airflow": {"ingestion": 2, "transform": 2, "export": 2, "healthcheck": 2},
        "dbt": {"transform": 8, "quality": 3},
        "cron": {"export": 3, "healthcheck": 2},
        "vendor_api": {"ingestion": 10, "export": 2},
        "custom": {"ingestion": 1, "quality": 2, "export": 1},
    }
    environments: Annotated[dict[Environment, PositiveCount], Field(min_length=1)] = {
        "prod": 24,
        "staging": 9,
        "dev": 7,
    }


class RunsConfig(_Part):
    """Runs.

    The shares are of all runs and exact to the nearest run; what remains after them and the
    runs still running has failed. Running are the runs that could not finish before the end
    of the range and, if those are fewer than `running_at_least`, the latest of healthy
    pipelines, at most twelve hours old.
    `cadences_minutes` are the intervals that a pipeline's schedule may have. Pipelines of
    `night_platforms` start between the two hours `night_hours` (UTC). `durations_seconds`
    gives, for each pipeline type, the quantiles 0, 0.1, 0.5, 0.9 and 1.
    """

    total: PositiveCount = 1500
    batch: Annotated[int, Field(ge=1, le=99)] = 1
    success_share: Share = 0.89
    canceled_share: Share = 0.02
    skipped_share: Share = 0.02
    running_at_least: Count = 3
    cadences_minutes: NonEmpty = (10080, 2880, 1440, 720, 360, 180, 60, 30, 15, 5)
    night_platforms: tuple[Platform, ...] = ("vendor_api",)
    night_hours: tuple[Hour, Hour] = (2, 4)
    durations_seconds: dict[PipelineType, Quantiles] = {
        "ingestion": (60, 300, 900, 2400, 4800),
        "transform": (90, 420, 1200, 2700, 5400),
        "quality": (30, 120, 360, 900, 1800),
        "export": (40, 150, 480, 1200, 2400),
        "healthcheck": (2, 5, 15, 45, 120),
    }

    @field_validator("night_hours")
    @classmethod
    def _night_hours_rise(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if hours[0] >= hours[1]:
            raise ValueError("the first hour must be below the second")
        return hours

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = self.success_share + self.canceled_share + self.skipped_share
        if total > 1:
            raise ValueError(
                f"success_share, canceled_share and skipped_share add up to {total:g}, above 1"
            )
        return self


class IncidentConfig(_Part):
    """An outage of a whole platform, for a time within `minutes` (from, to).

    `failed_share` of the platform's runs that start inside it fail.
    """

    platform: Platform = "vendor_api"
    minutes: Bounds = (90, 120)
    failed_share: Share = 0.9


class LongTailConfig(_Part):
    """Latency with a long tail.

    `run_share` of the runs of every pipeline of this platform and type take
    `factor` (from, to) times as long as they would.
    """

    platform: Platform = "dbt"
    pipeline_type: PipelineType = "transform"
    run_share: Share = 0.06
    factor: Bounds = (4, 12)


class RolesConfig(_Part):
    """Pipelines with a planted fault; each has one fault, the others are healthy.

    `flaky` pipelines fail `flaky_failed_share` of their runs, all along. For the other
    faults each number plants one pipeline and says how many days before the end of the
    range its fault begins: a broken one only fails from then on, a silent one no longer
    runs, a slow one takes `slow_factor` times as long.
    """

    flaky: Count = 3
    flaky_failed_share: Share = 0.3
    broken_days: tuple[PositiveCount, ...] = (9, 4, 1)
    silent_days: tuple[PositiveCount, ...] = (8, 4)
    slow_days: tuple[PositiveCount, ...] = (14, 10)
    slow_factor: Annotated[int, Field(ge=2)] = 3


class ChannelConfig(_Part):
    """How often a channel is used, and its destinations: `{team}` is filled in."""

    weight: PositiveCount
    # Without the slot two rules of one scope could not differ (R16).
    destination: Annotated[str, Field(pattern=r"\{team\}")]


class AlertRulesConfig(_Part):
    """Alert rules; `thresholds` and `windows_minutes` are for the windowed rule types."""

    total: Count = 25
    enabled_share: Share = 0.85
    rule_types: Annotated[dict[RuleType, PositiveCount], Field(min_length=1)] = {
        "on_failure": 3,
        "failures_in_window": 2,
    }
    channels: Annotated[dict[Channel, ChannelConfig], Field(min_length=1)] = {
        "slack": ChannelConfig(weight=5, destination="#{team}"),
        "email": ChannelConfig(weight=3, destination="{team}@example.com"),
        "webhook": ChannelConfig(weight=2, destination="https://hooks.example.com/chm/{team}"),
    }
    thresholds: NonEmpty = (2, 3, 5)
    windows_minutes: NonEmpty = (120, 720, 1440)

    @field_validator("channels")
    @classmethod
    def _destinations_fit(cls, channels: dict[str, ChannelConfig]) -> dict[str, ChannelConfig]:
        for name, channel in channels.items():
            row = load_contract().enums["alert_channels"].rows[name]
            # The seed writes its patterns for SQL engines; Python has its own word for a space.
            pattern = row["destination_pattern"].replace("[:space:]", r"\s")
            if not re.search(pattern, channel.destination.replace("{team}", "team")):
                raise ValueError(f"'{channel.destination}' does not look like {name}: {pattern}")
        return channels


class GenerateConfig(_Part):
    """A whole data set; with the seed it settles every byte. `incident` null plants none."""

    seed: Annotated[int, Field(ge=0)] = 42
    range: RangeConfig = RangeConfig()
    clients: ClientsConfig = ClientsConfig()
    pipelines: PipelinesConfig = PipelinesConfig()
    runs: RunsConfig = RunsConfig()
    incident: IncidentConfig | None = IncidentConfig()
    long_tail: LongTailConfig = LongTailConfig()
    roles: RolesConfig = RolesConfig()
    alert_rules: AlertRulesConfig = AlertRulesConfig()

    @model_validator(mode="after")
    def _types_have_durations(self) -> Self:
        for types in self.pipelines.mix.values():
            for pipeline_type in types:
                if pipeline_type not in self.runs.durations_seconds:
                    raise ValueError(f"runs.durations_seconds lacks {pipeline_type}")
        return self


def make_config(values: Mapping[str, Any]) -> GenerateConfig:
    """Check nested plain values, as a YAML file would hold them, and fill in the defaults.

    Raises:
        ChmError: an unknown key, a wrong type or an impossible value; the message names
            each key by its path and says what was expected.
    """
    try:
        return GenerateConfig.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{_path(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ChmError("\n".join(problems)) from error


def _path(location: tuple[int | str, ...]) -> str:
    # The key of a mapping, if it is the key that is wrong, is followed by "[key]".
    return ".".join(str(part) for part in location if part != "[key]") or "configuration"
