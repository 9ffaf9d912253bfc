"""How each run goes: whether it fails and why, how long it takes, when it is known.

A slot of a schedule is simulated from its pipeline, its instant and the plan alone, so
blocks of the history can be made in any order, by anyone. What happens inside a slot keeps
to the order of time: a retry starts after the attempt before it has failed, a run suffers
from a failure upstream only if that was over when it started, and nothing is reported
before it is finished.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chm.compiled import inlined, lean
from chm.generate.arithmetic import (
    DOUBLING,
    bits,
    draw,
    draw_between,
    draw_normal,
    mixed,
    power_of_two,
)
from chm.generate.plan import (
    CANCELED,
    FAILED,
    MANUAL,
    NEVER,
    NONE,
    RETRY,
    RUNNING,
    SCHEDULE,
    SKIPPED,
    SUCCESS,
    Integers,
    Plan,
)

_SCHEDULE, _MANUAL, _NEVER, _FIRST = (np.int64(n) for n in (SCHEDULE, MANUAL, NEVER, 0))
# No run takes longer; the longest tail would otherwise outlast the range.
_LONGEST_SECONDS = 20 * 3600
_DAY = 86400
# Manual runs are counted apart from those of slots.
_MANUAL_BIT = np.uint64(1 << 62)
_MANUAL_SALT = np.uint64(0xD1B54A32D192ED03)
# The draws of an attempt, by their number under its key. Each of Python's own integers would be a
# type of its own to the compiler, and every function compiled anew for it.
(
    _ENDING,
    _BLOCKED,
    _BLOCKED_SKIPS,
    _WINDOW,
    _TRANSIENT,
    _CAUSE,
    _WORK,
    _IS_LONG,
    _LONG,
    _PART,
    _LAG,
    _IS_LATE,
    _LATE,
    _START_LAG,
    _TEXT,
    _ROWS,
    _DELAY,
) = (np.int64(number) for number in range(17))


# The draws of a manual run before its attempt.
_MANUAL_ROW, _MANUAL_DUE = np.int64(100), np.int64(101)


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
def _fault_window(plan: Plan, row: int, start: int, chance: int) -> int:
    """Return the window that makes a run fail that starts now, or NONE."""
    first, index = plan.pipelines[row]["window_first"], plan.pipelines[row]["window_last"]
    while index > first:
        index -= 1
        window = plan.windows[index]
        if window["latest_end"] <= start:
            break
        if window["start"] <= start < window["end"] and chance < window["bound"]:
            return index
    return NONE


@inlined
def _tally_incidents(plan: Plan, row: int, start: int, failed: bool, tally: Tally) -> None:
    first, index = plan.pipelines[row]["window_first"], plan.pipelines[row]["window_last"]
    while index > first:
        index -= 1
        window = plan.windows[index]
        if window["latest_end"] <= start:
            break
        incident = window["incident"]
        if incident != NONE and window["start"] <= start < window["end"]:
            tally.incident_runs[incident] += 1
            if failed:
                tally.incident_failed[incident] += 1


@inlined
def _transient_pool(plan: Plan, row: int, chance: int) -> int:
    platform = plan.pipelines[row]["platform"]
    index = 0
    while chance >= plan.pools.transient_bound[platform, index]:
        index += 1
    return plan.pools.transient[platform, index]


@inlined
def _is_long(plan: Plan, row: int, key: np.uint64) -> bool:
    return draw(key, _IS_LONG) < plan.pipelines[row]["long_bound"]


@inlined
def _ending(
    plan: Plan, row: int, start: int, key: np.uint64, blocked_from: int
) -> tuple[int, int, bool]:
    """Return how an attempt ends, its pool of texts or NONE, and whether upstream is why."""
    chances, platform = plan.chances, plan.pipelines[row]["platform"]
    ending = draw(key, _ENDING)
    if ending < chances.canceled_bound:
        return CANCELED, plan.pools.canceled[platform], False
    if ending < chances.canceled_bound + chances.skipped_bound:
        return SKIPPED, plan.pools.skipped[platform], False
    if blocked_from <= start and draw(key, _BLOCKED) < chances.upstream_bound:
        if draw(key, _BLOCKED_SKIPS) < chances.upstream_skipped_bound:
            return SKIPPED, plan.pools.blocked[platform], True
        return FAILED, plan.pools.upstream[platform], True
    window = _fault_window(plan, row, start, draw(key, _WINDOW))
    if window != NONE:
        return FAILED, plan.windows[window]["pool"], False
    if draw(key, _TRANSIENT) < plan.pipelines[row]["transient_bound"]:
        if _is_long(plan, row, key):
            return FAILED, plan.pools.timeout[platform], False
        return FAILED, _transient_pool(plan, row, draw(key, _CAUSE)), False
    return SUCCESS, NONE, False


@inlined
def _full_seconds(plan: Plan, row: int, start: int, key: np.uint64) -> int:
    """Return how long an attempt takes that is not cut short: log-normal, then its factors."""
    pipeline = plan.pipelines[row]
    exponent = pipeline["duration"] + plan.season[(start // _DAY + 3) % 7]
    exponent += (pipeline["duration_sigma"] * draw_normal(key, _WORK)) >> 16
    if start >= pipeline["slow_since"]:
        exponent += pipeline["slowdown"]
    if _is_long(plan, row, key):
        exponent += draw_between(key, _LONG, plan.chances.long_least, plan.chances.long_most)
    # Below one doubling a second is the shortest time that can be told.
    return min(power_of_two(min(max(exponent, 0), 30 * DOUBLING)), _LONGEST_SECONDS)


@inlined
def _rows(plan: Plan, row: int, start: int, key: np.uint64) -> int:
    """Return the rows that a run processes: more when it takes longer, in the type's range."""
    pipeline = plan.pipelines[row]
    # 0.8 and 0.6: their squares add up to 1, so the spread is sigma and the correlation 0.8.
    noise = (52429 * draw_normal(key, _WORK) + 39322 * draw_normal(key, _ROWS)) >> 16
    position = pipeline["rows"] + plan.season[(start // _DAY + 3) % 7]
    position += (pipeline["rows_sigma"] * noise) >> 16
    position += pipeline["rows_drift_per_day"] * ((start - plan.start) // _DAY)
    # What would leave the range is thrown back from its bounds: no heap of equal values.
    span = pipeline["rows_span"]
    position %= 2 * span
    if position > span:
        position = 2 * span - position
    return (pipeline["rows_least"] * power_of_two(position + 16 * DOUBLING)) >> 16


@inlined
def _lag_seconds(plan: Plan, key: np.uint64) -> int:
    """Return how long after its end a run is known: log-normal, with a share of late ones."""
    chances = plan.chances
    if draw(key, _IS_LATE) < chances.late_bound:
        return draw_between(key, _LATE, chances.late_least_seconds, chances.late_most_seconds)
    exponent = chances.lag + ((chances.lag_sigma * draw_normal(key, _LAG)) >> 16)
    return power_of_two(min(max(exponent, 0), 30 * DOUBLING))


@lean
def _chain(
    plan: Plan,
    row: int,
    due: int,
    key: np.uint64,
    counter: np.uint64,
    trigger: int,
    blocked_from: int,
    runs: Runs,
    at: int,
    tally: Tally,
) -> tuple[int, int]:
    """Simulate a run and its retries; return the next free place in `runs`, and when it failed.

    That is NEVER unless the last attempt failed, or did not run for a failure upstream.
    Nothing is tallied where `tally` has no pipelines.
    """
    pipeline = plan.pipelines[row]
    attempts, start = pipeline["attempts"], due
    if trigger == MANUAL:
        attempts = 1
    else:
        start += draw_between(key, _ENDING, np.int64(0), pipeline["jitter_seconds"])
    for attempt in range(1, attempts + 1):
        if start >= min(plan.end, pipeline["active_until"]):
            break
        own = bits(key, attempt)
        status, pool, is_blocked = _ending(plan, row, start, own, blocked_from)
        seconds = 0
        if is_blocked and status == FAILED:
            seconds = draw_between(own, _PART, 0, 5)
        elif status == SUCCESS:
            seconds = _full_seconds(plan, row, start, own)
        elif status != SKIPPED:
            part = draw_between(own, _PART, 5, 100)
            seconds = _full_seconds(plan, row, start, own) * part // 100
        finish = start + seconds
        ingested = finish + _lag_seconds(plan, own)
        if ingested >= plan.end:
            status, pool, finish = RUNNING, NONE, NONE
            ingested = min(start + draw_between(own, _START_LAG, 1, 5), plan.end - 1)
        if runs.pipeline.size:
            runs.pipeline[at] = row
            runs.due[at] = due
            runs.start[at] = start
            runs.finish[at] = finish
            runs.ingested[at] = ingested
            runs.status[at] = status
            runs.rows[at] = _rows(plan, row, start, own) if status == SUCCESS else NONE
            runs.attempt[at] = attempt
            runs.trigger[at] = trigger
            runs.counter[at] = counter + np.uint64(attempt)
            runs.text[at] = NONE
            if pool != NONE:
                last = plan.pools.size[pool] - 1
                runs.text[at] = plan.pools.first[pool] + draw_between(own, _TEXT, 0, last)
        at += 1
        if tally.runs.size:
            tally.runs[row] += 1
            tally.failed[row] += status == FAILED
            tally.retries[row] += attempt > 1
            tally.overlong[row] += status == SUCCESS and _is_long(plan, row, own)
            _tally_incidents(plan, row, start, status == FAILED, tally)
        if is_blocked:
            return at, finish if status != RUNNING else NEVER
        if status != FAILED:
            return at, NEVER
        if attempt == attempts:
            return at, finish
        delay = pipeline["retry_delay_seconds"] * draw_between(own, _DELAY, 80, 120) // 100
        start = finish + delay
        trigger = RETRY
    return at, NEVER


@inlined
def _slot(plan: Plan, row: int, due: int, runs: Runs, at: int, tally: Tally) -> int:
    """Simulate a slot of a schedule, after those of the pipelines upstream; return the place."""
    pipelines = plan.pipelines
    middle = pipelines[row]["upstream"]
    top = pipelines[middle]["upstream"] if middle != NONE else NONE
    nothing = Runs(
        runs.pipeline[:0], runs.due, runs.start, runs.finish, runs.ingested, runs.status,
        runs.text, runs.rows, runs.attempt, runs.trigger, runs.counter,
    )  # fmt: skip
    nobody = Tally(
        tally.runs[:0], tally.failed, tally.retries, tally.overlong,
        tally.incident_runs, tally.incident_failed,
    )  # fmt: skip
    blocked_from = _NEVER
    for upstream in (top, middle):
        if upstream == NONE:
            continue
        instant = due - pipelines[row]["offset_seconds"] + pipelines[upstream]["offset_seconds"]
        begin = max(plan.start, pipelines[upstream]["active_from"])
        if begin <= instant < min(plan.end, pipelines[upstream]["active_until"]):
            key = bits(pipelines[upstream]["key"], instant)
            blocked_from = _chain(
                plan, upstream, instant, key, key, _SCHEDULE, blocked_from, nothing, _FIRST, nobody
            )[1]
        else:
            blocked_from = _NEVER
    # No two slots share a counter: 3 bits for the attempt, 40 for the second, 19 for the row.
    counter = np.uint64(row << 43) | np.uint64((due - plan.start) << 3)
    key = bits(pipelines[row]["key"], due)
    return _chain(plan, row, due, key, counter, _SCHEDULE, blocked_from, runs, at, tally)[0]


@inlined
def _manual(
    plan: Plan, number: int, begin: int, stop: int, runs: Runs, at: int, tally: Tally
) -> int:
    """Simulate the manual run with this number, of a pipeline that is active in [begin, stop)."""
    pipelines = plan.pipelines
    key = bits(plan.run_key ^ _MANUAL_SALT, number)
    row = draw_between(key, _MANUAL_ROW, 0, pipelines.size - 1)
    while not max(begin, pipelines[row]["active_from"]) < min(stop, pipelines[row]["active_until"]):
        row = (row + 1) % pipelines.size
    first = max(begin, pipelines[row]["active_from"])
    last = min(stop, pipelines[row]["active_until"]) - 1
    due = draw_between(key, _MANUAL_DUE, first, last)
    counter = _MANUAL_BIT | np.uint64(number << 3)
    return _chain(plan, row, due, key, counter, _MANUAL, _NEVER, runs, at, tally)[0]


@lean
def simulate_block(
    plan: Plan,
    begin: int,
    stop: int,
    due: Integers,
    rows: Integers,
    first_manual: int,
    manual_runs: int,
    runs: Runs,
    tally: Tally,
) -> int:
    """Simulate the runs due in [begin, stop), then its manual ones; return their number.

    Args:
        plan: The plan of the fleet.
        begin: The block's first instant, in seconds.
        stop: Its end, excluded.
        due: The instants of the slots in it, rising.
        rows: The pipelines of the slots.
        first_manual: The number of its first manual run; some pipeline must be active then.
        manual_runs: How many manual runs there are.
        runs: Takes the runs, if it has any room.
        tally: Takes the counts, if it has pipelines.
    """
    at = _FIRST
    for index in range(due.size):
        at = _slot(plan, rows[index], due[index], runs, at, tally)
    for number in range(first_manual, first_manual + manual_runs):
        at = _manual(plan, number, begin, stop, runs, at, tally)
    return at


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
    return np.int64((counter & ~_MANUAL_BIT) >> np.uint64(3))
