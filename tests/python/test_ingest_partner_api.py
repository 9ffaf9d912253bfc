"""`chm ingest partner-api`: pages, cursors, a flaky server, and the token that stays inside."""

import json
import logging
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.ingest.http import JsonClient, Patience
from chm.load import load
from chm.targets import DuckDBTarget
from data_sets import PIPELINES, identifier, pipeline, valid_data_set, write_data_set
from flaky_server import flaky_server, half, reset, short, silent, text, value
from raw_tables import contents, execute, query

TOKEN = "tok/en+1234567890"
JOBS = ("job one/2?&", "job-b")


@pytest.fixture
def server():
    with flaky_server() as running:
        yield running


@pytest.fixture
def waits(monkeypatch):
    """The seconds that would have been waited; nobody waits."""
    seconds = []
    monkeypatch.setattr("chm.ingest.http.sleep", seconds.append)
    return seconds


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """The file of such a fleet, for copies: to load it again and again would take long."""
    folder = tmp_path_factory.mktemp("warehouse")
    return loaded(DuckDBTarget("dev", folder / "warehouse.duckdb"), folder).path


@pytest.fixture
def fleet(duckdb_target, warehouse):
    shutil.copy(warehouse, duckdb_target.path)
    return duckdb_target


def loaded(target, tmp_path):
    """Two active pipelines that have an external id, and no runs."""
    files = valid_data_set()
    files[PIPELINES] = [
        pipeline(1, external_id=JOBS[0]),
        pipeline(2, external_id=JOBS[1]),
        pipeline(3, external_id="asleep", is_active="false"),
        pipeline(4, external_id=""),
    ]
    load(write_data_set(tmp_path / "fleet", files), target)
    execute(target, "delete from raw.runs")
    return target


@pytest.fixture
def chm(tmp_path, monkeypatch, caplog, waits):  # noqa: ARG001
    """Run `chm ingest`: exit code, counts, and the message of an error; the token is nowhere."""
    monkeypatch.setenv("CHM_PARTNER_API_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    letters = tmp_path / "dead.jsonl"

    def run(target, *arguments):
        result = CliRunner().invoke(
            app,
            ["ingest", "partner-api", "--target", target.name, "--format", "json",
             "--dead-letters", str(letters), *map(str, arguments)],
        )  # fmt: skip
        known = isinstance(result.exception, ChmError | SystemExit | None)
        assert known, result.exception
        message = str(result.exception) if isinstance(result.exception, ChmError) else ""
        code = result.exception.exit_code if message else result.exit_code
        told = letters.read_text() if letters.exists() else ""
        for shown in (message, result.output, told, str(contents(target)), caplog.text):
            assert TOKEN not in shown
        counts = json.loads(result.stdout) if result.stdout else {}
        if counts:
            parts = ("inserted", "updated", "unchanged", "stale", "refused")
            assert counts["read"] == sum(counts[name] for name in parts)
        return code, counts, message

    return run


def run_of(number, **fields):
    return {
        "external_run_id": f"run-{number}",
        "status": "success",
        "started_at": "2026-02-01T01:00:00Z",
        "finished_at": "2026-02-01T01:10:00Z",
    } | fields


def page(*runs, then=None):
    return {"runs": list(runs), "next_cursor": then}


def only_for(job, answer):
    """Answer so to one job, and with an empty page to the others."""
    return lambda asked: answer if asked.query["pipeline"] == job else value(page())


def stored(target):
    return query(target, "select external_run_id from raw.runs order by 1")


def test_every_page_of_every_active_pipeline_is_read(target, tmp_path, chm, server):
    loaded(target, tmp_path)
    pages = {
        (JOBS[0], None): page(run_of(1), run_of(2), then="c/1"),
        (JOBS[0], "c/1"): page(run_of(3), then=7),
        (JOBS[0], "7"): {"runs": []},
        (JOBS[1], None): page(run_of(1, note="other"), then=""),
    }
    server.answering = lambda asked: value(
        pages[asked.query["pipeline"], asked.query.get("cursor")]
    )
    code, counts, _ = chm(target, "--url", server.url + "/runs")
    assert (code, counts["read"], counts["inserted"]) == (0, 4, 4)
    assert counts["failed_pipelines"] == []
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert {asked.path for asked in server.asked} == {"/runs"}
    rows = query(target, "select cast(pipeline_id as varchar), external_run_id from raw.runs")
    own = [(identifier(2, 1), f"run-{number}") for number in (1, 2, 3)]
    assert sorted(rows) == [*own, (identifier(2, 2), "run-1")]
    assert chm(target, "--url", server.url + "/runs")[1]["unchanged"] == 4


def test_the_external_id_is_quoted_in_a_path(fleet, chm, server):
    server.then(value(page()))
    url = server.url + "/{platform}/{external_id}/runs?limit=5"
    assert chm(fleet, "--url", url, "--query", "since=2026-01-01", "--cursor-param", "at")[0] == 0
    assert [asked.path for asked in server.asked] == [
        "/airflow/job%20one%2F2%3F%26/runs",
        "/airflow/job-b/runs",
    ]
    assert [asked.query for asked in server.asked] == [{"limit": "5", "since": "2026-01-01"}] * 2


def test_the_run_is_kept_under_payload_and_any_id_will_do(fleet, chm, server):
    runs = [{"id": 17, "status": "odd", "pipeline_id": "theirs", "api_key": "hidden"}, {"id": "x"}]
    server.answering = only_for(JOBS[1], value(page(*runs)))
    assert chm(fleet, "--url", server.url)[1]["inserted"] == 2
    found = query(fleet, "select external_run_id, status_reason, payload from raw.runs order by 1")
    assert [row[:2] for row in found] == [
        ("17", "unknown status: odd"),
        ("x", "the source gave no status"),
    ]
    assert json.loads(found[0][2]) == runs[0] | {"api_key": "***"}


def test_a_row_of_the_contract_is_stored_as_jsonl_would(fleet, chm, server):
    row = run_of(1, id=identifier(9, 9), payload={"a": 1}, pipeline_id="not ours")
    server.answering = only_for(JOBS[0], value(page(row)))
    assert chm(fleet, "--url", server.url)[0] == 0
    found = query(fleet, "select cast(id as varchar), payload from raw.runs")
    assert [(one, json.loads(payload)) for one, payload in found] == [(identifier(9, 9), {"a": 1})]


def test_a_mapping_says_where_the_fields_are(fleet, chm, server, tmp_path):
    mapping = tmp_path / "partner.yaml"
    mapping.write_text(
        "fields: {external_run_id: run.key, status: run.state, rows_processed: rows}\n"
        "statuses: {done: success}\n"
    )
    good = {"run": {"key": "a", "state": "Done"}, "rows": 5, "status": "x"}
    server.answering = only_for(JOBS[0], value(page(good, good | {"rows": "many"})))
    code, counts, _ = chm(fleet, "--url", server.url, "--mapping", mapping)
    assert (code, counts["inserted"], counts["refused"]) == (3, 1, 1)
    assert query(fleet, "select external_run_id, status, rows_processed from raw.runs") == [
        ("a", "success", 5)
    ]
    # A letter needs no mapping again: it is in the contract's columns.
    file = tmp_path / "dead.jsonl"
    file.write_text(file.read_text().replace('"many"', '"6"'))
    again = CliRunner().invoke(app, ["ingest", "retry", str(file), "--format", "json"])
    assert (again.exit_code, json.loads(again.stdout)["refused"]) == (0, 0)


def test_what_is_no_run_is_refused_alone(fleet, chm, server, tmp_path):
    server.answering = only_for(JOBS[0], value(page(run_of(1), "text", None, run_of(2))))
    code, counts, _ = chm(fleet, "--url", server.url)
    assert (code, counts["inserted"], counts["refused"]) == (3, 2, 2)
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert [(letter["source"], letter["position"]) for letter in letters] == [
        ("partner-api", f"{JOBS[0]} page 1 run 2"),
        ("partner-api", f"{JOBS[0]} page 1 run 3"),
    ]


GOOD = value(page(run_of(1)))


@pytest.mark.parametrize(
    "faults",
    [
        [value({}, 429)],
        [value({}, 500), text("<p>", 503), value({}, 502)],
        [reset(), reset()],
        [half(page(run_of(1)))],
        [short(page())],
        [text('{"runs": [{"external_run_id":')],
        [text(b"\x1f\x8bodd", Content_Encoding="gzip")],
        [text("")],
        [silent(page(run_of(1)))],
        [silent(page(run_of(1)), in_the_middle=True)],
        [value({}, 408), half(page(run_of(1))), reset(), value({}, 429)],
    ],
    ids=["429", "5xx", "reset", "half", "short", "cut", "gzip", "empty", "silent", "stops", "all"],
)
def test_faults_that_pass_are_asked_again(faults, fleet, chm, server, waits):
    answers = {JOBS[0]: [*faults, GOOD], JOBS[1]: [value(page())]}
    server.answering = lambda asked: answers[asked.query["pipeline"]].pop(0)
    code, counts, _ = chm(fleet, "--url", server.url, "--read-timeout", "0.2")
    assert (code, counts["read"], stored(fleet)) == (0, 1, [("run-1",)])
    assert len(waits) == len(faults)
    for number, seconds in enumerate(waits):
        assert 0.25 * 2**number <= seconds <= 0.5 * 2**number


def date(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        (" 1 ", 1, 1),
        ("0", 0.25, 0.5),
        (date(120), 60, 120),
        (date(-3600), 0.25, 0.5),
        ("soon", 0.25, 0.5),
        ("-5", 0.25, 0.5),
        ("1.5", 0.25, 0.5),
    ],
)
def test_retry_after_is_obeyed(header, least, most, server, waits):
    for status in (429, 503):
        server.then(value({}, status, Retry_After=header), value([]))
        assert JsonClient(Patience()).get(server.url) == []
    assert len(waits) == 2
    assert least <= min(waits) <= max(waits) <= most


@pytest.mark.parametrize("header", ["86400", "9" * 400, date(86400)])
def test_a_server_that_asks_to_wait_too_long_is_given_up(header, fleet, chm, server, waits):
    server.answering = only_for(JOBS[0], value({}, 429, Retry_After=header))
    code, counts, message = chm(fleet, "--url", server.url)
    assert (code, waits) == (1, [])
    assert "longer than the 300 s of --longest-wait" in message
    assert [one["pipeline"] for one in counts["failed_pipelines"]] == [
        f"airflow {JOBS[0]} of {query(fleet, 'select name from raw.clients order by id')[0][0]}"
    ]


def test_a_pipeline_that_fails_does_not_stop_the_others(fleet, chm, server, waits):
    answers = {
        (JOBS[0], None): value(page(run_of(1), then="2")),
        (JOBS[0], "2"): value({}, 500),
        (JOBS[1], None): value(page(run_of(2))),
    }
    server.answering = lambda asked: answers[asked.query["pipeline"], asked.query.get("cursor")]
    code, counts, message = chm(fleet, "--url", server.url, "--retries", 2)
    assert (code, counts["read"], stored(fleet)) == (1, 2, [("run-1",), ("run-2",)])
    assert len(waits) == 2
    assert "pipelines not read to their end: 1" in message
    assert "answered 500, 3 times" in message
    assert [one["pipeline"].split(" of ")[0] for one in counts["failed_pipelines"]] == [
        f"airflow {JOBS[0]}"
    ]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], [1, "1"]])
def test_a_cursor_that_repeats_is_refused(cursors, fleet, chm, server):
    answers = [value(page(run_of(number), then=one)) for number, one in enumerate(cursors)]
    server.answering = lambda asked: (
        answers.pop(0) if asked.query["pipeline"] == JOBS[0] else value(page())
    )
    code, counts, message = chm(fleet, "--url", server.url)
    assert (code, counts["inserted"]) == (1, len(cursors))
    assert f"next_cursor of page {len(cursors)} repeats" in message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (value([]), "page 1 is not of the shape"),
        (value({"runs": {}}), "page 1 is not of the shape"),
        (value({"next_cursor": None}), "page 1 is not of the shape"),
        (value(page(then=["x"])), "next_cursor of page 1 is neither"),
        (value(page(then=True)), "next_cursor of page 1 is neither"),
        (text("<html>log in</html>"), "answered something that is no JSON"),
        (text('{"runs": [NaN]}'), "answered broken JSON, 6 times"),
        (text("[" * 100_000), "answered"),
        (value({"message": f"no {TOKEN}"}, 403), "answered 403 Forbidden (no ***)"),
        (text("nothing", 404), "answered 404 Not Found"),
        (value({}, 301, Location="/?pipeline=x"), "redirects without end"),
    ],
)
def test_an_answer_that_is_no_page_fails_its_pipeline(answer, reason, fleet, chm, server):
    server.answering = lambda asked: GOOD if asked.query["pipeline"] == JOBS[1] else answer
    code, counts, message = chm(fleet, "--url", server.url)
    assert (code, counts["inserted"], len(counts["failed_pipelines"])) == (1, 1, 1)
    assert reason in message


def test_without_the_right_token_nobody_else_is_asked(fleet, chm, server):
    server.then(value({"error": "who?"}, 401))
    code, counts, message = chm(fleet, "--url", server.url)
    assert (code, counts["read"], len(server.asked)) == (1, 0, 1)
    assert "answered 401 Unauthorized (who?): the credentials are missing or not taken" in message
    assert [one["reason"] for one in counts["failed_pipelines"]][1:] == ["not asked"]


def test_a_server_that_is_not_there(fleet, chm, waits):
    with flaky_server() as gone:
        pass
    code, counts, message = chm(fleet, "--url", gone.url, "--retries", 1)
    assert (code, counts["read"], len(waits)) == (1, 0, 2)
    assert "can't be reached: Connection refused, 2 times" in message


def test_another_host_does_not_get_the_token(fleet, chm, server):
    with flaky_server() as other:
        other.then(GOOD)
        elsewhere = f"{other.url}/moved".replace("127.0.0.1", "localhost")
        server.then(text("", 302, Location=elsewhere))
        assert chm(fleet, "--url", server.url)[0] == 0
        assert [asked.path for asked in other.asked] == ["/moved"] * 2
        assert [asked for asked in other.asked if TOKEN in str(asked)] == []


def test_the_same_host_gets_the_token_again(fleet, chm, server):
    moved = text("", 302, Location="/moved")
    server.answering = lambda asked: GOOD if asked.path == "/moved" else moved
    assert chm(fleet, "--url", server.url)[0] == 0
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_a_token_that_the_server_tells_is_not_stored(fleet, chm, server):
    escaped = json.dumps(page(run_of(1, error_message=f"said {TOKEN}", x={TOKEN: [TOKEN]})))
    server.then(text(escaped.replace("/", r"\/")))
    assert chm(fleet, "--url", server.url)[0] == 0
    assert query(fleet, "select distinct error_message from raw.runs") == [("said ***",)]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--url", "ftp://x/"], 2, "is no http or https URL"),
        (["--url", "http://"], 2, "is no http or https URL"),
        (["--url", "http://x:port/"], 2, "is no http or https URL"),
        (["--url", "http://me:pass@x/"], 2, "must not hold a user or password"),
        (["--url", "http://x/{id}"], 2, "may hold {external_id} and {platform}"),
        (["--url", "http://x/", "--query", "a"], 2, "must be NAME=VALUE"),
        (["--url", "http://x/", "--platform", "odd"], 2, "is not one of"),
        (["--url", "http://x/", "--platform", "cron"], 1, "has no such pipeline"),
        (["--url", "http://x/", "--client", "Nobody"], 1, "has no such pipeline"),
        (["--url", "http://x/", "--token-env", "CHM_NOT_SET"], 1, "CHM_NOT_SET is not set"),
        (["--url", "http://x/", "--token-env", "CHM_BAD"], 1, "characters that no header"),
    ],
)
def test_what_can_not_be_asked_is_said_at_once(arguments, code, reason, fleet, chm, monkeypatch):
    monkeypatch.setenv("CHM_BAD", f"{TOKEN}\nX: y")
    found, counts, message = chm(fleet, *arguments)
    assert (found, counts) == (code, {})
    assert reason in message
