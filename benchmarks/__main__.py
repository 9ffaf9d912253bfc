"""Every benchmark, as one table and as JSON: python benchmarks [--quick] [--json FILE]."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from bench_generate import bench_generate
from bench_ingest import bench_ingest
from bench_load import bench_load
from bench_validate import bench_validate
from rich.console import Console
from rich.table import Table

DEFAULT_JSON = Path(__file__).resolve().parents[1] / "target" / "benchmarks.json"


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gibibytes": round(memory / 2**30, 1),
        "python": platform.python_version(),
    }


def table(found: dict[str, Any]) -> Table:
    """Return the figures as a table."""
    shown = Table("benchmark", box=None)
    for heading in ("seconds", "MB/s", "rows/s", "peak MiB"):
        shown.add_column(heading, justify="right")
    named = found["generate"]["cases"] | {"chm validate, csv": found["validate"]}
    for name, case in named.items():
        rows = case.get("rows_per_second", case.get("runs_per_second"))
        shown.add_row(
            name,
            f"{case['seconds']:.1f}",
            f"{case['megabytes_per_second']:,.0f}",
            f"{rows:,}",
            f"{case['peak_memory_mebibytes']:,}",
        )
    for name, case in found["load"]["cases"].items():
        shown.add_row(name, f"{case['seconds']:.1f}", "", f"{case['rows_per_second']:,}", "")
    for name, case in found["ingest"]["cases"].items():
        peak, taken = case["peak_memory_mebibytes"], case["seconds"]
        shown.add_row(
            f"chm ingest, {name}", f"{taken:.1f}", "", f"{case['rows_per_second']:,}", f"{peak:,}"
        )
    shown.add_section()
    ratios = [
        ratio for part in ("generate", "load", "ingest") for ratio in found[part]["ratios"].items()
    ]
    for name, ratio in ratios:
        shown.add_row(name, f"{ratio:.2f} x")
    return shown


def main() -> None:
    """Run the benchmarks, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, one round")
    parser.add_argument("--json", type=Path, default=DEFAULT_JSON, help="where to write the JSON")
    options = parser.parse_args()
    runs, scale, rounds = (1_000_000, "0.5", 1) if options.quick else (10_000_000, "5", 3)
    found = {
        "machine": machine(),
        "generate": bench_generate(runs, scale, rounds),
        "validate": bench_validate(runs, rounds),
        # A fifth of the size: what it measures is a ratio.
        "load": bench_load(runs // 5, rounds),
        "ingest": bench_ingest(runs // 5, runs // 10, rounds),
    }
    console = Console()
    told = found["machine"]
    console.print(
        f"{told['cpus']} CPUs of {told['cpu']}, {told['memory_gibibytes']} GiB, "
        f"Python {told['python']}; {runs:,} runs, medians",
        highlight=False,
    )
    console.print(table(found))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    console.print(f"figures in {options.json}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
