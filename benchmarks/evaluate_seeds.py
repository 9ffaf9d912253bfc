"""Score the marts over many seeds: python benchmarks/evaluate_seeds.py [--seeds 20].

For each seed a data set is generated, loaded into a DuckDB file of its own, built and scored, all
with the project's commands. Prints a Markdown table with the mean, the standard deviation (of the
sample) and the range of each score. A score that a seed does not have (nothing planted, nothing
found) is left out: the column n tells over how many seeds it is. About half a minute a seed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.progress import track

PROJECT = Path(__file__).resolve().parents[1]
CHM = Path(sys.executable).with_name("chm")
WINDOW_SCORES = ("precision", "recall", "detectable_recall", "mean_iou")
RANKING_SCORES = ("precision_at_k", "ndcg_at_k", "ndcg")
FAULT_SCORES = ("precision", "recall")


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="so many seeds (default 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--preset", default="small", help="of chm generate (default small)")
    parser.add_argument("--json", type=Path, help="also write every seed's scores there")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    progress = Console(stderr=True)
    found = {
        seed: scores_of(seed, arguments.preset)
        for seed in track(seeds, "seeds", console=progress, transient=True)
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    sys.stdout.write(markdown([dict(flat(scores)) for scores in found.values()]))


def scores_of(seed: int, preset: str) -> dict[str, Any]:
    """Return what `chm evaluate --format json` says of a seed's data set."""
    with tempfile.TemporaryDirectory(prefix=f"chm-seed-{seed}-") as name:
        folder = Path(name)
        environment = os.environ | {
            "CHM_DUCKDB_PATH": str(folder / "warehouse.duckdb"),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        }
        data = str(folder / "data")
        chm(environment, "generate", "--preset", preset, "--seed", str(seed), "--out", data)
        chm(environment, "demo", data)
        scores: dict[str, Any] = json.loads(chm(environment, "evaluate", data, "--format", "json"))
        return scores


def chm(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of the project and return what it printed; end with its message."""
    result = subprocess.run(
        [CHM, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"chm {' '.join(arguments)}:\n{result.stdout}{result.stderr}")
    return result.stdout


def flat(scores: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Yield each score with its name, in the order of the table."""
    for row in scores["windows"]:
        for name in WINDOW_SCORES:
            yield f"{row['scope']} windows: {name}", row[name]
    for row in scores["flaky"]["rankings"]:
        for name in RANKING_SCORES:
            yield f"flaky, {row['ranking']}: {name}", row[name]
    for row in scores["faults"]:
        for name in FAULT_SCORES:
            yield f"{row['role']}, {row['sign']}: {name}", row[name]
        delay = row["delay_hours"]
        yield f"{row['role']}, {row['sign']}: median delay, h", delay and delay["median"]


def markdown(seeds: list[dict[str, float | None]]) -> str:
    """Return the table of the scores over all seeds."""
    lines = ["| score | mean | st. dev. | range | n |", "|---|---|---|---|---|"]
    for name in seeds[0]:
        values = [value for scores in seeds if (value := scores[name]) is not None]
        if values:
            spread = f"{stdev(values):.3f}" if len(values) > 1 else "-"
            lines.append(
                f"| {name} | {fmean(values):.3f} | {spread} "
                f"| {min(values):.3f} to {max(values):.3f} | {len(values)} |"
            )
        else:
            lines.append(f"| {name} | - | - | - | 0 |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
