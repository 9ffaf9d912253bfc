"""The kinds of planted faults."""

from enum import StrEnum


class Role(StrEnum):
    """What was planted in a pipeline: `new` has not run, the others since some instant."""

    HEALTHY = "healthy"
    NEW = "new"
    FLAKY = "flaky"
    BROKEN = "broken"
    SILENT = "silent"
    SLOW = "slow"
