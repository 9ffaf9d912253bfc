"""The load targets, read from profiles.yml, the one place that names connections."""

import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from jinja2 import Environment, StrictUndefined

from chm.errors import ChmError
from chm.project import project_dir


@dataclass(frozen=True)
class DuckDBTarget:
    """A DuckDB database file."""

    name: str
    path: Path


@dataclass(frozen=True)
class PostgresTarget:
    """A PostgreSQL database; `user` is the role that loads."""

    name: str
    host: str
    port: int
    database: str
    user: str
    password: str

    @property
    def conninfo(self) -> dict[str, str | int]:
        """Keyword arguments for psycopg.connect; an empty password is left out."""
        settings: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.user,
            "connect_timeout": 10,
        }
        return settings | ({"password": self.password} if self.password else {})


Target = DuckDBTarget | PostgresTarget


def read_target(name: str) -> Target:
    """Return the target called `name` in profiles.yml, with the environment filled in.

    On PostgreSQL the loading role may differ from dbt's: CHM_PG_LOADER_USER and
    CHM_PG_LOADER_PASSWORD go before the profile's user and password. A relative DuckDB
    path is taken from the project's folder, as dbt does.

    Raises:
        ChmError: no such target, or one of an engine that can't be loaded.
    """
    outputs = _outputs(project_dir() / "profiles.yml")
    if name not in outputs:
        raise ChmError(f"unknown target '{name}': profiles.yml has {', '.join(outputs)}")
    output = outputs[name]
    if output["type"] == "duckdb":
        return DuckDBTarget(name, project_dir() / output["path"])
    if output["type"] == "postgres":
        return PostgresTarget(
            name=name,
            host=output["host"],
            port=int(output["port"]),
            database=output["dbname"],
            user=os.environ.get("CHM_PG_LOADER_USER") or output["user"],
            password=os.environ.get("CHM_PG_LOADER_PASSWORD") or output["password"],
        )
    raise ChmError(f"target '{name}' is of type {output['type']}: nothing loads into that")


def _outputs(path: Path) -> dict[str, dict[str, str]]:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.globals["env_var"] = os.environ.get
    # dbt's filters; the type is settled where the value is used.
    environment.filters["as_number"] = lambda value: value
    text = environment.from_string(path.read_text("utf-8")).render()
    profile: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(text)["chm"]
    return profile["outputs"]
