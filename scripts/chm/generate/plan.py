"""What the runs follow from: the plan of a fleet as arrays that compiled code reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# A pipeline that runs after no other one.
NONE = -1
# An instant after all others, in seconds.
NEVER = 1 << 60

# The statuses of a run inside the generator.
SUCCESS, FAILED, CANCELED, SKIPPED, RUNNING = range(5)
# What started a run.
SCHEDULE, RETRY, MANUAL = range(3)

# One pipeline. Instants are seconds since 1970 in UTC, minutes those of a local day.
PIPELINE = np.dtype(
    [
        ("key", np.uint64),
        # It may start runs from `active_from` on and before `active_until`.
        ("active_from", np.int64),
        ("active_until", np.int64),
        # Its schedule: row of the time zones, days (bit 0 is Monday), and the minutes of the
        # day from `open_minute` on and before `close_minute` at every `cadence_minutes`;
        # 0 is no schedule. Everything starts `offset_seconds` later.
        ("zone", np.int64),
        ("weekdays", np.int64),
        ("open_minute", np.int64),
        ("close_minute", np.int64),
        ("cadence_minutes", np.int64),
        ("offset_seconds", np.int64),
        ("jitter_seconds", np.int64),
        # It fails or skips a run whose run of this pipeline, for the same slot, has failed.
        ("upstream", np.int64),
        ("platform", np.int64),
        # Bounds of draws: a failure for no reason of its surroundings, an overlong run.
        ("transient_bound", np.int64),
        ("long_bound", np.int64),
        # Logarithms to base 2 (65536 is one doubling).
        ("duration", np.int64),
        ("duration_sigma", np.int64),
        ("slow_since", np.int64),
        ("slowdown", np.int64),
        ("rows", np.int64),
        ("rows_sigma", np.int64),
        ("rows_drift_per_day", np.int64),
        ("rows_least", np.int64),
        ("rows_span", np.int64),
        ("attempts", np.int64),
        ("retry_delay_seconds", np.int64),
        # Its fault windows, from `window_first` on and before `window_last`.
        ("window_first", np.int64),
        ("window_last", np.int64),
    ]
)

# A time in which the runs of a pipeline fail, by pipeline and start.
WINDOW = np.dtype(
    [
        ("start", np.int64),
        ("end", np.int64),
        # The latest end of this window and the pipeline's earlier ones.
        ("latest_end", np.int64),
        ("bound", np.int64),
        ("pool", np.int64),
        # The incident that it belongs to, or NONE.
        ("incident", np.int64),
    ]
)


class Pools(NamedTuple):
    """Which texts a run may get: pools are ranges of rows of the texts."""

    first: Integers
    size: Integers
    # By platform: pools of transient causes, with the bounds of draws that lead to them.
    transient: Integers
    transient_bound: Integers
    # By platform.
    timeout: Integers
    upstream: Integers
    blocked: Integers
    canceled: Integers
    skipped: Integers


class Chances(NamedTuple):
    """What holds for every run: bounds of draws (`_bound`), seconds, and logarithms."""

    canceled_bound: int
    skipped_bound: int
    upstream_bound: int
    upstream_skipped_bound: int
    long_least: int
    long_most: int
    lag: int
    lag_sigma: int
    late_bound: int
    late_least_seconds: int
    late_most_seconds: int


class Plan(NamedTuple):
    """Everything that the runs follow from; `start` and `end` are the range in seconds."""

    start: int
    end: int
    run_key: np.uint64
    other_run_key: np.uint64
    pipelines: NDArray[np.void]
    windows: NDArray[np.void]
    incidents: int
    # Time zones by row and local day from `first_day` on: seconds east of UTC at midnight,
    # from `change_minute` on `offset_after`.
    first_day: int
    offset_before: NDArray[np.int64]
    offset_after: NDArray[np.int64]
    change_minute: NDArray[np.int64]
    # The seasons of load by weekday, Monday first: logarithms.
    season: Integers
    chances: Chances
    pools: Pools
