"""The history in blocks: short stretches of time that are simulated on their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from chm.errors import ChmError
from chm.generate.plan import Integers, Plan
from chm.generate.runs import Runs, Tally, new_runs, new_tally
from chm.generate.simulate import simulate_block
from chm.generate.slots import slots_in_order

_DAY_MINUTES = 1440
# Large enough to keep the interpreter out of the way, small enough to fit into caches.
_RUNS_IN_BLOCK = 24_000


@dataclass(frozen=True)
class Block:
    """The runs due in [begin, stop), in seconds, and so many manual ones of those numbers."""

    begin: int
    stop: int
    runs: int
    first_manual: int = 0
    manual_runs: int = 0

    @property
    def rows(self) -> int:
        """How many runs it has in all."""
        return self.runs + self.manual_runs


def block_times(plan: Plan, runs: int) -> list[tuple[int, int]]:
    """Cut the range into stretches of at most a day with not too many runs in the mean."""
    minutes = (plan.end - plan.start) / 60
    wanted = minutes * _RUNS_IN_BLOCK / max(runs, 1)
    length = max(
        (
            part
            for part in range(1, _DAY_MINUTES + 1)
            if _DAY_MINUTES % part == 0 and part <= wanted
        ),
        default=1,
    )
    step = 60 * length
    return [(begin, min(begin + step, plan.end)) for begin in range(plan.start, plan.end, step)]


def count_blocks(
    plan: Plan, times: list[tuple[int, int]], workers: int, on_progress: Callable[[float], None]
) -> tuple[list[Block], Tally]:
    """Simulate every block without keeping its runs; return the blocks and the counts."""
    parts = np.array_split(np.arange(len(times)), workers)

    def count(part: Integers) -> tuple[list[Block], Tally]:
        tally, nothing = new_tally(plan), new_runs(0)
        blocks = []
        for index in part:
            begin, stop = times[index]
            due, rows = slots_in_order(plan, begin, stop)
            runs = simulate_block(plan, begin, stop, due, rows, 0, 0, nothing, tally)
            blocks.append(Block(begin, stop, runs))
            on_progress(len(blocks) / len(part))
        return blocks, tally

    with ThreadPoolExecutor(workers) as threads:
        counted = list(threads.map(count, parts))
    blocks = [block for found, _ in counted for block in found]
    return blocks, added([tally for _, tally in counted])


def added(tallies: list[Tally]) -> Tally:
    """Return the sum of counts."""
    return Tally(*(np.sum(columns, axis=0) for columns in zip(*tallies, strict=True)))


def with_manual_runs(plan: Plan, blocks: list[Block], total: int) -> tuple[list[Block], Tally]:
    """Deal so many manual runs over the blocks; return them, and the counts of these runs.

    Raises:
        ChmError: there are manual runs to deal, and no pipeline is ever active.
    """
    tally, nothing = new_tally(plan), new_runs(0)
    active_from, active_until = plan.pipelines["active_from"], plan.pipelines["active_until"]
    weights = [
        int(
            np.count_nonzero(
                np.maximum(active_from, block.begin) < np.minimum(active_until, block.stop)
            )
        )
        * (block.stop - block.begin)
        for block in blocks
    ]
    whole = sum(weights)
    if total and not whole:
        raise ChmError(f"runs.total: {total:,} runs asked for, and no pipeline is ever active")
    dealt: list[Block] = []
    passed = done = 0
    none = np.empty(0, np.int64)
    for block, weight in zip(blocks, weights, strict=True):
        passed += weight
        share = total * passed // whole - done if total else 0
        dealt.append(Block(block.begin, block.stop, block.runs, done, share))
        if share:
            simulate_block(plan, block.begin, block.stop, none, none, done, share, nothing, tally)
        done += share
    return dealt, tally


def fill_runs(plan: Plan, block: Block, runs: Runs) -> None:
    """Simulate a block into `runs`, which has room for its rows."""
    if not block.rows:
        return
    due, rows = slots_in_order(plan, block.begin, block.stop)
    found = simulate_block(
        plan,
        block.begin,
        block.stop,
        due,
        rows,
        block.first_manual,
        block.manual_runs,
        runs,
        _NOBODY,
    )
    assert found == block.rows


_NOBODY = Tally(*(np.zeros(0, np.int64) for _ in Tally._fields))
