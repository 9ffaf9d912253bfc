"""How fast does `chm ingest jsonl` take events into a store of runs, in how much memory?

python benchmarks/bench_ingest.py                     # a million events, two million runs
python benchmarks/bench_ingest.py --runs 200000 --events 100000
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from processes import Measured, measure

_CHM = Path(sys.executable).with_name("chm")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))


def bench_ingest(runs: int = 2_000_000, events: int = 1_000_000, rounds: int = 3) -> dict[str, Any]:
    """Measure whole commands over events of which half are of new runs, half of stored ones.

    Each round takes the events into a store of `runs` runs made anew, and a fifth of the events
    into another: the memory must not grow with their number. The PostgreSQL server is the
    tests' own, which flushes nothing.

    Returns:
        cases by name (seconds, rows_per_second, peak_memory_mebibytes) and ratios: the peak
        memory of all events to that of a fifth.
    """
    from postgres_server import fresh_database, postgres_server

    found: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="chm-bench-") as name, postgres_server() as server:
        folder = Path(name)
        files = _make(folder, runs, events)
        for number in range(rounds):
            for case, file in files.items():
                path = folder / "bench.duckdb"
                os.environ["CHM_DUCKDB_PATH"] = str(path)
                taken = {f"duckdb, {case}": _take(folder, "dev", file)}
                path.unlink()
                with fresh_database(server) as database:
                    os.environ.update(server.environment(database))
                    taken[f"postgres, {case}"] = _take(folder, "prod", file)
                for which, one in taken.items():
                    sys.stderr.write(
                        f"round {number + 1} of {rounds}: {which} {one.seconds:.1f} s\n"
                    )
                    found.setdefault(which, []).append(one)
    counts = {"all events": events, "a fifth": events // 5}
    seconds = {which: median(one.seconds for one in taken) for which, taken in found.items()}
    memory = {which: max(one.peak_bytes for one in taken) for which, taken in found.items()}
    return {
        "benchmark": "chm ingest jsonl",
        "runs": runs,
        "cpus": len(os.sched_getaffinity(0)),
        "cases": {
            which: {
                "seconds": round(taken, 2),
                "rows_per_second": round(counts[which.partition(", ")[2]] / taken),
                "peak_memory_mebibytes": round(memory[which] / 2**20),
            }
            for which, taken in seconds.items()
        },
        "ratios": {
            f"{engine} memory, all events to a fifth": round(
                memory[f"{engine}, all events"] / memory[f"{engine}, a fifth"], 2
            )
            for engine in ("duckdb", "postgres")
        },
    }


def _take(folder: Path, target: str, file: Path) -> Measured:
    load = [_CHM, "load", folder / "store", "--target", target]
    subprocess.run(load, check=True, capture_output=True)
    letters = folder / "letters.jsonl"
    command = ["ingest", "jsonl", file, "--target", target, "--dead-letters", letters]
    return measure([str(_CHM), *map(str, command)], Path(os.devnull))


def _make(folder: Path, runs: int, events: int) -> dict[str, Path]:
    """A data set of `runs` runs, and files of events, mixed, in the contract's columns."""
    new = events // 2
    data, store = folder / "data", folder / "store"
    shard = ["--shard-rows", str(runs)]
    command = [_CHM, "generate", "--runs", str(runs + new), *shard, "--out", data]
    subprocess.run(command, check=True, capture_output=True)
    (store / "batches").mkdir(parents=True)
    shutil.copytree(data / "base", store / "base")
    stored, later = sorted((data / "batches").iterdir())
    stored.rename(store / "batches" / stored.name)
    columns = "all_varchar = true, nullstr = ''"
    with duckdb.connect() as connection:
        connection.execute(
            f"create table events as select * replace ("
            "strftime(cast(updated_at as timestamp) + interval 1 day, '%Y-%m-%dT%H:%M:%SZ') "
            "as updated_at) from (select * from "
            f"read_csv('{store}/batches/{stored.name}', {columns}) where status <> 'running') "
            f"using sample {events - new} rows (reservoir, 7)"
        )
        connection.execute(f"insert into events select * from read_csv('{later}', {columns})")
        files = {"all events": folder / "all.jsonl", "a fifth": folder / "fifth.jsonl"}
        for file, share in zip(files.values(), (1, 5), strict=True):
            connection.execute(
                "copy (select * replace (cast(duration_seconds as integer) as duration_seconds, "
                "cast(rows_processed as bigint) as rows_processed, cast(payload as json) as "
                f"payload) from events order by hash(id) limit {events // share}) "
                f"to '{file}' (format json)"
            )
    return files


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=2_000_000, help="stored runs (2 million)")
    parser.add_argument("--events", type=int, default=1_000_000, help="events (a million)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (3)")
    options = parser.parse_args()
    found = bench_ingest(options.runs, options.events, options.rounds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
