"""Run dbt in a process of its own and follow its events."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chm.errors import ChmError
from chm.project import project_dir

Progress = Callable[[int, int], None]
"""Told how many of dbt's nodes are done, and how many there are."""


@dataclass(frozen=True)
class DbtResult:
    """How many nodes dbt ran: models, seeds, snapshots and tests."""

    nodes: int


def dbt_build(target: str, as_of: str, progress: Progress) -> DbtResult:
    """Run `dbt build` against `target`, with the variable `as_of`.

    Raises:
        ChmError: dbt failed; holds its own messages.
    """
    done = 0
    errors = []
    dbt = str(Path(sys.executable).with_name("dbt"))
    options = ["--target", target, "--vars", json.dumps({"as_of": as_of})]
    with subprocess.Popen(
        [dbt, "--log-format", "json", "build", *options],
        cwd=project_dir(),
        env={**os.environ, "DBT_USE_COLORS": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for name, level, message, data in _events(process):
            if level == "error":
                errors.append(message)
            # LogModelResult, LogTestResult ...: a node has ended, of so many.
            if name.startswith("Log") and name.endswith("Result"):
                done += 1
                # Tests call it otherwise than the rest.
                progress(done, data.get("total") or data["num_models"])
    if process.returncode != 0:
        raise ChmError("dbt build failed:\n" + "\n".join(dict.fromkeys(filter(str.strip, errors))))
    return DbtResult(nodes=done)


def _events(process: subprocess.Popen[str]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            # Not an event: a crash before dbt's logger was up.
            yield "", "error", line.rstrip(), {}
            continue
        info = event["info"]
        yield info["name"], info["level"], info["msg"], event["data"]
