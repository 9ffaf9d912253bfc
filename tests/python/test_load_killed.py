"""A load that is killed, at any moment, leaves the former rows or the new ones, and all else."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from chm.errors import ChmError
from chm.load import load
from chm.targets import PostgresTarget, Target, read_target
from data_sets import RUNS, run, valid_data_set, write_data_set
from postgres_server import fresh_database, postgres_server
from raw_tables import ENGINES, TABLES, constraints, contents, execute, make_target, query

# Kills on each engine; a longer search for a bad moment sets another number.
KILLS = int(os.environ.get("CHM_TEST_KILLS", "4"))

PROGRAM = """
import sys
from pathlib import Path
from chm.load import load
from chm.targets import read_target

print("ready", flush=True)
sys.stdin.readline()
load(Path(sys.argv[1]), read_target(sys.argv[2]), replace=True)
"""

LEFTOVERS = """
    select table_name from information_schema.tables
    where table_schema = 'raw' and table_name not in ('clients', 'pipelines', 'runs', 'alert_rules')
    """


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    """A data set of four batches, large enough to be caught at work."""
    files = valid_data_set()
    del files[RUNS]
    for batch in range(4):
        rows = range(batch * 5_000 + 1, (batch + 1) * 5_000)
        files[f"runs_20260105_batch{batch:02}.csv"] = [run(number) for number in rows]
    return write_data_set(tmp_path / "other", files)


@pytest.fixture(autouse=True)
def shards_go_straight_to_the_server(monkeypatch):
    monkeypatch.setattr("chm.load.source.SIFT_FROM_BYTES", 1)


def load_killed(folder: Path, target: Target, delay: float, number: int = signal.SIGKILL) -> int:
    """Load in a process that gets the signal after `delay` seconds; return its exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, target.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        return process.wait(60)


def catalog(target: Target) -> list[tuple[str, str]]:
    """The constraints and indexes of the four tables; what else is in raw does not count."""
    names = {name for table in TABLES for name in (table, f"raw.{table}")}
    return [row for row in constraints(target) if row[0] in names]


def duration(folder: Path, target: Target) -> float:
    started = time.monotonic()
    load(folder, target, replace=True)
    return time.monotonic() - started


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_load_leaves_all_of_the_old_or_all_of_the_new(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    longest = duration(other_folder, target) * 1.2
    new = contents(target)
    load(folder, target, replace=True)
    execute(
        target,
        "create schema staging",
        "create view staging.run_count as select count(*) as n from raw.runs",
    )
    old, constrained = contents(target), catalog(target)
    seen = set()
    for _ in range(KILLS):
        assert load_killed(other_folder, target, random.uniform(0, longest)) in (-9, 0)
        found = contents(target)
        assert found in (old, new)
        assert catalog(target) == constrained
        assert query(target, "select n from staging.run_count") == [(len(found["runs"]),)]
        seen.add(len(found["runs"]))
        # The next load gets its turn.
        load(folder, target, replace=True)
        assert contents(target) == old
        assert catalog(target) == constrained


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_leaves_the_old_and_nothing_beside_it(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    longest = duration(other_folder, target)
    new = contents(target)
    load(folder, target, replace=True)
    old, constrained = contents(target), catalog(target)
    for share in (0.3, 0.6, 0.9):
        load_killed(other_folder, target, share * longest, signal.SIGINT)
        assert contents(target) in (old, new)
        assert catalog(target) == constrained
        assert query(target, LEFTOVERS) == []
        load(folder, target, replace=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_first_load_that_is_killed_leaves_no_rows(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    load_killed(other_folder, target, 0.3)
    present = f"table_schema = 'raw' and table_name in {TABLES}"
    names = f"select count(*) from information_schema.tables where {present}"
    count = query(target, names)[0][0]
    assert count in (0, 4)
    if not count:
        assert load(folder, target).counts["runs"] == len(valid_data_set()[RUNS])
        assert query(target, LEFTOVERS) == []


def test_a_bad_row_in_the_last_shard_changes_nothing(target, folder, other_folder):
    load(folder, target)
    before = contents(target), constraints(target)
    last = other_folder / "batches" / "runs_20260105_batch03.csv"
    last.write_text(last.read_text() + "not,a,run\n")
    with pytest.raises(ChmError, match="nothing was loaded"):
        load(other_folder, target, replace=True)
    assert (contents(target), constraints(target)) == before


def test_a_shard_that_changes_after_its_validation_stops_the_load(target, folder, other_folder):
    load(folder, target)
    before = contents(target), constraints(target)
    last = other_folder / "batches" / "runs_20260105_batch03.csv"

    def change(step: str, done: int, _total: int) -> None:
        if step == "loading runs" and not done:
            last.write_text(last.read_text().replace(",60000,", ",60001,"))

    with pytest.raises(ChmError, match="changed while it was loaded: nothing was loaded"):
        load(other_folder, target, replace=True, progress=change)
    assert (contents(target), constraints(target)) == before


def backends(target: PostgresTarget) -> list[int]:
    return [
        pid
        for (pid,) in query(
            target, "select pid from pg_stat_activity where application_name = 'chm load'"
        )
    ]


def wait_for_recovery(target: PostgresTarget) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            query(target, "select 1")
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("moment", ["loading runs", "keys and indexes of runs", "switching"])
def test_a_killed_server_has_the_old_rows_when_it_is_back(
    moment, folder, other_folder, monkeypatch
):
    """SIGKILL to a backend makes the whole server stop at once and recover."""
    with postgres_server() as server, fresh_database(server) as database:
        for name, value in server.environment(database).items():
            monkeypatch.setenv(name, value)
        target = read_target("prod")
        load(folder, target)
        before = contents(target), catalog(target)

        def kill(step: str, done: int, _total: int) -> None:
            if step == moment and not done:
                os.kill(backends(target)[0], signal.SIGKILL)

        with pytest.raises(ChmError, match=r"can't connect|nothing was loaded"):
            load(other_folder, target, replace=True, progress=kill)
        wait_for_recovery(target)
        assert (contents(target), catalog(target)) == before
        assert load(other_folder, target, replace=True).counts["runs"] == 4 * 4999
        assert query(target, LEFTOVERS) == []
