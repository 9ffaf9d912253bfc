"""The compiled scan of large batches leaves out no row that breaks a rule: equal reports."""

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chm.contract import load_contract
from chm.contract.model import Check
from chm.credentials import CREDENTIAL
from chm.errors import ChmError
from chm.validate import reader, sieve, validate
from chm.validate.proofs import are_sufficient
from data_sets import (
    RUNS,
    file_text,
    identifier,
    run,
    valid_data_set,
    write_data_set,
    write_text,
)

ALL = 1_000_000


@pytest.fixture
def left(monkeypatch):
    """Every sifting's outcome: the rows left of each file and the rows proved, or None."""
    outcomes = []

    def sift(*arguments):
        found = original(*arguments)
        outcomes.append(found and [(len(file.lines), file.proved) for file in found])
        return found

    original = sieve.sift
    monkeypatch.setattr(sieve, "sift", sift)
    return outcomes


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(sieve, "_BLOCK_BYTES", 997)
    monkeypatch.setattr(sieve, "_MARGIN_BYTES", 3000)


def sifted(folder):
    """The report of a sifted data set, after it was compared with that of the exact path."""
    report = validate(folder, ALL, sift_from_bytes=0)
    assert report == validate(folder, ALL, sift_from_bytes=None)
    return report


def clean_runs(number):
    """Runs of every status and spelling that the contract likes."""
    rows = []
    for index in range(number):
        row = dict(valid_data_set()[RUNS][index % 6])
        row |= {"id": identifier(3, index), "external_run_id": f"run-{index}"}
        if index % 7 == 0:
            row["started_at"] = "2024-02-29T23:59:59.25Z"
            if row["finished_at"]:
                row |= {"finished_at": "2024-03-01T00:00:00Z", "duration_seconds": "1"}
        if index % 5 == 0:
            row["payload"] = '{"a": {"b": [1, -2.5, true, null, "\\u00e9\\n\\"x, y"]}, "é": {}}'
        if index % 11 == 0:
            row["payload"] = "{}"
        if row["status"] == "failed":
            row["error_message"] = 'Änderung: "no", see\nhttps://host/path'
        rows.append(row)
    return rows


def test_clean_rows_are_proved(tmp_path, left):
    rows = clean_runs(600)
    write_data_set(tmp_path, valid_data_set() | {RUNS: rows})
    report = sifted(tmp_path)
    assert report.violations == ()
    assert {file.file: file.rows for file in report.files}[RUNS] == 600
    assert left == [[(0, 600)]]


PIECES = [
    *'0123456789abcdefABCDEFTZtz-:.+ \t,"\\{}[]_eE\nx/@=#é\u017f\u212a\u2028\x0b\x1f\x7f',
    "bearer a1",
    "BeaReR abcdefghijklmnopq",
    "Authorization: Bearer x",
    "password=",
    "pa\u017fSword: ",
    "PASSWD =",
    "pwd:",
    "-----BEGIN PRIVATE KEY",
    "-----begin rsa private key",
    "postgres://a:b@c",
    "://x:y@",
    '{"password" : 1}',
    "running",
    "failed",
    "success",
    "NaN",
    "Infinity",
    "\\u0000",
    "\\ud800",
    "1e9999",
    ",}",
    "999999999999",
    "-1",
    "0",
    " ",
]


def mutated(rows, generator):
    """Each row with one field changed in one place, or copied from another row."""
    columns = list(rows[0])
    for row in rows:
        column = generator.choice(columns)
        text = row[column]
        at = generator.randrange(len(text) + 1)
        kind = generator.randrange(8)
        if kind == 0:
            row[column] = ""
        elif kind == 1:
            row[column] = generator.choice(rows)[column]
        else:
            piece = generator.choice(PIECES) if kind < 7 else ""
            row[column] = text[:at] + piece + text[at + generator.randrange(2) :]
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_mutated_rows_are_reported_as_by_the_exact_path(tmp_path, left, monkeypatch, seed):
    monkeypatch.setattr(sieve, "_MOST_DOUBTFUL", 1)
    rows = mutated(clean_runs(2000), random.Random(seed))
    write_data_set(tmp_path, valid_data_set() | {RUNS: rows})
    report = sifted(tmp_path)
    assert len({violation.rule for violation in report.violations}) >= 12
    ((rest, proved),) = left[0]
    assert rest > 1000
    assert proved > 400


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("W01", {"duration_seconds": "601"}),
        ("W02", {"rows_processed": "49999"}),
        ("W03", {"updated_at": "2026-01-05T01:10:04.999999Z"}),
        ("W05", {"payload": '{"url": "redis://:hunter2@cache"}'}),
        ("W05", {"payload": '{"escape": "\\bearer hunter2"}'}),
        ("W05", {"external_run_id": "run-300 PWD:hunter2"}),
    ],
)
def test_a_warning_in_a_large_batch_is_not_lost(tmp_path, left, rule, fields):
    rows = clean_runs(600)
    rows[300] |= fields
    write_data_set(tmp_path, valid_data_set() | {RUNS: rows})
    (violation,) = sifted(tmp_path).violations
    assert violation.rule == rule
    assert left[0][0][1] > 400


CONTENT = file_text(clean_runs(24)).encode()
# Bytes that mean something to a CSV reader or a type, and any others.
BYTES = st.sampled_from([bytes([byte]) for byte in b'",\n\r\0\xff\xc3 {}:\\-09Za@']) | st.binary(
    max_size=2
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, len(CONTENT)), BYTES, st.integers(0, 2))
def test_any_byte_changed_in_a_clean_file_is_judged_alike(at, piece, removed):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "_MOST_DOUBTFUL", 1)
        write_data_set(Path(folder), valid_data_set())
        write_text(Path(folder), RUNS, CONTENT[:at] + piece + CONTENT[at + removed :])
        sifted(Path(folder))


@pytest.mark.usefixtures("small_blocks")
def test_places_are_right_across_blocks_files_and_lines(tmp_path, left, monkeypatch):
    monkeypatch.setattr(sieve, "_MOST_DOUBTFUL", 1)
    generator = random.Random(5)
    files = valid_data_set()
    del files[RUNS]
    runs = clean_runs(300)
    for row in runs:
        if row["status"] == "failed":
            row["error_message"] = "x\n" * generator.randrange(1, 900)
    for index in (17, 99, 250):
        runs[index]["status"] = "lost"
    runs[40]["id"] = runs[260]["id"].upper()
    runs[130]["external_run_id"] = runs[221]["external_run_id"]  # of another pipeline
    runs[2]["external_run_id"] = runs[212]["external_run_id"]
    runs[2]["pipeline_id"] = runs[212]["pipeline_id"]
    write_data_set(tmp_path, files)
    parts = {"runs_1.csv": runs[:100], "runs_2.csv": runs[100:200], "runs_3.csv": runs[200:]}
    for name, rows in parts.items():
        text = file_text(rows).replace("\n" + identifier(3, 41), "\n\n" + identifier(3, 41))
        write_text(tmp_path, name, text.rstrip("\n"))
    report = sifted(tmp_path)
    assert report.counts["R03"] == 1
    assert report.counts["R06"] == 3
    assert report.counts["R10"] == 1
    assert all(proved for _, proved in left[0])


def test_a_key_used_twice_is_found_wherever_it_stands(tmp_path, left):
    files = valid_data_set()
    rows = clean_runs(600)
    rows[590]["id"] = rows[3]["id"].upper()
    rows[595]["external_run_id"] = rows[500]["external_run_id"] = 'it\'s "one", twice'
    write_data_set(tmp_path, files | {RUNS: rows})
    report = sifted(tmp_path)
    assert [(v.rule, v.value) for v in report.violations] == [
        ("R03", rows[590]["id"]),
        ("R10", rows[595]["external_run_id"]),
    ]
    assert left[0][0][1] > 400


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("id,pipeline_id", "id, pipeline_id", 1).encode(),
        lambda text: (text + "too,few\n").encode(),
        lambda text: (text + '"never closed\n').encode(),
        lambda text: text.replace("Änderung", "\udcff").encode("utf-8", "surrogateescape"),
    ],
    ids=["bom", "crlf", "header", "fields", "quote", "utf8"],
)
def test_what_is_spelled_otherwise_goes_to_the_exact_path(tmp_path, left, spelling):
    write_data_set(tmp_path, valid_data_set())
    write_text(tmp_path, RUNS, spelling(file_text(clean_runs(60))))
    sifted(tmp_path)
    assert left == [None]


def test_with_many_doubtful_rows_all_are_checked(tmp_path, left):
    rows = [row | {"status": "lost"} for row in clean_runs(100)]
    write_data_set(tmp_path, valid_data_set() | {RUNS: rows})
    assert sifted(tmp_path).counts["R06"] == 100
    assert left == [None]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    write_data_set(tmp_path, valid_data_set() | {RUNS: clean_runs(60)})
    original = sieve._scan_all

    def scan_and_append(*arguments):
        found = original(*arguments)
        with (tmp_path / "batches" / RUNS).open("a") as file:
            file.write("more\n")
        return found

    monkeypatch.setattr(sieve, "_scan_all", scan_and_append)
    with pytest.raises(ChmError, match=f"{RUNS} changed while it was read"):
        validate(tmp_path, sift_from_bytes=0)


def test_the_scan_knows_every_rule_that_binds_runs():
    contract = load_contract()
    runs = contract.tables["runs"]
    assert are_sufficient(contract, runs)
    (unique,) = runs.unique
    columns = [replace(column, required=True) for column in runs.columns]
    # With a rule that it does not know, no row may be left out.
    for other in (
        replace(runs, columns=runs.columns[::-1]),
        replace(runs, columns=tuple(columns)),
        replace(runs, columns=tuple(replace(column, minimum=1) for column in runs.columns)),
        replace(runs, checks=(Check("R08", "updated_at", "updated_at < '2100-01-01'"),)),
        replace(runs, checks=(Check("R08", "finished_at", "finished_at > started_at"),)),
        replace(runs, unique=(replace(unique, columns=("external_run_id",)),)),
    ):
        assert not are_sufficient(contract, other)


def test_small_data_sets_do_not_wait_for_the_compiler(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("sifted")

    monkeypatch.setattr(reader, "_sift", refuse)
    validate(write_data_set(tmp_path, valid_data_set()))


def proofs():
    import duckdb

    from chm.validate.proofs import load_proofs

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        reader.open_data_set(connection, write_data_set(Path(folder), valid_data_set()))
        contract = load_contract()
        pipelines = contract.tables["pipelines"]
        connection.execute(reader.checked_view(contract, pipelines, reader.source_table(pipelines)))
        return load_proofs(connection, contract)


PROOFS = proofs()


def doubtful(rows):
    """The rows, counted from 0, that the scan alone does not prove; None if it is none of CSV."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "_MOST_DOUBTFUL", 1)
        path = Path(folder) / RUNS
        path.write_text(file_text(rows), "utf-8", newline="")
        found = sieve.sift([path], 0, PROOFS, Path(folder), lambda _: None)
        if found is None:
            return None
        lines = Path(found[0].path).read_text("utf-8").split("\n")
        return [number for number, row in enumerate(rows) if any(row["id"] in x for x in lines)]


# Any text that the pattern matches, whatever alternatives it has.
CREDENTIALS = st.from_regex(CREDENTIAL).filter(lambda text: not set(text) & set("\0\r"))


@settings(max_examples=25, deadline=None)
@given(st.lists(CREDENTIALS, min_size=20, max_size=40))
def test_no_credential_is_proved_clean(texts):
    rows = [
        run(number, status="failed", error_message=text, status_reason="r")
        for number, text in enumerate(texts)
    ]
    try:
        file_text(rows).encode()
    except UnicodeEncodeError:
        return
    found = doubtful(rows)
    assert found is None or found == list(range(len(rows)))


JSON_TEXTS = st.text('{}[]":,\\u0a1-. tnlrfse', max_size=12)
JSON_ENDS = st.sampled_from(["", "}", "]}", '"}', "1}"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(JSON_TEXTS, JSON_ENDS).map("".join), min_size=30, max_size=60))
def test_json_that_is_proved_is_json(ends):
    rows = [run(number, payload='{"a":' + text) for number, text in enumerate(ends)]
    proved = set(range(len(rows))) - set(doubtful(rows))
    for number in proved:
        assert isinstance(json.loads(rows[number]["payload"]), dict)
