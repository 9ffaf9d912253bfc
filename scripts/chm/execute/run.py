"""Run a job and record it: spool first, then start, then send."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chm.execute.event import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    Job,
    JobEnd,
    end_event,
    start_event,
)
from chm.execute.pump import StderrPump
from chm.execute.signals import HeldSignals
from chm.execute.spool import SpooledEvent, put_event
from chm.ingest.redact import redact
from chm.targets import DuckDBTarget, read_target

# A job that is over by then has its start sent with its end.
_START_SENT_AFTER_SECONDS = 0.5
# How long sending may take: before the job, beside it, after it.
_BEFORE_SECONDS = 5
_BESIDE_SECONDS = 60
AFTER_SECONDS = 10


@dataclass(frozen=True)
class Records:
    """Where a job is recorded."""

    target: str
    register: bool
    spool: Path
    dead_letters: Path


def run_job(job: Job, records: Records) -> int:
    """Run a job to its end and record it; trouble with that is told on standard error.

    Returns:
        The exit code, or minus the number of the signal that killed the job.
    """
    signals = HeldSignals()
    recorder = _Recorder(records, signals)
    started_at = datetime.now(UTC)
    recorder.record(lambda: start_event(job, started_at))
    if _is_locked_by_writers(records.target):
        recorder.send(_BEFORE_SECONDS)
    started = time.monotonic()
    try:
        child = _start(job.command, signals)
    except OSError as error:
        end = _not_started(job.command[0], error, time.monotonic() - started)
    else:
        assert child.stderr
        pump = StderrPump(child.stderr, signals)
        code = signals.wait(child, _START_SENT_AFTER_SECONDS, recorder.send_beside)
        seconds = time.monotonic() - started
        pump.finish()
        end = JobEnd(code, seconds, pump.tail.text())
    recorder.record(lambda: end_event(job, started_at, end))
    recorder.send(AFTER_SECONDS, tells=True)
    return end.return_code


def end_like(return_code: int) -> None:
    """End this process as the job ended: by its exit code, or by the signal that killed it."""
    if return_code >= 0:
        sys.exit(return_code)
    number = -return_code
    sys.stdout.flush()
    # The job's core dump is enough.
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    # Not reached by any signal that kills.
    sys.exit(128 + number)


class _Recorder:
    """Spools events and has them sent; nothing that goes wrong here stops a job."""

    def __init__(self, records: Records, signals: HeldSignals) -> None:
        self._records = records
        self._signals = signals
        self._beside: subprocess.Popen[bytes] | None = None

    def record(self, event: Callable[[], dict[str, Any]]) -> None:
        """Spool an event, without its secrets."""
        try:
            spooled = SpooledEvent(self._records.target, self._records.register, redact(event()))
            put_event(self._records.spool, spooled)
        except Exception as error:
            tell(f"can't spool to {self._records.spool}, this is not recorded: {error}")

    def send(self, seconds: int, *, tells: bool = False) -> None:
        """Have the spool sent and wait for that; tell what went wrong if `tells`."""
        try:
            sender = self._sender(seconds, subprocess.PIPE)
            said, _ = sender.communicate(timeout=seconds + 1)
        except subprocess.TimeoutExpired:
            sender.kill()
            sender.communicate()
            said = b""
        except OSError as error:
            said, sender = str(error).encode(), None
        if not tells:
            return
        for line in said.decode("utf-8", "replace").splitlines():
            if line:
                tell(line)
        if sender and sender.returncode < 0:
            tell(
                f"the database took longer than {seconds} s: "
                f"the events are kept in {self._records.spool} for the next call"
            )
        elif sender and sender.returncode > 0:
            tell(f"the events could not be sent and are kept in {self._records.spool}")

    def send_beside(self) -> None:
        """Have the spool sent while the job runs."""
        try:
            self._beside = self._sender(_BESIDE_SECONDS, subprocess.DEVNULL)
        except OSError:
            # The end of the job sends again, and tells.
            return

    def _sender(self, seconds: int, stdout: int) -> "subprocess.Popen[bytes]":
        arguments = [str(self._records.spool), str(self._records.dead_letters), str(seconds)]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "chm.execute.send", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            # Not for the terminal's Ctrl-C.
            start_new_session=True,
            preexec_fn=self._signals.release,
        )


def tell(message: str) -> None:
    """Say something of chm's own on standard error."""
    try:
        os.write(2, f"chm exec: {message}\n".encode("utf-8", "replace"))
    except OSError:
        return


def _is_locked_by_writers(target: str) -> bool:
    """Whether the job itself may need the target while nobody else has it open.

    A DuckDB file is one process's: sent beside the job, its start might keep the job from it.
    """
    try:
        return isinstance(read_target(target), DuckDBTarget)
    except Exception:
        return False


def _start(command: list[str], signals: HeldSignals) -> "subprocess.Popen[bytes]":
    """Start a command as a shell would.

    Raises:
        OSError: it can't be started.
    """

    def start(arguments: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            arguments,
            bufsize=0,
            stderr=subprocess.PIPE,
            # What the shell has opened for the job is the job's.
            close_fds=False,
            preexec_fn=signals.release,
        )

    try:
        return start(command)
    except OSError as error:
        script = shutil.which(command[0])
        if error.errno != errno.ENOEXEC or script is None:
            raise
        # A script without #!, which every shell takes for its own.
        return start(["/bin/sh", script, *command[1:]])


def _not_started(name: str, error: OSError, seconds: float) -> JobEnd:
    is_missing = isinstance(error, FileNotFoundError)
    fault = f"{name}: {'command not found' if is_missing else error.strerror}"
    tell(fault)
    return JobEnd(NOT_FOUND if is_missing else NOT_EXECUTABLE, seconds, "", fault)
