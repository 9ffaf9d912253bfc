"""Generated data sets: how a test makes one, runs the command and looks at the files."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from chm.generate.configure import make_config, merged
from chm.generate.dataset import DataSet, plan_data_set
from chm.generate.writer import write_data_set
from chm.project import project_dir

FROZEN = project_dir() / "data" / "synthetic" / "v1"
COMMAND = [sys.executable, "-c", "from chm.cli import main; main()", "generate"]

Row = dict[str, str]


def plan(*layers: Mapping[str, Any], workers: int = 1) -> DataSet:
    """Plan the data set of these values, later ones over earlier ones."""
    return plan_data_set(make_config(merged(*layers)), workers=workers)


def generate(folder: Path, *layers: Mapping[str, Any], workers: int = 1, **options: Any) -> DataSet:
    """Write the data set of these values into a folder."""
    data = plan(*layers, workers=workers)
    write_data_set(data, folder, workers=workers, **options)
    return data


def command(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run `chm generate` in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        check=False,
        timeout=120,
    )


def paths(folder: Path) -> Iterator[Path]:
    """The files of a folder, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file by its path in the folder; empty if there is no folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths(folder)
    }


def rows(path: Path) -> list[Row]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def base(folder: Path, table: str) -> list[Row]:
    """The rows of a base table."""
    return rows(folder / "base" / f"{table}.csv")


def batches(folder: Path) -> list[Path]:
    """The files of runs, in order."""
    return list(paths(folder / "batches"))


def runs(folder: Path) -> list[Row]:
    """The rows of all CSV files of runs."""
    return [row for path in batches(folder) for row in rows(path)]


def truth(folder: Path, name: str = "planted_truth.json") -> dict[str, Any]:
    """What was planted."""
    found: dict[str, Any] = json.loads((folder / "context" / name).read_text("utf-8"))
    return found


def instant(text: str) -> datetime:
    """The instant that a field names."""
    return datetime.fromisoformat(text)
