"""Fixtures that any test may ask for."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chm.targets import DuckDBTarget, PostgresTarget, Target
from data_sets import CLIENTS, RUNS, run, valid_data_set, write_data_set
from postgres_server import Server, fresh_database, postgres_server
from raw_tables import ENGINES, make_target

# Whoever starts the tests in the background may ignore Ctrl-C, and every process that they
# start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL server of this test session, with a role that may do anything."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: Server) -> Iterator[dict[str, str]]:
    """A fresh, empty database: the CHM_PG_* variables that make it the target prod."""
    with fresh_database(postgres) as name:
        yield postgres.environment(name)


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """An empty target of either engine."""
    return make_target(request, request.param, tmp_path)


@pytest.fixture
def duckdb_target(request: pytest.FixtureRequest, tmp_path: Path) -> DuckDBTarget:
    """An empty target dev."""
    found = make_target(request, "dev", tmp_path)
    assert isinstance(found, DuckDBTarget)
    return found


@pytest.fixture
def postgres_target(request: pytest.FixtureRequest, tmp_path: Path) -> PostgresTarget:
    """An empty target prod."""
    found = make_target(request, "prod", tmp_path)
    assert isinstance(found, PostgresTarget)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small valid data set."""
    return write_data_set(tmp_path / "data", valid_data_set())


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    """The folder of another data set, with the same ids and other rows."""
    files = valid_data_set()
    files[CLIENTS][0]["name"] = "Renamed"
    files[RUNS] = [run(1, rows_processed="70000"), run(20)]
    return write_data_set(tmp_path / "other", files)
