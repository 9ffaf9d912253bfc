"""Fixtures that any test may ask for."""

from collections.abc import Iterator

import pytest

from postgres_server import Server, fresh_database, postgres_server


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
