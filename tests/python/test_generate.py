"""`chm generate`: the bytes, the rules of the contract, the files and the command."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.generate import DataSet, generate, make_config, write
from chm.project import project_dir
from dataset_rules import broken_rules, read_rows

FROZEN = project_dir() / "data" / "synthetic" / "v1"
START = datetime(2026, 1, 1, tzinfo=UTC)
WRITE_DEMO = (
    "import sys; from pathlib import Path; from chm.generate import generate, make_config, write; "
    "write(generate(make_config({})), Path(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return generate(make_config({}))


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


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    pipelines=st.integers(25, 60),
    runs=st.integers(2500, 5000),
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
            "alert_rules": {"total": 80},
        }
    )
    folder = tmp_path_factory.mktemp("generated") / "out"
    made = generate(config)
    write(made, folder)
    assert broken_rules(folder) == []
    assert (len(made.pipelines), len(made.runs)) == (pipelines, runs)
    assert all(run.started_at >= START and run.ingested_at < end for run in made.runs)


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
    # PostgreSQL takes a quoted empty field for an empty text, not for null.
    assert not re.search(r'^""|,""(,|$)', text, re.MULTILINE)


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
    with pytest.raises(ChmError, match="out can't be written: "):
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
