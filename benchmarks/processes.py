"""Run a whole process and measure it: wall time, CPU time, peak memory."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Measured:
    """What a process took: wall and CPU seconds, and its peak memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(command: Sequence[str], output: Path) -> Measured:
    """Run a command with its standard output going to a file or device.

    Raises:
        RuntimeError: it fails; the message ends with what it wrote to standard error.
    """
    with output.open("wb") as out:
        started = perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {told.decode(errors='replace')[-500:]}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu_seconds, usage.ru_maxrss * 1024)
