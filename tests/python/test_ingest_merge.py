"""Ingestion is free of order: any permutation, repetition and split ends in the same table."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chm.contract import load_contract
from chm.ingest.events import SourceEvent
from chm.ingest.json_order import jsonb_text
from chm.ingest.run import Options, ingest
from chm.ingest.store import open_store
from chm.load import load
from data_sets import identifier
from raw_tables import ENGINES, contents, execute, make_target, query

START = datetime(2026, 3, 1, tzinfo=UTC)
ORDER = ("running", "skipped", "canceled", "success", "failed")
COLUMNS = load_contract().tables["runs"].column_names
ARRIVAL = COLUMNS.index("ingested_at")


def instant(hours):
    return (START + timedelta(hours=hours)).isoformat()


@st.composite
def events(draw):
    """Few runs and few instants, so that events tie often."""
    start = draw(st.none() | st.integers(0, 2))
    end = draw(st.none() | st.integers(start or 0, 4))
    event = {
        "pipeline_id": identifier(2, draw(st.integers(1, 2))),
        "external_run_id": draw(st.sampled_from(["a", "B", "é"])),
        "status": draw(st.sampled_from(ORDER)),
        "started_at": None if start is None else instant(start),
        "finished_at": None if end is None else instant(end),
        "updated_at": draw(st.none() | st.integers(0, 4).map(instant)),
        "rows_processed": draw(st.none() | st.integers(0, 2)),
        "error_message": draw(st.none() | st.sampled_from(["a", "B", "_", "é"])),
        "created_at": draw(st.none() | st.integers(-2, 4).map(instant)),
        "noise": draw(st.none() | st.booleans()),
    }
    return {key: value for key, value in event.items() if value is not None}


def expected(stream):
    """The contract's rule over plain events: status, updated_at, created_at by run."""

    def updated(event):
        keys = ("updated_at", "finished_at", "started_at")
        found = [event[key] for key in keys if key in event]
        return found[0] if found else "1970-01-01T00:00:00+00:00"

    def created(event):
        instants = [event[key] for key in ("started_at", "finished_at") if key in event]
        return event.get("created_at", min([*instants, updated(event)]))

    runs = {}
    for event in stream:
        runs.setdefault((event["pipeline_id"], event["external_run_id"]), []).append(event)
    found = {}
    for run, versions in runs.items():
        best = max(
            versions,
            key=lambda event: (
                event["status"] != "running",
                updated(event),
                ORDER.index(event["status"]),
            ),
        )
        found[run] = (best["status"], updated(best), min(map(created, versions)))
    return found


def take(target, stream, batch_events, letters):
    source = [SourceEvent(event, f"test:{number}") for number, event in enumerate(stream, 1)]
    with open_store(target) as store:
        options = Options("test", letters, batch_events=batch_events)
        counts = ingest(source, store, options).as_dict()
    assert (
        counts["read"]
        == len(stream)
        == sum(counts[name] for name in ("inserted", "updated", "unchanged", "stale", "refused"))
    )
    assert counts["refused"] == 0
    return counts


def stored(target):
    return sorted(row[:ARRIVAL] + row[ARRIVAL + 1 :] for row in contents(target)["runs"])


@pytest.mark.parametrize("engine", ENGINES)
def test_any_order_repetition_and_split_ends_in_the_same_table(engine, request, tmp_path, folder):
    target = make_target(request, engine, tmp_path)
    load(folder, target)

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        stream=st.lists(events(), min_size=1, max_size=12),
        seed=st.integers(0, 2**32),
        sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    )
    def check(stream, seed, sizes):
        letters = tmp_path / "letters"
        execute(target, "delete from raw.runs")
        take(target, stream, sizes[0], letters)
        first = stored(target)
        rows = query(
            target,
            "select cast(pipeline_id as varchar), external_run_id, cast(status as varchar), "
            "updated_at, created_at from raw.runs",
        )
        assert {
            row[:2]: (row[2], *(value.astimezone(UTC).isoformat() for value in row[3:]))
            for row in rows
        } == expected(stream)
        shuffled = stream + random.Random(seed).choices(stream, k=5)
        random.Random(seed).shuffle(shuffled)
        execute(target, "delete from raw.runs")
        take(target, shuffled, sizes[1], letters)
        assert stored(target) == first

    check()


def test_replays_change_nothing(target, tmp_path, folder):
    load(folder, target)
    stream = [
        {"pipeline_id": identifier(2, 1), "external_run_id": "x", "status": "running"},
        {"pipeline_id": identifier(2, 1), "external_run_id": "x", "status": "ok"},
        {"pipeline_id": identifier(2, 1), "status": "ok", "rows_processed": 5},
        {"pipeline_id": identifier(2, 2), "external_run_id": "x", "started_at": instant(0)},
    ]
    take(target, stream, 3, tmp_path / "letters")
    before = contents(target)
    for _ in range(3):
        counts = take(target, stream, 2, tmp_path / "letters")
        assert (counts["inserted"], counts["updated"]) == (0, 0)
        assert contents(target) == before


def test_a_row_that_was_loaded_keeps_id_and_created_at(target, tmp_path, folder):
    load(folder, target)
    before = {row[0]: row for row in contents(target)["runs"]}
    stream = [
        # Run 3 is running; run 1 is a success.
        {"pipeline_id": identifier(2, 1), "external_run_id": "run-3", "status": "success",
         "updated_at": "2026-01-01T00:00:00Z"},
        {"pipeline_id": identifier(2, 1), "external_run_id": "run-1", "status": "running",
         "updated_at": "2026-02-01T00:00:00Z"},
    ]  # fmt: skip
    counts = take(target, stream, 10, tmp_path / "letters")
    assert (counts["updated"], counts["stale"]) == (1, 1)
    after = {row[0]: row for row in contents(target)["runs"]}
    assert after.keys() == before.keys()
    created = COLUMNS.index("created_at")
    changed = [key for key in after if after[key] != before[key]]
    assert changed == [identifier(3, 3)]
    assert after[changed[0]][created] == before[changed[0]][created]
    assert after[changed[0]][COLUMNS.index("status")] == "success"


def test_payloads_are_compared_as_jsonb_is_written(postgres_target):
    texts = [
        '{"bb": 1, "a": [1.50, -0, -0.0, 1e2, 12e-4], "é": {"x": null}, "B": "q\\"\\n\\u0001/"}',
        '{"a":1,"a":{"b":true,"ab":[],"aa":{}}}',
    ]
    for text in texts:
        literal = text.replace("'", "''")
        found = query(postgres_target, f"select cast(cast('{literal}' as jsonb) as varchar)")
        assert found == [(jsonb_text(text),)]
