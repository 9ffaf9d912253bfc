"""Each rule of the contract: broken in just one way, just that rule is named, in its place."""

from collections.abc import Callable

import pytest

from chm.contract import load_contract
from chm.validate import RULES, validate
from data_sets import (
    ALERT_RULES,
    CLIENTS,
    PIPELINES,
    RUNS,
    DataSet,
    alert_rule,
    identifier,
    pipeline,
    run,
    valid_data_set,
    write_data_set,
)

Place = tuple[str, int, str, str]


def set_field(file: str, row: int, column: str, value: str) -> Callable[[DataSet], None]:
    def edit(files: DataSet) -> None:
        files[file][row][column] = value

    return edit


def add(file: str, row: dict[str, str]) -> Callable[[DataSet], None]:
    def edit(files: DataSet) -> None:
        files[file].append(row)

    return edit


def one_field(file: str, row: int, column: str, value: str, rule: str):
    """A case: set one field of the row (from 0), and that field is named, in its line."""
    name = f"{rule}-{file.split('.')[0]}-{column}-{value or 'empty'}"
    return pytest.param(
        set_field(file, row, column, value), [(file, row + 2, column, rule)], id=name
    )


def new_row(name: str, file: str, row: dict[str, str], line: int, column: str, rule: str):
    """A case: add a row at the end of the file."""
    return pytest.param(add(file, row), [(file, line, column, rule)], id=f"{rule}-{name}")


REQUIRED = [
    one_field(
        {"clients": CLIENTS, "pipelines": PIPELINES, "runs": RUNS, "alert_rules": ALERT_RULES}[
            table.name
        ],
        # The last row of its file: nothing refers to it.
        {"clients": 2, "pipelines": 3, "runs": 5, "alert_rules": 4}[table.name],
        column.name,
        value,
        "R02",
    )
    for table in load_contract().tables.values()
    for column in table.columns
    if column.required
    for value in ("", "  \t")
]

CASES = [
    *REQUIRED,
    one_field(CLIENTS, 0, "is_active", "yes", "R02"),
    one_field(ALERT_RULES, 0, "is_enabled", "1", "R02"),
    one_field(CLIENTS, 2, "id", "client-3", "R03"),
    one_field(RUNS, 1, "id", identifier(3, 1).upper(), "R03"),
    one_field(RUNS, 1, "id", identifier(3, 2).replace("-", ""), "R03"),
    one_field(RUNS, 1, "id", f"{{{identifier(3, 2)}}}", "R03"),
    one_field(PIPELINES, 3, "id", identifier(2, 1), "R03"),
    one_field(CLIENTS, 2, "name", "Client 1", "R04"),
    one_field(PIPELINES, 3, "name", "Pipeline 1", "R04"),
    one_field(PIPELINES, 2, "external_id", "dag-1", "R04"),
    one_field(PIPELINES, 3, "client_id", identifier(1, 9), "R05"),
    one_field(PIPELINES, 3, "client_id", "nobody", "R05"),
    one_field(RUNS, 3, "pipeline_id", identifier(2, 9), "R05"),
    one_field(RUNS, 3, "pipeline_id", "x", "R05"),
    one_field(ALERT_RULES, 0, "client_id", identifier(1, 9), "R05"),
    one_field(ALERT_RULES, 1, "pipeline_id", identifier(2, 9), "R05"),
    one_field(ALERT_RULES, 2, "client_id", identifier(1, 9), "R05"),
    one_field(ALERT_RULES, 1, "pipeline_id", " ", "R05"),
    one_field(PIPELINES, 3, "platform", "Airflow", "R06"),
    one_field(PIPELINES, 3, "pipeline_type", "loading", "R06"),
    one_field(PIPELINES, 3, "environment", "PROD", "R06"),
    one_field(RUNS, 0, "status", "succeeded", "R06"),
    one_field(ALERT_RULES, 2, "rule_type", "failures_in_windows", "R06"),
    one_field(ALERT_RULES, 0, "channel", "sms", "R06"),
    one_field(CLIENTS, 0, "created_at", "2026-01-01", "R07"),
    one_field(CLIENTS, 0, "updated_at", "2026-01-01T00:00:00", "R07"),
    one_field(PIPELINES, 0, "created_at", "2026-01-01 00:00:00Z", "R07"),
    one_field(RUNS, 0, "started_at", "2026-01-05T01:00:00+01:00", "R07"),
    one_field(RUNS, 0, "started_at", "2026-01-05T01:00:00-00:00", "R07"),
    one_field(RUNS, 0, "started_at", "2026-02-30T01:00:00Z", "R07"),
    one_field(RUNS, 0, "finished_at", "2026-01-05T24:00:00Z", "R07"),
    one_field(RUNS, 0, "finished_at", "2026-01-05T01:10:60Z", "R07"),
    one_field(RUNS, 0, "finished_at", "yesterday", "R07"),
    one_field(RUNS, 0, "started_at", "0000-01-05T01:00:00Z", "R07"),
    one_field(RUNS, 0, "started_at", "2026-01-05T01:00:00.1234567Z", "R07"),
    one_field(RUNS, 0, "started_at", "2026-01-05T01:00Z", "R07"),
    one_field(RUNS, 0, "ingested_at", "1767575405", "R07"),
    one_field(ALERT_RULES, 0, "updated_at", "2026-1-1T00:00:00Z", "R07"),
    one_field(RUNS, 0, "finished_at", "2026-01-05T00:59:59Z", "R08"),
    one_field(RUNS, 0, "duration_seconds", "-1", "R09"),
    one_field(RUNS, 0, "duration_seconds", "600.0", "R09"),
    one_field(RUNS, 0, "duration_seconds", "2147483648", "R09"),
    one_field(RUNS, 0, "duration_seconds", "ten minutes", "R09"),
    one_field(RUNS, 0, "rows_processed", "-1", "R09"),
    one_field(RUNS, 0, "rows_processed", "6e4", "R09"),
    one_field(RUNS, 0, "rows_processed", "9223372036854775808", "R09"),
    one_field(RUNS, 1, "external_run_id", "run-1", "R10"),
    one_field(RUNS, 3, "external_run_id", "run-1", "R10"),
    one_field(RUNS, 0, "payload", "[1]", "R11"),
    one_field(RUNS, 0, "payload", '"text"', "R11"),
    one_field(RUNS, 0, "payload", "null", "R11"),
    one_field(RUNS, 0, "payload", "not json", "R11"),
    one_field(RUNS, 0, "payload", " ", "R11"),
    one_field(RUNS, 0, "payload", '{"a": 1} {"b": 2}', "R11"),
    one_field(RUNS, 0, "payload", '{"a": 1,}', "R11"),
    one_field(RUNS, 0, "payload", '{"a": [1, 2, ]}', "R11"),
    one_field(RUNS, 0, "payload", '{"a": NaN}', "R11"),
    one_field(RUNS, 0, "payload", '{"a": -Infinity}', "R11"),
    one_field(RUNS, 0, "payload", r'{"a": "\u0000"}', "R11"),
    one_field(RUNS, 0, "payload", r'{"a": "\\\u0000"}', "R11"),
    one_field(RUNS, 0, "payload", r'{"a": "\ud800"}', "R11"),
    one_field(RUNS, 0, "payload", "{'a': 1}", "R11"),
    one_field(RUNS, 0, "payload", '{"a": 1e99999}', "R11"),
    pytest.param(
        set_field(RUNS, 0, "payload", '{"a": ' + "1" * 1000 + "}"),
        [(RUNS, 2, "payload", "R11")],
        id="R11-endless-number",
    ),
    pytest.param(
        set_field(RUNS, 0, "payload", '{"a": ' + "[" * 1000 + "]" * 1000 + "}"),
        [(RUNS, 2, "payload", "R11")],
        id="R11-endless-nesting",
    ),
    one_field(ALERT_RULES, 0, "client_id", "", "R12"),
    pytest.param(
        set_field(ALERT_RULES, 2, "client_id", identifier(1, 2)),
        [(ALERT_RULES, 4, "pipeline_id", "R12")],
        id="R12-other-client",
    ),
    one_field(ALERT_RULES, 2, "threshold", "", "R13"),
    one_field(ALERT_RULES, 2, "threshold", "0", "R13"),
    one_field(ALERT_RULES, 2, "window_minutes", "-60", "R13"),
    one_field(ALERT_RULES, 2, "window_minutes", "", "R13"),
    one_field(ALERT_RULES, 2, "window_minutes", "1 hour", "R13"),
    one_field(ALERT_RULES, 0, "threshold", "three", "R13"),
    one_field(RUNS, 1, "error_message", "", "R14"),
    one_field(RUNS, 1, "error_message", "  ", "R14"),
    one_field(RUNS, 1, "status_reason", "", "R14"),
    one_field(RUNS, 0, "error_message", "all good", "R14"),
    one_field(RUNS, 0, "status_reason", "done", "R14"),
    one_field(RUNS, 0, "finished_at", "", "R15"),
    one_field(RUNS, 1, "duration_seconds", "", "R15"),
    one_field(RUNS, 3, "duration_seconds", "", "R15"),
    one_field(RUNS, 4, "finished_at", "", "R15"),
    one_field(RUNS, 2, "duration_seconds", "600", "R15"),
    one_field(RUNS, 2, "finished_at", "2026-01-05T01:10:00Z", "R15"),
    pytest.param(
        set_field(ALERT_RULES, 4, "is_enabled", "True"),
        [(ALERT_RULES, 6, "destination", "R16")],
        id="R16-enabled-again",
    ),
    one_field(RUNS, 0, "duration_seconds", "601", "W01"),
    pytest.param(
        set_field(RUNS, 0, "finished_at", "2026-01-05T01:10:01Z"),
        [(RUNS, 2, "duration_seconds", "W01")],
        id="W01-later-end",
    ),
    one_field(RUNS, 0, "rows_processed", "49999", "W02"),
    one_field(RUNS, 0, "rows_processed", "5000001", "W02"),
    one_field(RUNS, 4, "rows_processed", "99", "W02"),
    one_field(RUNS, 0, "rows_processed", "0", "W02"),
    one_field(CLIENTS, 0, "updated_at", "2025-12-31T23:59:59Z", "W03"),
    one_field(RUNS, 0, "updated_at", "2026-01-05T01:10:04.999999Z", "W03"),
    one_field(RUNS, 0, "ingested_at", "2026-01-05T00:59:59Z", "W03"),
    one_field(ALERT_RULES, 0, "destination", "alerts", "W04"),
    one_field(ALERT_RULES, 2, "destination", "#alerts", "W04"),
    one_field(ALERT_RULES, 3, "destination", "hooks.example.com", "W04"),
    one_field(RUNS, 1, "error_message", "401: Authorization: Bearer sometoken", "W05"),
    one_field(RUNS, 1, "error_message", "sent bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "W05"),
    one_field(RUNS, 1, "status_reason", "login with password=hunter2", "W05"),
    one_field(RUNS, 1, "error_message", "PASSWD: hunter2", "W05"),
    one_field(RUNS, 0, "payload", '{"password": "hunter2"}', "W05"),
    one_field(RUNS, 0, "payload", '{"dsn": "postgresql://chm:hunter2@db/x"}', "W05"),
    one_field(RUNS, 1, "error_message", "-----BEGIN RSA PRIVATE KEY----- MII", "W05"),
    one_field(PIPELINES, 0, "description", "redis://:hunter2@cache:6379/0", "W05"),
    one_field(CLIENTS, 0, "name", "pwd=hunter2", "W05"),
    one_field(ALERT_RULES, 3, "destination", "https://bot:hunter2@hooks.example.com", "W05"),
    new_row(
        "null-scope-is-one-scope",
        ALERT_RULES,
        alert_rule(6, destination="#alerts-1", created_at="2026-01-02T00:00:00Z")
        | {"updated_at": "2026-01-02T00:00:00Z"},
        7,
        "destination",
        "R16",
    ),
    new_row("third", RUNS, run(1) | {"id": identifier(3, 7)}, 8, "external_run_id", "R10"),
]


@pytest.mark.parametrize(("edit", "expected"), CASES)
def test_a_broken_rule_is_named_and_no_other(
    tmp_path, edit: Callable[[DataSet], None], expected: list[Place]
):
    files = valid_data_set()
    edit(files)
    report = validate(write_data_set(tmp_path, files))
    found = [(v.file, v.line, v.column, v.rule) for v in report.violations]
    assert found == expected
    assert report.counts == dict.fromkeys(RULES, 0) | {expected[0][3]: 1}
    assert report.is_valid == expected[0][3].startswith("W")


def test_every_rule_has_a_case():
    covered = {rule for case in CASES for (_, _, _, rule) in case.values[1]}
    # R01 is about files: test_validate_files.py.
    assert covered == set(RULES) - {"R01"}


GOOD = [
    set_field(RUNS, 0, "id", identifier(3, 1).upper()),
    set_field(RUNS, 0, "pipeline_id", identifier(2, 1).upper()),
    set_field(RUNS, 0, "started_at", "2026-01-05T01:00:00.5+00:00"),
    set_field(RUNS, 0, "finished_at", "2026-01-05T01:10:00.999999Z"),
    set_field(RUNS, 0, "rows_processed", "50000"),
    set_field(RUNS, 0, "rows_processed", "5000000"),
    set_field(RUNS, 0, "started_at", ""),
    set_field(RUNS, 0, "payload", r' {"a": "NaN, inf, \\u0000 ,] 1e99999", "a": null} '),
    set_field(RUNS, 0, "payload", "{}"),
    set_field(RUNS, 1, "error_message", "bearer authentication failed, see http://host:80/a@b"),
    add(RUNS, run(7, finished_at="2026-01-05T01:00:00Z", duration_seconds="0")),
    set_field(ALERT_RULES, 0, "threshold", "0"),
    add(
        ALERT_RULES,
        alert_rule(6, client_id="", pipeline_id=identifier(2, 2))
        | {"channel": "email", "destination": "a@example.com"},
    ),
    add(PIPELINES, pipeline(1, id=identifier(2, 5), client_id=identifier(1, 3))),
    add(PIPELINES, pipeline(5, external_id="dag-1", platform="cron")),
]


@pytest.mark.parametrize("edit", GOOD)
def test_an_unusual_but_good_value_breaks_no_rule(tmp_path, edit: Callable[[DataSet], None]):
    files = valid_data_set()
    edit(files)
    assert validate(write_data_set(tmp_path, files)).violations == ()


def test_the_valid_data_set_breaks_no_rule(tmp_path):
    report = validate(write_data_set(tmp_path, valid_data_set()))
    assert report.is_valid
    assert report.counts == dict.fromkeys(RULES, 0)
    assert {file.file: file.rows for file in report.files} == {
        CLIENTS: 3,
        PIPELINES: 4,
        RUNS: 6,
        ALERT_RULES: 5,
    }


MESSAGES = [
    (
        set_field(RUNS, 0, "finished_at", "2026-01-05T00:59:59Z"),
        f"{RUNS}:2 finished_at R08 '2026-01-05T00:59:59Z' "
        "is before started_at '2026-01-05T01:00:00Z'",
    ),
    (
        set_field(RUNS, 1, "id", identifier(3, 1)),
        f"{RUNS}:3 id R03 '{identifier(3, 1)}' is not unique: used before at {RUNS}:2",
    ),
    (
        set_field(RUNS, 3, "external_run_id", "run-1"),
        f"{RUNS}:5 external_run_id R10 'run-1' is not unique in its file: used before at {RUNS}:2",
    ),
    (set_field(CLIENTS, 1, "name", ""), f"{CLIENTS}:3 name R02 '' is empty"),
    (
        set_field(ALERT_RULES, 2, "client_id", identifier(1, 2)),
        f"{ALERT_RULES}:4 pipeline_id R12 '{identifier(2, 1)}' "
        f"is not in pipelines with client_id '{identifier(1, 2)}'",
    ),
    (
        set_field(ALERT_RULES, 2, "threshold", "0"),
        f"{ALERT_RULES}:4 threshold R13 '0' must be 1 or more for rule_type 'failures_in_window'",
    ),
    (
        set_field(RUNS, 0, "duration_seconds", "601"),
        f"{RUNS}:2 duration_seconds W01 '601' differs from finished_at - started_at = 600 seconds",
    ),
    (
        set_field(RUNS, 0, "rows_processed", "7"),
        f"{RUNS}:2 rows_processed W02 '7' is outside the usual 50000 to 5000000 of type ingestion",
    ),
]


@pytest.mark.parametrize(("edit", "expected"), MESSAGES)
def test_a_violation_reads_as_the_contract_says(
    tmp_path, edit: Callable[[DataSet], None], expected: str
):
    files = valid_data_set()
    edit(files)
    (violation,) = validate(write_data_set(tmp_path, files)).violations
    assert str(violation) == expected
