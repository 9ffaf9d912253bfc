"""A profile as text for a terminal and as JSON."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chm.profile.charts import bar, sparkline
from chm.profile.report import Profile, Runs

_BAR_WIDTH = 30
# What stands beside a sparkline, and how long one may be.
_MARGIN = 20
_LEAST_POINTS = 10
_MOST_POINTS = 120
_ALL = "all"


def print_profile(profile: Profile, console: Console) -> None:
    """Print sizes, orphans, statuses, runs per pipeline, failure rates and the top clients."""
    parts = [_tables(profile), _orphans(profile), _statuses(profile), _histogram(profile)]
    if profile.platforms:
        parts.append(_platforms(profile))
    if profile.days:
        parts.append(_days(profile, console.width))
    if profile.undated_runs:
        parts.append(Text(f"{profile.undated_runs:,} runs have no start"))
    if profile.clients:
        parts.append(_clients(profile))
    for number, part in enumerate(parts):
        if number:
            console.print()
        console.print(part)


def as_json(profile: Profile) -> str:
    """Return the profile as JSON.

    tables:            [{table, files, rows, bytes}]
    orphans:           [{table, column, parent, rows}]
    statuses:          {status: runs}
    runs_per_pipeline: [{first, last, pipelines}]
    platforms:         {platform: {runs, decided, failed, failure_rate}}
    days:              {day: {platform: the same}}, in UTC
    undated_runs:      a number
    clients:           [{id, name, pipelines, runs, decided, failed, failure_rate}]
    """
    document: dict[str, Any] = {
        "data_set": str(profile.folder),
        "tables": [vars(size) for size in profile.tables],
        "orphans": [vars(orphans) for orphans in profile.orphans],
        "statuses": profile.statuses,
        "runs_per_pipeline": [vars(bucket) for bucket in profile.runs_per_pipeline],
        "platforms": _runs_by_name(profile.platforms),
        "days": {
            day.isoformat(): _runs_by_name(platforms) for day, platforms in profile.days.items()
        },
        "undated_runs": profile.undated_runs,
        "clients": [
            {"id": client.id, "name": client.name, "pipelines": client.pipelines}
            | _runs_fields(client.runs)
            for client in profile.clients
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _runs_by_name(by_name: dict[str, Runs]) -> dict[str, dict[str, float | None]]:
    return {name: _runs_fields(runs) for name, runs in by_name.items()}


def _runs_fields(runs: Runs) -> dict[str, float | None]:
    return {
        "runs": runs.total,
        "decided": runs.decided,
        "failed": runs.failed,
        "failure_rate": runs.failure_rate,
    }


def _table(*columns: str, left: Iterable[str] = ()) -> Table:
    """Return a table whose columns are numbers, but for the first and those in `left`."""
    table = Table(box=None)
    for number, column in enumerate(columns):
        is_left = number == 0 or column in left
        table.add_column(column, justify="left" if is_left else "right", no_wrap=True)
    return table


def _shown(text: str) -> Text:
    """Return a text of the data set such that it can't move the cursor or be taken for markup."""
    return Text("".join(letter if letter.isprintable() else "�" for letter in text) or "(empty)")


def _tables(profile: Profile) -> Table:
    table = _table("table", "files", "rows", "bytes")
    for size in profile.tables:
        table.add_row(size.table, f"{size.files:,}", f"{size.rows:,}", f"{size.bytes:,}")
    return table


def _orphans(profile: Profile) -> Table | Text:
    if not any(orphans.rows for orphans in profile.orphans):
        return Text(f"no orphans: all {len(profile.orphans)} references are kept")
    table = _table("orphans", "rows", "without a row in", left=["without a row in"])
    for orphans in profile.orphans:
        if orphans.rows:
            name = f"{orphans.table}.{orphans.column}"
            table.add_row(name, f"{orphans.rows:,}", orphans.parent, style="red")
    return table


def _statuses(profile: Profile) -> Table:
    table = _table("status", "runs", "share", "", left=[""])
    greatest = max(profile.statuses.values(), default=0)
    for status, runs in profile.statuses.items():
        share = _percent(runs / profile.runs if profile.runs else None)
        table.add_row(_shown(status), f"{runs:,}", share, bar(runs, greatest, _BAR_WIDTH))
    return table


def _histogram(profile: Profile) -> Table | Text:
    if not profile.runs_per_pipeline:
        return Text("no pipelines")
    table = _table("runs per pipeline", "pipelines", "", left=[""])
    greatest = max(bucket.pipelines for bucket in profile.runs_per_pipeline)
    for bucket in profile.runs_per_pipeline:
        span = f"{bucket.first:,}"
        if bucket.last > bucket.first:
            span += f" - {bucket.last:,}"
        chart = bar(bucket.pipelines, greatest, _BAR_WIDTH)
        table.add_row(span, f"{bucket.pipelines:,}", chart)
    return table


def _platforms(profile: Profile) -> Table:
    table = _table("platform", "runs", "failed", "failure rate", "", left=[""])
    rates = [runs.failure_rate or 0 for runs in profile.platforms.values()]
    for name, runs in profile.platforms.items():
        table.add_row(
            _shown(name),
            f"{runs.total:,}",
            f"{runs.failed:,}",
            _percent(runs.failure_rate),
            bar(runs.failure_rate or 0, max(rates), _BAR_WIDTH),
        )
    return table


def _days(profile: Profile, width: int) -> Table:
    """Failure rates over the days, all platforms on one scale, and runs on their own."""
    days_each, points = _points(
        profile.days, max(_LEAST_POINTS, min(width - _MARGIN, _MOST_POINTS))
    )
    names = [*profile.platforms, _ALL]
    rates = {name: [point.get(name, Runs()).failure_rate for point in points] for name in names}
    greatest = max((rate for line in rates.values() for rate in line if rate), default=0.0)
    unit = "day" if days_each == 1 else f"{days_each} days"
    heading = f"per {unit}, highest {_percent(greatest)}"
    table = _table("failure rate", heading, left=[heading])
    for name, line in rates.items():
        table.add_row(_shown(name), sparkline(line, greatest))
    # The last point may cover fewer days than the others: runs a day can be compared.
    days_left = (max(profile.days) - min(profile.days)).days + 1
    runs = [
        point.get(_ALL, Runs()).total / min(days_each, days_left - number * days_each)
        for number, point in enumerate(points)
    ]
    table.add_row("runs a day", sparkline(runs, max(runs)))
    table.add_row("", f"{min(profile.days)} to {max(profile.days)} (UTC)")
    return table


def _points(days: dict[date, dict[str, Runs]], most: int) -> tuple[int, list[dict[str, Runs]]]:
    """Sum the runs of neighbouring days, so many to a point that there are `most` or fewer."""
    first, last = min(days), max(days)
    days_each = -(-((last - first).days + 1) // most)
    points: list[dict[str, Runs]] = [{} for _ in range((last - first).days // days_each + 1)]
    for day, platforms in days.items():
        point = points[(day - first).days // days_each]
        for name, runs in [*platforms.items(), (_ALL, sum(platforms.values(), start=Runs()))]:
            point[name] = point.get(name, Runs()) + runs
    return days_each, points


def _clients(profile: Profile) -> Table:
    table = _table("client", "pipelines", "runs", "share", "failed", "rate")
    for client in profile.clients:
        table.add_row(
            _shown(client.name or client.id),
            f"{client.pipelines:,}",
            f"{client.runs.total:,}",
            _percent(client.runs.total / profile.runs if profile.runs else None),
            f"{client.runs.failed:,}",
            _percent(client.runs.failure_rate),
        )
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
