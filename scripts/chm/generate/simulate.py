"""How each run goes: whether it fails and why, how long it takes, when it is known.

A slot of a schedule is simulated from its pipeline, its instant and the plan alone, so
blocks of the history can be made in any order, by anyone. What happens inside a slot keeps
to the order of time: a retry starts after the attempt before it has failed, a run suffers
from a failure upstream only if that was over when it started, and nothing is reported
before it is finished.
"""

import numpy as np

from chm.compiled import inlined, lean
from chm.generate.arithmetic import bits, draw_between
from chm.generate.attempts import (
    DELAY,
    PART,
    START_LAG,
    TEXT,
    ending,
    full_seconds,
    is_long,
    lag_seconds,
    rows_processed,
    tally_incidents,
)
from chm.generate.plan import (
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
from chm.generate.runs import MANUAL_BIT, Runs, Tally

_SCHEDULE, _MANUAL, _NEVER, _FIRST = (np.int64(n) for n in (SCHEDULE, MANUAL, NEVER, 0))
_MANUAL_SALT = np.uint64(0xD1B54A32D192ED03)
# The draw of a slot before its attempts, and those of a manual run.
_JITTER, _MANUAL_ROW, _MANUAL_DUE = np.int64(0), np.int64(100), np.int64(101)


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
        start += draw_between(key, _JITTER, _FIRST, pipeline["jitter_seconds"])
    for attempt in range(1, attempts + 1):
        if start >= min(plan.end, pipeline["active_until"]):
            break
        own = bits(key, attempt)
        status, pool, is_blocked = ending(plan, row, start, own, blocked_from)
        seconds = 0
        if is_blocked and status == FAILED:
            seconds = draw_between(own, PART, 0, 5)
        elif status == SUCCESS:
            seconds = full_seconds(plan, row, start, own)
        elif status != SKIPPED:
            part = draw_between(own, PART, 5, 100)
            seconds = full_seconds(plan, row, start, own) * part // 100
        finish = start + seconds
        ingested = finish + lag_seconds(plan, own)
        if ingested >= plan.end:
            status, pool, finish = RUNNING, NONE, NONE
            ingested = min(start + draw_between(own, START_LAG, 1, 5), plan.end - 1)
        if runs.pipeline.size:
            runs.pipeline[at] = row
            runs.due[at] = due
            runs.start[at] = start
            runs.finish[at] = finish
            runs.ingested[at] = ingested
            runs.status[at] = status
            runs.rows[at] = rows_processed(plan, row, start, own) if status == SUCCESS else NONE
            runs.attempt[at] = attempt
            runs.trigger[at] = trigger
            runs.counter[at] = counter + np.uint64(attempt)
            runs.text[at] = NONE
            if pool != NONE:
                last = plan.pools.size[pool] - 1
                runs.text[at] = plan.pools.first[pool] + draw_between(own, TEXT, 0, last)
        at += 1
        if tally.runs.size:
            tally.runs[row] += 1
            tally.failed[row] += status == FAILED
            tally.retries[row] += attempt > 1
            tally.overlong[row] += status == SUCCESS and is_long(plan, row, own)
            tally_incidents(plan, row, start, status == FAILED, tally)
        if is_blocked:
            return at, finish if status != RUNNING else NEVER
        if status != FAILED:
            return at, NEVER
        if attempt == attempts:
            return at, finish
        delay = pipeline["retry_delay_seconds"] * draw_between(own, DELAY, 80, 120) // 100
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
    counter = MANUAL_BIT | np.uint64(number << 3)
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
