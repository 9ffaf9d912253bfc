"""The tests' own PostgreSQL, as a command: it passes the exit code and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from postgres_server import URL_VARIABLE

SCRIPT = Path(__file__).with_name("postgres_server.py")
SHOW = (
    "import json, os, sys; "
    "print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('CHM_PG')})); "
    "sys.stdout.flush(); sys.stdin.read(); sys.exit(7)"
)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a server of its own, whose folder lies in `folder`, and a command that waits."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop(URL_VARIABLE, None)
    return subprocess.Popen(
        [sys.executable, SCRIPT, "--", sys.executable, "-c", SHOW],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def can_connect(settings: dict[str, str]) -> bool:
    try:
        with psycopg.connect(
            host=settings["CHM_PG_HOST"],
            port=settings["CHM_PG_PORT"],
            dbname=settings["CHM_PG_DATABASE"],
            user=settings["CHM_PG_USER"],
            password=settings["CHM_PG_PASSWORD"],
        ) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("end", ["close", signal.SIGTERM, signal.SIGKILL])
def test_the_server_goes_with_its_command(end):
    # A folder that the server's user can reach, as pytest's own is not.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        with start(folder) as process:
            settings = json.loads(process.stdout.readline())
            assert can_connect(settings)
            if end == "close":
                process.stdin.close()
            else:
                process.send_signal(end)
            code = process.wait(30)
        assert code == {"close": 7, signal.SIGTERM: 143, signal.SIGKILL: -9}[end]
        deadline = monotonic() + 30
        while any(folder.iterdir()) and monotonic() < deadline:
            sleep(0.1)
        assert list(folder.iterdir()) == []
        assert not can_connect(settings)
