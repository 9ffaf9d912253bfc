"""The times in which runs fail: outages of pipelines, incidents of platforms and clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from chm.generate.arithmetic import logarithm, share_bound
from chm.generate.config import GenerateConfig
from chm.generate.draw import stream
from chm.generate.faults import Role
from chm.generate.fleet import Pipeline
from chm.generate.plan import NONE, WINDOW, Plan
from chm.generate.rhythm import platforms_in_use
from chm.generate.roles import PlantedRole
from chm.generate.run_config import IncidentConfig
from chm.generate.slots import pipelines_due
from chm.generate.text_pools import TextPool
from chm.generate.wording import Texts

_MONTH = 30 * 86400
# ln 2, times 65536.
_LN_2 = 45426
# An incident is put where it hits the most pipelines out of so many places.
_PLACES = 16


@dataclass(frozen=True)
class Incident:
    """An outage of a platform or a client (by its id), from `start` and before `end`."""

    scope: str
    name: str
    start: int
    end: int
    failed_share: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Outage:
    """A time in which one pipeline is down, from `start` and before `end`; `pool` says why."""

    row: int
    start: int
    end: int
    pool: TextPool


def make_incidents(
    config: GenerateConfig, pipelines: Sequence[Pipeline], plan: Plan
) -> list[Incident]:
    """Return the incidents of platforms and clients; `plan` holds schedules and roles."""
    incidents = []
    for scope, settings, names in (
        ("platform", config.failures.platform_incidents, [item.platform for item in pipelines]),
        ("client", config.failures.client_incidents, [item.client.id for item in pipelines]),
    ):
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            rows.setdefault(name, []).append(row)
        for name, hit in sorted(rows.items()):
            rng = stream(config.seed, config.runs.batch, "incidents", scope, name)
            array = np.array(hit, np.int64)
            incidents += [
                Incident(scope, name, begin, end, settings.failed_share, tuple(hit))
                for begin, end in _placed(rng, settings, plan, array)
            ]
    return incidents


def _placed(
    rng: Random,
    settings: IncidentConfig,
    plan: Plan,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> list[tuple[int, int]]:
    """About as many times as asked for, apart from each other, each with runs in it."""
    number = settings.per_30_days * (plan.end - plan.start) / _MONTH
    windows: list[tuple[int, int]] = []
    for _ in range(int(number) + (rng.random() < number % 1)):
        places = []
        for _ in range(_PLACES):
            seconds = 60 * rng.randint(*settings.minutes)
            begin = rng.randint(plan.start, max(plan.start, plan.end - seconds - 1))
            end = min(begin + seconds, plan.end)
            if all(end <= first or last <= begin for first, last in windows):
                places.append((begin, end))
        if places:
            hits = pipelines_due(plan, rows, np.array(places, np.int64))
            hit, begin, end = max(
                (hit, -begin, end) for hit, (begin, end) in zip(hits, places, strict=True)
            )
            if hit:
                windows.append((-begin, end))
    return sorted(windows)


def make_outages(
    config: GenerateConfig, pipelines: Sequence[Pipeline], plan: Plan, texts: Texts
) -> list[Outage]:
    """Return each pipeline's times of being down: exponential times up, uniform times down.

    They follow from the range alone, not from schedules or roles.
    """
    settings = config.failures.outages
    outages: list[Outage] = []
    if not settings.per_30_days:
        return outages
    mean_up = int(_MONTH / settings.per_30_days - 60 * settings.mean_minutes)
    causes = {
        platform: tuple(zip(*texts.causes(platform, "failed"), strict=True))
        for platform in platforms_in_use(pipelines)
    }
    for row, pipeline in enumerate(pipelines):
        rng = stream(config.seed, config.runs.batch, "outages", pipeline.id)
        pools, weights = causes[pipeline.platform]
        instant = plan.start + _exponential(rng, mean_up)
        while instant < plan.end:
            end = instant + 60 * rng.randint(*settings.minutes)
            why = stream(config.seed, "cause of outage", pipeline.id, instant)
            pool = why.choices(pools, weights)[0]
            outages.append(Outage(row, instant, min(end, plan.end), pool))
            instant = end + _exponential(rng, mean_up)
    return outages


def of_healthy(outages: Sequence[Outage], roles: Sequence[PlantedRole]) -> list[Outage]:
    """Return the outages of pipelines without another fault: what is planted is to be seen."""
    return [outage for outage in outages if roles[outage.row].role == Role.HEALTHY]


def _exponential(rng: Random, mean: int) -> int:
    """An exponentially distributed number of seconds: -mean ln u."""
    return mean * (((32 << 16) - logarithm(rng.randint(1, 1 << 32))) * _LN_2 >> 16) >> 16


def with_windows(
    config: GenerateConfig,
    plan: Plan,
    pipelines: Sequence[Pipeline],
    roles: Sequence[PlantedRole],
    incidents: Sequence[Incident],
    outages: Sequence[Outage],
    texts: Texts,
) -> Plan:
    """Return the plan with everything that makes runs fail at a time."""
    windows: list[tuple[int, int, int, int, int, int]] = []
    for number, incident in enumerate(incidents):
        cause = f"{incident.scope}_outage"
        bound = share_bound(incident.failed_share)
        windows += [
            (
                row,
                incident.start,
                incident.end,
                bound,
                texts.special(pipelines[row].platform, cause),
                number,
            )
            for row in incident.rows
        ]
    bound = share_bound(config.failures.outages.failed_share)
    windows += [
        (outage.row, outage.start, outage.end, bound, texts.number(outage.pool), NONE)
        for outage in outages
    ]
    for row, planted in enumerate(roles):
        if planted.role == Role.BROKEN and planted.since is not None:
            pool_number = texts.special(pipelines[row].platform, "broken")
            windows.append((row, planted.since, plan.end, share_bound(1), pool_number, NONE))
    windows.sort()
    return _arranged(plan, windows, len(incidents))


def _arranged(
    plan: Plan, windows: list[tuple[int, int, int, int, int, int]], incidents: int
) -> Plan:
    array = np.zeros(len(windows), WINDOW)
    owners = np.array([window[0] for window in windows], np.int64)
    for place, name in enumerate(("start", "end", "bound", "pool", "incident"), start=1):
        array[name] = [window[place] for window in windows]
    rows = plan.pipelines.copy()
    numbers = np.arange(len(rows))
    rows["window_first"] = np.searchsorted(owners, numbers, side="left")
    rows["window_last"] = np.searchsorted(owners, numbers, side="right")
    latest_ends = []
    latest_end, owner = 0, NONE
    for row, _, end, *_ in windows:
        latest_end = max(latest_end, end) if row == owner else end
        owner = row
        latest_ends.append(latest_end)
    array["latest_end"] = latest_ends
    return plan._replace(pipelines=rows, windows=array, incidents=incidents)
