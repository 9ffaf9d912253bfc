"""A load whose client or server is killed, at any moment, leaves the former rows or the new ones.

CHM_TEST_KILLS says how many there are of each kind: of clients and servers, of loads that replace
and that append, and in test_ingest_killed.py of ingestions.
"""

import random
from pathlib import Path

import pytest

from chm.errors import ChmError
from chm.load import load
from chm.targets import Target, read_target
from data_sets import RUNS, identifier, run, valid_data_set, write_data_set
from faults import (
    crashing_server,
    decorate,
    disturbed,
    duration,
    frame,
    moments,
    work_tables,
)
from postgres_server import fresh_database
from raw_tables import ENGINES, constraints, contents, make_target, query

MODES = {"replace": ["--replace", "--yes"], "append": ["--append"]}


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    """A data set of four batches, large enough to be caught at work."""
    files = valid_data_set()
    del files[RUNS]
    for batch in range(4):
        rows = range(batch * 2_500 + 1_000, (batch + 1) * 2_500 + 1_000)
        files[f"runs_20260105_batch{batch:02}.csv"] = [run(number) for number in rows]
    # One that is there, for the merge.
    files["runs_20260105_batch00.csv"].append(run(1, updated_at="2026-02-01T00:00:00Z"))
    return write_data_set(tmp_path / "other", files)


def words(folder: Path, target: Target, mode: str) -> list[str | Path]:
    return ["load", folder, "--target", target.name, *MODES[mode]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_client_leaves_all_of_the_old_or_all_of_the_new(
    mode, engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    load(folder, target)
    longest = duration(words(other_folder, target, mode))
    new = contents(target)
    load(folder, target, replace=True)
    decorate(target)
    old, framed = contents(target), frame(target)
    for delay in moments(longest):
        code, errors = disturbed(words(other_folder, target, mode), delay)
        assert code in (-9, 0), errors
        found = contents(target)
        assert found in ((new,) if code == 0 else (old, new))
        assert frame(target) == framed
        # The next load gets its turn, and removes what is left of the killed one.
        load(folder, target, replace=True)
        assert (contents(target), frame(target), work_tables(target)) == (old, framed, [])


def test_a_killed_server_has_the_old_rows_or_the_new_when_it_is_back(
    folder, other_folder, monkeypatch
):
    with crashing_server() as cluster, fresh_database(cluster.server) as database:
        for name, value in cluster.server.environment(database).items():
            monkeypatch.setenv(name, value)
        target = read_target("prod")
        load(folder, target)
        longest, new = {}, {}
        for mode in MODES:
            longest[mode] = duration(words(other_folder, target, mode))
            new[mode] = contents(target)
            load(folder, target, replace=True)
        decorate(target)
        old, framed = contents(target), frame(target)
        for number, delay in enumerate(moments(1)):
            mode = random.choice([*MODES])
            kill = (cluster.cut_power, cluster.kill_a_backend)[number % 2]
            code, errors = disturbed(words(other_folder, target, mode), delay * longest[mode], kill)
            if kill == cluster.cut_power:
                cluster.start()
            cluster.wait()
            assert (code, errors.count("\n")) in ((0, 0), (1, 1)), errors
            assert errors.startswith("error: ") or not errors
            assert contents(target) in ((new[mode],) if code == 0 else (old, new[mode]))
            assert frame(target) == framed
            load(folder, target, replace=True)
            assert (contents(target), frame(target), work_tables(target)) == (old, framed, [])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_first_load_that_is_killed_leaves_no_rows(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    disturbed(words(other_folder, target, "replace"), 0.2)
    present = "table_schema = 'raw' and table_name in ('clients', 'runs')"
    names = f"select count(*) from information_schema.tables where {present}"
    count = query(target, names)[0][0]
    assert count in (0, 2)
    if not count:
        assert load(folder, target).counts["runs"] == len(valid_data_set()[RUNS])
        assert work_tables(target) == []


@pytest.mark.parametrize(
    "row",
    [
        "not,a,run",
        ",".join(run(50_000, pipeline_id=identifier(2, 999), payload="").values()),
    ],
    ids=["bad row", "orphan"],
)
def test_a_bad_row_in_the_last_shard_changes_nothing(row, target, folder, other_folder):
    load(folder, target)
    before = contents(target), constraints(target)
    last = other_folder / "batches" / "runs_20260105_batch03.csv"
    last.write_text(last.read_text() + row + "\n")
    for mode in MODES:
        code, errors = disturbed(words(other_folder, target, mode), 60)
        assert code == 1
        assert "nothing was loaded" in errors
        assert errors.count("\n") == 1
        assert (contents(target), constraints(target)) == before


def test_a_shard_that_changes_after_its_validation_stops_the_load(
    target, folder, other_folder, monkeypatch
):
    monkeypatch.setattr("chm.load.source.SIFT_FROM_BYTES", 1)
    load(folder, target)
    before = contents(target), constraints(target)
    last = other_folder / "batches" / "runs_20260105_batch03.csv"

    def change(step: str, done: int, _total: int) -> None:
        if step == "loading runs" and not done:
            last.write_text(last.read_text().replace(",60000,", ",60001,"))

    with pytest.raises(ChmError, match="changed while it was loaded: nothing was loaded"):
        load(other_folder, target, replace=True, progress=change)
    assert (contents(target), constraints(target)) == before
