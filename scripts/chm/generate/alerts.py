"""The alert rules of a fleet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.draw import between, dealt, flags, stream
from chm.generate.fleet import Client, Pipeline, is_new, make_id
from chm.generate.names import team

# What a rule is bound to: mostly a pipeline, or all pipelines of a client.
_SCOPES = {"client": 2, "pipeline": 1, "pipeline of client": 2}
_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class AlertRule:
    """Whom to tell about the failures of a client's pipelines, or of one of them.

    `threshold` (failed runs) and `window_minutes` are set for windowed rule types only.
    """

    id: str
    client_id: str | None
    pipeline_id: str | None
    rule_type: str
    threshold: int | None
    window_minutes: int | None
    channel: str
    destination: str
    is_enabled: bool
    created_at: datetime
    updated_at: datetime


def make_alert_rules(
    config: GenerateConfig, clients: list[Client], pipelines: list[Pipeline]
) -> list[AlertRule]:
    """Return the alert rules; no two share scope, type, channel and destination.

    Raises:
        ChmError: rules are asked for, and no active client has an active pipeline.
    """
    rng = stream(config.seed, "alert_rules")
    settings = config.alert_rules
    windowed = load_contract().enums["alert_rule_types"].flagged("is_windowed")
    candidates = [
        pipeline
        for pipeline in pipelines
        if pipeline.stopped_at is None and not is_new(config, pipeline)
    ]
    if settings.total and not candidates:
        raise ChmError("alert_rules.total: no active client has an active pipeline to watch")
    owners = [client for client in clients if any(client == item.client for item in candidates)]
    scopes = dealt(rng, settings.total, _SCOPES)
    rule_types = dealt(rng, settings.total, settings.rule_types)
    channels = dealt(
        rng, settings.total, {name: channel.weight for name, channel in settings.channels.items()}
    )
    enabled = flags(rng, settings.total, settings.enabled_share)
    last = config.range.end - timedelta(seconds=1)

    rules = []
    taken: set[tuple[str | None, ...]] = set()
    for index, (scope, rule_type, channel) in enumerate(
        zip(scopes, rule_types, channels, strict=True)
    ):
        watched = rng.choice(candidates)
        owner = rng.choice(owners) if scope == "client" else watched.client
        client_id = None if scope == "pipeline" else owner.id
        pipeline_id = None if scope == "client" else watched.id
        parent_created_at = owner.created_at if scope == "client" else watched.created_at
        destination = _free_destination(
            rng,
            settings.channels[channel].destination,
            (client_id, pipeline_id, rule_type, channel),
            taken,
        )
        is_windowed = rule_type in windowed
        created_at = between(rng, parent_created_at, min(parent_created_at + _MONTH, last))
        rules.append(
            AlertRule(
                id=make_id(config.seed, "alert_rules", index + 1),
                client_id=client_id,
                pipeline_id=pipeline_id,
                rule_type=rule_type,
                threshold=rng.choice(settings.thresholds) if is_windowed else None,
                window_minutes=rng.choice(settings.windows_minutes) if is_windowed else None,
                channel=channel,
                destination=destination,
                is_enabled=enabled[index],
                created_at=created_at,
                updated_at=between(rng, created_at, min(created_at + _MONTH, last)),
            )
        )
    return rules


def _free_destination(
    rng: Random,
    pattern: str,
    scope: tuple[str | None, ...],
    taken: set[tuple[str | None, ...]],
) -> str:
    name = team(rng)
    destination = pattern.replace("{team}", name)
    number = 2
    while (*scope, destination) in taken:
        destination = pattern.replace("{team}", f"{name}-{number}")
        number += 1
    taken.add((*scope, destination))
    return destination
