"""When pipelines are due: the slots of their schedules, in UTC, from local wall time.

A schedule of up to hourly runs counts elapsed time from its opening hour, so a day on which
clocks change has 23 or 25 hours of them. A rarer one is due at its wall-clock times. A wall
time that a change of clocks skips or repeats is read as before the change (PEP 495, fold 0).
"""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import compiled, inlined, lean
from chm.generate.plan import Integers, Plan

_DAY = 86400
_DAY_MINUTES = 1440
_ELAPSED_UP_TO_MINUTES = 60


@inlined
def to_utc(plan: Plan, zone: int, day: int, minute: int) -> int:
    """Return the instant of a wall-clock minute of a local day (days since 1970)."""
    day += minute // _DAY_MINUTES
    minute %= _DAY_MINUTES
    column = day - plan.first_day
    if minute >= plan.change_minute[zone, column]:
        offset = plan.offset_after[zone, column]
    else:
        offset = plan.offset_before[zone, column]
    return day * _DAY + minute * 60 - offset


@lean
def slots_between(plan: Plan, row: int, begin: int, stop: int, due: Integers) -> int:
    """Write the instants in [begin, stop) at which a pipeline is due, rising; return how many.

    Of an empty `due` only the number is found.
    """
    pipeline = plan.pipelines[row]
    cadence = pipeline["cadence_minutes"]
    begin = max(begin, pipeline["active_from"], plan.start)
    stop = min(stop, pipeline["active_until"], plan.end)
    found = 0
    if cadence == 0 or begin >= stop:
        return found
    zone, shift = pipeline["zone"], pipeline["offset_seconds"]
    opening, closing = pipeline["open_minute"], pipeline["close_minute"]
    # Local days are at most a day off those of UTC.
    for day in range((begin - shift) // _DAY - 1, (stop - shift) // _DAY + 2):
        # 1970 began on a Thursday.
        if not (pipeline["weekdays"] >> ((day + 3) % 7)) & 1:
            continue
        if cadence <= _ELAPSED_UP_TO_MINUTES:
            step = cadence * 60
            first = to_utc(plan, zone, day, opening) + shift
            last = min(to_utc(plan, zone, day, closing) + shift, stop)
            if first < begin:
                first += -((first - begin) // step) * step
            if due.size == 0:
                found += max(0, -((first - last) // step))
                continue
            while first < last:
                due[found] = first
                found += 1
                first += step
        else:
            for minute in range(opening, closing, cadence):
                instant = to_utc(plan, zone, day, minute) + shift
                if begin <= instant < stop:
                    if due.size:
                        due[found] = instant
                    found += 1
    return found


@compiled
def slot_counts(plan: Plan) -> Integers:
    """Return for each pipeline how many slots it has in the range."""
    counts = np.zeros(plan.pipelines.size, np.int64)
    nowhere = np.empty(0, np.int64)
    for row in range(plan.pipelines.size):
        counts[row] = slots_between(plan, row, plan.start, plan.end, nowhere)
    return counts


@compiled
def slots_in_order(plan: Plan, begin: int, stop: int) -> tuple[Integers, NDArray[np.int64]]:
    """Return the instants in [begin, stop) at which pipelines are due, and their rows.

    Both arrays rise by instant and then by row.
    """
    nowhere = np.empty(0, np.int64)
    counts = np.empty(plan.pipelines.size, np.int64)
    for row in range(plan.pipelines.size):
        counts[row] = slots_between(plan, row, begin, stop, nowhere)
    due = np.empty(counts.sum(), np.int64)
    found = 0
    for row in range(plan.pipelines.size):
        found += slots_between(plan, row, begin, stop, due[found : found + counts[row]])
    # A counting sort by second.
    place = np.zeros(stop - begin + 1, np.int64)
    for instant in due:
        place[instant - begin + 1] += 1
    place = np.cumsum(place)
    due_sorted = np.empty(due.size, np.int64)
    rows = np.empty(due.size, np.int64)
    found = 0
    for row in range(plan.pipelines.size):
        for _ in range(counts[row]):
            at = place[due[found] - begin]
            place[due[found] - begin] += 1
            due_sorted[at] = due[found]
            rows[at] = row
            found += 1
    return due_sorted, rows


@compiled
def slots_within(plan: Plan, rows: Integers, begin: int, stop: int) -> int:
    """Return how many slots these pipelines have in [begin, stop)."""
    nowhere = np.empty(0, np.int64)
    found = 0
    for row in rows:
        found += slots_between(plan, row, begin, stop, nowhere)
    return found


@compiled
def pipelines_due(plan: Plan, rows: Integers, times: NDArray[np.int64]) -> Integers:
    """Return for each row [begin, stop) of `times` how many of these pipelines are due in it."""
    nowhere = np.empty(0, np.int64)
    found = np.zeros(len(times), np.int64)
    for place in range(len(times)):
        for row in rows:
            due = slots_between(plan, row, times[place, 0], times[place, 1], nowhere)
            found[place] += due > 0
    return found
