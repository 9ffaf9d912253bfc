"""How each pipeline behaves: its planted fault, and when a platform is out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.draw import stream
from chm.generate.fleet import DAY, Pipeline, is_new


class Role(StrEnum):
    """What was planted on a pipeline."""

    HEALTHY = "healthy"
    NEW = "new"
    FLAKY = "flaky"
    BROKEN = "broken"
    SILENT = "silent"
    SLOW = "slow"


@dataclass(frozen=True)
class Behaviour:
    """A pipeline's role.

    `since` is when the fault begins (broken, silent, slow), `factor` how many times as long
    a slow pipeline takes from then on.
    """

    role: Role
    since: datetime | None = None
    factor: int | None = None

    @property
    def is_planted(self) -> bool:
        """Whether the pipeline has a fault."""
        return self.role not in (Role.HEALTHY, Role.NEW)

    def holds(self, role: Role, instant: datetime) -> bool:
        """Whether this role's fault shows in a run that starts at an instant."""
        return self.role == role and (self.since is None or instant >= self.since)


@dataclass(frozen=True)
class Incident:
    """An outage of a platform from `started_at` up to, but not including, `ended_at`."""

    platform: str
    started_at: datetime
    ended_at: datetime

    def covers(self, pipeline: Pipeline, instant: datetime) -> bool:
        """Whether a pipeline's run that starts at an instant falls into the outage."""
        return pipeline.platform == self.platform and self.started_at <= instant < self.ended_at


def has_long_tail(config: GenerateConfig, pipeline: Pipeline) -> bool:
    """Whether some runs of this pipeline take many times as long as the others."""
    tail = config.long_tail
    return (pipeline.platform, pipeline.pipeline_type) == (tail.platform, tail.pipeline_type)


def assign_roles(config: GenerateConfig, pipelines: list[Pipeline]) -> dict[str, Behaviour]:
    """Return each pipeline's behaviour by its id.

    Faults are planted on active pipelines of active clients that exist from the start. Slow
    ones are no long-tail pipelines: the two could not be told apart.

    Raises:
        ChmError: too few pipelines for the faults asked for, or a fault that would begin
            before the range does.
    """
    roles = config.roles
    behaviours = {
        pipeline.id: Behaviour(Role.NEW if is_new(config, pipeline) else Role.HEALTHY)
        for pipeline in pipelines
    }
    free = [
        pipeline
        for pipeline in pipelines
        if pipeline.stopped_at is None and pipeline.created_at < config.range.start
    ]
    stream(config.seed, "roles").shuffle(free)
    # Slow ones choose first: they are the only ones that not every pipeline can be.
    free.sort(key=lambda pipeline: has_long_tail(config, pipeline))
    slow = [_since(config, Role.SLOW, days, roles.slow_factor) for days in roles.slow_days]
    others = [Behaviour(Role.FLAKY)] * roles.flaky
    others += [_since(config, Role.BROKEN, days) for days in roles.broken_days]
    others += [_since(config, Role.SILENT, days) for days in roles.silent_days]
    steady = [pipeline for pipeline in free if not has_long_tail(config, pipeline)]
    if len(steady) < len(slow) or len(free) < len(slow) + len(others):
        raise ChmError(
            f"roles: {len(slow)} slow and {len(others)} other faults asked for, and only "
            f"{len(free)} pipelines ({len(steady)} without a long tail) can have one"
        )
    rest = free[len(slow) :]
    stream(config.seed, "roles", "others").shuffle(rest)
    chosen = free[: len(slow)] + rest[: len(others)]
    return behaviours | {
        pipeline.id: behaviour for pipeline, behaviour in zip(chosen, slow + others, strict=True)
    }


def _since(config: GenerateConfig, role: Role, days: int, factor: int | None = None) -> Behaviour:
    since = config.range.end - days * DAY
    if since <= config.range.start:
        raise ChmError(f"roles.{role}_days: {days} days before the end is not inside the range")
    return Behaviour(role, since, factor)


def place_incident(
    config: GenerateConfig,
    pipelines: Mapping[str, Pipeline],
    starts: Mapping[str, list[datetime]],
) -> Incident | None:
    """Return the outage: the window of its length that the most runs of its platform start in.

    It lies in the last 60 % of the range but not in its last tenth. `starts` holds the start
    of every run by pipeline id.

    Raises:
        ChmError: an outage is asked for, and its platform has no run in that time.
    """
    if config.incident is None:
        return None
    rng = stream(config.seed, "incident")
    settings = config.incident
    length = timedelta(minutes=rng.randint(*settings.minutes))
    lead = timedelta(seconds=rng.randint(60, 600))
    span = config.range.end - config.range.start
    hit = sorted(
        instant
        for key, instants in starts.items()
        if pipelines[key].platform == settings.platform
        for instant in instants
    )
    counts: dict[datetime, int] = {}
    for instant in hit:
        begin = instant - lead
        if span * 4 / 10 <= begin - config.range.start <= span * 9 / 10:
            counts[begin] = sum(begin <= other < begin + length for other in hit)
    if not counts:
        raise ChmError(f"incident.platform: {settings.platform} has no run to plant an outage on")
    most = max(counts.values())
    begin = rng.choice([begin for begin, count in counts.items() if count == most])
    return Incident(settings.platform, begin, begin + length)
