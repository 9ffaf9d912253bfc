"""How fast is `chm generate`, as a whole process, against `tpchgen-cli` in the same call?

python benchmarks/bench_generate.py                     # 10 million runs, lineitem at scale 5
python benchmarks/bench_generate.py --runs 1000000 --scale 0.5
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from processes import Measured, measure

BIN = Path(sys.executable).parent
NULL = Path("/dev/null")
YARDSTICK_ROWS_AT_SCALE_1 = 6_001_215


@dataclass(frozen=True)
class Case:
    """A process to measure; `size` tells the bytes that it wrote, once it has run."""

    name: str
    command: list[str]
    output: Path
    rows: int
    size: Callable[[], int]


def cases(folder: Path, runs: int, scale: str) -> list[Case]:
    """Return the processes to compare; they write into `folder`."""
    data, lineitem = folder / "data", folder / "tpch"

    def chm(name: str, workers: int, *options: str, output: Path = NULL) -> Case:
        command = [str(BIN / "chm"), "generate", "--runs", str(runs), "--workers", str(workers)]
        return Case(
            name, [*command, *options], output, runs, lambda: csv_bytes(folder, "data/batches")
        )

    def tpchgen(name: str, *options: str) -> Case:
        command = [str(BIN / "tpchgen-cli"), "csv", "-s", scale, "-T", "lineitem"]
        rows = round(YARDSTICK_ROWS_AT_SCALE_1 * float(scale))
        threads = ["--num-threads", "2"]
        return Case(
            name,
            [*command, *threads, *options],
            NULL,
            rows,
            lambda: csv_bytes(folder, "tpch"),
        )

    to_file = ["--out", str(data), "--force"]
    return [
        tpchgen("tpchgen-cli, to a file", "--output-dir", str(lineitem)),
        chm("csv, to a file", 2, *to_file),
        chm("csv, to a file, 1 worker", 1, *to_file),
        tpchgen("tpchgen-cli, to /dev/null", "--stdout"),
        chm("csv, to /dev/null", 2, "--out", "-"),
        chm("csv, to /dev/null, 1 worker", 1, "--out", "-"),
        chm("parquet", 2, *to_file, "--format", "parquet"),
    ]


def csv_bytes(folder: Path, output: str) -> int:
    """Return the size of the CSV files in an output, remembered from when there last were some."""
    told = folder / f"{Path(output).parts[0]}_bytes"
    files = list((folder / output).glob("*.csv"))
    if files:
        told.write_text(str(sum(file.stat().st_size for file in files)))
    return int(told.read_text())


def bench_generate(runs: int = 10_000_000, scale: str = "5", rounds: int = 3) -> dict[str, Any]:
    """Measure every case so many times, in turns, after a warm-up; the median counts.

    Returns:
        cases by name (seconds, megabytes_per_second, rows_per_second, peak_memory_mebibytes)
        and ratios: how many times as fast as the yardstick, 2 workers as 1, Parquet as CSV.
    """
    found: dict[str, list[Measured]] = {}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="chm-bench-") as name:
        folder = Path(name)
        compared = cases(folder, runs, scale)
        for number in range(rounds + 1):
            for case in compared:
                # Each writes its files anew: tpchgen-cli leaves out what is there, and a data
                # set is replaced only once the new one is complete.
                for output in ("tpch", "data"):
                    shutil.rmtree(folder / output, ignore_errors=True)
                measured = measure(case.command, case.output)
                sizes[case.name] = case.size()
                if number:
                    found.setdefault(case.name, []).append(measured)
                progress(f"round {number} of {rounds}: {case.name} {measured.seconds:.1f} s")
        rows = {case.name: case.rows for case in compared}
    return {
        "benchmark": "chm generate",
        "runs": runs,
        "cpus": len(os.sched_getaffinity(0)),
        "cases": {
            name: summary(measured, rows[name], sizes[name]) for name, measured in found.items()
        },
        "ratios": ratios(found, rows, sizes),
    }


def progress(text: str) -> None:
    """Tell how far the benchmark is."""
    sys.stderr.write(f"{text}\n")


def summary(measured: list[Measured], rows: int, size: int) -> dict[str, float]:
    """Return a case's figures."""
    seconds = median(item.seconds for item in measured)
    return {
        "seconds": round(seconds, 2),
        "megabytes_per_second": round(size / seconds / 1e6, 1),
        "rows_per_second": round(rows / seconds),
        "peak_memory_mebibytes": round(max(item.peak_bytes for item in measured) / 2**20),
    }


def ratios(
    found: dict[str, list[Measured]], rows: dict[str, int], sizes: dict[str, int]
) -> dict[str, float]:
    """Return the ratios that the project promises."""

    def pace(name: str, amounts: dict[str, int]) -> float:
        return amounts[name] / median(item.seconds for item in found[name])

    told = {}
    for place in ("a file", "/dev/null"):
        csv = f"csv, to {place}"
        yardstick = pace(f"tpchgen-cli, to {place}", sizes)
        told[f"MB/s of CSV to {place}, to tpchgen-cli's"] = pace(csv, sizes) / yardstick
        told[f"2 workers to 1, to {place}"] = pace(csv, rows) / pace(f"{csv}, 1 worker", rows)
    told["rows/s of Parquet, to CSV's"] = pace("parquet", rows) / pace("csv, to a file", rows)
    return {name: round(ratio, 2) for name, ratio in told.items()}


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10_000_000, help="runs (10 million)")
    parser.add_argument("--scale", default="5", help="tpchgen-cli's scale factor (5)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds (3)")
    options = parser.parse_args()
    found = bench_generate(options.runs, options.scale, options.rounds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
