"""The events of a job: its start and its end."""

import os
import signal
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chm.ingest.naming import pipeline_fields

# What nobody can start has no exit code of its own: these are the shells'.
NOT_FOUND = 127
NOT_EXECUTABLE = 126

_PLATFORM = "cron"


@dataclass(frozen=True)
class Job:
    """What is run, and as which run of which pipeline (a name, external id or id)."""

    pipeline: str
    client: str | None
    run_id: str
    command: list[str]


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    `return_code` is the exit code, or minus the number of the signal that killed it;
    `seconds` is how long it took, by a clock that nobody sets; `stderr` the end of what it
    said; `fault`, where set, why it could not be started.
    """

    return_code: int
    seconds: float
    stderr: str
    fault: str | None = None

    @property
    def reason(self) -> str:
        """Why it failed, in few words."""
        if self.fault:
            return f"exit code {self.return_code}: {self.fault}"
        if self.return_code < 0:
            return f"killed by signal {-self.return_code} ({signal_name(-self.return_code)})"
        return f"exit code {self.return_code}"


def start_event(job: Job, started_at: datetime) -> dict[str, Any]:
    """Return the event of a job that starts."""
    return _identity(job) | {
        "status": "running",
        "started_at": started_at.isoformat(),
        "updated_at": started_at.isoformat(),
        "command": job.command,
        "host": socket.gethostname(),
        "working_directory": _working_directory(),
    }


def end_event(job: Job, started_at: datetime, end: JobEnd) -> dict[str, Any]:
    """Return the event of a job that has ended.

    Its end is its start and what it took: the clock may have been set in between.
    """
    finished_at = started_at + timedelta(seconds=end.seconds)
    event = start_event(job, started_at) | {
        "status": "success" if end.return_code == 0 else "failed",
        "finished_at": finished_at.isoformat(),
        "updated_at": finished_at.isoformat(),
        "duration_seconds": int(end.seconds),
        "exit_code": end.return_code if end.return_code >= 0 else None,
        "signal": signal_name(-end.return_code) if end.return_code < 0 else None,
    }
    if end.return_code == 0:
        return event | {"stderr": end.stderr}
    return event | {
        "status_reason": end.reason,
        "error_message": end.stderr or end.fault or "nothing on standard error",
    }


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGTERM."""
    try:
        return signal.Signals(number).name
    except ValueError:
        # Real-time signals have none.
        return f"SIG{number}"


def _identity(job: Job) -> dict[str, Any]:
    client = {"client": job.client} if job.client else {}
    return {"external_run_id": job.run_id} | client | pipeline_fields(job.pipeline, _PLATFORM)


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return None
