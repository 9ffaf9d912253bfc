"""Time zones as tables of offsets by day, from the database that is pinned with the project."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

_EPOCH = date(1970, 1, 1)
_DAY_MINUTES = 1440


class ZoneTables(NamedTuple):
    """Offsets from UTC in seconds by zone and day, as chm.generate.plan.Plan has them."""

    offset_before: NDArray[np.int64]
    offset_after: NDArray[np.int64]
    change_minute: NDArray[np.int64]


@cache
def zone_rules(name: str) -> ZoneInfo:
    """Return a time zone of the pinned database, never of the machine's own.

    Raises:
        ZoneInfoNotFoundError: there is no zone of this name.
        ValueError: the name is no name of a zone.
    """
    ZoneInfo(name)
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    if not file.is_file():
        raise ZoneInfoNotFoundError(name)
    with file.open("rb") as content:
        return ZoneInfo.from_file(content, key=name)


def zone_tables(names: Sequence[str], first_day: int, days: int) -> ZoneTables:
    """Return the tables of these zones for so many local days from `first_day` on.

    Days are counted since 1970-01-01. A day on which clocks change has its later offset
    from the first minute on of which PEP 495's fold 0 says so.
    """
    shape = (len(names), days)
    tables = ZoneTables(*(np.empty(shape, np.int64) for _ in ZoneTables._fields))
    for row, name in enumerate(names):
        zone = zone_rules(name)
        midnights = [
            _offset(zone, _EPOCH + timedelta(days=first_day + column), 0)
            for column in range(days + 1)
        ]
        for column in range(days):
            before, after = midnights[column], midnights[column + 1]
            tables.offset_before[row, column] = before
            tables.offset_after[row, column] = after
            minute = _DAY_MINUTES
            if before != after:
                day = _EPOCH + timedelta(days=first_day + column)
                minute = next(
                    (i for i in range(_DAY_MINUTES) if _offset(zone, day, i) == after),
                    _DAY_MINUTES,
                )
            tables.change_minute[row, column] = minute
    return tables


def _offset(zone: ZoneInfo, day: date, minute: int) -> int:
    wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
    offset = wall.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
