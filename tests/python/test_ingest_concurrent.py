"""Ingestors beside each other on PostgreSQL."""

import json
import random
import subprocess
import sys

import pytest

from chm.ingest.events import SourceEvent
from chm.ingest.run import Options, ingest
from chm.ingest.store import open_store
from chm.load import load
from data_sets import identifier
from raw_tables import contents, execute

EVENTS = 600
PROGRAM = """
import sys
from pathlib import Path
from chm.ingest.run import Options, ingest
from chm.ingest.sources.jsonl import read_jsonl
from chm.ingest.store import open_store
from chm.targets import read_target

target, file, letters = sys.argv[1:]
options = Options(
    "test", Path(letters), client="New", register=True, batch_events=20
)
def show(counts):
    print(counts.read, flush=True)
with open_store(read_target(target)) as store, open(file, "rb") as stream:
    counts = ingest(read_jsonl(stream, file), store, options, show).as_dict()
print(counts, flush=True)
"""


def events(seed):
    """Events of few runs of few pipelines, two of them not known yet."""
    draw = random.Random(seed)
    return [
        {
            "external_run_id": f"run-{draw.randrange(40)}",
            "status": draw.choice(["running", "success", "failed", "canceled"]),
            "updated_at": f"2026-03-01T00:00:{draw.randrange(20):02}Z",
            "rows_processed": draw.randrange(3),
        }
        | draw.choice(
            [{"pipeline_id": identifier(2, 1)}, {"pipeline_id": identifier(2, 2)},
             {"pipeline": "Nightly"}, {"pipeline": "Weekly"}]
        )
        for _ in range(EVENTS)
    ]  # fmt: skip


def ingestor(target, tmp_path, number, stream):
    path = tmp_path / f"events{number}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in stream))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, target.name, path, tmp_path / "letters"],
        stdout=subprocess.PIPE,
        text=True,
    )


def comparable(target):
    """All that the order must not change; when something was registered is no part of it."""
    tables = {name: rows for name, rows in contents(target).items() if name != "clients"}
    return {
        "runs": sorted((*row[:11], *row[12:]) for row in tables["runs"]),
        "pipelines": sorted(row[:8] for row in tables["pipelines"]),
    }


def by_one(target, stream, tmp_path):
    source = [SourceEvent(event, str(number)) for number, event in enumerate(stream)]
    options = Options("test", tmp_path / "letters", client="New", register=True)
    with open_store(target) as store:
        counts = ingest(source, store, options)
    assert counts.refused == 0
    return comparable(target)


@pytest.mark.parametrize("processes", [2, 4])
def test_ingestors_at_once_end_in_the_same_table(processes, postgres_target, tmp_path, folder):
    load(folder, postgres_target)
    stream = events(processes)
    running = []
    for number in range(processes):
        own = stream.copy()
        random.Random(number).shuffle(own)
        running.append(ingestor(postgres_target, tmp_path, number, own))
    for process in running:
        assert "'refused': 0" in process.communicate(timeout=120)[0]
        assert process.returncode == 0
    found = comparable(postgres_target)
    execute(postgres_target, "delete from raw.runs where external_run_id like 'run-%'")
    load(folder, postgres_target, replace=True)
    assert by_one(postgres_target, stream, tmp_path) == found
