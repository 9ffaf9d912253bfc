"""Ctrl-C at each step of a load: the former content stays, in one line and with exit code 130."""

import subprocess
import sys

import pytest

from chm.load import load
from data_sets import RUNS, run, valid_data_set, write_data_set
from faults import work_tables
from raw_tables import constraints, contents, make_target

# The command in a process that presses Ctrl-C a moment after the step has begun.
PROGRAM = """
import os, signal, sys, threading
import chm.load.source
from chm.cli import main

moment, *sys.argv = sys.argv[1:]
chm.load.source.SIFT_FROM_BYTES = 1
load_data_set, told = chm.load.load, []

def pressed(*arguments, progress, **options):
    def show(step, done, total):
        if step == moment and not told:
            told.append(step)
            delay = threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGINT])
            delay.start()
            if step in ("switching", "committing", "verifying"):
                delay.join()
        progress(step, done, total)
    return load_data_set(*arguments, progress=show, **options)

chm.load.load = pressed
main()
"""


@pytest.fixture
def large_folder(tmp_path):
    files = valid_data_set()
    files[RUNS] = [run(number) for number in range(1, 30_000)]
    return write_data_set(tmp_path / "large", files)


@pytest.mark.parametrize(
    ("engine", "mode", "moment"),
    [
        ("prod", "--replace", "checking pipelines"),
        ("prod", "--replace", "loading runs"),
        ("prod", "--replace", "keys and indexes of runs"),
        ("prod", "--replace", "switching"),
        ("prod", "--append", "adding to runs"),
        ("dev", "--replace", "loading runs"),
        ("dev", "--append", "loading runs"),
        ("dev", "--replace", "committing"),
    ],
)
def test_ctrl_c_leaves_the_old_and_nothing_beside_it(
    engine, mode, moment, request, tmp_path, folder, large_folder
):
    target = make_target(request, engine, tmp_path)
    load(folder, target)
    before = contents(target), constraints(target)
    command = ["chm", "load", large_folder, "--target", engine, mode]
    words = [*command, "--yes"] if mode == "--replace" else command
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, moment, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (130, "error: interrupted: nothing was loaded\n")
    assert (contents(target), constraints(target)) == before
    assert work_tables(target) == []
