"""The load targets, read from profiles.yml, the one place that names connections."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    """A PostgreSQL database, and the role to use it as."""

    name: str
    host: str
    port: int
    database: str
    user: str
    password: str

    @property
    def place(self) -> str:
        """The server and the database, for messages."""
        return f"PostgreSQL at {self.host}:{self.port}, database {self.database}"

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


def read_target(name: str, role: Literal["loader", "reader"] = "loader") -> Target:
    """Return the target called `name` in profiles.yml, with the environment filled in.

    On PostgreSQL the role that loads may differ from dbt's, which reads the marts:
    CHM_PG_LOADER_USER and CHM_PG_LOADER_PASSWORD go before the profile's user and password.
    A relative DuckDB path is taken from the project's folder, where dbt runs.

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
        loads = role == "loader"
        return PostgresTarget(
            name=name,
            host=output["host"],
            port=_port(output["port"]),
            database=output["dbname"],
            user=(loads and os.environ.get("CHM_PG_LOADER_USER")) or output["user"],
            password=(loads and os.environ.get("CHM_PG_LOADER_PASSWORD")) or output["password"],
        )
    raise ChmError(f"target '{name}' is of type {output['type']}: nothing loads into that")


def _outputs(path: Path) -> dict[str, dict[str, Any]]:
    environment = Environment(undefined=StrictUndefined, autoescape=False)
    environment.globals["env_var"] = os.environ.get
    # dbt's filters; the type is settled where the value is used.
    environment.filters["as_number"] = lambda value: value
    profile = yaml.safe_load(path.read_text("utf-8"))["chm"]
    # Rendered after the YAML is read, as dbt does: a password may hold any character.
    return {
        name: {
            key: environment.from_string(value).render() if isinstance(value, str) else value
            for key, value in output.items()
        }
        for name, output in profile["outputs"].items()
    }


def _port(text: str) -> int:
    if not text.isdecimal():
        raise ChmError(f"CHM_PG_PORT is '{text}': it must be a port number")
    return int(text)
