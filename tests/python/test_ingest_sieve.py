"""What the sieve of ingestion proves is what the exact path makes of the same events."""

import io
import json
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chm.ingest.blocks import read_blocks
from chm.ingest.events import RefusedError
from chm.ingest.mapping import Mapping
from chm.ingest.normalise import clean, normalise
from chm.ingest.resolve import made_id
from chm.ingest.rows import rows_schema
from chm.ingest.sieve import ROW
from chm.ingest.sources.jsonl import read_jsonl
from data_sets import identifier

ORDINARY = {
    "id": identifier(3, 7),
    "pipeline_id": identifier(2, 1),
    "external_run_id": "nightly-20260301-0001",
    "status": "success",
    "started_at": "2026-03-01T00:00:00Z",
    "finished_at": "2026-03-01T00:10:00.250Z",
    "duration_seconds": 610,
    "rows_processed": 12345,
    "error_message": 'no "orders" today; see the log, data kept',
    "status_reason": "late_data",
    "payload": {"attempt": 2, "ratio": 0.25, "tags": ["a", "b"], "note": "ok", "last": None},
    "ingested_at": "2026-03-01T00:11:00Z",
    "created_at": "2026-03-01T00:00:00Z",
    "updated_at": "2026-03-01T00:10:00Z",
}
# What a character may turn into, beside any other: what JSON and the rules are made of.
MARKS = '"\\{}[]:, 0-+.eTZntf\x00\t\r\x7fäé\u212a\u0130'
VALUES = st.sampled_from(
    [None, "", " ", " x", "x ", 0, -1, 7, 2**31, 2**63, 1.5, -0.0, 1e5, 0.00001, True, [], {},
     "{}", "[]", '{"a": 1}', '{"b":1.50,"a":[1,{"c":2}]}', '{"a":1,"a":2}', '{"a":1e5}', "NaN",
     "007", "12.0", "ok", "OK", "queued", "odd", "2026-02-30T00:00:00Z", "2026-03-01",
     "2026-03-01 00:00:00.123456+00:00", "2026-03-01T02:00:00+02:00", "0001-01-01T00:00:00Z",
     "2026-03-01T00:00:60Z", "2026-03-01T24:00:00Z", identifier(2, 9).upper(), "a b",
     {"a": {"b": 1}}, {"pass_word": "x"}, {"to.ken": 1}, {"a": "to\nken"}, {"a": "x\"y"},
     ["--password", "x"], "password=x", "https://a:b@c", "Bearer abc", "x\\y", 1772323200,
     {"big": 123456789012345678}, {"tiny": 0.0000123}, {"a": [[1]]}, {"": "", "b": ""}]
)  # fmt: skip


def exact(event):
    """The row of an event by the exact path, None if it is refused."""
    try:
        fields = clean(event)
        if event.fault:
            return None
        run = normalise(fields, event.position, Mapping())
    except RefusedError:
        return None
    pipeline = run.pipeline.pipeline_id
    row = {
        name: getattr(run, name)
        for name in rows_schema().names
        if name not in (ROW, "id", "pipeline_id", "ingested_at")
    }
    run_id = run.run_id or (pipeline and made_id("run", pipeline, run.external_run_id))
    return row | {"id": run_id, "pipeline_id": pipeline, "naive": run.naive_instants}


def check(read, data):
    """Compare the proved rows with the exact ones; return which events are proved."""
    proved, seen = set(), set()
    for batch in read(io.BytesIO(data), "x").batches(1000):
        for row in batch.ordinary.to_pylist():
            number = row.pop(ROW)
            event = batch.event(number)
            assert row | {"naive": 0} == exact(event), event
            proved.add(event.position)
        seen |= proved | {batch.event(row).position for row in batch.rest}
        assert batch.count == len(batch.ordinary) + len(batch.rest)
    assert seen == {event.position for event in read(io.BytesIO(data), "x")}
    return proved


@st.composite
def events(draw):
    event = dict(ORDINARY)
    for name in draw(st.lists(st.sampled_from(list(ORDINARY)), max_size=2)):
        event.pop(name, None)
    for name in draw(st.lists(st.sampled_from(list(ORDINARY)), max_size=2)):
        event[name] = draw(VALUES)
    if draw(st.integers(0, 9)) == 0:
        event[draw(st.sampled_from(["platform", "extra", "Id", "token"]))] = draw(VALUES)
    keys = draw(st.permutations(list(event)))
    return {key: event[key] for key in keys}


@st.composite
def lines(draw):
    text = json.dumps(
        draw(events()),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(", ", ": "), (",", ":")])),
    )
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        other = draw(st.sampled_from(MARKS) | st.characters(codec="utf-8") | st.just(""))
        text = text[:at] + other + text[at + draw(st.integers(0, 1)) :]
    return text.replace("\n", " ")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(lines(), min_size=20, max_size=60))
def test_proved_lines_are_what_the_exact_path_makes(found):
    check(read_jsonl, "\n".join(found).encode())


def test_every_mutation_of_one_character():
    """Each character of ordinary lines is removed, doubled or turned into each of a few marks."""
    random.seed(5)
    line = json.dumps(ORDINARY)
    text_line = json.dumps(ORDINARY | {"payload": json.dumps(ORDINARY["payload"])})
    for ordinary in (line, text_line):
        mutants = [
            ordinary[:at] + mark + ordinary[at + 1 :]
            for at in range(len(ordinary))
            for mark in ("", ordinary[at] * 2, *random.sample(MARKS, 3), random.choice("aZ59_"))
        ]
        proved = check(read_jsonl, "\n".join(mutants).encode())
        # Most stay as ordinary as they were: a sieve that proves nothing would not be seen here.
        assert len(proved) > len(mutants) / 5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"payload": json.dumps(ORDINARY["payload"])},
        {"payload": None, "id": "", "error_message": "", "rows_processed": "12"},
        {"status": "queued", "finished_at": None, "duration_seconds": None},
        {"error_message": "API error 503", "payload": ""},
    ],
)
def test_ordinary_lines_are_proved(changes):
    for separators in ((", ", ": "), (",", ":")):
        line = json.dumps(ORDINARY | changes, separators=separators)
        assert check(read_jsonl, line.encode()) == {"x:1"}
    without = {key: value for key, value in (ORDINARY | changes).items() if value is not None}
    without.pop("id")
    assert check(read_jsonl, json.dumps(without).encode() + b"\r\n") == {"x:1"}


def test_blocks_are_the_lines_of_the_stream():
    data = b"one\n\ntwo\xff\n" + b"x" * 3000 + b"\nlast"
    for most_lines, most_bytes in ((1, 10), (2, 1), (100, 1 << 20), (3, 100)):
        blocks = list(read_blocks(io.BytesIO(data), most_lines, most_bytes))
        found = [(b.first_line + row, b.line(row)) for b in blocks for row in range(len(b))]
        assert found == list(enumerate(data.splitlines(keepends=True), start=1))


def test_lines_of_a_slow_stream_are_not_kept_back():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream:
        blocks = read_blocks(stream, 100, seconds=0.05)
        os.write(write, b"one\nhal")
        assert next(blocks).data == b"one\n"
        os.write(write, b"f\n")
        os.close(write)
        assert [block.data for block in blocks] == [b"half\n"]
