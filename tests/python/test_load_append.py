"""`chm load --append`: new rows come in, runs are merged, the inventory is not rewritten."""

import pytest

from chm.errors import ChmError
from chm.load import load
from data_sets import CLIENTS, RUNS, client, run, valid_data_set, write_data_set
from raw_tables import constraints, contents, query


@pytest.fixture
def further(tmp_path):
    files = valid_data_set()
    files[CLIENTS].append(client(9))
    files[RUNS] = [
        run(1, id=run(99)["id"], rows_processed="70000", updated_at="2026-01-06T00:00:00Z"),
        run(2, updated_at="2026-01-01T00:00:00Z"),
        run(3, updated_at="2026-01-01T00:00:00Z"),
        run(50),
    ]
    return write_data_set(tmp_path / "further", files)


def test_new_rows_are_added_and_runs_merged(target, folder, further):
    load(folder, target)
    constrained = constraints(target)
    result = load(further, target, append=True)
    assert {table.table: table.rows for table in result.tables} == {
        "clients": 1,
        "pipelines": 0,
        "runs": 1,
        "alert_rules": 0,
    }
    assert result.counts == {"clients": 4, "pipelines": 4, "runs": 7, "alert_rules": 5}
    rows = query(
        target,
        "select cast(id as varchar), cast(status as varchar), rows_processed from raw.runs "
        "where external_run_id in ('run-1', 'run-2', 'run-3') order by external_run_id",
    )
    # The first event's id; an older event changes nothing; a terminal status beats running.
    assert rows == [
        (run(1)["id"], "success", 70000),
        (run(2)["id"], "failed", 60000),
        (run(3)["id"], "success", 60000),
    ]
    assert constraints(target) == constrained
    again = contents(target)
    load(further, target, append=True)
    assert contents(target) == again


def test_append_to_empty_tables_is_a_first_load(target, folder):
    assert load(folder, target, append=True).counts["runs"] == 6


def test_a_changed_client_stops_the_load(target, folder, other_folder):
    load(folder, target)
    before = contents(target), constraints(target)
    with pytest.raises(ChmError, match="is there with another name: nothing was loaded"):
        load(other_folder, target, append=True)
    assert (contents(target), constraints(target)) == before


def test_a_run_with_the_id_of_another_stops_the_load(target, folder, tmp_path):
    load(folder, target)
    before = contents(target), constraints(target)
    files = valid_data_set()
    files[RUNS] = [run(60, id=run(1)["id"])]
    with pytest.raises(ChmError, match="nothing was loaded"):
        load(write_data_set(tmp_path / "clash", files), target, append=True)
    assert (contents(target), constraints(target)) == before


def test_append_and_replace_exclude_each_other(target, folder):
    with pytest.raises(ChmError, match="exclude each other"):
        load(folder, target, append=True, replace=True)
