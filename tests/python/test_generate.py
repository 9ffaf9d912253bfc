"""`chm generate`: the bytes, the promised counts, the contract's rules, the planted truth."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest
import yaml
from dataset_rules import broken_rules, instant, read_rows, read_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from chm.cli import app
from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate import DataSet, generate, make_config, write
from chm.project import project_dir

FROZEN = project_dir() / "data" / "synthetic" / "v1"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 22, tzinfo=UTC)
WRITE_DEMO = (
    "import sys; from pathlib import Path; from chm.generate import generate, make_config, write; "
    "write(generate(make_config({})), Path(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return generate(make_config({}))


@pytest.fixture(scope="module")
def tables():
    return {name: rows for name, (_, rows) in read_tables(FROZEN).items()}


@pytest.fixture(scope="module")
def truth():
    return json.loads((FROZEN / "context" / "planted_truth.json").read_text("utf-8"))


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_frozen_data_set_is_what_the_generator_writes(data, tmp_path):
    write(data, tmp_path / "v1")
    assert content(tmp_path / "v1") == content(FROZEN)


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {"TZ": "America/St_Johns", "PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8"},
    ],
)
def test_bytes_do_not_depend_on_the_machine(environment, tmp_path):
    subprocess.run(
        [sys.executable, "-c", WRITE_DEMO, tmp_path / "out"],
        env=os.environ | environment,
        check=True,
    )
    assert content(tmp_path / "out") == content(FROZEN)


def test_another_seed_gives_other_rows_and_ids(data):
    other = generate(make_config({"seed": 43}))
    for name in ("clients", "pipelines", "runs", "alert_rules"):
        ids = {row.id for row in getattr(data, name)}
        assert ids.isdisjoint(row.id for row in getattr(other, name)), name
    assert [run.started_at for run in data.runs] != [run.started_at for run in other.runs]
    assert {client.name for client in data.clients} != {client.name for client in other.clients}


def test_frozen_data_set_breaks_no_rule():
    assert broken_rules(FROZEN) == []


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    pipelines=st.integers(25, 60),
    runs=st.integers(1500, 4000),
    days=st.integers(30, 80),
)
def test_other_configurations_break_no_rule_and_keep_their_counts(
    tmp_path_factory, seed, pipelines, runs, days
):
    end = START + timedelta(days=days)
    config = make_config(
        {
            "seed": seed,
            "range": {"start": START, "end": end},
            "pipelines": {"total": pipelines, "active_share": 1},
            "clients": {"active_share": 1},
            "roles": {"flaky": 1, "broken_days": [3], "silent_days": [4], "slow_days": [5]},
            "runs": {"total": runs},
        }
    )
    folder = tmp_path_factory.mktemp("generated") / "out"
    made = generate(config)
    write(made, folder)
    assert broken_rules(folder) == []
    assert (len(made.pipelines), len(made.runs)) == (pipelines, runs)
    assert all(START <= run.started_at and run.ingested_at < end for run in made.runs)


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


def test_manifest_tells_the_files_and_a_configuration_that_makes_them_again(tmp_path):
    manifest = yaml.safe_load((FROZEN / "context" / "generation_manifest.yaml").read_text("utf-8"))
    others = {
        path: bytes_ for path, bytes_ in content(FROZEN).items() if not path.endswith(".yaml")
    }
    assert set(manifest["files"]) == set(others)
    for path, bytes_ in others.items():
        entry = manifest["files"][path]
        assert (entry["bytes"], entry["sha256"]) == (
            len(bytes_),
            hashlib.sha256(bytes_).hexdigest(),
        )
        if path.endswith(".csv"):
            assert entry["rows"] == len(read_rows(FROZEN / path)[1])
    assert manifest["seed"] == 42
    write(generate(make_config(manifest["configuration"])), tmp_path / "again")
    assert content(tmp_path / "again") == content(FROZEN)


@pytest.mark.parametrize("path", sorted(content(FROZEN)))
def test_files_are_utf8_with_plain_line_ends(path):
    text = content(FROZEN)[path].decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    assert not text.startswith("\ufeff")
    assert ',""' not in text.replace('""', "", text.count('"""')) or path.startswith("batches")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"range": {"end": "2025-12-31T00:00:00Z"}}, "range.end: must lie at least 2 days after"),
        ({"range": {"start": "2026-01-01T00:00:00"}}, "range.start: Input should have timezone"),
        ({"runs": {"success_share": 1.2}}, "runs.success_share: Input should be less than or"),
        ({"roles": {"flaky_failed_share": -0.1}}, "roles.flaky_failed_share: Input should be gr"),
        ({"runs": {"success_share": 0.99, "canceled_share": 0.2}}, "runs: success_share, cancel"),
        ({"runs": {"night_hours": [4, 2]}}, "runs.night_hours: the first hour must be below"),
        ({"incident": {"minutes": [120, 90]}}, "incident.minutes: the numbers must not fall"),
        ({"runs": {"speed": 1}}, "runs.speed: Extra inputs are not permitted"),
        ({"pipelines": {"mix": {"fax": {"export": 1}}}}, "pipelines.mix.fax: 'fax' is not one of"),
        ({"pipelines": {"environments": {}}}, "pipelines.environments: Dictionary should have"),
        (
            {"alert_rules": {"channels": {"email": {"weight": 1, "destination": "{team}"}}}},
            "alert_rules.channels: '{team}' does not look like email",
        ),
        (
            {"runs": {"durations_seconds": {"export": [1, 2, 3, 4, 5]}}},
            "configuration: runs.durations_seconds lacks ingestion",
        ),
    ],
)
def test_impossible_configuration_is_refused_by_key(values, message):
    with pytest.raises(ChmError, match="^" + re.escape(message)):
        make_config(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runs": {"total": 100}}, "runs.total: 40 pipelines run .* even at their slowest"),
        ({"runs": {"total": 10**6}}, "runs.total: 40 pipelines run .* at the fastest"),
        ({"runs": {"success_share": 0.95}}, "runs.success_share: the planted faults"),
        ({"runs": {"success_share": 0.2}}, "runs.success_share: .* are free for that"),
        ({"roles": {"flaky": 40}}, "roles: 2 slow and 45 other faults"),
        ({"roles": {"broken_days": [60]}}, "roles.broken_days: 60 days before the end"),
        ({"pipelines": {"new": 40}}, "pipelines.new: 40 asked for"),
        (
            {"pipelines": {"mix": {"cron": {"export": 1}}}},
            "incident.platform: vendor_api has no run",
        ),
        ({"clients": {"active_share": 0}, "pipelines": {"new": 0}}, "roles: "),
    ],
)
def test_configuration_that_its_numbers_cannot_hold_is_refused_by_key(values, message):
    with pytest.raises(ChmError, match="^" + message):
        generate(make_config(values))


def test_no_outage_where_none_is_asked_for():
    made = generate(make_config({"incident": None}))
    assert made.truth["incidents"] == []
    assert "platform_outage" not in {run.status_reason for run in made.runs}


def test_existing_data_set_is_replaced_by_force_alone(data, tmp_path):
    out = tmp_path / "out"
    (out / "batches").mkdir(parents=True)
    stale = out / "batches" / "runs_20250101_batch01.csv"
    stale.write_text("stale")
    with pytest.raises(ChmError, match="already holds batches: --force replaces it"):
        write(data, out)
    assert content(out) == {"batches/runs_20250101_batch01.csv": b"stale"}
    write(data, out, force=True)
    assert content(out) == content(FROZEN)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folder_of_something_else_is_never_replaced(data, tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ChmError, match=r"holds letters\.txt, which is no part of a data set"):
        write(data, tmp_path, force=True)
    with pytest.raises(ChmError, match="is a file"):
        write(data, tmp_path / "letters.txt", force=True)
    assert content(tmp_path) == {"letters.txt": b"mine"}


def test_working_directory_is_not_replaced(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ChmError, match="holds the working directory"):
        write(data, Path())
    assert content(tmp_path) == {}


def test_folder_that_cannot_be_written_is_one_message(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ChmError, match="can't be written: Not a directory"):
        write(data, tmp_path / "file" / "out")


@pytest.mark.parametrize("stop_at", ["write_bytes", "rename"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_interrupted_write_leaves_the_former_data_set(data, tmp_path, monkeypatch, stop, stop_at):
    out = tmp_path / "out"
    write(data, out)
    former = content(out)
    calls = Counter()
    real = getattr(Path, stop_at)

    def stopping(self, target):
        calls[stop_at] += 1
        if calls[stop_at] == 2:
            raise stop
        return real(self, target)

    monkeypatch.setattr(Path, stop_at, stopping)
    with pytest.raises((KeyboardInterrupt, ChmError)):
        write(generate(make_config({"seed": 7})), out, force=True)
    monkeypatch.undo()
    assert content(out) == former
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_command_writes_the_data_set_and_tells_what_it_wrote(tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["generate", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert content(out) == content(FROZEN)
    assert "1,500 runs, 89.0% successful, seed 42" in result.output
    assert f"data set in {out}" in result.output
    for path, bytes_ in content(out).items():
        [line] = [line for line in result.output.splitlines() if path in line]
        assert f"{len(bytes_):,}" in line


def test_command_takes_seed_and_force(tmp_path):
    arguments = ["generate", "--out", str(tmp_path / "out"), "--seed", "7"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, ChmError)
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    manifest = (tmp_path / "out" / "context" / "generation_manifest.yaml").read_text("utf-8")
    assert yaml.safe_load(manifest)["seed"] == 7


def count(rows, **values):
    return sum(all(row[name] == value for name, value in values.items()) for row in rows)


def median_duration(rows):
    return median(int(row["duration_seconds"]) for row in rows if row["status"] == "success")
