"""The clock: what the variable as_of means, in real dbt runs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from chm.contract import load_contract
from chm.contract.ddl import table_statements
from mart_engine import run_dbt

HOUR = timedelta(hours=1)
PAST = "2026-02-14T11:30:00+00:00"
FUTURE = "2999-01-01T00:00:00+00:00"


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema raw")
        for statement in table_statements(load_contract(), "duckdb"):
            connection.execute(statement)
    return path


def add_runs(warehouse: Path, *finished_at: str) -> None:
    client = "11111111-1111-1111-1111-111111111111"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"insert into raw.clients values ('{client}', 'c', true, now(), now())")
        connection.execute(
            f"insert into raw.pipelines values ('{client}', '{client}', 'p', 'cron', null, "
            "'export', null, 'prod', true, now(), now())"
        )
        for number, instant in enumerate(finished_at):
            connection.execute(
                "insert into raw.runs (id, pipeline_id, external_run_id, status, finished_at, "
                "ingested_at, created_at, updated_at) "
                f"values (uuid(), '{client}', '{number}', 'success', '{instant}', "
                "now(), now(), now())"
            )


def clock(warehouse: Path, as_of: str | None = None) -> tuple[datetime, datetime, str]:
    """Build the clock and return its row; machine, session and data may be in any time zone."""
    variables = ["--vars", json.dumps({"as_of": as_of})] if as_of else []
    result = run_dbt(
        ["run", "--select", "+monitoring_clock", *variables],
        warehouse.parent,
        {"CHM_DUCKDB_PATH": str(warehouse), "TZ": "America/St_Johns"},
    )
    assert result.returncode == 0, result.stdout
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        row = connection.execute("select * from marts.monitoring_clock").fetchall()
    assert len(row) == 1
    return row[0]


def test_on_duckdb_the_clock_stands_at_the_newest_run_that_is_not_in_the_future(
    warehouse: Path,
) -> None:
    add_runs(warehouse, "2026-02-13T00:00:00Z", PAST, FUTURE)
    as_of, window_end, source = clock(warehouse)
    assert as_of == datetime.fromisoformat(PAST)
    assert window_end == datetime(2026, 2, 14, 12, tzinfo=UTC)
    assert source == "data"


def test_now_is_the_start_of_the_invocation(warehouse: Path) -> None:
    add_runs(warehouse, PAST)
    before = datetime.now(UTC)
    as_of, window_end, source = clock(warehouse, "now")
    assert before <= as_of <= datetime.now(UTC)
    assert timedelta(0) < window_end - as_of <= HOUR
    assert (window_end.minute, window_end.second, window_end.microsecond) == (0, 0, 0)
    assert source == "now"


def test_with_nothing_but_the_future_the_clock_falls_back_to_now(warehouse: Path) -> None:
    add_runs(warehouse, FUTURE)
    before = datetime.now(UTC)
    as_of, _, source = clock(warehouse, "data")
    assert before <= as_of <= datetime.now(UTC)
    assert source == "now"


def test_an_instant_is_taken_as_it_is(warehouse: Path) -> None:
    as_of, window_end, source = clock(warehouse, "2026-02-14T17:29:59.5+05:30")
    assert as_of == datetime(2026, 2, 14, 11, 59, 59, 500000, tzinfo=UTC)
    assert window_end == datetime(2026, 2, 14, 12, tzinfo=UTC)
    assert source == "instant"


@pytest.mark.parametrize("setting", ["yesterday", "2026-02-30T00:00:00Z"])
def test_any_other_setting_is_refused_by_name(warehouse: Path, setting: str) -> None:
    result = run_dbt(
        ["run", "--select", "int_monitoring_clock", "--vars", json.dumps({"as_of": setting})],
        warehouse.parent,
        {"CHM_DUCKDB_PATH": str(warehouse)},
    )
    assert result.returncode != 0
    assert f"it is '{setting}'" in result.stdout
