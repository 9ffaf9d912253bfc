"""The report: caps and counts, masked secrets, the command line and its JSON."""

import json

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.credentials import mask
from chm.validate import RULES, validate
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    RUNS,
    path_of,
    run,
    valid_data_set,
    write_data_set,
)


def invoke(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def broken(files):
    files[RUNS] += [run(number, status="lost") for number in range(10, 40)]
    files[CLIENTS][0]["name"] = ""
    files[ALERT_RULES][0]["destination"] = "alerts"
    return files


def test_all_violations_are_counted_and_the_first_of_each_rule_shown(tmp_path):
    report = validate(write_data_set(tmp_path, broken(valid_data_set())), limit=4)
    assert {rule: count for rule, count in report.counts.items() if count} == {
        "R02": 1,
        "R06": 30,
        "W04": 1,
    }
    assert [(v.rule, v.line) for v in report.violations] == [
        ("R02", 2),
        ("R06", 8),
        ("R06", 9),
        ("R06", 10),
        ("R06", 11),
        ("W04", 2),
    ]


def test_the_cap_is_that_of_the_rule_not_of_a_column(tmp_path):
    files = valid_data_set()
    for row in files[CLIENTS]:
        row["is_active"] = row["updated_at"] = ""
    report = validate(write_data_set(tmp_path, files), limit=4)
    assert report.counts["R02"] == 6
    assert [(v.line, v.column) for v in report.violations] == [
        (2, "is_active"),
        (2, "updated_at"),
        (3, "is_active"),
        (3, "updated_at"),
    ]


def test_the_command_prints_every_violation_and_exits_1(tmp_path):
    result = invoke(write_data_set(tmp_path, broken(valid_data_set())), "--limit", "2")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert f"{CLIENTS}:2 name R02 '' is empty" in lines
    allowed = "running, skipped, canceled, success, failed"
    assert f"{RUNS}:9 status R06 'lost' is not one of {allowed}" in lines
    assert not any(line.startswith(f"{RUNS}:10 ") for line in lines)
    assert lines[-1] == "invalid: 31 errors, 1 warning"


def test_warnings_alone_exit_0(tmp_path):
    files = valid_data_set()
    files[RUNS][0]["rows_processed"] = "1"
    result = invoke(write_data_set(tmp_path, files))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "valid, with 1 warning"


def test_a_valid_data_set_says_so(tmp_path):
    result = invoke(write_data_set(tmp_path, valid_data_set()))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "valid: all 21 rules hold"


@pytest.mark.parametrize("is_broken", [True, False])
def test_the_json_report(tmp_path, is_broken):
    files = valid_data_set()
    write_data_set(tmp_path, broken(files) if is_broken else files)
    result = invoke(tmp_path, "--format", "json", "--limit", "1")
    report = json.loads(result.stdout)
    assert result.exit_code == int(is_broken)
    assert list(report) == ["data_set", "is_valid", "files", "rules", "violations"]
    assert report["data_set"] == str(tmp_path)
    assert report["is_valid"] is not is_broken
    assert report["files"][0] == {"file": CLIENTS, "table": "clients", "rows": 3}
    assert [rule["rule"] for rule in report["rules"]] == list(RULES)
    assert report["rules"][5] == {"rule": "R06", "level": "E", "violations": 30 * is_broken}
    expected = {
        "file": ALERT_RULES,
        "line": 2,
        "column": "destination",
        "rule": "W04",
        "level": "W",
        "value": "alerts",
        "message": "does not look like a destination of channel slack",
    }
    assert report["violations"][2:] == ([expected] if is_broken else [])


def test_json_of_a_missing_file_has_nulls(tmp_path):
    write_data_set(tmp_path, valid_data_set())
    path_of(tmp_path, CLIENTS).unlink()
    (violation,) = json.loads(invoke(tmp_path, "--format", "json").stdout)["violations"]
    assert (violation["line"], violation["column"], violation["value"]) == (None, None, None)


SECRETS = [
    "Authorization: Bearer hunter2.token",
    "bearer hunter2aaaaaaaaaa",
    "password=hunter2",
    'passwd: "hunter2"',
    '{"password": "hunter2"}',
    "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
    "postgresql://chm:hunter2@db/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_never_printed(tmp_path, secret):
    files = valid_data_set()
    # In a field that breaks an error rule too, and in one whose value others' messages quote.
    files[RUNS][0]["error_message"] = f"tried {secret}"
    files[RUNS][1]["status_reason"] = secret
    files[RUNS][2]["status"] = f"lost {secret}"
    files[RUNS][3]["payload"] = f"x {secret}"
    files[ALERT_RULES][2]["rule_type"] = secret
    write_data_set(tmp_path, files)
    report = validate(tmp_path)
    assert report.counts["W05"] == 3
    assert {"R06", "R11", "R14", "W05"} == {v.rule for v in report.violations}
    assert all("***" in v.value for v in report.violations)
    for output in ("table", "json"):
        assert "hunter2" not in invoke(tmp_path, "--format", output).stdout


def test_masking_keeps_what_comes_before_the_secret():
    assert mask("connect to postgres://a:b@c failed") == "connect to ***"
    assert mask("no secret: http://host:80/a@b") == "no secret: http://host:80/a@b"


def test_a_secret_at_the_cut_is_masked_first(tmp_path):
    files = valid_data_set()
    files[RUNS][0]["error_message"] = "x" * 180 + " postgresql://chm:hunter2@" + "h" * 100
    report = validate(write_data_set(tmp_path, files))
    assert {v.value for v in report.violations} == {"x" * 180 + " ***"}


def test_a_long_value_is_cut_and_control_characters_are_escaped(tmp_path):
    files = valid_data_set()
    files[CLIENTS][0]["created_at"] = "\x1b[31m" + "x" * 300
    report = validate(write_data_set(tmp_path, files))
    (violation,) = report.violations
    assert violation.value == "\x1b[31m" + "x" * 195 + "…"
    assert str(violation).startswith(f"{CLIENTS}:2 created_at R07 '\\x1b[31mxxx")
    assert "\x1b[31m" not in invoke(tmp_path).stdout


def test_a_folder_that_is_not_there_exits_1_without_a_traceback(tmp_path):
    result = invoke(tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "is not a folder" in str(result.exception)


def test_limit_must_be_positive(tmp_path):
    assert invoke(tmp_path, "--limit", "0").exit_code == 2
