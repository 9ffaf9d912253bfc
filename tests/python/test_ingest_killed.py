"""An ingestion whose client or server is killed can be repeated: it ends as if nothing had been.

CHM_TEST_KILLS says how many are killed, of clients and of servers.
"""

import json
import random

import pytest

from chm.load import load
from chm.targets import read_target
from data_sets import identifier
from faults import (
    crashing_server,
    decorate,
    disturbed,
    duration,
    frame,
    moments,
    settled,
    work_tables,
)
from postgres_server import fresh_database
from raw_tables import ENGINES, make_target

EVENTS = 600
PIPELINES = (
    {"pipeline_id": identifier(2, 1)},
    {"pipeline_id": identifier(2, 2)},
    {"pipeline": "Nightly"},
    {"pipeline": "Weekly"},
)


@pytest.fixture
def events(tmp_path):
    """Events of few runs of few pipelines, two of them not known yet, and one that is refused."""
    draw = random.Random(7)
    found = [
        {
            "external_run_id": f"run-{draw.randrange(40)}",
            "status": draw.choice(["running", "success", "failed", "canceled"]),
            "updated_at": f"2026-03-01T00:00:{draw.randrange(20):02}Z",
            "rows_processed": draw.randrange(3),
            **draw.choice(PIPELINES),
        }
        for _ in range(EVENTS)
    ]
    found.insert(EVENTS // 2, {"external_run_id": "no pipeline", "status": "success"})
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in found))
    return path


def words(events, target):
    letters = events.with_name("letters.jsonl")
    return [
        *("ingest", "jsonl", events, "--target", target.name, "--dead-letters", letters),
        *("--client", "New", "--register"),
    ]


def refused(events):
    """The events in the dead letters: a crash may tell one twice, but loses none."""
    lines = events.with_name("letters.jsonl").read_text().splitlines()
    return {json.loads(line)["event"]["external_run_id"] for line in lines}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_client_can_be_repeated(engine, request, tmp_path, folder, events):
    target = make_target(request, engine, tmp_path)
    load(folder, target)
    longest = duration(words(events, target))
    expected = settled(target)
    load(folder, target, replace=True)
    decorate(target)
    framed = frame(target)
    for delay in moments(longest):
        code, errors = disturbed(words(events, target), delay)
        assert code in (-9, 3), errors
        assert frame(target) == framed
        again, errors = disturbed(words(events, target), 120)
        assert again == 3, errors
        assert (settled(target), frame(target), work_tables(target)) == (expected, framed, [])
        assert refused(events) == {"no pipeline"}
        load(folder, target, replace=True)


def test_events_can_be_repeated_after_their_server_was_killed(folder, events, monkeypatch):
    with crashing_server() as cluster, fresh_database(cluster.server) as database:
        for name, value in cluster.server.environment(database).items():
            monkeypatch.setenv(name, value)
        target = read_target("prod")
        load(folder, target)
        longest = duration(words(events, target))
        expected = settled(target)
        load(folder, target, replace=True)
        decorate(target)
        framed = frame(target)
        for number, delay in enumerate(moments(longest)):
            kill = (cluster.cut_power, cluster.kill_a_backend)[number % 2]
            code, errors = disturbed(words(events, target), delay, kill)
            if kill == cluster.cut_power:
                cluster.start()
            cluster.wait()
            assert code in (1, 3), errors
            assert errors.count("\n") == (1 if code == 1 else 0), errors
            assert frame(target) == framed
            again, errors = disturbed(words(events, target), 120)
            assert again == 3, errors
            assert (settled(target), frame(target), work_tables(target)) == (expected, framed, [])
            load(folder, target, replace=True)
