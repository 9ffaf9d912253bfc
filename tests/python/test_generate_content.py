"""What `chm generate` makes: the promised counts and shares, the planted truth."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from chm.contract import load_contract
from chm.generate import generate, make_config
from chm.project import project_dir
from dataset_rules import instant, read_rows, read_tables

FROZEN = project_dir() / "data" / "synthetic" / "v1"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def tables():
    return {name: rows for name, (_, rows) in read_tables(FROZEN).items()}


@pytest.fixture(scope="module")
def truth():
    return json.loads((FROZEN / "context" / "planted_truth.json").read_text("utf-8"))


def test_counts_and_shares_of_the_fleet(tables):
    assert {name: len(rows) for name, rows in tables.items()} == {
        "clients": 12,
        "pipelines": 40,
        "runs": 1500,
        "alert_rules": 25,
    }
    assert count(tables["clients"], is_active="true") == 10
    assert count(tables["pipelines"], is_active="true") == 38
    assert count(tables["pipelines"], description=None) == 6
    assert count(tables["pipelines"], external_id=None) == 4
    assert count(tables["alert_rules"], is_enabled="true") == 21
    owners = {row["client_id"] for row in tables["pipelines"]}
    assert owners == {row["id"] for row in tables["clients"]}
    for column in load_contract().tables["pipelines"].columns:
        if column.enum:
            used = {row[column.name] for row in tables["pipelines"]}
            assert used == set(load_contract().enums[column.enum].values)


def test_counts_and_shares_of_the_runs(tables):
    statuses = Counter(row["status"] for row in tables["runs"])
    assert statuses == {
        "success": 1335,
        "failed": 102,
        "canceled": 30,
        "skipped": 30,
        "running": 3,
    }
    assert 0.82 <= statuses["success"] / 1500 <= 0.90


def test_runs_fill_the_range_and_none_is_known_before_it_happened(tables):
    starts = [instant(row["started_at"]) for row in tables["runs"]]
    assert starts == sorted(starts)
    assert START <= starts[0] < START + timedelta(days=1)
    assert END - timedelta(days=1) <= starts[-1] < END
    for row in tables["runs"]:
        events = [instant(row[name]) for name in ("created_at", "updated_at", "ingested_at")]
        assert instant(row["started_at"]) <= events[0] <= events[1] < events[2] < END


def test_no_run_outside_the_life_of_its_pipeline_and_client(tables):
    clients = {row["id"]: row for row in tables["clients"]}
    pipelines = {row["id"]: row for row in tables["pipelines"]}
    for pipeline in pipelines.values():
        owner = clients[pipeline["client_id"]]
        assert instant(pipeline["created_at"]) >= instant(owner["created_at"])
    ended = 0
    for run in tables["runs"]:
        pipeline = pipelines[run["pipeline_id"]]
        started = instant(run["started_at"])
        assert started >= instant(pipeline["created_at"])
        for owner in (pipeline, clients[pipeline["client_id"]]):
            if owner["is_active"] == "false":
                ended += 1
                assert started <= instant(owner["updated_at"])
    assert ended > 50


def test_running_runs_are_the_latest_of_the_last_hours(tables):
    latest = {row["pipeline_id"]: row["id"] for row in tables["runs"]}
    for row in tables["runs"]:
        if row["status"] == "running":
            assert instant(row["started_at"]) >= END - timedelta(hours=12)
            assert latest[row["pipeline_id"]] == row["id"]


def test_outage_shows_in_the_failures_of_its_platform(tables, truth):
    [outage] = truth["incidents"]
    begin, end = instant(outage["started_at"]), instant(outage["ended_at"])
    assert outage["platform"] == "vendor_api"
    assert timedelta(minutes=90) <= end - begin <= timedelta(minutes=120)
    assert end - begin == timedelta(minutes=outage["minutes"])
    platforms = {row["id"]: row["platform"] for row in tables["pipelines"]}
    vendor = [row for row in tables["runs"] if platforms[row["pipeline_id"]] == "vendor_api"]
    inside = [row for row in vendor if begin <= instant(row["started_at"]) < end]
    outside = [row for row in vendor if row not in inside]
    assert len(inside) == outage["runs"] >= 8
    assert count(inside, status="failed") == outage["failed_runs"] >= 0.8 * len(inside)
    assert count(outside, status="failed") < 0.2 * len(outside)
    assert sorted({row["pipeline_id"] for row in inside}) == outage["pipeline_ids"]


def test_truth_names_every_pipeline_with_its_runs(tables, truth):
    runs = Counter(row["pipeline_id"] for row in tables["runs"])
    entries = {entry["pipeline_id"]: entry for entry in truth["pipelines"]}
    assert set(entries) == {row["id"] for row in tables["pipelines"]}
    assert all(entry["runs"] == runs[key] for key, entry in entries.items())
    roles = Counter(entry["role"] for entry in entries.values())
    assert roles == {"healthy": 29, "new": 1, "flaky": 3, "broken": 3, "silent": 2, "slow": 2}


def test_planted_faults_show(tables, truth):
    runs = defaultdict(list)
    for row in tables["runs"]:
        runs[row["pipeline_id"]].append(row)
    for entry in truth["pipelines"]:
        own = runs[entry["pipeline_id"]]
        since = instant(entry["since"]) or END
        before = [row for row in own if instant(row["started_at"]) < since]
        after = [row for row in own if instant(row["started_at"]) >= since]
        if entry["role"] == "new":
            assert own == []
        elif entry["role"] == "flaky":
            assert 0.2 <= count(own, status="failed") / len(own) <= 0.4
        elif entry["role"] == "broken":
            assert after
            assert count(after, status="failed") == len(after)
            assert count(before, status="success") > 0.8 * len(before)
        elif entry["role"] == "silent":
            assert after == []
            assert len(before) > 20
        elif entry["role"] == "slow":
            assert median_duration(after) > 0.6 * entry["factor"] * median_duration(before)


@pytest.mark.parametrize("seed", range(12))
def test_every_seed_keeps_the_promises_of_the_demo(seed):
    made = generate(make_config({"seed": seed}))
    assert len(made.runs) == 1500
    assert made.count("success") == 1335
    assert 3 <= made.count("running") <= 8
    [outage] = made.truth["incidents"]
    assert 90 <= outage["minutes"] <= 120
    assert outage["runs"] >= 6
    failed = Counter(run.pipeline_id for run in made.runs if run.status == "failed")
    for pipeline, entry in zip(made.pipelines, made.truth["pipelines"], strict=True):
        assert entry["pipeline_id"] == pipeline.id
        if pipeline.platform == "vendor_api" and entry["role"] != "new":
            assert entry["cadence_minutes"] <= 1440
        if entry["role"] in ("healthy", "new"):
            continue
        assert pipeline.is_active
        assert pipeline.client.is_active
        assert pipeline.created_at < START
        assert entry["cadence_minutes"] <= 1440
        if entry["role"] == "slow":
            assert pipeline.id not in made.truth["long_tail"]["pipeline_ids"]
        if entry["role"] == "broken":
            since = instant(entry["since"])
            after = [
                run
                for run in made.runs
                if run.pipeline_id == pipeline.id and run.started_at >= since
            ]
            assert {run.status for run in after} == {"failed"}
        if entry["role"] == "flaky":
            # 0.3 of the runs; those in the outage are not the pipeline's own.
            assert abs(failed[pipeline.id] - 0.3 * entry["runs"]) <= 1.5


def test_busy_schedules_end_before_what_ends_them():
    end = START + timedelta(days=4)
    config = make_config(
        {
            "range": {"start": START, "end": end},
            "clients": {"total": 2, "active_share": 0.5},
            "pipelines": {"total": 6, "active_share": 1, "late_share": 0, "new": 0},
            "roles": {"flaky": 0, "broken_days": [], "silent_days": [1], "slow_days": []},
            "runs": {"total": 5500, "cadences_minutes": [1440, 5]},
            "incident": None,
        }
    )
    made = generate(config)
    ends = {
        pipeline.id: min(end, instant(entry["since"]) or end, pipeline.stopped_at or end)
        for pipeline, entry in zip(made.pipelines, made.truth["pipelines"], strict=True)
    }
    assert len(set(ends.values())) == 3
    assert all(run.started_at < ends[run.pipeline_id] for run in made.runs)
    assert all(run.ingested_at < end for run in made.runs)


def test_long_tail_holds_dbt_transforms_only(tables, truth):
    tail = truth["long_tail"]
    kinds = {row["id"]: (row["platform"], row["pipeline_type"]) for row in tables["pipelines"]}
    assert set(tail["pipeline_ids"]) == {
        key for key, kind in kinds.items() if kind == ("dbt", "transform")
    }
    successes = [
        row
        for row in tables["runs"]
        if kinds[row["pipeline_id"]] == ("dbt", "transform") and row["status"] == "success"
    ]
    longs = [row for row in successes if row["id"] in tail["run_ids"]]
    others = [row for row in successes if row["id"] not in tail["run_ids"]]
    assert len(longs) == len(tail["run_ids"])
    assert 0.03 <= len(longs) / len(successes) <= 0.09
    assert median_duration(longs) > 4 * median_duration(others)


def test_payload_is_canonical_json(tables):
    for row in tables["runs"]:
        payload = json.loads(row["payload"])
        assert row["payload"] == json.dumps(payload, sort_keys=True, separators=(",", ":"))


def test_registry_holds_every_client_and_pipeline_with_its_parent(tables):
    _, registry = read_rows(FROZEN / "context" / "id_registry.csv")
    clients = {row["id"]: row for row in tables["clients"]}
    expected = [
        {
            "entity_type": "client",
            "entity_id": row["id"],
            "entity_name": row["name"],
            "parent_entity_id": None,
            "parent_entity_name": None,
            "platform": None,
            "pipeline_type": None,
            "environment": None,
            "is_active": row["is_active"],
            "created_at": row["created_at"],
        }
        for row in tables["clients"]
    ] + [
        {
            "entity_type": "pipeline",
            "entity_id": row["id"],
            "entity_name": row["name"],
            "parent_entity_id": row["client_id"],
            "parent_entity_name": clients[row["client_id"]]["name"],
        }
        | {
            name: row[name]
            for name in ("platform", "pipeline_type", "environment", "is_active", "created_at")
        }
        for row in tables["pipelines"]
    ]
    assert registry == expected


def count(rows, **values):
    return sum(all(row[name] == value for name, value in values.items()) for row in rows)


def median_duration(rows):
    return median(int(row["duration_seconds"]) for row in rows if row["status"] == "success")
