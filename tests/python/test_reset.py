"""`chm reset` drops what the project made in a target and nothing else."""

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.load import load
from chm.reset import dbt_relations, reset
from raw_tables import contents, execute, query


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
