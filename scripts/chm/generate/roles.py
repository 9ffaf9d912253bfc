"""Which pipelines carry a planted fault, and since when."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

import numpy as np

from chm.generate.arithmetic import share_bound
from chm.generate.config import GenerateConfig
from chm.generate.draw import log_uniform, stream
from chm.generate.faults import Role
from chm.generate.fleet import Pipeline, is_new
from chm.generate.plan import Plan
from chm.generate.slots import slots_within

_DAY = 86400
# A fault is planted where it shows: a pipeline has so many slots before and after its begin.
_SLOTS_BEFORE = 6
_SLOTS_AFTER = 4
_FLAKY_DAYS = 30
_FLAKY_SLOTS = 12


@dataclass(frozen=True)
class PlantedRole:
    """A pipeline's role; `since` in seconds for faults that begin, `factor_log` of a slow one.

    `failed_percent` is the share of a flaky one's runs that fail.
    """

    role: Role
    since: int | None = None
    factor_log: int | None = None
    failed_percent: int | None = None


def assign_roles(
    config: GenerateConfig, pipelines: Sequence[Pipeline], plan: Plan
) -> list[PlantedRole]:
    """Return the role of each pipeline; `plan` holds the schedules.

    Shares are of the active pipelines that have run and are rounded up; a fault is planted
    in fewer if fewer have enough slots around its begin for it to show.
    """
    rng = stream(config.seed, config.runs.batch, "roles")
    roles = [
        PlantedRole(Role.NEW if is_new(config, pipeline) else Role.HEALTHY)
        for pipeline in pipelines
    ]
    free = faultable(config, pipelines)
    wanted_by_role = wanted_roles(config, len(free))
    rng.shuffle(free)
    settings = config.roles
    for role, wanted in wanted_by_role.items():
        for row in list(free):
            if not wanted:
                break
            since = plan.end - rng.randint(
                settings.since_days[0] * _DAY, settings.since_days[1] * _DAY
            )
            if _shows(plan, row, role, since):
                roles[row] = _planted(rng, config, role, since)
                free.remove(row)
                wanted -= 1
    return roles


def faultable(config: GenerateConfig, pipelines: Sequence[Pipeline]) -> list[int]:
    """Return the rows of the pipelines that a fault can be planted in: active and not new."""
    return [
        row
        for row, pipeline in enumerate(pipelines)
        if pipeline.stopped_at is None and not is_new(config, pipeline)
    ]


def wanted_roles(config: GenerateConfig, faultable_pipelines: int) -> dict[Role, int]:
    """Return how many pipelines are to have each planted fault, in the order of planting."""
    settings = config.roles
    shares = {
        Role.BROKEN: settings.broken_share,
        Role.SILENT: settings.silent_share,
        Role.SLOW: settings.slow_share,
        Role.FLAKY: settings.flaky_share,
    }
    return {role: ceil(faultable_pipelines * share) for role, share in shares.items()}


def _shows(plan: Plan, row: int, role: Role, since: int) -> bool:
    rows = np.array([row], np.int64)
    if role == Role.FLAKY:
        return slots_within(plan, rows, plan.end - _FLAKY_DAYS * _DAY, plan.end) >= _FLAKY_SLOTS
    # A pipeline that another one waits for may fall silent: what waits then runs on old data.
    return (
        slots_within(plan, rows, plan.start, since) >= _SLOTS_BEFORE
        and slots_within(plan, rows, since, plan.end) >= _SLOTS_AFTER
    )


def _planted(rng: Random, config: GenerateConfig, role: Role, since: int) -> PlantedRole:
    settings = config.roles
    if role == Role.FLAKY:
        return PlantedRole(role, failed_percent=rng.randint(*settings.flaky_failed_percent))
    if role == Role.SLOW:
        return PlantedRole(role, since, factor_log=log_uniform(rng, *settings.slow_factor))
    return PlantedRole(role, since)


def with_roles(plan: Plan, roles: Sequence[PlantedRole]) -> Plan:
    """Return the plan with flaky, silent and slow pipelines; the broken ones have windows."""
    rows = plan.pipelines.copy()
    for row, planted in enumerate(roles):
        if planted.failed_percent is not None:
            rows[row]["transient_bound"] = share_bound(planted.failed_percent / 100)
        elif planted.factor_log is not None:
            rows[row]["slow_since"] = planted.since
            rows[row]["slowdown"] = planted.factor_log
        elif planted.role == Role.SILENT and planted.since is not None:
            rows[row]["active_until"] = min(rows[row]["active_until"], planted.since)
    return plan._replace(pipelines=rows)
