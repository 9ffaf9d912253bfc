"""The configuration of what there is: clients, pipelines and alert rules."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from chm.contract import load_contract
from chm.expectations import WrongPartError

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=0)]
PositiveCount = Annotated[int, Field(strict=True, ge=1)]
# Runs are numbered by pipeline in 19 bits of their counters.
MOST_PIPELINES = (1 << 19) - 1
PipelineCount = Annotated[int, Field(strict=True, ge=1, le=MOST_PIPELINES)]
NonEmpty = Annotated[tuple[PositiveCount, ...], Field(min_length=1)]


def one_of(enum: str) -> AfterValidator:
    """Return a check that a value is in the contract's list of this name."""

    def check(value: str) -> str:
        known = load_contract().enums[enum].values
        if value not in known:
            raise ValueError(f"'{value}' is not one of {', '.join(known)}")
        return value

    return AfterValidator(check)


def not_falling(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers; ValueError if one is below the one before it."""
    if list(numbers) != sorted(numbers):
        raise ValueError("expected a first number that is not above the second")
    return numbers


Platform = Annotated[str, one_of("platforms")]
PipelineType = Annotated[str, one_of("pipeline_types")]
Environment = Annotated[str, one_of("environments")]
RuleType = Annotated[str, one_of("alert_rule_types")]
Channel = Annotated[str, one_of("alert_channels")]
# The least and the greatest value, both included.
Bounds = Annotated[tuple[PositiveCount, PositiveCount], AfterValidator(not_falling)]


class Part(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TierConfig(Part):
    """A size of clients."""

    share: Share = Field(description="of all clients; the tiers' shares add up to 1")
    pipelines: Bounds = Field(description="how many pipelines such a client has: least, most")


class ClientsConfig(Part):
    """Clients. Those that are not active were given up in the second half of the range."""

    total: PositiveCount | None = Field(
        None, description="how many; null: as many as the pipelines need"
    )
    active_share: Share = Field(0.9, description="share that is active")
    tiers: Annotated[dict[str, TierConfig], Field(min_length=1)] = Field(
        {
            "small": TierConfig(share=0.7, pipelines=(1, 5)),
            "medium": TierConfig(share=0.2, pipelines=(4, 14)),
            "large": TierConfig(share=0.08, pipelines=(10, 40)),
            "enterprise": TierConfig(share=0.02, pipelines=(25, 120)),
        },
        description="sizes of clients, dealt by share",
    )

    @field_validator("tiers")
    @classmethod
    def _shares_add_up(cls, tiers: dict[str, TierConfig]) -> dict[str, TierConfig]:
        total = sum(tier.share for tier in tiers.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}, not to 1")
        return tiers


class PipelinesConfig(Part):
    """Pipelines."""

    total: PipelineCount | None = Field(
        None, description="how many; null: as many as the runs need, or the clients have"
    )
    runs_per_day: Annotated[float, Field(strict=True, gt=0, le=288)] = Field(
        20.0,
        description="mean runs of a pipeline, from which `total: null` follows; a small data set "
        "has more pipelines, up to 40 of 50 runs each",
    )
    active_share: Share = Field(0.95, description="share that is active")
    late_share: Share = Field(
        0.1, description="share created inside the range, in its first two fifths"
    )
    new_share: Share = Field(
        0.01, description="share created just before the end, too late to have run"
    )
    described_share: Share = Field(0.85, description="share with a description")
    external_id_share: Share = Field(0.9, description="share with an external_id")
    mix: Annotated[
        dict[Platform, Annotated[dict[PipelineType, PositiveCount], Field(min_length=1)]],
        Field(min_length=1),
    ] = Field(
        {
            "airflow": {"ingestion": 3, "transform": 2, "export": 2, "healthcheck": 2},
            "dbt": {"transform": 8, "quality": 3},
            "cron": {"export": 3, "healthcheck": 2},
            "vendor_api": {"ingestion": 9, "export": 2},
            "custom": {"ingestion": 1, "quality": 2, "export": 1},
        },
        description="weights of the pairs of platform and pipeline type",
    )
    environments: Annotated[dict[Environment, PositiveCount], Field(min_length=1)] = Field(
        {"prod": 24, "staging": 9, "dev": 7}, description="weights of the environments"
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if self.late_share + self.new_share > 1:
            raise ValueError(
                f"late_share and new_share add up to {self.late_share + self.new_share:g}, above 1"
            )
        return self


class ChannelConfig(Part):
    """A channel of alerts."""

    weight: PositiveCount = Field(description="how often it is used")
    # Without the slot two rules of one scope could not differ (R16).
    destination: Annotated[str, Field(pattern=r"\{team\}")] = Field(
        description="where alerts go; {team} is filled in"
    )


class AlertRulesConfig(Part):
    """Alert rules; thresholds are set so that the fleet sometimes reaches them."""

    total: Count | None = Field(None, description="how many; null: 6 for 10 pipelines")
    enabled_share: Share = Field(0.85, description="share that is enabled")
    rule_types: Annotated[dict[RuleType, PositiveCount], Field(min_length=1)] = Field(
        {"on_failure": 3, "failures_in_window": 2}, description="weights of the rule types"
    )
    channels: Annotated[dict[Channel, ChannelConfig], Field(min_length=1)] = Field(
        {
            "slack": ChannelConfig(weight=5, destination="#{team}"),
            "email": ChannelConfig(weight=3, destination="{team}@example.com"),
            "webhook": ChannelConfig(weight=2, destination="https://hooks.example.com/chm/{team}"),
        },
        description="the channels and their destinations",
    )
    windows_minutes: NonEmpty = Field(
        (60, 120, 360, 720, 1440), description="windows of windowed rules"
    )

    @field_validator("channels")
    @classmethod
    def _destinations_fit(cls, channels: dict[str, ChannelConfig]) -> dict[str, ChannelConfig]:
        for name, channel in channels.items():
            row = load_contract().enums["alert_channels"].rows[name]
            # The seed writes its patterns for SQL engines; Python has its own word for a space.
            pattern = row["destination_pattern"].replace("[:space:]", r"\s")
            if not re.search(pattern, channel.destination.replace("{team}", "team")):
                raise WrongPartError(
                    f"{name}.destination",
                    f"expected a text that matches {pattern}, not '{channel.destination}'",
                )
        return channels
