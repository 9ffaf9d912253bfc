"""The whole plan of a data set's history: who runs when, what is planted, how many runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chm.generate.blocks import Block, added, block_times, count_blocks, with_manual_runs
from chm.generate.cadence import Cadences, check_reachable
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Pipeline
from chm.generate.plan import Plan
from chm.generate.planner import make_plan, with_transient_shares
from chm.generate.rhythm import Rhythm, make_rhythms, platforms_in_use
from chm.generate.roles import PlantedRole, assign_roles, with_roles
from chm.generate.runs import Tally
from chm.generate.slots import slot_counts, slots_within
from chm.generate.text_pools import TextPool
from chm.generate.windows import (
    Incident,
    Outage,
    make_incidents,
    make_outages,
    of_healthy,
    with_windows,
)
from chm.generate.wording import Texts, make_pools

# From so many runs on, counting them all only to find out how many retries there are takes
# long; one block in so many tells enough.
_MANY_RUNS = 2_000_000
_SAMPLE_EVERY = 16
# Retries add runs to the slots that schedules are fitted to; how many is found by counting.
_FITS = 6


@dataclass(frozen=True)
class History:
    """A planned history: nothing in it depends on the number of runs that are kept."""

    plan: Plan
    pipelines: Sequence[Pipeline]
    rhythms: Sequence[Rhythm]
    roles: Sequence[PlantedRole]
    incidents: Sequence[Incident]
    outages: Sequence[Outage]
    texts: Texts
    blocks: list[Block]
    tally: Tally

    @property
    def manual_runs(self) -> int:
        """How many runs no schedule starts."""
        return sum(block.manual_runs for block in self.blocks)


def plan_history(
    config: GenerateConfig,
    pipelines: Sequence[Pipeline],
    text_pools: Sequence[TextPool],
    workers: int = 1,
    on_progress: Callable[[float], None] = lambda _: None,
) -> History:
    """Return the history that configuration and seed settle, with exactly the runs asked for.

    Args:
        config: The configuration.
        pipelines: The fleet.
        text_pools: The pools of texts.
        workers: Threads that count runs; they do not change what comes out.
        on_progress: Told the share of the runs that are counted, in each of some rounds.

    Raises:
        ChmError: the runs asked for are out of the fleet's reach.
    """
    planner = _Planner(config, pipelines, text_pools, workers, on_progress)
    total = config.runs.total
    wanted = round(total * (1 - config.runs.manual_share))
    slots = wanted
    if total >= _MANY_RUNS:
        slots = int(wanted / planner.sampled_runs_by_slot(slots))
    best: _Draft | None = None
    for _ in range(_FITS):
        draft = planner.draft(slots)
        if draft.runs <= total and (best is None or draft.runs > best.runs):
            best = draft
        if wanted * 0.985 <= draft.runs <= total:
            break
        slots = slots * wanted // max(draft.runs, 1)
    while best is None:
        slots = slots * 9 // 10
        draft = planner.draft(slots)
        best = draft if draft.runs <= total else None
    blocks, manual_tally = with_manual_runs(best.plan, best.blocks, total - best.runs)
    return History(
        plan=best.plan,
        pipelines=pipelines,
        rhythms=planner.rhythms,
        roles=best.roles,
        incidents=best.incidents,
        outages=best.outages,
        texts=planner.texts,
        blocks=blocks,
        tally=added([best.tally, manual_tally]),
    )


@dataclass(frozen=True)
class _Draft:
    """A history whose schedules have some number of slots; `runs` counts retries as well."""

    plan: Plan
    roles: Sequence[PlantedRole]
    incidents: Sequence[Incident]
    outages: Sequence[Outage]
    blocks: list[Block]
    tally: Tally

    @property
    def runs(self) -> int:
        return sum(block.runs for block in self.blocks)


class _Planner:
    """Drafts histories of one fleet."""

    def __init__(
        self,
        config: GenerateConfig,
        pipelines: Sequence[Pipeline],
        text_pools: Sequence[TextPool],
        workers: int,
        on_progress: Callable[[float], None],
    ) -> None:
        self.rhythms = make_rhythms(config, pipelines)
        self.texts = Texts(config, text_pools)
        self._config = config
        self._pipelines = pipelines
        self._workers = workers
        self._on_progress = on_progress
        self._platforms = platforms_in_use(pipelines)
        pools = make_pools(self.texts, self._platforms)
        plan = make_plan(config, pipelines, self.rhythms, pools)
        self._outages = make_outages(config, pipelines, plan, self.texts)
        self._cadences = Cadences(config, plan, pipelines, self.rhythms)
        check_reachable(config, self._cadences, len(pipelines))

    def sampled_runs_by_slot(self, slots: int) -> float:
        """About how many runs a history with so many slots has for each of them."""
        plan = self._planned(slots)[0]
        times = block_times(plan, self._config.runs.total)[::_SAMPLE_EVERY]
        blocks, _ = count_blocks(plan, times, self._workers, lambda _: None)
        everyone = np.arange(len(self._pipelines))
        due = sum(slots_within(plan, everyone, begin, stop) for begin, stop in times)
        return max(sum(block.runs for block in blocks), 1) / max(due, 1)

    def draft(self, slots: int) -> _Draft:
        """Return the history with so many slots at most."""
        plan, roles, incidents, outages = self._planned(slots)
        times = block_times(plan, self._config.runs.total)
        blocks, tally = count_blocks(plan, times, self._workers, self._on_progress)
        return _Draft(plan, roles, incidents, outages, blocks, tally)

    def _planned(self, slots: int) -> tuple[Plan, list[PlantedRole], list[Incident], list[Outage]]:
        config, pipelines = self._config, self._pipelines
        plan = self._cadences.fitted(slots)
        plan = with_transient_shares(config, plan, self.rhythms, slot_counts(plan))
        roles = assign_roles(config, pipelines, plan)
        plan = with_roles(plan, roles)
        incidents = make_incidents(config, pipelines, plan)
        outages = of_healthy(self._outages, roles)
        plan = with_windows(config, plan, pipelines, roles, incidents, outages, self.texts)
        plan = plan._replace(pools=make_pools(self.texts, self._platforms))
        return plan, roles, incidents, outages
