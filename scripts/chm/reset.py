"""Drop what the project made in a target, and nothing else: the raw tables and dbt's relations."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chm.contract import load_contract
from chm.errors import ChmError
from chm.load.postgres_aside import aside
from chm.load.postgres_switch import STAND_IN_COMMENT
from chm.project import project_dir
from chm.targets import DuckDBTarget, PostgresTarget, read_target

Ask = Callable[["Found"], None]
"""Shown what would go; raises to keep it."""


@dataclass(frozen=True)
class Relation:
    """A table or view of the project that is there."""

    schema: str
    name: str
    is_view: bool

    def __str__(self) -> str:
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True)
class Found:
    """What the project made in a target: relations, enum types, and the rows of the raw tables."""

    relations: tuple[Relation, ...]
    types: tuple[str, ...]
    rows: int


def reset(target_name: str, ask: Ask) -> Found:
    """Drop the raw tables with their types, and every model, seed and snapshot of the project.

    Tables and views of others stay, and so do the schemas. A relation of others that reads one of
    the project's stops the reset.

    Raises:
        ChmError: `ask` raises it, the target can't be reached, or something of others depends on
            what would go.
    """
    target = read_target(target_name)
    dbt_names = dbt_relations(target_name)
    if isinstance(target, DuckDBTarget):
        return _reset_duckdb(target, dbt_names, ask)
    builder = read_target(target_name, role="reader")
    assert isinstance(builder, PostgresTarget)
    return _reset_postgres(target, builder, dbt_names, ask)


def dbt_relations(target: str) -> set[tuple[str, str]]:
    """Return schema and name of every relation that dbt builds from this project.

    Raises:
        ChmError: dbt can't read the project.
    """
    result = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            *("--quiet", "list", "--target", target, "--output", "json"),
            *("--resource-type", "model", "--resource-type", "seed"),
            *("--resource-type", "snapshot", "--resource-type", "test"),
            *("--output-keys", "schema", "alias", "config"),
        ],
        cwd=project_dir(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ChmError(f"dbt can't list the project:\n{result.stdout}{result.stderr}")
    nodes = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {
        (node["schema"], node["alias"])
        for node in nodes
        if node["config"]["materialized"] != "ephemeral"
    }


def _reset_duckdb(target: DuckDBTarget, dbt_names: set[tuple[str, str]], ask: Ask) -> Found:
    import duckdb

    contract = load_contract()
    if not target.path.exists():
        return Found((), (), 0)
    try:
        with duckdb.connect(str(target.path)) as connection:
            there = connection.execute(
                "select schema_name, table_name, false from duckdb_tables() "
                "where database_name = current_database() union all "
                "select schema_name, view_name, true from duckdb_views() "
                "where database_name = current_database() and not internal"
            ).fetchall()
            raw = [Relation(contract.schema, name, False) for name in reversed(contract.tables)]
            present = {Relation(*row) for row in there}
            built = [row for row in present if (row.schema, row.name) in dbt_names]
            own = [*_ordered(built), *(table for table in raw if table in present)]
            rows = sum(_rows(connection, table) for table in raw if table in present)
            found = Found(tuple(own), (), rows)
            if not own:
                return found
            ask(found)
            connection.begin()
            for relation in own:
                kind = "view" if relation.is_view else "table"
                connection.execute(f"drop {kind} {relation}")
            connection.commit()
            return found
    except duckdb.Error as error:
        raise ChmError(
            f"{target.path}: {str(error).splitlines()[0]}; nothing was dropped"
        ) from None


def _reset_postgres(
    loader: PostgresTarget, builder: PostgresTarget, dbt_names: set[tuple[str, str]], ask: Ask
) -> Found:
    import psycopg

    from chm.postgres import connect

    try:
        with connect(builder) as building, connect(loader) as loading:
            built = _ordered(
                [row for row in _present(building) if (row.schema, row.name) in dbt_names]
            )
            raw = _raw_tables(loading)
            types = _raw_types(loading)
            # The other tables are empty, or were never in place.
            tables = [row for row in raw if row.name in load_contract().tables]
            rows = sum(_rows(loading, row) for row in tables)
            found = Found((*built, *raw), tuple(types), rows)
            if not (built or raw or types):
                return found
            loading.rollback()
            ask(found)
            # Two roles, two transactions: the views on the raw tables have to go first.
            _drop(building, built, [])
            building.commit()
            _drop(loading, raw, types)
            return found
    except psycopg.Error as error:
        reason = "; ".join(str(error).strip().splitlines())
        raise ChmError(f"{loader.place}: {reason}; nothing more was dropped") from None


def _present(connection: Any) -> list[Relation]:  # noqa: ANN401
    rows = connection.execute(
        "select nspname, relname, relkind = 'v' from pg_class "
        "inner join pg_namespace on pg_namespace.oid = relnamespace where relkind in ('r', 'v')"
    ).fetchall()
    return [Relation(*row) for row in rows]


def _raw_tables(connection: Any) -> list[Relation]:  # noqa: ANN401
    """The four tables, what a killed load left beside them, and the stand-ins for old views."""
    contract = load_contract()
    names = [name for table in reversed(contract.tables) for name in (table, aside(table))]
    stand_ins = connection.execute(
        "select relname from pg_class where relnamespace = to_regnamespace(%s) "
        "and obj_description(oid, 'pg_class') = %s",
        [contract.schema, STAND_IN_COMMENT],
    ).fetchall()
    names += [name for (name,) in stand_ins]
    there = {row.name for row in _present(connection) if row.schema == contract.schema}
    return [Relation(contract.schema, name, False) for name in names if name in there]


def _raw_types(connection: Any) -> list[str]:  # noqa: ANN401
    contract = load_contract()
    names = [f"{contract.schema}.{enum.key}" for enum in contract.enums.values()]
    return [
        name
        for name in names
        if connection.execute("select to_regtype(%s)", [name]).fetchone() != (None,)
    ]


def _drop(connection: Any, relations: list[Relation], types: list[str]) -> None:  # noqa: ANN401
    # All at once: what they have to do with each other does not stop them, others' views do.
    for kind, is_view in (("view", True), ("table", False)):
        names = [str(relation) for relation in relations if relation.is_view == is_view]
        if names:
            connection.execute(f"drop {kind} {', '.join(names)}")
    if types:
        connection.execute(f"drop type {', '.join(types)}")


def _ordered(relations: list[Relation]) -> list[Relation]:
    return sorted(relations, key=lambda row: (not row.is_view, row.schema, row.name))


def _rows(connection: Any, relation: Relation) -> int:  # noqa: ANN401
    return int(connection.execute(f"select count(*) from {relation}").fetchone()[0])
