"""`chm reset` drops what the project made in a target and nothing else."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.load import load
from chm.reset import dbt_relations, reset
from raw_tables import connect, contents, execute, query


@pytest.fixture(scope="session")
def dbt_names():
    return dbt_relations("dev")


@pytest.fixture(autouse=True)
def dbt_lists_once(dbt_names, monkeypatch):
    """The names are the same on each target, and dbt takes seconds to tell them."""
    monkeypatch.setattr("chm.reset.dbt_relations", lambda _target: dbt_names)


def agree(_found):
    pass


def refuse(_found):
    raise ChmError("nothing was dropped")


THERE = """
    select table_schema || '.' || table_name from information_schema.tables
    where table_schema not in ('information_schema', 'pg_catalog') order by 1
    """


@pytest.fixture
def built(target, folder):
    """The raw tables and two of dbt's views, among tables of others."""
    load(folder, target)
    execute(
        target,
        "create schema staging",
        "create schema marts",
        "create view staging.stg_runs as select * from raw.runs",
        "create table marts.monitoring_clock as select 1 as n",
        "create table marts.budget as select 1 as n",
        "create table raw.notes as select 1 as n",
        "create table staging.runs as select 1 as n",
    )
    load(folder, target, replace=True)
    return target


def test_what_the_project_made_goes_and_all_else_stays(built):
    found = reset(built.name, agree)
    assert found.rows == 18
    assert query(built, THERE) == [("marts.budget",), ("raw.notes",), ("staging.runs",)]
    again = reset(built.name, refuse)
    assert (again.relations, again.types) == ((), ())


def test_a_no_keeps_everything(built):
    before = query(built, THERE), contents(built)
    with pytest.raises(ChmError, match="nothing was dropped"):
        reset(built.name, refuse)
    assert (query(built, THERE), contents(built)) == before


def test_a_view_of_others_stops_the_reset_of_postgres(postgres_target, folder):
    load(folder, postgres_target)
    execute(postgres_target, "create view public.mine as select * from raw.runs")
    before = query(postgres_target, THERE), contents(postgres_target)
    with pytest.raises(ChmError, match=r"view .*mine depends on table"):
        reset("prod", agree)
    assert (query(postgres_target, THERE), contents(postgres_target)) == before


def test_a_view_of_others_stops_the_reset_of_duckdb(duckdb_target, folder):
    load(folder, duckdb_target)
    execute(
        duckdb_target,
        "create view main.mine as select * from raw.runs",
        "create view main.broken as select 1 as n",
        "create view main.long_broken as select * from main.broken",
        "drop view main.broken",
    )
    before = query(duckdb_target, THERE), contents(duckdb_target)
    with pytest.raises(ChmError, match=r'"main"."mine" reads what would go; nothing was dropped'):
        reset("dev", agree)
    assert (query(duckdb_target, THERE), contents(duckdb_target)) == before
    execute(duckdb_target, "drop view main.mine")
    reset("dev", agree)


def test_a_reader_stops_the_reset_of_postgres(postgres_target, folder, monkeypatch):
    monkeypatch.setattr("chm.reset.postgres_reset.LOCK_TIMEOUT_SECONDS", 1)
    load(folder, postgres_target)
    before = contents(postgres_target)
    with connect(postgres_target) as reader, reader.transaction():
        reader.execute("select * from raw.clients")
        with pytest.raises(ChmError, match=r"others go on using .*; nothing was dropped"):
            reset("prod", agree)
    assert contents(postgres_target) == before


def test_a_duckdb_file_in_use_stops_the_reset(duckdb_target, folder):
    load(folder, duckdb_target)
    program = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, duckdb_target.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        with pytest.raises(ChmError, match=r"Could not set lock .*; nothing was dropped"):
            reset("dev", agree)


def test_a_table_of_others_with_the_name_of_a_work_table_stays(postgres_target, folder):
    load(folder, postgres_target)
    execute(postgres_target, "create table raw.chm_new_runs as select 1 as n")
    reset("prod", agree)
    assert query(postgres_target, THERE) == [("raw.chm_new_runs",)]


def test_a_target_can_be_loaded_again_after_its_reset(target, folder):
    load(folder, target)
    before = contents(target)
    reset(target.name, agree)
    load(folder, target)
    assert contents(target) == before


def test_models_seeds_and_snapshots_are_known(dbt_names):
    for name in (
        ("staging", "stg_runs"),
        ("marts", "q01_run_health_trend"),
        ("reference", "platforms"),
    ):
        assert name in dbt_names
    assert not any(schema == "raw" for schema, _ in dbt_names)


def test_the_command_needs_yes_without_a_terminal(duckdb_target, folder):
    load(folder, duckdb_target)
    before = contents(duckdb_target)
    runner = CliRunner()
    refused = runner.invoke(app, ["reset", "--target", "dev"])
    assert isinstance(refused.exception, ChmError)
    assert "18 rows in raw; nothing was dropped: --yes" in str(refused.exception)
    assert contents(duckdb_target) == before
    assert runner.invoke(app, ["reset", "--target", "dev", "--yes"]).exit_code == 0
    assert query(duckdb_target, THERE) == []
