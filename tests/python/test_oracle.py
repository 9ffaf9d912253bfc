"""The oracle itself, against examples computed by hand from the spec's text."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from oracle import AlertRule, Client, Clock, DataSet, Pipeline, Run, compute_marts
from oracle.clock import DAY, HOUR, resolve_clock
from oracle.inputs import read_data_set
from oracle.stats import binary_entropy, coefficient_of_variation, wilson
from strategies import scenes

TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
AS_OF = datetime(2026, 2, 20, 12, 30, tzinfo=UTC)  # a Friday
END = datetime(2026, 2, 20, 13, tzinfo=UTC)
CLOCK = Clock(AS_OF, END, "instant")
CLIENT = Client("c1", "Acme", True, END - 99 * DAY, END - 99 * DAY)
PIPELINE = Pipeline("p1", "c1", "load", "dbt", None, "ingestion", None, "prod", True, END, END)


def run(number: int, status: str, at: datetime, **fields: Any) -> Run:
    """Build a run of p1 that started and finished at one instant."""
    plain = Run(
        f"r{number:02}",
        "p1",
        f"x{number}",
        status,
        at,
        at,
        None,
        None,
        None,
        None,
        None,
        at,
        at,
        at,
    )
    return replace(plain, **fields)


def runs(letters: str, step: timedelta = HOUR, last: datetime = AS_OF, **fields: Any) -> list[Run]:
    """Build evenly spaced runs, oldest first: S success, F failed, C canceled, K skipped."""
    names = {"S": "success", "F": "failed", "C": "canceled", "K": "skipped"}
    return [
        run(i, names[letter], last - (len(letters) - 1 - i) * step, **fields)
        for i, letter in enumerate(letters)
    ]


def rule(number: int = 1, **fields: Any) -> AlertRule:
    """Build an enabled on_failure rule of c1."""
    plain = AlertRule(
        f"a{number}", "c1", None, "on_failure", None, None, "slack", "#a", True, END, END
    )
    return replace(plain, **fields)


def marts(
    some_runs: Iterable[Run] = (),
    clients: Iterable[Client] = (CLIENT,),
    pipelines: Iterable[Pipeline] = (PIPELINE,),
    rules: Iterable[AlertRule] = (),
    clock: Clock = CLOCK,
) -> dict[str, Any]:
    """Compute the marts, by default of one client with one pipeline."""
    return compute_marts(DataSet([*clients], [*pipelines], [*some_runs], [*rules]), clock)


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    """Return one column."""
    return [row[name] for row in rows]


def of_pipeline(pipeline_id: str, some_runs: Iterable[Run]) -> list[Run]:
    """Hand runs to another pipeline under ids of their own."""
    return [replace(r, id=f"{r.id}-{pipeline_id}", pipeline_id=pipeline_id) for r in some_runs]


# --- statistics and the clock ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "decided", "low", "high"),
    [
        (1, 1, 0.20654931437723745, 1.0),
        (10, 20, 0.299298, 0.700702),
        (0, 1, 0.0, 0.7934506856227626),
        (0, 0, None, None),
    ],
)
def test_wilson(failed: int, decided: int, low: float | None, high: float | None) -> None:
    assert wilson(failed, decided) == pytest.approx((low, high), abs=5e-7)


def test_wilson_ends_are_exact_so_that_rounding_never_ranks() -> None:
    assert {wilson(0, n)[0] for n in range(1, 200)} == {0.0}
    assert {wilson(n, n)[1] for n in range(1, 200)} == {1.0}


def test_entropy_and_variation() -> None:
    assert [binary_entropy(k, 4) for k in (0, 2, 4)] == [0.0, 1.0, 0.0]
    assert binary_entropy(1, 4) == pytest.approx(0.8112781244591328)
    assert binary_entropy(0, 0) is None
    assert coefficient_of_variation([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx(0.4)
    assert coefficient_of_variation([5]) is None
    assert coefficient_of_variation([0, 0]) is None


def test_clock() -> None:
    known = DataSet(runs=[run(1, "success", END - DAY), run(2, "success", AS_OF + TICK)])
    assert resolve_clock(known, "now", AS_OF) == Clock(AS_OF, END, "now")
    assert resolve_clock(known, "data", AS_OF) == Clock(END - DAY, END - DAY + HOUR, "data")
    assert resolve_clock(DataSet(), "data", AS_OF) == Clock(AS_OF, END, "now")
    iso = resolve_clock(known, "2026-02-20T14:00:00+02:00", AS_OF)
    assert iso == Clock(END - HOUR, END, "instant")


def test_windows_hold_their_start_and_not_the_future() -> None:
    start = END - 30 * DAY
    instants = [start - TICK, start, AS_OF, AS_OF + TICK, END]
    built = marts([run(i, "failed", at) for i, at in enumerate(instants)])
    assert sum(column(built["q10_platform_failure_rate"], "total_runs_30d")) == 2
    assert column(built["fct_runs"], "is_visible") == [True, True, True, False, False]
    assert built["incidents"][0]["failed_runs"] == 3


def test_event_at_prefers_finished_then_started_then_created() -> None:
    times = {"created_at": END - DAY, "started_at": AS_OF - HOUR, "finished_at": AS_OF}
    some = [
        run(1, "success", AS_OF, **times),
        run(2, "running", AS_OF, **{**times, "finished_at": None}),
        run(3, "running", AS_OF, **{**times, "finished_at": None, "started_at": None}),
    ]
    events = column(marts(some)["fct_runs"], "event_at")
    assert events == [AS_OF, AS_OF - HOUR, END - DAY]


# --- business -------------------------------------------------------------------------------


def test_q01_fills_weeks_and_compares_with_the_week_before() -> None:
    sunday = datetime(2026, 2, 22, 23, 30, tzinfo=UTC)
    monday = datetime(2026, 2, 2, tzinfo=UTC)
    some = [
        run(1, "failed", monday),
        run(2, "success", monday + 7 * DAY - TICK),
        run(3, "failed", sunday),
    ]
    idle = replace(CLIENT, id="c2", name="Idle", is_active=False)
    built = marts(some, [CLIENT, idle], clock=resolve_clock(DataSet(), "now", sunday))
    trend = built["q01_run_health_trend"]
    ours = [row for row in trend if row["client_id"] == "c1"]
    assert column(ours, "week_start") == [date(2026, 2, 2), date(2026, 2, 9), date(2026, 2, 16)]
    assert column(ours, "failure_rate") == [0.5, None, 1.0]
    assert column(ours, "previous_week_failure_rate") == [None, 0.5, None]
    assert column(ours, "failure_rate_change") == [None, None, None]
    # Cut to the hour plus one hour is Monday: the week is over.
    assert column(ours, "is_complete_week") == [True, True, True]
    assert [row["total_runs"] for row in trend if row["client_id"] == "c2"] == [0, 0, 0]


def test_q02_ranks_by_what_is_proven_then_by_code_point() -> None:
    names = {"c1": "one", "c2": "ten", "c3": "Zed", "c4": "acme", "c5": "Ácme", "c6": "off"}
    clients = [replace(CLIENT, id=i, name=n, is_active=n != "off") for i, n in names.items()]
    owned = [replace(PIPELINE, id=f"p{i[1]}", client_id=i, is_active=i != "c2") for i in names]
    some = runs("F") + of_pipeline("p2", runs("FS" * 10)) + of_pipeline("p6", runs("F"))
    ranking = marts(some, clients, owned)["q02_client_risk_ranking"]
    assert column(ranking, "client_name") == ["ten", "one", "Zed", "acme", "Ácme"]
    assert column(ranking, "risk_rank") == [1, 2, 3, 4, 5]
    assert column(ranking, "failed_runs_7d") == [10, 1, 0, 0, 0]
    # The inactive pipeline's runs count; the pipeline itself is not standing there.
    assert column(ranking, "active_pipelines") == [0, 1, 1, 1, 1]
    assert column(ranking, "failing_pipelines") == [0, 1, 0, 0, 0]


def test_q02_windows_are_adjacent() -> None:
    week = END - 7 * DAY
    some = [run(1, "failed", week), run(2, "success", week - TICK), run(3, "failed", END - DAY)]
    row = marts(some)["q02_client_risk_ranking"][0]
    assert (row["failed_runs_24h"], row["failed_runs_7d"], row["failed_runs_30d"]) == (1, 2, 2)
    assert (row["failure_rate_7d"], row["previous_failure_rate_7d"]) == (1.0, 0.0)
    assert row["failure_rate_change_7d"] == 1.0


def test_q03_run_order_puts_null_starts_oldest_and_breaks_ties_by_id() -> None:
    some = [
        run(1, "success", AS_OF, started_at=None),
        run(2, "failed", AS_OF - HOUR),
        run(4, "running", AS_OF - HOUR, finished_at=None),
        run(3, "failed", AS_OF - HOUR, error_message="late"),
    ]
    row = marts(some)["q03_latest_pipeline_status"][0]
    assert (row["latest_run_id"], row["latest_error_message"]) == ("r03", "late")
    assert row["health_state"] == "failing"
    assert row["consecutive_failures"] == 2
    # By event_at, whatever the run order says.
    assert (row["last_success_at"], row["last_failure_at"]) == (AS_OF, AS_OF - HOUR)


@pytest.mark.parametrize(
    ("letters", "state", "latest", "streak"),
    [
        ("", "never_run", None, 0),
        ("KC", "undecided", "canceled", 0),
        ("SFKFC", "failing", "canceled", 2),
        ("FFS", "healthy", "success", 0),
    ],
)
def test_q03_states(letters: str, state: str, latest: str | None, streak: int) -> None:
    row = marts(runs(letters))["q03_latest_pipeline_status"][0]
    found = (row["health_state"], row["latest_status"], row["consecutive_failures"])
    assert found == (state, latest, streak)


def test_q04_compares_the_two_groups() -> None:
    vendor = replace(PIPELINE, id="p2", platform="vendor_api")
    some = runs("FSSSC") + of_pipeline("p2", runs("FFFS"))
    vendors, others = marts(some, pipelines=[PIPELINE, vendor])["q04_vendor_dependency_risk"]
    assert vendors["platform_group"] == "vendor_api"
    assert (vendors["share_of_runs"], vendors["share_of_failures"]) == (4 / 9, 0.75)
    assert (vendors["relative_risk"], others["relative_risk"]) == (3.0, 1 / 3)
    assert (others["failure_rate_30d"], others["decided_failure_rate_30d"]) == (0.2, 0.25)
    assert column(marts(runs("S"))["q04_vendor_dependency_risk"], "relative_risk") == [None, None]


@pytest.mark.parametrize(
    ("before", "since", "change", "steps"),
    [
        ("F", "FSS", "recovered", 1),
        ("S", "SFF", "broke", 1),
        ("", "FFC", "broke", 2),
        ("K", "SSS", "started", 2),
        ("", "KCC", "started", 2),
        ("S", "FSS", None, None),
    ],
)
def test_q05(before: str, since: str, change: str | None, steps: int | None) -> None:
    old = [replace(r, id=f"old{r.id}") for r in runs(before, last=END - DAY - TICK)]
    rows = marts(old + runs(since))["q05_recent_changes"]
    assert column(rows, "change_type") == ([change] if change else [])
    if steps is not None:
        assert rows[0]["changed_at"] == AS_OF - steps * HOUR


def test_q05_yesterday_ends_before_its_edge() -> None:
    row = marts([run(1, "failed", END - DAY)])["q05_recent_changes"][0]
    assert (row["state_before"], row["failed_runs_24h"]) == ("never_run", 1)


# --- operations and governance --------------------------------------------------------------


def test_q06_measures_over_measured_runs_only() -> None:
    some = [replace(r, rows_processed=n) for r, n in zip(runs("SFS"), (10, 30, None), strict=True)]
    row = marts(some)["q06_client_throughput_stability"][0]
    assert [row[name] for name in list(row)[2:]] == [3, 2, 40, 20.0, 0.5]
    empty = marts()["q06_client_throughput_stability"][0]
    assert [empty[name] for name in list(empty)[2:]] == [0, 0, 0, None, None]


def watchlist(hours_ago: Iterable[float], **fields: Any) -> dict[str, Any]:
    """Return Q7's row for successes started that many hours before as_of."""
    some = [run(i, "success", AS_OF - h * HOUR, **fields) for i, h in enumerate(hours_ago)]
    row: dict[str, Any] = marts(some)["q07_pipeline_freshness_watchlist"][0]
    return row


def test_q07_grace_from_the_spread_of_gaps() -> None:
    # Gaps 10, 4, 3, 2, 1: median 3, distances 7, 1, 0, 1, 2, so MAD 1.
    row = watchlist((30, 20, 16, 13, 11, 10))
    assert row["expected_interval_hours"] == 3.0
    assert row["grace_hours"] == pytest.approx(4.4478)
    assert row["due_at"] == AS_OF - 10 * HOUR + timedelta(hours=7.4478)
    assert row["hours_overdue"] == pytest.approx(2.5522)
    assert row["freshness_state"] == "late"


def test_q07_grace_from_the_95th_percentile_of_durations() -> None:
    some = [replace(r, duration_seconds=1000 * (i + 1)) for i, r in enumerate(runs("SSSSS"))]
    ignored = [run(8, "success", AS_OF, started_at=None)]
    ignored += [run(9 + i, "skipped", AS_OF - (i + 0.5) * HOUR) for i in range(2)]
    row = marts(some + ignored)["q07_pipeline_freshness_watchlist"][0]
    assert row["expected_interval_hours"] == 1.0
    assert row["grace_hours"] == pytest.approx(4800 / 3600)


@pytest.mark.parametrize(
    ("hours_since", "state"),
    [(0.999, "fresh"), (1, "grace"), (1.0999, "grace"), (1.1, "late")],
)
def test_q07_states_meet_exactly(hours_since: float, state: str) -> None:
    row = watchlist([hours_since + n for n in range(5)])
    assert (row["freshness_state"], row["hours_overdue"]) == (state, 0.0)


def test_q07_needs_four_gaps_of_the_last_21_days() -> None:
    some = runs("SSSSS")
    edge = [replace(some[0], started_at=END - 21 * DAY), *some[1:]]
    outside = [replace(some[0], started_at=END - 21 * DAY - TICK), *some[1:]]
    rows = [marts(group)["q07_pipeline_freshness_watchlist"][0] for group in (edge, outside)]
    assert column(rows, "freshness_state") == ["fresh", "unknown"]
    assert (rows[1]["grace_hours"], rows[1]["due_at"]) == (None, None)


def test_q07_order() -> None:
    letters = {"p1": "", "p2": "SSSSS", "p3": "S", "p4": "SSSSS", "p5": "S", "p6": "SSSSS"}
    lasts = {"p3": 5, "p4": 3, "p5": 9, "p6": 0.75}
    steps = {"p4": HOUR, "p6": HOUR / 2}
    some = [
        r
        for p, text in letters.items()
        for r in of_pipeline(p, runs(text, steps.get(p, HOUR), AS_OF - lasts.get(p, 0) * HOUR))
    ]
    owned = [replace(PIPELINE, id=p, name=p) for p in letters]
    rows = marts(some, pipelines=owned)["q07_pipeline_freshness_watchlist"]
    # p4 is 1.9 intervals overdue, p6 only 0.4; unknown ones by the age of their success.
    assert column(rows, "pipeline_id") == ["p4", "p6", "p1", "p5", "p3", "p2"]
    assert column(rows, "watch_rank") == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("letters", "last", "stability", "flips", "flip_rate", "transient"),
    [
        ("SFSFCS", AS_OF, "flaky", 4, 1.0, 2),
        ("SFFSS", AS_OF, "flaky", 2, 0.5, 0),
        ("SSSFF", AS_OF, "flaky", 1, 0.25, 0),
        ("FFFFF", AS_OF, "broken", 0, 0.0, 0),
        ("FFFFF", END - 7 * DAY - TICK, "unstable", 0, 0.0, 0),
        ("SSSSS", AS_OF, "stable", 0, 0.0, 0),
        ("FSFS", AS_OF, "insufficient_data", 3, 1.0, 1),
        ("FKC", AS_OF, "insufficient_data", 0, None, 0),
    ],
)
def test_q09(
    letters: str,
    last: datetime,
    stability: str,
    flips: int,
    flip_rate: float | None,
    transient: int,
) -> None:
    row = marts(runs(letters, last=last))["q09_flaky_pipeline_ranking"][0]
    assert row["stability_class"] == stability
    assert (row["flips_30d"], row["flip_rate_30d"]) == (flips, flip_rate)
    assert row["transient_failures_30d"] == transient


def test_q09_puts_the_dead_pipeline_after_the_flaky_one() -> None:
    owned = [replace(PIPELINE, id=p, name=p) for p in ("p1", "p2", "p3", "p4")]
    some = runs("FFFFF") + of_pipeline("p2", runs("SSSSF" * 2)) + of_pipeline("p3", runs("S" * 5))
    rows = marts(some, pipelines=owned)["q09_flaky_pipeline_ranking"]
    assert column(rows, "pipeline_id") == ["p2", "p1", "p3"]
    assert rows[0]["transient_failure_share"] == 0.5


def test_fixed_inventories_show_without_any_run() -> None:
    built = marts()
    assert column(built["q08_environment_reliability"], "active_pipelines") == [1, 0, 0]
    platforms = column(built["q10_platform_failure_rate"], "platform")
    assert platforms == ["airflow", "cron", "custom", "dbt", "vendor_api"]
    assert column(built["q07_pipeline_freshness_watchlist"], "freshness_state") == [
        "never_succeeded"
    ]
    for name in ("q01_run_health_trend", "q09_flaky_pipeline_ranking", "incidents"):
        assert built[name] == []


def test_run_durations_fall_from_edge_to_edge() -> None:
    some = [
        replace(r, duration_seconds=d) for r, d in zip(runs("SFC"), (29, 30, 9**9), strict=True)
    ]
    rows = marts([*some, run(9, "success", AS_OF)])["run_duration_distribution"]
    assert column(rows, "runs") == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert (rows[-1]["bucket_from_seconds"], rows[-1]["bucket_to_seconds"]) == (14400, None)


def test_hourly_sums_over_nothing_are_zero() -> None:
    some = runs("SF", step=MINUTE, last=END - HOUR, duration_seconds=5, rows_processed=7)
    first, second = marts(some)["fct_pipeline_hourly"]
    assert (first["hour_start"], first["success_runs"]) == (END - 2 * HOUR, 1)
    assert (second["hour_start"], second["failed_runs"]) == (END - HOUR, 1)
    assert (first["success_duration_seconds"], second["success_duration_seconds"]) == (5, 0)
    assert (first["rows_processed"], second["rows_processed"]) == (7, 7)


def test_incidents() -> None:
    first, second = marts(runs("FKFSSCF", created_at=END))["incidents"]
    assert (first["incident_id"], first["failed_runs"]) == ("p1:r00", 2)
    assert (first["is_left_censored"], second["is_left_censored"]) == (True, False)
    assert (first["closed_at"], first["duration_seconds"]) == (AS_OF - 3 * HOUR, 3 * 3600.0)
    assert (second["is_open"], second["closed_at"], second["duration_seconds"]) == (True, None, 0.0)


def test_an_incident_never_lasts_less_than_nothing() -> None:
    slow = run(1, "failed", AS_OF - 3 * HOUR, finished_at=AS_OF)
    row = marts([slow, run(2, "success", AS_OF - HOUR)])["incidents"][0]
    assert (row["opened_at"], row["closed_at"]) == (AS_OF, AS_OF - HOUR)
    assert row["duration_seconds"] == 0.0


def test_triage_queue_orders_by_environment_and_names_the_channels() -> None:
    dev = replace(PIPELINE, id="p2", name="dev", environment="dev")
    off = replace(PIPELINE, id="p3", name="off", is_active=False)
    some = runs("FSF") + of_pipeline("p2", runs("FF")) + of_pipeline("p3", runs("F"))
    rules = [
        rule(1, pipeline_id="p1", channel="webhook", destination="é"),
        rule(2, client_id=None, pipeline_id="p1", destination="z"),
        rule(3, pipeline_id="p1", destination="z"),
        rule(4, is_enabled=False),
    ]
    rows = marts(some, pipelines=[dev, PIPELINE, off], rules=rules)["triage_queue"]
    assert column(rows, "pipeline_name") == ["load", "dev"]
    assert column(rows, "alert_channels") == ["slack,webhook", None]
    assert column(rows, "alert_destinations") == ["z,é", None]
    assert column(rows, "hours_open") == [0.0, 1.0]
    assert column(rows, "last_success_at") == [AS_OF - HOUR, None]


def test_on_failure_fires_once_a_streak_and_once_an_instant() -> None:
    other = replace(PIPELINE, id="p2", name="other", is_active=False)
    some = runs("FKFSF") + of_pipeline("p2", runs("F"))
    firings = marts(some, pipelines=[PIPELINE, other], rules=[rule()])["alert_rule_firings"]
    fired = [(f["fired_at"], f["run_id"], f["pipeline_id"], f["firing_id"]) for f in firings]
    assert sorted(fired) == [
        (AS_OF - 4 * HOUR, "r00", "p1", "a1:r00"),
        (AS_OF, "r04", "p1", "a1:r04"),
    ]
    assert column(firings, "failures_in_window") == [1, 1]


@pytest.mark.parametrize(
    ("minutes", "fired"),
    [
        ((0, 10), []),  # the first left the window as the second came
        ((0, 9), [9]),
        ((0, 9, 10), [9]),  # 2 before, 2 after: it did not rise
        ((0, 9, 12), [9, 12]),  # it fell to 1 in between
        ((5, 5), [5]),
    ],
)
def test_failures_in_window_slides(minutes: tuple[int, ...], fired: list[int]) -> None:
    start = AS_OF - DAY
    some = [run(i, "failed", start + m * MINUTE) for i, m in enumerate(minutes)]
    # A success between them resets nothing.
    some.append(run(99, "success", start + 7 * MINUTE))
    watch = rule(rule_type="failures_in_window", threshold=2, window_minutes=10)
    rows = marts(some, rules=[watch])["alert_rule_firings"]
    assert sorted(column(rows, "fired_at")) == [start + m * MINUTE for m in fired]
    assert set(column(rows, "failures_in_window")) <= {2}


def test_governance() -> None:
    described = replace(PIPELINE, description="what", external_id="x")
    row = marts(runs("F"), pipelines=[described], rules=[rule()])["governance_coverage"][0]
    assert (row["has_success_in_30d"], row["coverage_score"]) == (False, 0.8)


def test_ids_compare_and_appear_in_lower_case() -> None:
    some = [run(1, "failed", AS_OF, id="AB"), run(2, "success", AS_OF, id="aa", pipeline_id="P1")]
    row = marts(some, clients=[replace(CLIENT, id="C1")])["q03_latest_pipeline_status"][0]
    assert (row["latest_run_id"], row["client_id"]) == ("ab", "c1")


def test_reads_the_csv_layout(tmp_path: Path) -> None:
    at = "2026-01-03T05:00:00+01:00"
    files = {
        "base/clients.csv": f"id,name,is_active,created_at,updated_at\nAB,Ä,True,{at},{at}\n",
        "base/pipelines.csv": "id,client_id,name,platform,external_id,pipeline_type,description,"
        f"environment,is_active,created_at,updated_at\nP,AB,n,dbt,,export,,dev,FALSE,{at},{at}\n",
        "base/alert_rules.csv": "id,client_id,pipeline_id,rule_type,threshold,window_minutes,"
        f"channel,destination,is_enabled,created_at,updated_at\nR,,P,on_failure,,,email,a,true,{at},{at}\n",
        "batches/runs_20260103_batch01.csv": "id,pipeline_id,external_run_id,status,started_at,"
        "finished_at,duration_seconds,rows_processed,error_message,status_reason,payload,"
        f'ingested_at,created_at,updated_at\nU,P,X1,failed,{at},,7,,"a\nb",,,{at},{at},{at}\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    data = read_data_set(tmp_path)
    four = datetime(2026, 1, 3, 4, tzinfo=UTC)
    assert data.clients == [Client("ab", "Ä", True, four, four)]
    assert (data.pipelines[0].client_id, data.pipelines[0].is_active) == ("ab", False)
    assert (data.alert_rules[0].client_id, data.alert_rules[0].pipeline_id) == (None, "p")
    assert (data.pipelines[0].description, data.alert_rules[0].threshold) == (None, None)
    only = data.runs[0]
    assert only.created_at.tzinfo is UTC
    assert (only.external_run_id, only.error_message) == ("X1", "a\nb")
    assert (only.started_at, only.finished_at, only.duration_seconds) == (four, None, 7)


# --- the strategies -------------------------------------------------------------------------


def is_unique(values: Iterable[object]) -> bool:
    """Whether no value returns."""
    listed = list(values)
    return len(set(listed)) == len(listed)


@settings(max_examples=60, database=None, deadline=None)
@given(scenes())
def test_scenes_keep_the_raw_constraints_and_ranks_count_up(
    scene: tuple[DataSet, datetime],
) -> None:
    data, as_of = scene
    tables = (data.clients, data.pipelines, data.runs, data.alert_rules)
    assert all(is_unique(row.id.lower() for row in table) for table in tables)
    assert is_unique(c.name for c in data.clients)
    assert is_unique((p.client_id, p.name) for p in data.pipelines)
    assert is_unique((r.pipeline_id, r.external_run_id) for r in data.runs)
    assert len(data.runs) <= 40
    assert all(r.finished_at >= r.started_at for r in data.runs if r.finished_at and r.started_at)
    owner = {p.id: p.client_id for p in data.pipelines}
    assert {p.client_id for p in data.pipelines} <= {c.id for c in data.clients}
    assert {r.pipeline_id for r in data.runs} <= set(owner)
    for a in data.alert_rules:
        assert a.client_id or a.pipeline_id
        if a.pipeline_id:
            assert a.client_id in (None, owner[a.pipeline_id])
    enabled = [a for a in data.alert_rules if a.is_enabled]
    assert is_unique(
        (a.client_id, a.pipeline_id, a.rule_type, a.channel, a.destination) for a in enabled
    )
    built: dict[str, Any] = compute_marts(data, resolve_clock(data, "now", as_of))
    for rows in built.values():
        for name in list(rows[0])[:1] if rows else []:
            if name.endswith("_rank"):
                assert column(rows, name) == list(range(1, len(rows) + 1))
