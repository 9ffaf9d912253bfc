"""`chm load`: what comes in is what the files say, all of it or nothing."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from chm.contract import load_contract
from chm.contract.ddl import enum_statements
from chm.errors import ChmError
from chm.load import InvalidDataSetError, load
from chm.targets import DuckDBTarget, Target
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    PIPELINES,
    RUNS,
    DataSet,
    client,
    file_text,
    identifier,
    run,
    valid_data_set,
    write_data_set,
    write_text,
)
from raw_tables import (
    TABLES,
    connect,
    constraints,
    contents,
    execute,
    query,
)

NASTY_TEXTS = (
    "a\ttab and a trailing backslash\\",
    "two\nlines\r\nthen three",
    "\\.",
    "before\n\\.\nafter",
    "\\N",
    'quotes " and \' and ""',
    "commas, semicolons; |pipes|",
    "Zürich 東京 🚀 \u200b",
    "\\t is not a tab",
    " spaces around ",
)


def row_counts(files: DataSet) -> dict[str, int]:
    names = (CLIENTS, PIPELINES, RUNS, ALERT_RULES)
    return dict(zip(TABLES, (len(files[name]) for name in names), strict=True))


def is_untouched(target: Target) -> bool:
    if isinstance(target, DuckDBTarget):
        return not target.path.exists()
    return query(target, "select to_regnamespace('raw') is null") == [(True,)]


def test_every_field_arrives_as_it_was(target, tmp_path):
    files = valid_data_set()
    files[CLIENTS].append(client(9, name=NASTY_TEXTS[0]))
    files[RUNS] = [
        run(
            number,
            id=identifier(3, number).upper(),
            pipeline_id=identifier(2, 1).upper(),
            external_run_id=text,
            status="failed",
            error_message=text,
            status_reason=text,
            payload=json.dumps({"text": text}, ensure_ascii=False),
        )
        for number, text in enumerate(NASTY_TEXTS)
    ]
    load(write_data_set(tmp_path / "data", files), target)
    with connect(target) as connection:
        assert connection.execute(
            f"select name from raw.clients where id = '{identifier(1, 9)}'"
        ).fetchall() == [(NASTY_TEXTS[0],)]
        rows = connection.execute(
            "select id, pipeline_id, external_run_id, error_message, status_reason, "
            "cast(payload as text), started_at, duration_seconds, rows_processed, created_at "
            "from raw.runs order by id"
        ).fetchall()
    for number, (text, row) in enumerate(zip(NASTY_TEXTS, rows, strict=True)):
        assert row[:5] == (UUID(identifier(3, number)), UUID(identifier(2, 1)), text, text, text)
        assert json.loads(row[5]) == {"text": text}
        assert [value.astimezone(UTC) for value in (row[6], row[9])] == [
            datetime(2026, 1, 5, 1, 0, tzinfo=UTC),
            datetime(2026, 1, 5, 1, 10, 5, tzinfo=UTC),
        ]
        assert row[7:9] == (600, 60000)


def test_empty_fields_and_flags(target, folder):
    load(folder, target)
    running = query(
        target,
        "select finished_at, duration_seconds, rows_processed, error_message, status_reason "
        "from raw.runs where status = 'running'",
    )
    assert running == [(None,) * 5]
    assert query(target, "select name from raw.clients where not is_active") == [("Client 3",)]


def test_the_result_tells_the_rows_written_and_held(target, folder, other_folder):
    expected = row_counts(valid_data_set())
    first = load(folder, target)
    assert {table.table: table.rows for table in first.tables} == expected
    assert (first.former, first.counts) == (dict.fromkeys(TABLES, 0), expected)
    assert all(table.seconds >= 0 for table in first.tables)
    second = load(other_folder, target, replace=True)
    assert (second.former, second.counts) == (expected, expected | {"runs": 2})


def test_progress_names_each_table_and_ends_with_all_rows(target, folder):
    calls = []
    load(folder, target, progress=lambda *call: calls.append(call))
    ends = {step: (done, total) for step, done, total in calls}
    for table, rows in row_counts(valid_data_set()).items():
        assert ends[f"loading {table}"] == (rows, rows)
    assert calls[0][0].startswith("reading")


def test_the_planner_of_postgres_knows_the_new_rows(postgres_target, folder):
    load(folder, postgres_target)
    assert query(
        postgres_target, "select reltuples from pg_class where oid = 'raw.runs'::regclass"
    ) == [(6,)]


def test_a_data_set_without_a_run(target, folder):
    write_text(folder, RUNS, file_text(valid_data_set()[RUNS]).splitlines()[0] + "\n")
    assert load(folder, target).counts["runs"] == 0


def test_several_batches_are_one_table(target, folder):
    write_text(folder, "runs_20260106_batch01.csv", file_text([run(30), run(31)]))
    assert load(folder, target).counts["runs"] == row_counts(valid_data_set())["runs"] + 2


def test_an_invalid_data_set_is_refused_before_anything_is_touched(target, folder):
    write_text(folder, CLIENTS, file_text([client(1, name="")]))
    with pytest.raises(InvalidDataSetError, match="nothing was loaded") as caught:
        load(folder, target)
    assert "R02" in {violation.rule for violation in caught.value.report.violations}
    assert is_untouched(target)


def test_existing_rows_are_named_and_kept(target, folder, other_folder):
    load(folder, target)
    before = contents(target)
    with pytest.raises(ChmError) as caught:
        load(other_folder, target)
    assert "clients 3, pipelines 4, runs 6, alert_rules 5" in str(caught.value)
    assert "--replace" in str(caught.value)
    assert contents(target) == before


def test_rows_in_one_table_are_enough_to_refuse(target, folder):
    load(folder, target)
    execute(target, *(f"delete from raw.{table}" for table in reversed(TABLES[1:])))
    with pytest.raises(ChmError, match=r"clients 3, pipelines 0"):
        load(folder, target)


def test_replace_leaves_the_new_rows_alone_and_the_constraints(target, folder, other_folder):
    load(other_folder, target)
    expected, constrained = contents(target), constraints(target)
    load(folder, target, replace=True)
    load(other_folder, target, replace=True)
    assert contents(target) == expected
    assert constraints(target) == constrained


def test_both_engines_hold_the_same_rows(duckdb_target, postgres_target, folder):
    for target in (duckdb_target, postgres_target):
        load(folder, target)
    left, right = contents(duckdb_target), contents(postgres_target)
    payload = load_contract().tables["runs"].column_names.index("payload")
    for found in (left, right):
        found["runs"] = [
            (*row[:payload], row[payload] and json.loads(row[payload]), *row[payload + 1 :])
            for row in found["runs"]
        ]
    assert left == right


# Constraints of an older contract.


def test_postgres_gets_an_enum_value_that_an_older_contract_lacks(postgres_target, folder):
    statements = enum_statements(load_contract())
    old = [statement for statement in statements if "'healthcheck'" not in statement]
    assert len(old) == len(statements) - 1
    execute(postgres_target, "create schema raw", *old)
    load(folder, postgres_target)
    assert query(
        postgres_target, "select count(*) from raw.pipelines where pipeline_type = 'healthcheck'"
    ) == [(1,)]


def test_duckdb_gets_the_present_constraints_by_replace(duckdb_target, folder, monkeypatch):
    from chm.load import duckdb_loader

    def old_statements(*arguments, **options):
        return [text.replace("'healthcheck'", "'old'") for text in present(*arguments, **options)]

    present = duckdb_loader.table_statements
    monkeypatch.setattr(duckdb_loader, "table_statements", old_statements)
    with pytest.raises(ChmError, match="CHECK constraint"):
        load(folder, duckdb_target)
    without = folder.parent / "without"
    files = valid_data_set()
    files[PIPELINES][2]["pipeline_type"] = "export"
    load(write_data_set(without, files), duckdb_target)
    monkeypatch.undo()
    assert load(folder, duckdb_target, replace=True).counts["pipelines"] == 4


# The command.


def chm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("chm"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_tables_rows_and_counts(target, folder):
    result = chm("load", folder, "--target", target.name)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    for table, rows in row_counts(valid_data_set()).items():
        assert [table, "0", str(rows)] in [line[:3] for line in lines]
    assert "now holds: clients 3, pipelines 4, runs 6, alert_rules 5" in result.stdout
    again = chm("load", folder, "--target", target.name)
    assert again.returncode == 1
    assert again.stderr.startswith("error: target")
    replaced = chm("load", folder, "--target", target.name, "--replace", "--yes")
    assert (replaced.returncode, replaced.stderr) == (0, "")
    assert "runs per pipeline: 0 to 3 in 4 pipelines, 1 of them without any" in replaced.stdout


def test_replace_without_a_terminal_needs_yes(target, folder, other_folder):
    assert chm("load", folder, "--target", target.name, "--replace").returncode == 0
    before = contents(target)
    refused = chm("load", other_folder, "--target", target.name, "--replace")
    assert refused.returncode == 1
    assert "18 rows go (clients 3, pipelines 4, runs 6, alert_rules 5)" in refused.stderr
    assert "--yes" in refused.stderr
    assert contents(target) == before


@pytest.mark.parametrize(("answer", "runs"), [("n", 6), ("y", 2)])
def test_replace_asks_on_a_terminal(answer, runs, duckdb_target, folder, other_folder):
    load(folder, duckdb_target)
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [Path(sys.executable).with_name("chm"), "load", other_folder, "--replace"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(controller, f"{answer}\n".encode())
        _, asked = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    assert b"18 rows go" in asked
    assert process.returncode == (0 if answer == "y" else 1)
    assert query(duckdb_target, "select count(*) from raw.runs") == [(runs,)]


def test_the_command_prints_the_report_of_an_invalid_data_set(duckdb_target, folder):
    write_text(folder, CLIENTS, file_text([client(1), client(2), client(3, is_active="maybe")]))
    result = chm("load", folder)
    assert result.returncode == 1
    assert "clients.csv:4 is_active R02 'maybe'" in " ".join(result.stdout.split())
    assert "nothing was loaded" in result.stderr
    assert not duckdb_target.path.exists()


def test_duckdb_is_the_engine_of_dev(duckdb_target, folder):
    load(folder, duckdb_target)
    with duckdb.connect(str(duckdb_target.path), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.runs").fetchone() == (6,)
