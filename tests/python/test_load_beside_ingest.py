"""A load and an ingestion at once on PostgreSQL end as if one had come after the other."""

from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from chm.ingest.events import SourceEvent
from chm.ingest.run import Options, ingest
from chm.ingest.store import open_store
from chm.load import load
from data_sets import RUNS, identifier, run, valid_data_set, write_data_set
from raw_tables import connect, constraints, contents, execute, query

WAITING = """
    select pid from pg_stat_activity
    where datname = current_database() and application_name = '{}' and wait_event_type = 'Lock'
    """
# Pipelines that are known, and one that is registered with its client.
EVENTS = [
    {"pipeline_id": identifier(2, 1), "external_run_id": "run-1", "status": "failed",
     "updated_at": "2026-02-01T00:00:00Z"},
    {"pipeline_id": identifier(2, 2), "external_run_id": "live", "status": "success",
     "updated_at": "2026-02-01T00:00:00Z"},
    {"pipeline": "Nightly", "external_run_id": "first", "status": "success",
     "updated_at": "2026-02-01T00:00:00Z"},
]  # fmt: skip


@pytest.fixture
def further(tmp_path):
    files = valid_data_set()
    files[RUNS] = [run(1, rows_processed="70000", updated_at="2026-01-07T00:00:00Z"), run(50)]
    return write_data_set(tmp_path / "further", files)


def ingest_all(target, tmp_path, register, progress=lambda _: None):
    events = EVENTS if register else EVENTS[:2]
    source = [SourceEvent(event, str(number)) for number, event in enumerate(events)]
    options = Options(
        "test", tmp_path / "letters", client="New" if register else None, register=register
    )
    with open_store(target) as store:
        counts = ingest(source, store, options, progress)
    assert (counts.read, counts.refused) == (len(events), 0)


def comparable(target):
    """The tables without the instants at which something arrived or was registered."""
    found = contents(target)
    return {
        "clients": sorted(row[:3] for row in found["clients"]),
        "pipelines": sorted(row[:9] for row in found["pipelines"]),
        "runs": sorted((*row[:11], *row[12:]) for row in found["runs"]),
        "alert_rules": found["alert_rules"],
    }


def wait_for(target, application):
    deadline = monotonic() + 30
    while not query(target, WAITING.format(application)):
        assert monotonic() < deadline
        sleep(0.02)


def start(target, folder):
    """Tables with a view, so that the old ones stay as stand-ins after a switch."""
    load(folder, target, replace=True)
    execute(target, "create schema if not exists staging")
    execute(target, "create or replace view staging.seen as select * from raw.runs")


@pytest.mark.parametrize("register", [False, True])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_events_that_wait_for_a_load_go_into_what_it_loaded(
    mode, register, postgres_target, tmp_path, folder, further
):
    target = postgres_target
    start(target, folder)
    load(further, target, **{mode: True})
    ingest_all(target, tmp_path, register)
    expected = comparable(target)
    start(target, folder)
    constrained = constraints(target)
    ingestors: list[Future] = []

    def begin_to_ingest(step, done, _total):
        if step == "loading alert_rules" and not done:
            ingestors.append(executor.submit(ingest_all, target, tmp_path, register))
            wait_for(target, "chm ingest")

    with ThreadPoolExecutor() as executor:
        load(further, target, **{mode: True}, progress=begin_to_ingest)
        ingestors[0].result(60)
    assert comparable(target) == expected
    assert query(target, "select count(*) from staging.seen") == [(len(expected["runs"]),)]
    if mode == "append":
        assert constraints(target) == constrained


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_load_that_waits_for_events_goes_after_them(
    mode, postgres_target, tmp_path, folder, further
):
    target = postgres_target
    start(target, folder)
    ingest_all(target, tmp_path, register=True)
    load(further, target, **{mode: True})
    expected = comparable(target)
    start(target, folder)
    with ThreadPoolExecutor() as executor:
        with connect(target) as writer, writer.transaction():
            writer.execute("lock table raw.runs in exclusive mode")
            ingested = executor.submit(ingest_all, target, tmp_path, register=True)
            wait_for(target, "chm ingest")
            loaded = executor.submit(load, further, target, **{mode: True})
            wait_for(target, "chm load")
        ingested.result(60)
        loaded.result(60)
    assert comparable(target) == expected
