"""`chm ingest`: normalisation, finding pipelines, dead letters, counts and exit codes."""

import io
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.ingest import duckdb_store
from chm.ingest.mapping import read_mapping
from chm.ingest.sources.csv import read_csv
from chm.ingest.sources.jsonl import read_jsonl
from chm.ingest.store import open_store
from chm.load import load
from data_sets import (
    PIPELINES,
    RUNS,
    file_text,
    identifier,
    pipeline,
    valid_data_set,
    write_data_set,
)
from raw_tables import contents, query

PIPELINE = identifier(2, 1)


@pytest.fixture
def loaded(target, folder):
    load(folder, target)
    return target


@pytest.fixture
def chm(tmp_path):
    """Run `chm ingest`: its exit code and counts; dead letters are in tmp_path/dead.jsonl."""

    def run(target, source, data, *arguments):
        path = tmp_path / "events"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        letters = [] if source == "retry" else ["--dead-letters", str(tmp_path / "dead.jsonl")]
        file = tmp_path / "dead.jsonl" if source == "retry" else path
        result = CliRunner().invoke(
            app,
            ["ingest", source, str(file), "--target", target.name, "--format", "json",
             *letters, *map(str, arguments)],
        )  # fmt: skip
        if isinstance(result.exception, ChmError):
            raise result.exception
        counts = json.loads(result.stdout)
        assert counts["read"] == sum(
            counts[name] for name in ("inserted", "updated", "unchanged", "stale", "refused")
        )
        return result.exit_code, counts

    return run


def lines(*events):
    return "".join(json.dumps(event) + "\n" for event in events)


def event(run="new", **fields):
    return {"pipeline_id": PIPELINE, "external_run_id": run} | fields


def letters(tmp_path):
    text = (tmp_path / "dead.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def the_run(target, columns, run="new"):
    rows = query(target, f"select {columns} from raw.runs where external_run_id = '{run}'")
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, "running") for word in ("queued", "Pending", "in_progress", "scheduled")),
        *((word, "success") for word in ("succeeded", "COMPLETED", "ok", "pass", "success")),
        *((word, "failed") for word in ("failure", "error", "errored", "timed-out")),
        ("upstream_failed", "failed"),
        *((word, "canceled") for word in ("cancelled", " aborted ", "killed")),
        ("skipped", "skipped"),
    ],
)
def test_status_words(word, status, duckdb_target, folder, chm):
    load(folder, duckdb_target)
    assert chm(duckdb_target, "jsonl", lines(event(status=word)))[0] == 0
    assert the_run(duckdb_target, "status, status_reason") == (status, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "odd word"}, "unknown status: odd word"),
        ({}, "the source gave no status"),
        ({"status": 7, "status_reason": "why"}, "why (unknown status: 7)"),
    ],
)
def test_unknown_statuses_fail_and_keep_the_word(fields, reason, loaded, chm):
    assert chm(loaded, "jsonl", lines(event(**fields)))[0] == 0
    assert the_run(loaded, "cast(status as varchar), status_reason") == ("failed", reason)


def test_instants_become_utc_and_durations_are_computed(loaded, chm):
    code, counts = chm(
        loaded,
        "jsonl",
        lines(
            event(
                status="ok",
                started_at="2026-03-01T00:30:00+02:00",
                finished_at="2026-02-28T22:40:10.9",
                updated_at="2026-02-28t22:40:10.9z",
                rows_processed="12",
            )
        ),
    )
    assert (code, counts["naive_instants"]) == (0, 1)
    found = the_run(
        loaded,
        "started_at = timestamptz '2026-02-28 22:30:00+00', "
        "updated_at = timestamptz '2026-02-28 22:40:10.9+00', "
        "created_at = started_at, duration_seconds, rows_processed",
    )
    assert found == (True, True, True, 610, 12)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"started_at": "yesterday"}, "started_at 'yesterday' is not an ISO 8601 instant"),
        ({"started_at": "0001-01-01T00:00:00+05:00"}, "is not an ISO 8601 instant"),
        ({"started_at": 20260301}, "started_at 20260301 is not an ISO 8601 instant"),
        ({"started_at": True}, "is not an ISO 8601 instant"),
        ({"started_at": 10**400}, "is not an ISO 8601 instant"),
        ({"started_at": "2026-03-02", "finished_at": "2026-03-01"}, "is before started_at"),
        ({"duration_seconds": -1}, "duration_seconds -1 is not between 0 and 2147483647"),
        ({"duration_seconds": 2**31}, "is not between 0 and"),
        ({"duration_seconds": "nan"}, "is not a number"),
        ({"rows_processed": 1.5}, "is not a whole number"),
        ({"rows_processed": True}, "is not a number"),
        ({"rows_processed": 2**63}, "is not between 0 and"),
        ({"error_message": {"a": 1}}, "is not a text"),
        ({"id": "7"}, "id '7' is not a UUID"),
        ({"id": identifier(3, 1)}, "is that of another run"),
        ({"pipeline_id": identifier(2, 99)}, "unknown pipeline"),
        ({"pipeline_id": None}, "unknown pipeline: (not named)"),
    ],
)
def test_refused_events(fields, reason, loaded, chm, tmp_path):
    before = contents(loaded)
    code, counts = chm(loaded, "jsonl", lines(event(**fields)))
    assert (code, counts["refused"]) == (3, 1)
    (letter,) = letters(tmp_path)
    assert reason in letter["reason"]
    assert letter["event"] == event(**fields)
    assert letter["position"].endswith("events:1")
    assert contents(loaded) == before


def test_broken_lines_do_not_stop_the_others(loaded, chm, tmp_path):
    data = (
        b"\xef\xbb\xbf" + lines(event("one")).encode() + b"\n{broken\n[1]\n\xff{}\n"
        b'{"a": NaN}\n'
        + b"[" * 100_000
        + b"\n"
        + b'{"a":' * 900
        + b"1"
        + b"}" * 900
        + b"\n"
        + lines(event("nul", error_message="a\x00b\ud800")).encode()
    )
    code, counts = chm(loaded, "jsonl", data)
    assert code == 3
    assert (counts["read"], counts["inserted"]) == (8, 2)
    assert [letter["position"].rsplit(":")[-1] for letter in letters(tmp_path)[:4]] == [
        "3", "4", "5", "6",
    ]  # fmt: skip
    assert the_run(loaded, "error_message", "nul") == ("a\ufffdb\ufffd",)


def test_csv_rows(loaded, chm, tmp_path):
    data = (
        b"external_run_id,pipeline_id,status,error_message\r\n"
        + f'a,{PIPELINE},ok,"two\nlines"\n\nb,{PIPELINE},failed\n'.encode()
        + f"c,{PIPELINE},error,Z\xfcrich\n".encode("latin-1")
        + f'd,{PIPELINE},error,Zürich\ne,{PIPELINE},"'.encode()
    )
    code, counts = chm(loaded, "csv", data)
    assert (code, counts["inserted"], counts["refused"]) == (3, 2, 3)
    assert the_run(loaded, "error_message", "a") == ("two\nlines",)
    assert the_run(loaded, "error_message", "d") == ("Zürich",)
    assert [
        (letter["position"].rsplit(":")[-1], letter["reason"].split(":")[0])
        for letter in letters(tmp_path)
    ] == [("5", "has 3 fields instead of 4"), ("6", "is not UTF-8"), ("8", "is not CSV")]


def test_a_csv_header_must_name_each_column_once():
    for header in (b"a,a\n", b"a,\n", b"\n"):
        with pytest.raises(ChmError, match="h:1 must name each column"):
            list(read_csv(io.BytesIO(header), "h"))
    assert list(read_csv(io.BytesIO(b""), "h")) == list(read_jsonl(io.BytesIO(b""), "h")) == []


def test_rows_of_a_data_set_are_what_a_load_stores(target, tmp_path, chm):
    files = valid_data_set()
    # Of a row without a payload the event itself becomes one.
    files[RUNS] = [row for row in files[RUNS] if row["payload"]]
    load(write_data_set(tmp_path / "paid", files), target)
    before = contents(target)
    code, counts = chm(target, "csv", file_text(files[RUNS]))
    assert (code, counts["unchanged"]) == (0, len(files[RUNS]))
    assert contents(target) == before


def test_pipelines_are_found_by_external_id_and_by_name(target, tmp_path, chm):
    files = valid_data_set()
    files[PIPELINES].append(
        pipeline(5, client_id=identifier(1, 2), external_id="dag-1", name="Other")
    )
    load(write_data_set(tmp_path / "more", files), target)
    by_name = {"client": "Client 1", "pipeline": "Pipeline 1", "external_run_id": "a"}
    shared = {"platform": "airflow", "external_id": "dag-1"}
    code, counts = chm(
        target,
        "jsonl",
        lines(
            by_name,
            shared | {"external_run_id": "b"},
            shared | {"external_run_id": "c", "client": "Client 2"},
            {"platform": "dbt", "external_id": "dag-2", "external_run_id": "d"},
            by_name | {"client": "Client 3", "external_run_id": "e"},
        ),
    )
    assert (code, counts["inserted"], counts["refused"]) == (3, 3, 2)
    assert [letter["reason"].split(":")[0] for letter in letters(tmp_path)] == [
        "several clients have this pipeline",
        "unknown pipeline",
    ]
    assert str(the_run(target, "pipeline_id", "c")[0]) == identifier(2, 5)
    assert str(the_run(target, "pipeline_id", "d")[0]) == identifier(2, 2)


def test_register_and_retry(loaded, chm, tmp_path):
    unknown = {"pipeline": "Nightly", "status": "ok", "started_at": "2026-03-01"}
    bad = unknown | {"rows_processed": "many"}
    assert chm(loaded, "jsonl", lines(unknown, bad) + "broken\n")[1]["refused"] == 3
    before = letters(tmp_path)
    code, counts = chm(loaded, "retry", "", "--client", "New", "--register")
    assert (code, counts["inserted"], counts["refused"]) == (3, 1, 2)
    assert counts["registered_pipelines"] == 1
    assert letters(tmp_path) == [letter for letter in before if "unknown" not in letter["reason"]]
    assert query(
        loaded,
        "select pipelines.name, cast(platform as varchar) from raw.pipelines "
        "inner join raw.clients on clients.id = client_id where clients.name = 'New'",
    ) == [("Nightly", "custom")]
    # Once more: the pipeline is known, the run has the same id.
    code, counts = chm(loaded, "jsonl", lines(unknown), "--client", "New", "--register")
    assert (code, counts["unchanged"], counts["registered_pipelines"]) == (0, 1, 0)


@pytest.mark.parametrize(
    "instant", [1772324400, 1772324400000, 1772324400.0, "1772324400", "1772324400000"]
)
def test_instants_may_be_seconds_or_milliseconds_since_1970(instant, duckdb_target, folder, chm):
    load(folder, duckdb_target)
    assert chm(duckdb_target, "jsonl", lines(event(status="ok", updated_at=instant)))[0] == 0
    found = the_run(duckdb_target, "updated_at = timestamptz '2026-03-01 00:20:00+00'")
    assert found == (True,)


def test_a_mapping_says_where_fields_are(loaded, chm, tmp_path):
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "fields:\n  external_run_id: run.id\n  status: run.state\n  external_id: [dag, job]\n"
        "  rows_processed: rows\nconstants: {platform: airflow}\nstatuses: {All Good: success}\n"
    )
    source = {"run": {"id": 17, "state": "all-good"}, "job": "dag-1", "rows": 3}
    assert chm(loaded, "jsonl", lines(source), "--mapping", mapping)[0] == 0
    found = the_run(loaded, "cast(status as varchar), rows_processed, cast(payload as varchar)", 17)
    assert found[:2] == ("success", 3)
    assert json.loads(found[2]) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields: {colour: red}", "fields.colour is none of"),
        ("statuses: {fine: good}", "statuses.fine is 'good', not one of"),
        ("colours: {}", "expected the keys"),
        ("fields: {id: 3}", "must be a path"),
        ("a: [", "can't read the mapping"),
    ],
)
def test_a_wrong_mapping_is_told(text, message, tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(ChmError, match=message):
        read_mapping(path)


def test_manual_events_get_an_id_from_their_content(loaded, chm):
    one = {"pipeline_id": PIPELINE, "status": "ok", "rows_processed": 1}
    chm(loaded, "jsonl", lines(one, dict(reversed(one.items())), one | {"rows_processed": 2}))
    found = query(loaded, "select count(*) from raw.runs where external_run_id like 'content-%'")
    assert found == [(2,)]


def test_a_file_that_is_in_use_is_waited_for_and_told(duckdb_target, folder, monkeypatch, capsys):
    load(folder, duckdb_target)
    monkeypatch.setattr(duckdb_store, "LOCK_TIMEOUT_SECONDS", 0.6)
    monkeypatch.setattr(duckdb_store, "_SILENT_SECONDS", 0.1)
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(1); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-u", "-c", script, str(duckdb_target.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        holder.stdout.readline()
        with pytest.raises(ChmError), open_store(duckdb_target):
            pass
        assert capsys.readouterr().err.count(f"waiting for {duckdb_target.path}") == 1
        holder.stdin.close()
        holder.wait()
        with open_store(duckdb_target) as store:
            assert store.execute("select 1") == [(1,)]
