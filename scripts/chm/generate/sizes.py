"""How many clients and pipelines a data set has, from what the configuration leaves open."""

from random import Random

from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.draw import dealt, stream
from chm.generate.fleet_config import MOST_PIPELINES, TierConfig

# A small data set has this many pipelines if its runs give each so many.
_FEW_PIPELINES = 40
_FEW_RUNS = 50


def pipelines_by_client(config: GenerateConfig) -> list[int]:
    """Return for each client how many pipelines it has, drawn by tier.

    Raises:
        ChmError: the tiers' bounds leave no way to the totals that the configuration names.
    """
    rng = stream(config.seed, config.runs.batch, "sizes")
    total = config.pipelines.total
    clients = config.clients.total
    if clients is None:
        tiers = _fitting_tiers(rng, config, total or _pipelines_for_runs(config))
    else:
        tiers = _dealt_tiers(rng, config, clients)
    sizes = [rng.randint(*tier.pipelines) for tier in tiers]
    if total is not None:
        _adjust(rng, tiers, sizes, total)
    return sizes


def pace_counts(config: GenerateConfig) -> bool:
    """Whether the number of pipelines follows from pipelines.runs_per_day."""
    is_open = config.clients.total is None and config.pipelines.total is None
    return is_open and _pipelines_by_pace(config) >= _few_pipelines(config)


def _pipelines_for_runs(config: GenerateConfig) -> int:
    by_pace = _pipelines_by_pace(config)
    if by_pace > MOST_PIPELINES:
        raise ChmError(
            f"runs.total: {config.runs.total:,} runs take about {by_pace:,} pipelines at "
            f"pipelines.runs_per_day {config.pipelines.runs_per_day:g}, and at most "
            f"{MOST_PIPELINES:,} can be; lengthen the range"
        )
    return max(by_pace, _few_pipelines(config), 1)


def _pipelines_by_pace(config: GenerateConfig) -> int:
    days = (config.range.end - config.range.start).total_seconds() / 86400
    return round(config.runs.total / (days * config.pipelines.runs_per_day))


def _few_pipelines(config: GenerateConfig) -> int:
    return min(_FEW_PIPELINES, -(-config.runs.total // _FEW_RUNS))


def _dealt_tiers(rng: Random, config: GenerateConfig, clients: int) -> list[TierConfig]:
    weights = {name: round(tier.share * 10**9) for name, tier in config.clients.tiers.items()}
    used = {name: weight for name, weight in weights.items() if weight}
    return [config.clients.tiers[name] for name in dealt(rng, clients, used)]


def _fitting_tiers(rng: Random, config: GenerateConfig, pipelines: int) -> list[TierConfig]:
    """The tiers of as many clients as have about so many pipelines, and could have just those."""
    shares = config.clients.tiers.values()
    mean = sum(tier.share * sum(tier.pipelines) / 2 for tier in shares)
    clients = max(1, round(pipelines / mean))
    tiers = _dealt_tiers(rng, config, clients)
    while sum(tier.pipelines[0] for tier in tiers) > pipelines and clients > 1:
        clients -= 1
        tiers = _dealt_tiers(rng, config, clients)
    while sum(tier.pipelines[1] for tier in tiers) < pipelines:
        clients += 1
        tiers = _dealt_tiers(rng, config, clients)
    return tiers


def _adjust(rng: Random, tiers: list[TierConfig], sizes: list[int], total: int) -> None:
    """Change sizes inside their tiers' bounds until they add up to the total."""
    least = sum(tier.pipelines[0] for tier in tiers)
    most = sum(tier.pipelines[1] for tier in tiers)
    if not least <= total <= most:
        raise ChmError(
            f"pipelines.total: {total} pipelines asked for, and {len(tiers)} clients of the "
            f"tiers in clients.tiers have {least} to {most}"
        )
    order = list(range(len(sizes)))
    rng.shuffle(order)
    missing = total - sum(sizes)
    while missing:
        for index in order:
            lower, upper = tiers[index].pipelines
            step = (missing > 0) - (missing < 0)
            if lower <= sizes[index] + step <= upper:
                sizes[index] += step
                missing -= step
