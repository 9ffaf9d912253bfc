"""The alert rules of a fleet, with thresholds that it sometimes reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isqrt
from random import Random

from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.draw import between, dealt, flags, nearest, stream
from chm.generate.fleet import Client, Pipeline, is_new, make_id
from chm.generate.names import team
from chm.generate.plan import Integers

# What a rule is bound to: mostly a pipeline, or all pipelines of a client.
_SCOPES = {"client": 2, "pipeline": 1, "pipeline of client": 2}
_MONTH = timedelta(days=30)
_RULES_PER_PIPELINE = 0.6


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
    config: GenerateConfig, pipelines: Sequence[Pipeline], failed_runs: Integers
) -> list[AlertRule]:
    """Return the alert rules; no two share scope, type, channel and destination.

    Args:
        config: The configuration.
        pipelines: The fleet.
        failed_runs: How many runs of each pipeline fail in the range; thresholds follow.

    Raises:
        ChmError: rules are asked for, and no active client has an active pipeline.
    """
    rng = stream(config.seed, config.runs.batch, "alert_rules")
    settings = config.alert_rules
    total = settings.total
    if total is None:
        total = nearest(len(pipelines), _RULES_PER_PIPELINE)
    failed = {
        pipeline.id: int(count) for pipeline, count in zip(pipelines, failed_runs, strict=True)
    }
    failed_by_client: dict[str, int] = {}
    for pipeline in pipelines:
        failed_by_client.setdefault(pipeline.client_id, 0)
        failed_by_client[pipeline.client_id] += failed[pipeline.id]
    windowed = load_contract().enums["alert_rule_types"].flagged("is_windowed")
    candidates = [
        pipeline
        for pipeline in pipelines
        if pipeline.stopped_at is None and not is_new(config, pipeline)
    ]
    if not candidates:
        if settings.total:
            raise ChmError("alert_rules.total: no active client has an active pipeline to watch")
        return []
    owners = list({pipeline.client.id: pipeline.client for pipeline in candidates}.values())
    scopes = dealt(rng, total, _SCOPES)
    rule_types = dealt(rng, total, settings.rule_types)
    weights = {name: channel.weight for name, channel in settings.channels.items()}
    channels = dealt(rng, total, weights)
    enabled = flags(rng, total, settings.enabled_share)
    last = config.range.end - timedelta(seconds=1)

    rules = []
    taken: set[tuple[str | None, ...]] = set()
    for index, (scope, rule_type, channel) in enumerate(
        zip(scopes, rule_types, channels, strict=True)
    ):
        watched = rng.choice(candidates)
        owner: Client = rng.choice(owners) if scope == "client" else watched.client
        client_id = None if scope == "pipeline" else owner.id
        pipeline_id = None if scope == "client" else watched.id
        parent_created_at = owner.created_at if scope == "client" else watched.created_at
        destination = _free_destination(
            rng,
            settings.channels[channel].destination,
            config.runs.batch,
            (client_id, pipeline_id, rule_type, channel),
            taken,
        )
        is_windowed = rule_type in windowed
        window = rng.choice(settings.windows_minutes)
        failures = failed_by_client[owner.id] if scope == "client" else failed[watched.id]
        created_at = between(rng, parent_created_at, min(parent_created_at + _MONTH, last))
        rules.append(
            AlertRule(
                id=make_id(config, "alert_rules", index + 1),
                client_id=client_id,
                pipeline_id=pipeline_id,
                rule_type=rule_type,
                threshold=_threshold(config, failures, window) if is_windowed else None,
                window_minutes=window if is_windowed else None,
                channel=channel,
                destination=destination,
                is_enabled=enabled[index],
                created_at=created_at,
                updated_at=between(rng, created_at, min(created_at + _MONTH, last)),
            )
        )
    return rules


def _threshold(config: GenerateConfig, failures: int, window_minutes: int) -> int:
    """A number of failures that the window rarely holds: the mean and twice its square root.

    Failures come in bursts, so more than a Poisson process would is reached now and then.
    """
    minutes = int((config.range.end - config.range.start).total_seconds()) // 60
    expected = failures * window_minutes
    return max(2, -(-expected // minutes) + 2 * isqrt(expected // minutes))


def _free_destination(
    rng: Random,
    pattern: str,
    batch: int,
    scope: tuple[str | None, ...],
    taken: set[tuple[str | None, ...]],
) -> str:
    # A later batch does not know the destinations of the earlier ones.
    name = team(rng) if batch == 1 else f"{team(rng)}-b{batch}"
    destination = pattern.replace("{team}", name)
    number = 2
    while (*scope, destination) in taken:
        destination = pattern.replace("{team}", f"{name}-{number}")
        number += 1
    taken.add((*scope, destination))
    return destination
