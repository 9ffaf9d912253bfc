"""How fast is `chm validate`, as a whole process, and how much memory does it take?

python benchmarks/bench_validate.py                     # 10 million runs, made for it
python benchmarks/bench_validate.py --runs 1000000
python benchmarks/bench_validate.py --data some/data    # a data set that is there
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb

DEMO = Path(__file__).parents[1] / "data" / "synthetic" / "v1"
BATCH = "runs_20260221_batch01.csv"
INSTANTS = ("started_at", "finished_at", "ingested_at", "created_at", "updated_at")


def make_data_set(folder: Path, runs: int) -> None:
    """Write a valid data set: the demo's runs over and over, each time a day earlier.

    Args:
        folder: where to write it; it must not exist.
        runs: how many rows the one batch gets.
    """
    shutil.copytree(DEMO / "base", folder / "base")
    (folder / "batches").mkdir()
    instants = ", ".join(
        f"strftime(cast({name} as timestamp) - to_days(copy), '%Y-%m-%dT%H:%M:%SZ') as {name}"
        for name in INSTANTS
    )
    with (
        tempfile.TemporaryDirectory() as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute(
            "create table demo as from read_csv("
            f"'{DEMO / 'batches' / '*.csv'}', all_varchar = true, header = true)"
        )
        counted = connection.execute("select count(*) from demo").fetchone()
        assert counted is not None
        copies = -(-runs // counted[0])
        connection.execute(
            "copy (select * exclude (copy) replace (md5(id || copy)::uuid::varchar as id, "
            f"external_run_id || '-' || copy as external_run_id, {instants}) "
            f"from (select copies.range::integer as copy, demo.* from range({copies}) as copies, "
            f"demo limit {runs})) to '{folder / 'batches' / BATCH}' (header)"
        )


def measure(data: Path, repetitions: int) -> dict[str, Any]:
    """Validate the data set several times after a warm-up; report the fastest run.

    Returns:
        runs, bytes (of the batches), seconds (of the whole process, of each repetition),
        runs_per_second, megabytes_per_second and peak_memory_mebibytes (the greatest).

    Raises:
        RuntimeError: the data set is not valid.
    """
    seconds, memory, report = [], [], {}
    for _ in range(repetitions + 1):
        with tempfile.TemporaryFile() as output:
            started = perf_counter()
            command = [sys.executable, "-c", "from chm.cli import main; main()", "validate"]
            process = subprocess.Popen([*command, str(data), "--format", "json"], stdout=output)
            _, status, usage = os.wait4(process.pid, 0)
            seconds.append(perf_counter() - started)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"chm validate {data} ended with {process.returncode}")
            output.seek(0)
            report = json.load(output)
        memory.append(usage.ru_maxrss / 1024)
    best = min(seconds[1:])
    runs = sum(file["rows"] for file in report["files"] if file["table"] == "runs")
    size = sum(path.stat().st_size for path in (data / "batches").iterdir())
    return {
        "benchmark": "chm validate",
        "runs": runs,
        "bytes": size,
        "seconds": round(best, 2),
        "seconds_of_each": [round(value, 2) for value in seconds[1:]],
        "runs_per_second": round(runs / best),
        "megabytes_per_second": round(size / best / 1e6),
        "peak_memory_mebibytes": round(max(memory)),
    }


def bench_validate(
    runs: int = 10_000_000, repetitions: int = 3, data: Path | None = None
) -> dict[str, Any]:
    """Measure `chm validate` on `data`, or on a data set of so many runs made for it."""
    if data is not None:
        return measure(data, repetitions)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "data"
        make_data_set(made, runs)
        return measure(made, repetitions)


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10_000_000, help="runs to make (10 million)")
    parser.add_argument("--repetitions", type=int, default=3, help="timed runs (3)")
    parser.add_argument("--data", type=Path, help="measure this data set instead")
    options = parser.parse_args()
    found = bench_validate(options.runs, options.repetitions, options.data)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
