"""What breaks a load or an ingestion: killed clients, a killed server, a disk that is full."""

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from chm.targets import DuckDBTarget, Target
from postgres_server import (
    GUARD,
    SERVER_SETTINGS,
    Server,
    binaries_and_user,
    free_port,
    initialise,
)
from raw_tables import TABLES, constraints, contents, execute, query

# Of each kind; a longer search for a bad moment sets another number.
KILLS = int(os.environ.get("CHM_TEST_KILLS", "2"))
# A server's segments of write-ahead log have this size, so that the limit on files can be low.
WAL_SEGMENT_BYTES = 1 << 20

# The command line, its modules imported, waiting for the word to begin. A batch of events is
# small, a large CSV file begins at one byte, so that little data goes the way of much.
PROGRAM = """
import sys

BATCH_EVENTS = 20

import chm.load.source
from chm.cli import main

chm.load.source.SIFT_FROM_BYTES = 1
if sys.argv[1] == "ingest":
    import chm.ingest.run, chm.ingest.store

    chm.ingest.run.BATCH_EVENTS = BATCH_EVENTS
print("ready", flush=True)
sys.stdin.readline()
sys.argv = ["chm", *sys.argv[1:]]
main()
"""


@contextmanager
def command(arguments: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """A `chm` that has just begun to work; killed at the end if it still does."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def disturbed(
    arguments: Sequence[str | Path], delay: float, disturb: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Run `chm`; after `delay` seconds it is killed, or disturbed; return exit code and stderr."""
    with command(arguments) as process:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            (disturb or process.kill)()
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors


def duration(arguments: Sequence[str | Path]) -> float:
    """Run `chm` undisturbed; return the seconds from the word to begin to its end."""
    with command(arguments) as process:
        started = time.monotonic()
        _, errors = process.communicate(timeout=120)
        assert process.returncode in (0, 3), errors
        return time.monotonic() - started


def moments(longest: float, kills: int = KILLS) -> Iterator[float]:
    """Random delays up to a bit more than `longest`, one from each of as many equal parts."""
    for number in range(kills):
        yield (number + random.random()) / kills * longest * 1.1


# What must be there afterwards, besides the rows.

DECORATIONS = (
    "create schema staging",
    "create view staging.seen as select * from raw.runs",
    "create view staging.run_count as select count(*) as n from staging.seen",
    "create index by_start on raw.runs (started_at)",
    "comment on table raw.runs is 'the runs'",
)
_POSTGRES_DECORATIONS = (
    "create materialized view staging.kept as select * from staging.seen",
    "grant select on raw.runs to public",
    "grant update (name) on raw.clients to public",
)
_GRANTS = """
    select relname, attname, coalesce(attacl::text, relacl::text) from pg_class
    inner join pg_attribute on attrelid = pg_class.oid
    where relnamespace = 'raw'::regnamespace and relname = any(string_to_array('{}', ' '))
        and attnum > 0
    """
_COMMENTS = {
    "dev": "select comment from duckdb_tables() where schema_name = 'raw' order by 1",
    "prod": "select obj_description('raw.runs'::regclass)",
}


def decorate(target: Target) -> None:
    """Give the raw tables views, an index, grants and a comment."""
    execute(target, *DECORATIONS)
    if not isinstance(target, DuckDBTarget):
        execute(target, *_POSTGRES_DECORATIONS)


def frame(target: Target) -> list[Any]:
    """All but the rows: constraints, indexes, grants, comments, and what the views count."""
    names = {name for table in TABLES for name in (table, f"raw.{table}")}
    rows = query(target, "select count(*) from raw.runs")
    assert query(target, "select n from staging.run_count") == rows
    found = [row for row in constraints(target) if row[0] in names]
    found += query(target, _COMMENTS[target.name])
    if not isinstance(target, DuckDBTarget):
        execute(target, "refresh materialized view staging.kept")
        assert query(target, "select count(*) from staging.kept") == rows
        found += sorted(query(target, _GRANTS.format(" ".join(TABLES))), key=str)
    return found


def work_tables(target: Target) -> list[str]:
    """What a load leaves in raw besides the four tables and the stand-ins for old views."""
    rows = query(
        target, "select table_name from information_schema.tables where table_schema='raw'"
    )
    return [name for (name,) in rows if name not in TABLES and "_was_" not in name]


def settled(target: Target) -> Mapping[str, list[tuple[str | None, ...]]]:
    """The rows, in the columns that say nothing of when they arrived."""
    found = contents(target)
    return {
        "clients": sorted(row[:3] for row in found["clients"]),
        "pipelines": sorted(row[:9] for row in found["pipelines"]),
        "runs": sorted((*row[:11], *row[12:]) for row in found["runs"]),
        "alert_rules": found["alert_rules"],
    }


# A server of its own.


class CrashingServer:
    """A PostgreSQL server that can lose its power, or its disk space."""

    def __init__(self, folder: Path) -> None:
        self.server = Server("127.0.0.1", free_port(), "postgres", secrets.token_urlsafe(12))
        self._folder = folder
        (folder / "password").write_text(self.server.password, "utf-8")
        self._binaries, self._user = binaries_and_user(folder)
        initialise(self._binaries, self._user, folder, f"--wal-segsize={WAL_SEGMENT_BYTES >> 20}")
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self, file_blocks: str = "unlimited") -> None:
        """Start it, and wait until it has recovered; no file may grow beyond so many 512 bytes.

        One that runs is left alone.
        """
        if self._guard is not None:
            return
        settings = {**SERVER_SETTINGS, "port": str(self.server.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._guard = subprocess.Popen(
                [
                    "sh",
                    "-c",
                    f"ulimit -f {file_blocks}; {GUARD}",
                    "sh",
                    self._binaries / "postgres",
                    "-D",
                    self._data,
                    *options,
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=self._user,
                # The guard removes this one, not the data.
                env={**os.environ, "FOLDER": str(self._folder / "nothing")},
                start_new_session=True,
            )
        self.wait()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.server.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def _processes(self) -> list[int]:
        """The postmaster and then its children."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        )
        pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
        return [postmaster, *(pid for pid, parent in pairs if parent == postmaster)]

    def cut_power(self) -> None:
        """Kill every process of it at once."""
        processes = self._processes()
        # Stopped first: it must not start new ones.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in processes if number == signal.SIGKILL else processes[:1]:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        self.stop()

    def kill_a_backend(self) -> None:
        """Kill a process that serves chm, if there is one: the server stops them all, recovers."""
        with self.server.connect() as connection:
            found = connection.execute(
                "select pid from pg_stat_activity where application_name like 'chm %'"
            ).fetchall()
        for (pid,) in random.sample(found, min(1, len(found))):
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, or only wait where it is dead."""
        if self._guard is not None:
            self._guard.communicate(timeout=60)
            self._guard = None


@contextmanager
def crashing_server() -> Iterator[CrashingServer]:
    folder = Path(tempfile.mkdtemp(prefix="chm-crashing-"))
    try:
        found = CrashingServer(folder)
        try:
            found.start()
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
