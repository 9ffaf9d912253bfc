"""Runs by column, counts of them, and the ids that follow from their counters."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chm.compiled import inlined
from chm.generate.arithmetic import mixed
from chm.generate.plan import Integers, Plan

# Manual runs are counted apart from those of slots.
MANUAL_BIT = np.uint64(1 << 62)


class Runs(NamedTuple):
    """Runs by column; `pipeline` of size 0 takes none, when only counts are wanted.

    `finish` is NONE while running, `rows` where unknown, `text` where none.
    """

    pipeline: Integers
    due: Integers
    start: Integers
    finish: Integers
    ingested: Integers
    status: Integers
    text: Integers
    rows: Integers
    attempt: Integers
    trigger: Integers
    counter: NDArray[np.uint64]


class Tally(NamedTuple):
    """Counts of what was simulated: by pipeline and by incident."""

    runs: Integers
    failed: Integers
    retries: Integers
    overlong: Integers
    incident_runs: Integers
    incident_failed: Integers


def new_runs(capacity: int) -> Runs:
    """Return room for this many runs."""
    names = Runs._fields[:-1]
    columns = {name: np.empty(capacity, np.int64) for name in names}
    return Runs(counter=np.empty(capacity, np.uint64), **columns)


def new_tally(plan: Plan) -> Tally:
    """Return counts of zero."""
    by_pipeline = [np.zeros(plan.pipelines.size, np.int64) for _ in range(4)]
    return Tally(*by_pipeline, *(np.zeros(plan.incidents, np.int64) for _ in range(2)))


@inlined
def run_id(plan: Plan, counter: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the two halves of the UUID (version 4) of the run with this counter."""
    high = mixed(plan.run_key + counter)
    low = mixed(plan.other_run_key ^ counter)
    high = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    low = (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(1 << 63)
    return high, low


@inlined
def manual_number(counter: np.uint64) -> int:
    """Return the number of the manual run with this counter."""
    return np.int64((counter & ~MANUAL_BIT) >> np.uint64(3))
