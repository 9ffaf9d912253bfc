"""Loads that fail, meet others or find no target: the former content stays."""

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import psycopg
import pytest

from chm.errors import ChmError
from chm.load import load, postgres_loader
from chm.targets import read_target
from raw_tables import connect, constraints, contents, execute, make_target, query

WAITING_LOADS = """
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'chm load'
        and wait_event_type = 'Lock'
    """


def test_postgres_refuses_midway(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    execute(
        postgres_target,
        "alter table raw.runs add constraint not_20 check (external_run_id <> 'run-20')",
    )
    before = contents(postgres_target), constraints(postgres_target)
    with pytest.raises(ChmError) as caught:
        load(other_folder, postgres_target, replace=True)
    assert "not_20" in str(caught.value)
    assert "nothing was loaded" in str(caught.value)
    assert (contents(postgres_target), constraints(postgres_target)) == before


def test_duckdb_refuses_midway(duckdb_target, folder, other_folder):
    load(folder, duckdb_target)
    execute(duckdb_target, "create table raw.notes (rule_id uuid references raw.alert_rules (id))")
    before = contents(duckdb_target), constraints(duckdb_target)
    with pytest.raises(ChmError, match="nothing was loaded"):
        load(other_folder, duckdb_target, replace=True)
    assert (contents(duckdb_target), constraints(duckdb_target)) == before


def test_an_interrupted_load_leaves_the_former_content(target, folder, other_folder):
    load(folder, target)
    before = contents(target), constraints(target)

    def interrupt(step, done, total):
        if step == "loading alert_rules" and done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(other_folder, target, replace=True, progress=interrupt)
    assert (contents(target), constraints(target)) == before


@pytest.mark.parametrize(("rows", "word"), [(7, "has 6 rows"), (None, "is missing")])
def test_a_file_that_is_not_as_its_manifest_says_stops_the_load(rows, word, target, folder):
    name = "batches/runs_20260105_batch01.csv" if rows else "batches/runs_20260106_batch02.csv"
    manifest = folder / "context" / "generation_manifest.yaml"
    manifest.parent.mkdir()
    manifest.write_text(f"files: {{{name}: {{rows: {rows or 4}}}}}")
    with pytest.raises(ChmError, match=f"{word}, the manifest says"):
        load(folder, target)
    manifest.write_text(
        "files: {batches/runs_20260105_batch01.csv: {rows: 6}, context/planted_truth.json: {}}"
    )
    assert load(folder, target).counts["runs"] == 6


# Loads that meet others.


def test_readers_see_the_former_rows_and_writers_wait(postgres_target, folder, other_folder):
    load(folder, postgres_target)
    before = contents(postgres_target)
    seen = []

    def look(step, done, total):
        if step == "loading alert_rules" and done == total:
            seen.append(contents(postgres_target))
            with connect(postgres_target) as writer:
                writer.execute("set lock_timeout = '50ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    writer.execute(
                        "insert into raw.clients (id, name, is_active, created_at, updated_at) "
                        "select gen_random_uuid(), 'New', true, now(), now()"
                    )

    load(other_folder, postgres_target, replace=True, progress=look)
    assert seen == [before]


def test_the_time_limits_of_the_server_do_not_stop_a_load(postgres_target, folder):
    for limit in ("statement_timeout", "transaction_timeout", "lock_timeout"):
        execute(
            postgres_target,
            f"alter database {postgres_target.database} set {limit} = '200ms'",
        )
    load(
        folder,
        postgres_target,
        progress=lambda step, *_: sleep(0.3) if step == "loading runs" else None,
    )
    assert query(postgres_target, "select count(*) from raw.runs") == [(6,)]


def test_of_two_first_loads_the_second_finds_the_data_of_the_first(postgres_target, folder):
    def wait_for_second(step, done, total):
        if step == "loading alert_rules" and done == total:
            seconds.append(executor.submit(load, folder, postgres_target))
            deadline = monotonic() + 30
            while not query(postgres_target, WAITING_LOADS):
                assert monotonic() < deadline
                sleep(0.02)

    seconds: list[Future] = []
    with ThreadPoolExecutor() as executor:
        load(folder, postgres_target, progress=wait_for_second)
        with pytest.raises(ChmError, match="already holds data"):
            seconds[0].result()


def test_a_second_load_waits_then_gives_up(postgres_target, folder, monkeypatch):
    monkeypatch.setattr(postgres_loader, "LOCK_TIMEOUT_SECONDS", 1)
    load(folder, postgres_target)
    before = contents(postgres_target)

    def load_again(step, done, total):
        if step == "loading clients" and done == total:
            with pytest.raises(ChmError, match="another load goes on"):
                load(folder, postgres_target, replace=True)

    load(folder, postgres_target, replace=True, progress=load_again)
    assert contents(postgres_target) == before


def test_a_duckdb_file_in_use_is_named(duckdb_target, folder):
    program = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, duckdb_target.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(ChmError, match="Could not set lock") as caught:
            load(folder, duckdb_target)
    assert str(duckdb_target.path) in str(caught.value)
    assert str(other.pid) in str(caught.value)


# Targets that can't be reached.


@pytest.mark.parametrize(
    ("name", "value"), [("CHM_PG_PORT", "1"), ("CHM_PG_DATABASE", "no_such"), ("CHM_PG_USER", "x")]
)
def test_an_unreachable_server_is_named_without_the_password(
    name, value, request, folder, tmp_path, monkeypatch
):
    make_target(request, "prod", tmp_path)
    monkeypatch.setenv(name, value)
    target = read_target("prod")
    with pytest.raises(ChmError) as caught:
        load(folder, target)
    message = str(caught.value)
    assert f"{target.host}:{target.port}, database {target.database}" in message
    assert f"as user {target.user}" in message
    assert target.password not in message
    assert "\n" not in message


def test_a_file_that_is_no_database(duckdb_target, folder):
    duckdb_target.path.write_text("not a database, but long enough to be one " * 1000)
    with pytest.raises(ChmError, match="can't open the DuckDB file"):
        load(folder, duckdb_target)
