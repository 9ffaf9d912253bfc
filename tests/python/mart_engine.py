"""The dbt models of one target, recomputed in place for one small data set after another.

`dbt build` runs once, on empty raw tables; then a data set is computed by emptying the tables and
running each model's compiled SQL again, in the order of their dependencies. What is tested is the
project's own SQL on its own engine, contracts included, at milliseconds a data set.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
from psycopg.types.json import Jsonb

from chm.contract import load_contract
from chm.contract.ddl import enum_statements, table_statements
from chm.project import project_dir
from oracle import Clock, DataSet

Rows = list[dict[str, object]]
CLOCK_MODEL = "int_monitoring_clock"


class Connection(Protocol):
    """What the two drivers share."""

    def execute(self, query: str, parameters: Sequence[Any] | None = None, /) -> Any: ...


@dataclass(frozen=True)
class Model:
    """A table that dbt made, and the query that fills it."""

    name: str
    relation: str
    query: str


@dataclass(frozen=True, repr=False)
class MartEngine:
    """The models of one target behind an open connection."""

    connection: Connection
    models: tuple[Model, ...]
    marts: tuple[str, ...]
    placeholder: str

    def compute(self, data: DataSet, clock: Clock) -> dict[str, Rows]:
        """Load the data set into raw, recompute every table, return the marts' rows."""
        self.connection.execute("begin")
        try:
            self._load(data)
            for model in self.models:
                self.connection.execute(f"delete from {model.relation}")
                if model.name == CLOCK_MODEL:
                    self._insert(model.relation, [asdict(clock)])
                else:
                    self.connection.execute(f"insert into {model.relation} {model.query}")
            return {mart: self._rows(f"select * from marts.{mart}") for mart in self.marts}
        finally:
            self.connection.execute("rollback")

    def _load(self, data: DataSet) -> None:
        for table in load_contract().tables:
            self._insert(f"raw.{table}", [asdict(row) for row in getattr(data, table)])

    def _insert(self, relation: str, rows: Sequence[Mapping[str, object]]) -> None:
        for row in rows:
            places = ", ".join([self.placeholder] * len(row))
            values = [
                Jsonb(json.loads(v)) if k == "payload" and v and self.placeholder == "%s" else v
                for k, v in row.items()
            ]
            self.connection.execute(
                f"insert into {relation} ({', '.join(row)}) values ({places})", values
            )

    def _rows(self, query: str) -> Rows:
        cursor = self.connection.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def duckdb_engine(folder: Path) -> Iterator[MartEngine]:
    """Yield the models on a DuckDB file in `folder`."""
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema raw")
        for statement in table_statements(load_contract(), "duckdb"):
            connection.execute(statement)
    models, marts = _build(folder, "dev", {"CHM_DUCKDB_PATH": str(path)})
    with duckdb.connect(str(path)) as connection:
        # Not UTC: no mart may depend on the session's time zone.
        connection.execute("set timezone = 'Asia/Kolkata'")
        yield MartEngine(connection, models, marts, "?")


@contextmanager
def postgres_engine(folder: Path, database: Mapping[str, str]) -> Iterator[MartEngine]:
    """Yield the models in the PostgreSQL database that the CHM_PG_* variables name."""
    with psycopg.connect(
        host=database["CHM_PG_HOST"],
        port=database["CHM_PG_PORT"],
        dbname=database["CHM_PG_DATABASE"],
        user=database["CHM_PG_USER"],
        password=database["CHM_PG_PASSWORD"],
        autocommit=True,
    ) as connection:
        contract = load_contract()
        connection.execute(f"create schema {contract.schema}")
        for statement in [*enum_statements(contract), *table_statements(contract, "postgres")]:
            connection.execute(statement)
        models, marts = _build(folder, "prod", database)
        yield MartEngine(connection, models, marts, "%s")


def run_dbt(
    arguments: Sequence[str], target_path: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run dbt in a process of its own, with its artifacts and logs under `target_path`."""
    return subprocess.run(
        [Path(sys.executable).with_name("dbt"), *arguments],
        cwd=project_dir(),
        env={
            **os.environ,
            **environment,
            "DBT_TARGET_PATH": str(target_path / "target"),
            "DBT_LOG_PATH": str(target_path / "logs"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _build(
    folder: Path, target: str, environment: Mapping[str, str]
) -> tuple[tuple[Model, ...], tuple[str, ...]]:
    """Run `dbt build` on empty raw tables; return its tables in dependency order, and the marts."""
    result = run_dbt(["build", "--target", target], folder, environment)
    assert result.returncode == 0, result.stdout + result.stderr
    manifest = json.loads((folder / "target" / "manifest.json").read_text("utf-8"))
    nodes = {
        key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }
    order = TopologicalSorter({key: node["depends_on"]["nodes"] for key, node in nodes.items()})
    models = tuple(
        Model(nodes[key]["name"], nodes[key]["relation_name"], nodes[key]["compiled_code"])
        for key in order.static_order()
        if key in nodes and nodes[key]["config"]["materialized"] != "view"
    )
    marts = tuple(node["name"] for node in nodes.values() if node["schema"] == "marts")
    return models, marts
