"""A load that is killed, at any moment, leaves the former rows and every constraint."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chm.load import load
from chm.load.postgres_loader import ROWS_PER_WRITE
from chm.targets import Target
from data_sets import RUNS, run, valid_data_set, write_data_set
from raw_tables import ENGINES, constraints, contents, make_target, query

# Arguments: folder, target, the call of the progress function to die at, seconds to wait before.
PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
from chm.load import load
from chm.targets import read_target

folder, target, moment, delay = sys.argv[1:]
calls = []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(step, done, total):
    if step.startswith("loading"):
        calls.append(step)
        if len(calls) == int(moment):
            threading.Timer(float(delay), die).start() if float(delay) else die()

load(Path(folder), read_target(target), replace=True, progress=progress)
"""

# Told twice of each table: before its first row and after its last. PostgreSQL is also told
# between two writes, of which the runs take two.
MOMENTS = [
    *(("dev", moment) for moment in (1, 4, 6, 8)),
    *(("prod", moment) for moment in (1, 4, 6, 9)),
]
LAST = {"dev": 8, "prod": 9}


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    files = valid_data_set()
    files[RUNS] = [run(number) for number in range(2, ROWS_PER_WRITE + 100)]
    return write_data_set(tmp_path / "other", files)


def load_killed(folder: Path, target: Target, moment: int, delay: float = 0) -> int:
    """Load in a process that kills itself; return its exit code."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, target.name, str(moment), str(delay)],
        check=False,
        timeout=60,
    ).returncode


@pytest.mark.parametrize(("engine", "moment"), MOMENTS)
def test_a_killed_load_changes_nothing(engine, moment, request, tmp_path, folder, other_folder):
    target = make_target(request, engine, tmp_path)
    load(folder, target)
    before = contents(target), constraints(target)
    assert load_killed(other_folder, target, moment) == -signal.SIGKILL
    assert (contents(target), constraints(target)) == before
    # The next load gets its turn.
    assert load(other_folder, target, replace=True).former["runs"] == len(before[0]["runs"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_first_load_that_is_killed_leaves_no_rows(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    assert load_killed(other_folder, target, LAST[engine]) == -signal.SIGKILL
    assert query(
        target,
        "select count(*) from information_schema.tables where table_schema = 'raw'",
    ) == [(0,)]
    assert load(folder, target).counts["runs"] == len(valid_data_set()[RUNS])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_killed_around_its_commit_is_whole_or_nothing(
    engine, request, tmp_path, folder, other_folder
):
    target = make_target(request, engine, tmp_path)
    load(other_folder, target)
    new = contents(target)
    load(folder, target, replace=True)
    old, constrained = contents(target), constraints(target)
    for delay in (0.002, 0.02):
        assert load_killed(other_folder, target, LAST[engine], delay) in (-signal.SIGKILL, 0)
        assert contents(target) in (old, new)
        assert constraints(target) == constrained
