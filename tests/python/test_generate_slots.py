"""Schedules keep to local wall time: against the same in plain Python, and in the rows."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chm.generate.config import GenerateConfig
from chm.generate.plan import Plan
from chm.generate.slots import slot_counts, slots_in_order, slots_within
from chm.generate.zones import zone_rules
from generated import generate, plan, truth

# Clocks change by an hour, by half of one, at midnight, or never; on either half of the earth.
ZONES = sorted(
    [
        "America/New_York",
        "America/Santiago",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Europe/Berlin",
        "Pacific/Kiritimati",
        "UTC",
    ]
)
CADENCES = (5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 10080)
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 5, 43, 7, tzinfo=UTC)
DAY = timedelta(days=1)
# A day before clocks change somewhere, in seconds from the start.
CHANGES = [
    int((datetime(2025, month, day, tzinfo=UTC) - START - DAY).total_seconds())
    for month, day in ((3, 9), (3, 30), (4, 6), (9, 7), (10, 5), (10, 26), (11, 2))
]


@pytest.fixture(scope="module")
def empty() -> Plan:
    """A plan whose time zones are ZONES, and whose 64 pipelines have no schedule."""
    usual = GenerateConfig()
    values = {
        "range": {"start": f"{START:%Y-%m-%dT%H:%M:%SZ}", "end": f"{END:%Y-%m-%dT%H:%M:%SZ}"},
        "clients": {
            "total": 64,
            "tiers": dict.fromkeys(usual.clients.tiers)
            | {"small": {"share": 1.0, "pipelines": [1, 1]}},
        },
        "runs": {"total": 0},
        "schedule": {
            "time_zones": dict.fromkeys(usual.schedule.time_zones) | dict.fromkeys(ZONES, 1)
        },
    }
    found = plan(values)
    assert {rhythm.zone for rhythm in found.history.rhythms} == set(ZONES)
    return found.history.plan


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    cadence = draw(st.sampled_from(CADENCES))
    # Clocks change in the first hours of a day.
    opening = draw(st.sampled_from((0, 60, 120, 180)) | st.integers(0, 1439))
    closing = draw(st.integers(opening + 1, 1440))
    if cadence == 10080:
        opening, closing = opening, opening + 1
    first, last = 0, 400 * 86400
    if draw(st.booleans()):
        first = draw(st.integers(0, 365 * 86400))
        last = draw(st.integers(first, last))
    return {
        "zone": draw(st.integers(0, len(ZONES) - 1)),
        "weekdays": draw(st.integers(0, 127)),
        "open_minute": opening,
        "close_minute": closing,
        "cadence_minutes": cadence,
        "offset_seconds": 60 * draw(st.integers(0, 200)),
        "active_from": int(START.timestamp()) + first,
        "active_until": int(START.timestamp()) + last,
    }


def with_schedule(plan: Plan, *schedules: dict[str, Any]) -> Plan:
    rows = plan.pipelines[: len(schedules)].copy()
    for row, schedule in enumerate(schedules):
        for name, value in schedule.items():
            rows[row][name] = value
    return plan._replace(pipelines=rows)


def expected_slots(schedule: dict[str, Any], begin: datetime, stop: datetime) -> list[int]:
    """The instants in [begin, stop) at which a schedule is due, by the calendar."""
    zone = ZoneInfo(ZONES[schedule["zone"]])
    first = max(begin.timestamp(), schedule["active_from"], START.timestamp())
    last = min(stop.timestamp(), schedule["active_until"], END.timestamp())
    found: set[int] = set()
    day = datetime(2024, 12, 28)
    while day < datetime(2026, 1, 5):
        if schedule["weekdays"] >> day.weekday() & 1:
            for moment in _moments(schedule, day, zone):
                due = int(moment.timestamp()) + schedule["offset_seconds"]
                if first <= due < last:
                    found.add(due)
        day += DAY
    return sorted(found)


def _moments(schedule: dict[str, Any], day: datetime, zone: ZoneInfo) -> Sequence[datetime]:
    opening, closing, cadence = (
        schedule[name] for name in ("open_minute", "close_minute", "cadence_minutes")
    )
    if cadence > 60:
        return [
            (day + timedelta(minutes=minute)).replace(tzinfo=zone)
            for minute in range(opening, closing, cadence)
        ]
    # Up to hourly: elapsed time from the opening on.
    moment = (day + timedelta(minutes=opening)).replace(tzinfo=zone).astimezone(UTC)
    end = (day + timedelta(minutes=closing)).replace(tzinfo=zone).astimezone(UTC)
    moments = []
    while moment < end:
        moments.append(moment)
        moment += timedelta(minutes=cadence)
    return moments


@settings(max_examples=200, deadline=None, database=None)
@given(
    schedule=schedules(),
    begin=st.sampled_from(CHANGES) | st.integers(0, 366 * 86400),
    length=st.integers(3 * 86400, 100 * 86400) | st.integers(0, 86400),
)
def test_slots_are_those_of_the_calendar(
    empty: Plan, schedule: dict[str, Any], begin: int, length: int
) -> None:
    one = with_schedule(empty, schedule)
    first = int(START.timestamp()) + begin
    due, rows = slots_in_order(one, first, first + length)
    begins, stops = (datetime.fromtimestamp(at, UTC) for at in (first, first + length))
    assert due.tolist() == expected_slots(schedule, begins, stops)
    assert set(rows.tolist()) <= {0}
    numbers = np.array([0], np.int64)
    assert slots_within(one, numbers, first, first + length) == len(due)
    assert slot_counts(one).tolist() == [len(expected_slots(schedule, START, END))]


@settings(max_examples=20, deadline=None, database=None)
@given(several=st.lists(schedules(), min_size=2, max_size=8), cut=st.integers(1, 89 * 86400))
def test_stretches_of_time_add_up_in_order(
    empty: Plan, several: list[dict[str, Any]], cut: int
) -> None:
    many = with_schedule(empty, *several)
    begin = int(datetime(2025, 2, 10, tzinfo=UTC).timestamp())
    whole = [part.tolist() for part in slots_in_order(many, begin, begin + 90 * 86400)]
    parts = [
        [part.tolist() for part in slots_in_order(many, *span)]
        for span in ((begin, begin + cut), (begin + cut, begin + 90 * 86400))
    ]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole
    pairs = list(zip(*whole, strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2025, 3, 9), 23),
        ("America/New_York", date(2025, 11, 2), 25),
        ("Europe/Berlin", date(2025, 3, 30), 23),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("Australia/Sydney", date(2025, 4, 6), 25),
        ("Australia/Sydney", date(2025, 10, 5), 23),
        ("Europe/Berlin", date(2025, 6, 1), 24),
        ("UTC", date(2025, 3, 30), 24),
    ],
)
def test_hourly_pipelines_run_as_often_as_the_day_has_hours(
    zone: str, day: date, hours: int, empty: Plan
) -> None:
    schedule = {
        "zone": ZONES.index(zone),
        "weekdays": 127,
        "open_minute": 7,
        "close_minute": 1440,
        "cadence_minutes": 60,
        "offset_seconds": 0,
        "active_from": 0,
        "active_until": 1 << 60,
    }
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    due, _ = slots_in_order(
        with_schedule(empty, schedule),
        int(midnight.timestamp()),
        int((midnight + DAY).timestamp()),
    )
    assert len(due) == hours
    assert set(np.diff(due).tolist()) == {3600}


def test_time_zones_are_those_of_the_pinned_database() -> None:
    for name in ZONES:
        moment = datetime(2025, 7, 1, tzinfo=UTC)
        pinned = moment.astimezone(zone_rules(name)).utcoffset()
        assert pinned == moment.astimezone(ZoneInfo(name)).utcoffset()


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """Scheduled instants of a data set over two changes of clocks, with what they follow from.

    Of each pipeline without upstream: rhythm, cadence and scheduled instants.
    """
    folder = tmp_path_factory.mktemp("slots") / "out"
    values = {
        "range": {"start": "2026-02-16", "end": "2026-04-20"},
        "pipelines": {"total": 150},
        "runs": {"total": 40_000},
        "schedule": {
            "business_hours_share": 0.5,
            "weekdays_share": 0.5,
            "cadences_minutes": [30, 60, 360, 1440, 10080],
            "tail_exponent": 0.4,
        },
    }
    data = generate(folder, values, file_format="parquet", workers=2)
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        found = db.execute(
            f"""select pipeline_id::text, list((payload::json ->> 'scheduled_at')::timestamptz)
            from '{folder}/batches/*.parquet' where payload::json ->> 'trigger' = 'schedule'
            group by 1"""
        ).fetchall()
    instants = dict(found)
    told: dict[str, list[tuple[Any, ...]]] = {}
    for entry, rhythm in zip(truth(folder)["pipelines"], data.history.rhythms, strict=True):
        if rhythm.upstream is None and entry["pipeline_id"] in instants:
            local = [
                moment.astimezone(ZoneInfo(rhythm.zone))
                for moment in instants[entry["pipeline_id"]]
            ]
            told.setdefault(rhythm.zone, []).append((rhythm, entry["cadence_minutes"], local))
    return told


def test_daily_jobs_keep_their_wall_time_over_the_change(
    starts: dict[str, list[tuple[Any, ...]]],
) -> None:
    checked = 0
    for zone, entries in starts.items():
        for _, cadence, local in entries:
            if cadence == 1440 and len(local) > 30:
                times = Counter(f"{moment:%H:%M:%S}" for moment in local)
                # A time that clocks skip is an hour later on that day alone.
                assert times.most_common(1)[0][1] >= len(local) - 1
                checked += len({moment.utcoffset() for moment in local}) == 2
        assert len({m.utcoffset() for _, _, local in entries for m in local}) == (
            1 if zone in ("UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Sao_Paulo") else 2
        )
    assert checked >= 5


def test_business_hours_and_weekends_are_local(starts: dict[str, list[tuple[Any, ...]]]) -> None:
    seen: Counter[str] = Counter()
    for rhythm, cadence, local in (entry for entries in starts.values() for entry in entries):
        weekend = [moment for moment in local if moment.weekday() >= 5]
        night = [moment for moment in local if not 7 <= moment.hour < 19]
        if cadence <= 1440 and rhythm.skips_weekends:
            seen["weekdays"] += 1
            assert weekend == []
        if cadence <= 360 and rhythm.keeps_business_hours:
            seen["business hours"] += 1
            assert night == []
        elif cadence <= 60 and len(local) > 500 and not rhythm.skips_weekends:
            seen["around the clock"] += 1
            assert len(night) > 0.4 * len(local)
            assert len(weekend) > 0.2 * len(local)
        if cadence == 10080:
            seen["weekly"] += 1
            assert {moment.weekday() for moment in local} == {rhythm.weekday}
    assert min(seen[name] for name in ("weekdays", "business hours", "around the clock")) >= 3
    assert seen["weekly"] >= 1


def test_schedules_are_due_once_at_whole_minutes(starts: dict[str, list[tuple[Any, ...]]]) -> None:
    for _, _, local in (entry for entries in starts.values() for entry in entries):
        assert len(set(local)) == len(local)
        assert {moment.second for moment in local} == {0}
