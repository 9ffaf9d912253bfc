"""One attempt of a run: how it ends and why, how long it takes, when that is known."""

import numpy as np

from chm.compiled import inlined
from chm.generate.arithmetic import DOUBLING, draw, draw_between, draw_normal, power_of_two
from chm.generate.plan import CANCELED, FAILED, NONE, SKIPPED, SUCCESS, Plan
from chm.generate.runs import Tally

# No run takes longer; the longest tail would otherwise outlast the range.
_LONGEST_SECONDS = 20 * 3600
_DAY = 86400
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
    PART,
    _LAG,
    _IS_LATE,
    _LATE,
    START_LAG,
    TEXT,
    _ROWS,
    DELAY,
) = (np.int64(number) for number in range(17))


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
def tally_incidents(plan: Plan, row: int, start: int, failed: bool, tally: Tally) -> None:
    """Count a run that starts now in the incidents that it falls into."""
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
def is_long(plan: Plan, row: int, key: np.uint64) -> bool:
    """Return whether an attempt is one of the long tail."""
    return draw(key, _IS_LONG) < plan.pipelines[row]["long_bound"]


@inlined
def ending(
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
        if is_long(plan, row, key):
            return FAILED, plan.pools.timeout[platform], False
        return FAILED, _transient_pool(plan, row, draw(key, _CAUSE)), False
    return SUCCESS, NONE, False


@inlined
def full_seconds(plan: Plan, row: int, start: int, key: np.uint64) -> int:
    """Return how long an attempt takes that is not cut short: log-normal, then its factors."""
    pipeline = plan.pipelines[row]
    exponent = pipeline["duration"] + plan.season[(start // _DAY + 3) % 7]
    exponent += (pipeline["duration_sigma"] * draw_normal(key, _WORK)) >> 16
    if start >= pipeline["slow_since"]:
        exponent += pipeline["slowdown"]
    if is_long(plan, row, key):
        exponent += draw_between(key, _LONG, plan.chances.long_least, plan.chances.long_most)
    # Below one doubling a second is the shortest time that can be told.
    return min(power_of_two(min(max(exponent, 0), 30 * DOUBLING)), _LONGEST_SECONDS)


@inlined
def rows_processed(plan: Plan, row: int, start: int, key: np.uint64) -> int:
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
def lag_seconds(plan: Plan, key: np.uint64) -> int:
    """Return how long after its end a run is known: log-normal, with a share of late ones."""
    chances = plan.chances
    if draw(key, _IS_LATE) < chances.late_bound:
        return draw_between(key, _LATE, chances.late_least_seconds, chances.late_most_seconds)
    exponent = chances.lag + ((chances.lag_sigma * draw_normal(key, _LAG)) >> 16)
    return power_of_two(min(max(exponent, 0), 30 * DOUBLING))
