"""The ten questions, and the headline of each answer in one line."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from chm.query import Row, read_tables
from chm.targets import Target


@dataclass(frozen=True)
class Question:
    """A question, the mart that answers it, and what makes one line of the mart's rows."""

    number: int
    text: str
    mart: str
    headline: Callable[[list[Row]], str]


@dataclass(frozen=True)
class Answer:
    """A question with its headline."""

    question: Question
    headline: str


def read_answers(target: Target) -> list[Answer]:
    """Return the ten answers that the marts of `target` hold now.

    Raises:
        ChmError: the target can't be reached, or a mart is not built.
    """
    marts = read_tables(target, [f"marts.{question.mart}" for question in QUESTIONS])
    return [Answer(q, q.headline(marts[f"marts.{q.mart}"])) for q in QUESTIONS]


def _run_health_trend(rows: list[Row]) -> str:
    weeks = [row for row in rows if row["is_complete_week"]]
    if not weeks:
        return "no complete week yet"
    week = max(row["week_start"] for row in weeks)
    changes = [
        (row["failure_rate_change"], row["client_name"])
        for row in weeks
        if row["week_start"] == week and row["failure_rate_change"] is not None
    ]
    worse = [change for change in changes if change[0] > 0]
    better = [change for change in changes if change[0] < 0]
    text = f"week of {week}: {len(worse)} clients worse, {len(better)} better"
    if worse:
        change, client = max(worse)
        text += f"; most: {client}, failure rate up {100 * change:.1f} points"
    return text


def _client_risk_ranking(rows: list[Row]) -> str:
    ranked = [row for row in rows if row["total_runs_7d"]]
    if not ranked:
        return "no run in 7 days"
    first = min(ranked, key=lambda row: row["risk_rank"])
    return (
        f"{first['client_name']}: {first['failed_runs_7d']} of {first['total_runs_7d']} runs "
        f"failed in 7 days ({_percent(first['failure_rate_7d'])}, "
        f"the 7 days before {_percent(first['previous_failure_rate_7d'])}), "
        f"{first['failing_pipelines']} of {first['active_pipelines']} pipelines failing now"
    )


def _latest_pipeline_status(rows: list[Row]) -> str:
    return f"{len(rows)} active pipelines: {_tally(rows, 'health_state')}"


def _vendor_dependency_risk(rows: list[Row]) -> str:
    vendor = next(row for row in rows if row["platform_group"] == "vendor_api")
    if vendor["relative_risk"] is None:
        return f"vendors bring {_percent(vendor['share_of_failures'])} of failures in 30 days"
    return (
        f"vendors: {_percent(vendor['share_of_runs'])} of runs, "
        f"{_percent(vendor['share_of_failures'])} of failures in 30 days; "
        f"{vendor['relative_risk']:.1f} times the failure rate of the other platforms"
    )


def _recent_changes(rows: list[Row]) -> str:
    if not rows:
        return "nothing changed in 24 hours"
    latest = max(rows, key=lambda row: (row["changed_at"], row["pipeline_id"]))
    return f"{_tally(rows, 'change_type')}; latest: {_pipeline(latest)} {latest['change_type']}"


def _client_throughput_stability(rows: list[Row]) -> str:
    measured = [row for row in rows if row["throughput_cv"] is not None]
    if not measured:
        return "no client with two measured runs in 30 days"
    most = max(measured, key=lambda row: row["total_rows_30d"])
    steadiest = min(measured, key=lambda row: row["throughput_cv"])
    return (
        f"most: {most['client_name']}, {most['total_rows_30d'] / 1e6:,.1f}M rows in 30 days; "
        f"steadiest: {steadiest['client_name']}, variation {steadiest['throughput_cv']:.2f}"
    )


def _pipeline_freshness_watchlist(rows: list[Row]) -> str:
    late = [row for row in rows if row["freshness_state"] == "late"]
    text = f"{len(rows)} pipelines: {_tally(rows, 'freshness_state')}"
    if late:
        first = min(late, key=lambda row: row["watch_rank"])
        text += f"; first: {_pipeline(first)}, {first['hours_overdue']:.1f} h overdue"
    return text


def _environment_reliability(rows: list[Row]) -> str:
    rates = ", ".join(
        f"{row['environment']} {_percent(row['decided_failure_rate_30d'])}"
        for row in sorted(rows, key=lambda row: -row["active_pipelines"])
    )
    return f"failed of the decided runs in 30 days: {rates}"


def _flaky_pipeline_ranking(rows: list[Row]) -> str:
    if not rows:
        return "no run in 30 days"
    text = _tally(rows, "stability_class")
    first = min(rows, key=lambda row: row["flaky_rank"])
    if first["stability_class"] == "flaky":
        text += f"; first: {_pipeline(first)}, flips {_percent(first['flip_rate_30d'])} of the time"
    return text


def _platform_failure_rate(rows: list[Row]) -> str:
    first = min(rows, key=lambda row: row["failure_rank"])
    if not first["decided_runs_30d"]:
        return "no decided run in 30 days"
    return (
        f"{first['platform']}: {first['failed_runs_30d']} of {first['decided_runs_30d']} decided "
        f"runs failed in 30 days ({_percent(first['decided_failure_rate_30d'])}; 95 % interval "
        f"{_percent(first['failure_rate_30d_low'])} to {_percent(first['failure_rate_30d_high'])})"
    )


QUESTIONS = (
    Question(
        1,
        "Is each client's run health getting better or worse?",
        "q01_run_health_trend",
        _run_health_trend,
    ),
    Question(2, "Which client is at risk?", "q02_client_risk_ranking", _client_risk_ranking),
    Question(
        3,
        "What is the state of every pipeline now?",
        "q03_latest_pipeline_status",
        _latest_pipeline_status,
    ),
    Question(
        4,
        "How much of our failure do vendors bring in?",
        "q04_vendor_dependency_risk",
        _vendor_dependency_risk,
    ),
    Question(5, "What changed since yesterday?", "q05_recent_changes", _recent_changes),
    Question(
        6,
        "Who moves how much data, how steadily?",
        "q06_client_throughput_stability",
        _client_throughput_stability,
    ),
    Question(
        7, "Whose data is late?", "q07_pipeline_freshness_watchlist", _pipeline_freshness_watchlist
    ),
    Question(
        8,
        "Is prod more reliable than staging and dev?",
        "q08_environment_reliability",
        _environment_reliability,
    ),
    Question(
        9,
        "Which pipelines fail on and off?",
        "q09_flaky_pipeline_ranking",
        _flaky_pipeline_ranking,
    ),
    Question(10, "Which platform fails most?", "q10_platform_failure_rate", _platform_failure_rate),
)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _pipeline(row: Row) -> str:
    return f"{row['client_name']} / {row['pipeline_name']}"


def _tally(rows: list[Row], column: str) -> str:
    """Count the values of a column, the most frequent first."""
    counts = Counter(row[column] for row in rows)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {value}" for value, count in ordered) or "none"
