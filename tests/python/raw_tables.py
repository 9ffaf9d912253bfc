"""The raw tables of either engine, as a test needs them: a target, what it holds, how to query."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from chm.contract import load_contract
from chm.targets import DuckDBTarget, Target, read_target

ENGINES = ("dev", "prod")
TABLES = tuple(load_contract().tables)

_CONSTRAINTS = {
    "dev": """
        select table_name, constraint_text from duckdb_constraints() where schema_name = 'raw'
        union all
        select table_name, sql from duckdb_indexes() where schema_name = 'raw'
        """,
    "prod": """
        select conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
        from pg_constraint where connamespace = 'raw'::regnamespace and convalidated
        union all
        select tablename, indexdef from pg_indexes where schemaname = 'raw'
        union all
        select type.typname, label.enumlabel
        from pg_enum as label inner join pg_type as type on type.oid = label.enumtypid
        """,
}


def make_target(request: pytest.FixtureRequest, engine: str, folder: Path) -> Target:
    """Return an empty target; its variables are set until the end of the test."""
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    if engine == "dev":
        settings = {"CHM_DUCKDB_PATH": str(folder / "warehouse.duckdb")}
    else:
        settings = request.getfixturevalue("postgres_database")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return read_target(engine)


@contextmanager
def connect(target: Target) -> Iterator[Any]:
    """Open a connection that commits every statement."""
    if isinstance(target, DuckDBTarget):
        with duckdb.connect(str(target.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
    else:
        with psycopg.connect(**target.conninfo, autocommit=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection


def query(target: Target, statement: str) -> list[tuple[Any, ...]]:
    with connect(target) as connection:
        return connection.execute(statement).fetchall()


def execute(target: Target, *statements: str) -> None:
    with connect(target) as connection:
        for statement in statements:
            connection.execute(statement)


def contents(target: Target) -> Mapping[str, list[tuple[str | None, ...]]]:
    """Every row of every raw table as text, ordered by id."""
    tables = load_contract().tables.values()
    found = {}
    with connect(target) as connection:
        for table in tables:
            columns = ", ".join(f"cast({name} as varchar)" for name in table.column_names)
            rows = connection.execute(f"select {columns} from raw.{table.name}").fetchall()
            found[table.name] = sorted(rows, key=lambda row: str(row[0]))
    return found


def constraints(target: Target) -> list[tuple[str, str]]:
    """Every constraint, index and enum value that the catalog has for raw."""
    return sorted(query(target, _CONSTRAINTS[target.name]))
