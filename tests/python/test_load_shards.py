"""Large data sets on PostgreSQL: cut up, written as binary rows, they arrive as they were."""

import json
import os
import struct
from contextlib import nullcontext
from datetime import datetime
from threading import Barrier
from time import monotonic
from unittest.mock import Mock
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chm.contract import load_contract
from chm.errors import ChmError
from chm.load import (
    binary_rows,
    binary_writer,
    load,
    postgres_batches,
    postgres_copy,
    postgres_shards,
)
from chm.load.binary_writer import BinaryWriter
from chm.load.postgres_streams import run_streams
from chm.validate.records import MAX_RECORD_BYTES
from data_sets import RUNS, file_text, identifier, run, valid_data_set, write_data_set, write_text
from raw_tables import constraints, contents

TABLE = load_contract().tables["runs"]
WIDTH = len(TABLE.columns)

# As the table comes: how a column's value is spelled, what is proved of it at once, what is not.
PROVED = {
    "uuid": ["0a1B2c3d-ffff-0000-8000-0123456789ab", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "timestamptz": [
        "2026-01-05T01:00:00Z",
        "1969-12-31T23:59:59.999999+00:00",
        "0001-01-01T00:00:00Z",
        "2024-02-29T00:00:00.5Z",
    ],
    "integer": ["0", "007", "999999999"],
    "bigint": ["1", "000000000000000042", "999999999999999999"],
    "text": ["a", 'quotes " and ""', "two\nlines, a comma", "\n\\.\n", "\\N", "Zürich 🚀", " "],
    "jsonb": ['{"a": "b, \\" \\n"}', "{}"],
}
NOT_PROVED = {
    "uuid": ["0a1b2c3dffff00008000000000000000", "no id"],
    "timestamptz": ["2026-01-05T01:00:00+02:00", "infinity", "2026-01-05 01:00:00Z"],
    "integer": ["+5", "1234567890", "-1"],
    "bigint": ["1234567890123456789", "1e3"],
}
EPOCH = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def value_of(sql_type, text):
    """What the bytes of a binary field are to say."""
    if sql_type == "uuid":
        return UUID(text).bytes
    if sql_type == "timestamptz":
        since = datetime.fromisoformat(text) - EPOCH
        return struct.pack("!q", (since.days * 86400 + since.seconds) * 10**6 + since.microseconds)
    if sql_type in ("integer", "bigint"):
        return int(text).to_bytes(4 if sql_type == "integer" else 8, "big")
    return (b"\1" if sql_type == "jsonb" else b"") + text.encode()


def parsed(rows):
    """The fields of binary rows."""
    at, found = 0, []
    while at < len(rows):
        (count,) = struct.unpack_from("!h", rows, at)
        at += 2
        fields = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", rows, at)
            at += 4
            fields.append(None if length < 0 else bytes(rows[at : at + length]))
            at += max(length, 0)
        found.append(fields)
    return found


def written(text, odd_room=100, output_bytes=MAX_RECORD_BYTES + 1000):
    """The binary rows of CSV text, and the odd records."""
    data = np.frombuffer(bytes(8) + text.encode() + bytes(8), np.uint8)
    kinds = binary_rows.field_kinds(TABLE)
    output = np.empty(output_bytes, np.uint8)
    odd = np.empty((odd_room, 2), np.int64)
    at, stop = 8, len(data) - 8
    rows, records, calls = [], [], 0
    while at < stop:
        is_csv, at, size, count = binary_rows.put_rows(
            data, at, stop, MAX_RECORD_BYTES, kinds, output, odd
        )
        assert is_csv
        rows += parsed(output[:size].tobytes())
        records += [data[start:end].tobytes().decode() for start, end in odd[:count]]
        calls += 1
    return rows, records, calls


def spelled(text, *, quoted):
    quoted = quoted or any(sign in text for sign in ',"\n')
    return '"' + text.replace('"', '""') + '"' if quoted else text


@st.composite
def fields(draw, column):
    sql_type = "text" if column.enum else column.sql_type
    usual = st.sampled_from(["", *PROVED[sql_type]])
    if sql_type in ("text", "jsonb"):
        usual |= st.text(st.characters(exclude_characters="\0\r", codec="utf-8"))
    odd = st.sampled_from(NOT_PROVED.get(sql_type, [""]))
    is_odd = draw(st.integers(0, 20)) == 20 and sql_type in NOT_PROVED
    return draw(odd if is_odd else usual), is_odd, draw(st.booleans())


RECORDS = st.tuples(*(fields(column) for column in TABLE.columns))


@settings(deadline=None)
@given(st.lists(st.tuples(RECORDS, st.integers(0, 1)), max_size=8), st.integers(1, 3))
def test_records_become_the_rows_that_they_spell(records, odd_room):
    text, expected, expected_odd = "", [], []
    for record, blank_lines in records:
        line = ",".join(spelled(value, quoted=quoted) for value, _, quoted in record) + "\n"
        text += "\n" * blank_lines + line
        if any(is_odd for _, is_odd, _ in record):
            expected_odd.append(line)
        else:
            expected.append(
                [
                    value_of("text" if column.enum else column.sql_type, value) if value else None
                    for column, (value, _, _) in zip(TABLE.columns, record, strict=True)
                ]
            )
    # Room for one row, and for one of the largest beside it.
    rows, odd, _ = written(text, odd_room)
    assert (rows, odd) == (expected, expected_odd)


def test_rows_that_do_not_fit_wait_for_the_next_call():
    line = "," * (WIDTH - 1) + "\n"
    rows, _, calls = written(line * 40)
    assert rows == [[None] * WIDTH] * 40
    assert calls > 1


@pytest.mark.parametrize(
    "line",
    [
        "," * (WIDTH - 2) + "\n",
        "," * WIDTH + "\n",
        '"' + "," * (WIDTH - 1) + "\n",
        '"a"b' + "," * (WIDTH - 1) + "\n",
        "," * (WIDTH - 1),
        "a" * (MAX_RECORD_BYTES + 1) + "," * (WIDTH - 1) + "\n",
    ],
)
def test_what_is_no_record_is_not_written(line):
    data = np.frombuffer(bytes(8) + line.encode() + bytes(8), np.uint8)
    output = np.empty(MAX_RECORD_BYTES + 1000, np.uint8)
    kinds, odd = binary_rows.field_kinds(TABLE), np.empty((1, 2), np.int64)
    found = binary_rows.put_rows(data, 8, len(data) - 8, MAX_RECORD_BYTES, kinds, output, odd)
    assert found == (False, 8, 0, 0)


@pytest.fixture
def small_pieces(monkeypatch):
    """Little data goes the way of much; tells how many pieces are copied, and how many records
    are sent as text."""
    sent = {"pieces": 0, "odd": 0}

    def read(piece):
        sent["pieces"] += 1
        return original_read(piece)

    def odd_fields(writer, records):
        sent["odd"] += len(records)
        return original_fields(writer, records)

    original_read, original_fields = postgres_shards._read, BinaryWriter._fields
    monkeypatch.setattr("chm.load.source.SIFT_FROM_BYTES", 1)
    monkeypatch.setattr("chm.validate.sieve._BLOCK_BYTES", 997)
    monkeypatch.setattr("chm.validate.sieve._MARGIN_BYTES", 3000)
    monkeypatch.setattr(postgres_shards, "_read", read)
    monkeypatch.setattr(BinaryWriter, "_fields", odd_fields)
    return sent


def spelled_runs(number):
    """Runs of every status and spelling that the contract likes; some are left to the server."""
    texts = ['Änderung: "no", see\nhttps://host/path', "before\n\\.\nafter", "\\.", "\\N", "a\tb\\"]
    rows = []
    for index in range(number):
        row = dict(valid_data_set()[RUNS][index % 6])
        row |= {"id": identifier(3, index), "external_run_id": f"run-{index}"}
        if index % 7 == 0:
            row["id"] = row["id"].upper()
        if index % 25 == 0:
            row["rows_processed"] = "1" + "0" * 18
        if index % 8 == 0 and row["started_at"]:
            row["started_at"] = row["started_at"].replace("Z", ".000000+00:00")
        if index % 15 == 0:
            text = texts[index // 15 % len(texts)]
            row["payload"] = json.dumps({"text": text, "number": 1e300}, ensure_ascii=False)
        if row["status"] == "failed":
            row["error_message"] = texts[index // 6 % len(texts)]
        rows.append(row)
    return rows


def test_cut_up_files_arrive_as_they_were(postgres_target, tmp_path, small_pieces, monkeypatch):
    files = valid_data_set()
    files[RUNS] = spelled_runs(150)
    folder = write_data_set(tmp_path / "data", files)
    # A second file: a blank line, all fields in quotes, the last line without its end.
    text = file_text(spelled_runs(160)[150:])
    head, *lines = text.replace(",,", ',"",').splitlines()
    write_text(folder, "runs_20260106_batch02.csv", "\n".join([head, lines[0], "", *lines[1:]]))
    write_text(folder, "runs_20260107_batch03.csv", head + "\n")
    load(folder, postgres_target)
    assert small_pieces["pieces"] > 20
    assert small_pieces["odd"] == 7
    cut_up = contents(postgres_target)
    monkeypatch.setattr("chm.load.source.SIFT_FROM_BYTES", 1 << 30)
    load(folder, postgres_target, replace=True)
    assert contents(postgres_target) == cut_up
    assert len(cut_up["runs"]) == 160


def test_rows_that_the_validator_holds_arrive_as_they_were(postgres_target, tmp_path, monkeypatch):
    files = valid_data_set()
    files[RUNS] = spelled_runs(60)
    files[RUNS][25]["payload"] = json.dumps({"text": "x" * 300_000 + '"\r\n'})
    failed = next(row for row in files[RUNS] if row["status"] == "failed")
    failed["error_message"] = "two\r\nlines" + '"' * 1_000
    folder = write_data_set(tmp_path / "data", files)
    load(folder, postgres_target)
    as_lines = contents(postgres_target)
    calls = []
    monkeypatch.setattr(postgres_copy, "BINARY_FROM_ROWS", 1)
    monkeypatch.setattr(postgres_batches, "ROWS_PER_BATCH", 7)
    load(folder, postgres_target, replace=True, progress=lambda *call: calls.append(call))
    assert contents(postgres_target) == as_lines
    told = [done for step, done, _ in calls if step == "loading runs"]
    assert (told, told[-1], len(told)) == (sorted(told), 60, 10)


def many_runs(tmp_path):
    files = valid_data_set()
    files[RUNS] = [run(number) for number in range(1_000, 1_200)]
    return write_data_set(tmp_path / "many", files)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kind", ["shorter", "gone", "no csv"])
def test_a_file_that_changes_while_it_is_copied_stops_the_load(
    kind, postgres_target, tmp_path, folder
):
    load(folder, postgres_target)
    before = contents(postgres_target), constraints(postgres_target)
    many = many_runs(tmp_path)
    path = many / "batches" / RUNS

    def change(step, done, _total):
        if step == "loading runs" and done:
            if kind == "shorter":
                os.truncate(path, 10_000)
            elif kind == "gone":
                path.unlink(missing_ok=True)
            else:
                path.write_text("\n,\n" * 50_000)

    with pytest.raises(ChmError, match="nothing was loaded") as caught:
        load(many, postgres_target, replace=True, progress=change)
    assert ("can't be read" if kind == "gone" else "changed while") in str(caught.value)
    assert (contents(postgres_target), constraints(postgres_target)) == before


@pytest.mark.usefixtures("small_pieces")
def test_a_row_that_the_server_refuses_stops_both_streams(
    postgres_target, tmp_path, folder, monkeypatch
):
    load(folder, postgres_target)
    before = contents(postgres_target), constraints(postgres_target)
    monkeypatch.setattr(binary_writer, "TRAILER", b"\0\1")
    with pytest.raises(
        ChmError, match=r"refuses the load: row field count is 1.*nothing was loaded"
    ):
        load(many_runs(tmp_path), postgres_target, replace=True)
    assert (contents(postgres_target), constraints(postgres_target)) == before


def test_when_a_stream_fails_the_other_stops_and_the_failure_is_told():
    both = Barrier(2)
    numbers = iter(range(2))

    def stream(_connection, go_on):
        number = next(numbers)
        both.wait(10)
        if number:
            raise ChmError("the disk is full")
        deadline = monotonic() + 10
        while monotonic() < deadline:
            go_on()
        return 1

    started = monotonic()
    with pytest.raises(ChmError, match="the disk is full"):
        run_streams(lambda: nullcontext(Mock()), stream)
    assert monotonic() - started < 8
