"""`chm check`: each kind of expectation sees the row that breaks it, on both engines."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chm.contract import load_contract
from chm.errors import ChmError
from chm.load import load
from chm.project import project_dir
from chm.quality import ExpectationResult, QualityReport, check
from chm.targets import Target, read_target
from data_sets import identifier, valid_data_set, write_data_set
from postgres_server import Server, fresh_database
from raw_tables import ENGINES, TABLES, execute, query

CLIENT, PIPELINE, RUN, RULE = 1, 2, 3, 4
KINDS = dict(zip(TABLES, (CLIENT, PIPELINE, RUN, RULE), strict=True))

# Table, the number of the row to copy, the number of the copy, its changes, and what breaks:
# the rule, the expectation and the numbers of the rows to be named.
PLANTED = [
    ("clients", 1, 101, {"name": None}, "R02", "name is not null", [101]),
    ("clients", 3, 3, {"name": "Twin"}, "R03", "id is unique", [3, 3]),
    ("clients", 2, 102, {}, "R04", "name is unique", [2, 102]),
    ("pipelines", 4, 101, {}, "R04", "client_id, name is unique", [4, 101]),
    (
        *("pipelines", 1, 102, {"name": "Same external id"}),
        *("R04", "client_id, platform, external_id is unique", [1, 102]),
    ),
    (
        *("pipelines", 3, 103, {"client_id": identifier(CLIENT, 999)}),
        *("R05", "client_id is found in clients (id)", [103]),
    ),
    (
        *("pipelines", 3, 104, {"name": "Fax", "platform": "fax"}),
        *("R06", "platform is one of airflow, dbt, cron, vendor_api, custom", [104]),
    ),
    ("runs", 1, 101, {}, "R10", "pipeline_id, external_run_id is unique", [1, 101]),
    (
        *("runs", 1, 102, {"pipeline_id": identifier(PIPELINE, 999)}),
        *("R05", "pipeline_id is found in pipelines (id)", [102]),
    ),
    (
        *("runs", 1, 103, {"external_run_id": "a", "finished_at": "2026-01-05T00:59:59Z"}),
        *("R08", "finished_at finished_at >= started_at", [103]),
    ),
    (
        *("runs", 1, 104, {"external_run_id": "b", "duration_seconds": "-1"}),
        *("R09", "duration_seconds is at least 0", [104]),
    ),
    (
        *("runs", 1, 105, {"external_run_id": "c", "rows_processed": "-1"}),
        *("R09", "rows_processed is at least 0", [105]),
    ),
    (
        *("runs", 1, 106, {"external_run_id": "d", "payload": "[1]"}),
        *("R11", "payload is a JSON object", [106]),
    ),
    (
        *("runs", 1, 107, {"external_run_id": "e", "status": "lost"}),
        *("R06", "status is one of running, skipped, canceled, success, failed", [107]),
    ),
    (
        *("alert_rules", 2, 101, {}, "R16"),
        "client_id, pipeline_id, rule_type, channel, destination is unique where is_enabled",
        [2, 101],
    ),
    (
        *("alert_rules", 1, 102, {"client_id": None}),
        *("R12", "client_id client_id is not null or pipeline_id is not null", [102]),
    ),
    (
        *("alert_rules", 1, 103, {"pipeline_id": identifier(PIPELINE, 2)}),
        *("R12", "pipeline_id, client_id is found in pipelines (id, client_id)", [103]),
    ),
    (
        *("alert_rules", 3, 104, {"destination": "a@example.com", "threshold": "0"}, "R13"),
        "threshold rule_type <> 'failures_in_window' or coalesce(threshold, 0) >= 1",
        [104],
    ),
    (
        *("alert_rules", 3, 105, {"destination": "b@example.com", "window_minutes": None}, "R13"),
        "window_minutes rule_type <> 'failures_in_window' or coalesce(window_minutes, 0) >= 1",
        [105],
    ),
    (
        *("alert_rules", 1, 106, {"client_id": identifier(CLIENT, 999)}),
        *("R05", "client_id is found in clients (id)", [106]),
    ),
    (
        *("alert_rules", 2, 107, {"pipeline_id": identifier(PIPELINE, 999)}),
        *("R05", "pipeline_id is found in pipelines (id)", [107]),
    ),
    # No rule is broken: disabled rules may repeat each other, an empty external id any number.
    ("alert_rules", 5, 108, {}, None, None, []),
    ("pipelines", 4, 108, {"name": "No external id"}, None, None, []),
]
BROKEN = [planted[:1] + planted[4:] for planted in PLANTED if planted[4]]


def drop_constraints(target: Target) -> None:
    """Put tables without a constraint, and enums as text, in the place of the raw tables."""
    for table in reversed(load_contract().tables.values()):
        columns = ", ".join(
            f"cast({column.name} as text) as {column.name}" if column.enum else column.name
            for column in table.columns
        )
        execute(
            target,
            f"create table raw.loose as select {columns} from raw.{table.name}",
            f"drop table raw.{table.name}",
            f"alter table raw.loose rename to {table.name}",
        )


def plant(target: Target, table: str, original: int, copy: int, changes: dict) -> None:
    """Insert a changed copy of a row."""
    changes = {"id": identifier(KINDS[table], copy)} | changes
    types = {column.name: column.sql_type for column in load_contract().tables[table].columns}
    values = ", ".join(
        f"cast({'null' if changes[name] is None else repr(changes[name])} as {kind})"
        if name in changes
        else name
        for name, kind in (
            (name, "json" if kind == "jsonb" and target.name == "dev" else kind)
            for name, kind in types.items()
        )
    )
    execute(
        target,
        f"insert into raw.{table} select {values} from raw.{table} "
        f"where id = '{identifier(KINDS[table], original)}' limit 1",
    )


@pytest.fixture(scope="module", params=ENGINES)
def planted_report(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[QualityReport, Path]]:
    """The report on a target with every planted row, and its Data Docs."""
    folder = tmp_path_factory.mktemp("planted")
    server: Server = request.getfixturevalue("postgres")
    with pytest.MonkeyPatch.context() as patch, fresh_database(server) as database:
        patch.setenv("CHM_DUCKDB_PATH", str(folder / "warehouse.duckdb"))
        for name, value in server.environment(database).items():
            patch.setenv(name, value)
        target = read_target(request.param)
        load(write_data_set(folder / "data", valid_data_set()), target)
        drop_constraints(target)
        for table, original, copy, changes, *_ in PLANTED:
            plant(target, table, original, copy, changes)
        yield check(target, folder / "docs"), folder / "docs"


@pytest.mark.parametrize(("table", "rule", "expectation", "rows"), BROKEN)
def test_a_planted_row_is_named(planted_report, table, rule, expectation, rows):
    report, _ = planted_report
    found = {(failure.table, failure.expectation): failure for failure in report.failures}
    examples = tuple(sorted(identifier(KINDS[table], row) for row in rows))
    assert found[table, expectation] == ExpectationResult(
        table=table,
        rule=rule,
        expectation=expectation,
        success=False,
        unexpected_count=len(rows),
        examples=examples,
    )
    assert str(found[table, expectation]) == (
        f"{table} {rule} {expectation}: broken by {len(rows)}, such as {', '.join(examples)}"
    )


def test_nothing_else_is_named(planted_report):
    report, _ = planted_report
    assert not report.success
    assert {(failure.table, failure.expectation) for failure in report.failures} == {
        (table, expectation) for table, _, expectation, _ in BROKEN
    }


def test_the_data_docs_tell_the_rule_and_the_row(planted_report):
    report, folder = planted_report
    assert report.data_docs == folder / "index.html"
    (page,) = (folder / "validations" / "runs").rglob("*.html")
    text = page.read_text("utf-8")
    assert "R11: payload is a JSON object" in text
    assert identifier(RUN, 106) in text
    assert page.name in report.data_docs.read_text("utf-8")


def test_what_is_loaded_passes_on_both_engines_alike(
    duckdb_target, postgres_target, folder, tmp_path
):
    found = []
    for target in (duckdb_target, postgres_target):
        load(folder, target)
        report = check(target, tmp_path / "docs")
        assert report.success
        assert report.failures == ()
        found.append(report.results)
    assert found[0] == found[1]


def test_empty_tables_pass(target, folder, tmp_path):
    load(folder, target)
    execute(target, *(f"delete from raw.{table}" for table in reversed(TABLES)))
    report = check(target, tmp_path / "docs")
    assert report.success
    assert {result.table for result in report.results} == set(TABLES)


def test_other_columns_are_named_and_rows_left_alone(target, folder, tmp_path):
    load(folder, target)
    drop_constraints(target)
    execute(
        target,
        "alter table raw.runs drop column payload",
        "alter table raw.clients add column region text",
    )
    report = check(target, tmp_path / "docs")
    assert {(failure.table, failure.rule, failure.examples) for failure in report.failures} == {
        ("runs", "R01", ("missing column payload",)),
        ("clients", "R01", ("unexpected column region",)),
    }
    assert len(report.results) == len(TABLES)


def test_the_count_is_true_and_the_examples_few(target, folder, tmp_path):
    load(folder, target)
    drop_constraints(target)
    for number in range(20):
        plant(target, "clients", 1, 200 + number, {"name": None})
    (failure,) = check(target, tmp_path / "docs").failures
    assert failure.unexpected_count == 20
    assert 0 < len(failure.examples) <= 5
    assert set(failure.examples) <= {identifier(CLIENT, 200 + number) for number in range(20)}


def test_a_missing_table_is_named(target, folder, tmp_path):
    load(folder, target)
    execute(target, "drop table raw.alert_rules")
    with pytest.raises(ChmError, match=r"has no raw\.alert_rules: run chm load first"):
        check(target, tmp_path / "docs")


def test_a_duckdb_file_that_is_not_there(duckdb_target, tmp_path):
    with pytest.raises(ChmError, match="run chm load first"):
        check(duckdb_target, tmp_path / "docs")
    assert not duckdb_target.path.exists()


@pytest.mark.usefixtures("postgres_target")
def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("CHM_PG_PORT", "1")
    with pytest.raises(ChmError, match="can't connect to PostgreSQL at"):
        check(read_target("prod"), tmp_path / "docs")


def test_no_connection_is_left_open(postgres_target, folder, tmp_path):
    load(folder, postgres_target)
    check(postgres_target, tmp_path / "docs")
    others = query(
        postgres_target,
        "select application_name from pg_stat_activity where datname = current_database() "
        "and backend_type = 'client backend' and pid <> pg_backend_pid()",
    )
    assert others == []


def test_the_command_exits_1_and_leaves_the_home_alone(duckdb_target, folder, tmp_path):
    load(folder, duckdb_target)
    drop_constraints(duckdb_target)
    plant(duckdb_target, "runs", 1, 300, {"external_run_id": "x", "rows_processed": "-5"})
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    for name in ("dbt_project.yml", "profiles.yml", "models", "seeds"):
        (project / name).symlink_to(project_dir() / name)
    result = subprocess.run(
        [Path(sys.executable).with_name("chm"), "check"],
        env={**os.environ, "HOME": str(home), "CHM_PROJECT_DIR": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == ""
    assert (
        "runs R09 rows_processed is at least 0: "
        f"broken by 1, such as {identifier(RUN, 300)}\n" in result.stdout
    )
    docs = project / "target" / "great_expectations" / "index.html"
    assert f"Data Docs: {docs}\n" in result.stdout
    assert docs.is_file()
    assert list(home.iterdir()) == []
