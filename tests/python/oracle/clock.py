"""The clock of the marts: what counts as now, and where the windows end."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oracle.inputs import DataSet, parse_instant

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """A half-open span of time: start <= instant < end."""

    start: datetime
    end: datetime

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies inside."""
        return self.start <= instant < self.end


@dataclass(frozen=True)
class Clock:
    """The one row of monitoring_clock."""

    as_of: datetime
    window_end: datetime
    clock_source: str

    def last(self, length: timedelta, ending_before: timedelta = timedelta(0)) -> Window:
        """Return the window of that length that ends the given time before window_end."""
        end = self.window_end - ending_before
        return Window(end - length, end)


def hour_start(instant: datetime) -> datetime:
    """Cut to the hour, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def week_start(instant: datetime) -> date:
    """Return the Monday of the instant's ISO week, in UTC."""
    day = instant.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def resolve_clock(data: DataSet, as_of_setting: str, invocation_started_at: datetime) -> Clock:
    """Resolve the setting 'now', 'data' or an ISO instant to a clock."""
    started = invocation_started_at.astimezone(UTC)
    if as_of_setting == "now":
        return _clock(started, "now")
    if as_of_setting == "data":
        known = [run.event_at for run in data.runs if run.event_at <= started]
        # Nothing has happened yet: the spec lets the clock fall back to now.
        return _clock(max(known), "data") if known else _clock(started, "now")
    return _clock(parse_instant(as_of_setting), "instant")


def _clock(as_of: datetime, source: str) -> Clock:
    return Clock(as_of.astimezone(UTC), hour_start(as_of) + HOUR, source)
