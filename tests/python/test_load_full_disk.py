"""A disk that fills up: the former content stays, one message tells it, the exit code is 1.

The disk is a limit on the size of files, which needs no right to mount one.
"""

import json
import secrets
import subprocess
import sys

import pytest

from chm.load import load
from chm.targets import read_target
from data_sets import RUNS, identifier, run, valid_data_set, write_data_set
from faults import PROGRAM, WAL_SEGMENT_BYTES, crashing_server, work_tables
from postgres_server import fresh_database
from raw_tables import constraints, contents

ROWS = 12_000


def noise():
    """A text that can't be pressed into much less."""
    return secrets.token_hex(150)


@pytest.fixture
def large_folder(tmp_path):
    files = valid_data_set()
    files[RUNS] = [
        run(number, payload=json.dumps({"note": noise()})) for number in range(1_000, 1_000 + ROWS)
    ]
    return write_data_set(tmp_path / "large", files)


@pytest.fixture
def large_events(tmp_path):
    path = tmp_path / "events.jsonl"
    event = {"pipeline_id": identifier(2, 1), "status": "ok", "updated_at": "2026-03-01T00:00:00Z"}
    with path.open("w") as file:
        for number in range(ROWS):
            fields = event | {"external_run_id": f"e{number}", "noise": noise()}
            file.write(json.dumps(fields) + "\n")
    return path


def commands(target, large_folder, large_events):
    """What meets the full disk: a load that replaces, one that appends, an ingestion."""
    letters = large_events.with_name("letters.jsonl")
    load_words = ["load", large_folder, "--target", target]
    yield [*load_words, "--replace", "--yes"]
    yield [*load_words, "--append"]
    yield ["ingest", "jsonl", large_events, "--target", target, "--dead-letters", letters]


def full(arguments, limit=None):
    """Run `chm`, its own files limited to so many bytes; return exit code and stderr."""
    limits = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        if limit
        else ""
    )
    # In one batch: what was committed before the disk was full would stay.
    program = limits + PROGRAM.replace("BATCH_EVENTS = 20", "BATCH_EVENTS = 50_000")
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input="\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_duckdb_on_a_full_disk(duckdb_target, folder, large_folder, large_events):
    load(folder, duckdb_target)
    before = contents(duckdb_target), constraints(duckdb_target)
    size = duckdb_target.path.stat().st_size
    for words in commands("dev", large_folder, large_events):
        code, errors = full(words, size + 100_000)
        assert (code, errors.count("\n")) == (1, 1), errors
        assert errors.startswith("error: ")
        assert "bug" not in errors
        assert (contents(duckdb_target), constraints(duckdb_target)) == before
    assert load(large_folder, duckdb_target, replace=True).counts["runs"] == ROWS


def test_postgres_on_a_full_disk(folder, large_folder, large_events, monkeypatch):
    with crashing_server() as cluster, fresh_database(cluster.server) as database:
        for name, value in cluster.server.environment(database).items():
            monkeypatch.setenv(name, value)
        target = read_target("prod")
        load(folder, target)
        before = contents(target), constraints(target)
        # The log goes on, a table can't grow beyond its segments' size.
        cluster.stop()
        cluster.start(str(2 * WAL_SEGMENT_BYTES // 512))
        for words in commands("prod", large_folder, large_events):
            code, errors = full(words)
            assert (code, errors.count("\n")) == (1, 1), errors
            assert "could not extend file" in errors or "could not write" in errors
            assert (contents(target), constraints(target)) == before
            assert work_tables(target) == []
        cluster.stop()
        cluster.start()
        assert load(large_folder, target, replace=True).counts["runs"] == ROWS
