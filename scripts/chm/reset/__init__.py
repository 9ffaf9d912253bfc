"""Drop what the project made in a target, and nothing else: the raw tables and dbt's relations."""

import json
import subprocess
import sys
from pathlib import Path

from chm.errors import ChmError
from chm.project import project_dir
from chm.reset.duckdb_reset import reset_duckdb
from chm.reset.found import Ask, Found
from chm.reset.postgres_reset import reset_postgres
from chm.targets import DuckDBTarget, PostgresTarget, read_target

__all__ = ["Ask", "Found", "dbt_relations", "reset"]


def reset(target_name: str, ask: Ask) -> Found:
    """Drop the raw tables with their types, and every model, seed and snapshot of the project.

    Tables and views of others stay, and so do the schemas. A relation of others that reads one of
    the project's stops the reset. All of it goes in one transaction; in two, dbt's relations first,
    where no role of PostgreSQL may drop both, and a second call drops what a crash in between left.

    Raises:
        ChmError: `ask` raises it, the target can't be reached, or something of others depends on
            what would go.
    """
    target = read_target(target_name)
    dbt_names = dbt_relations(target_name)
    if isinstance(target, DuckDBTarget):
        return reset_duckdb(target, dbt_names, ask)
    builder = read_target(target_name, role="reader")
    assert isinstance(builder, PostgresTarget)
    return reset_postgres(target, builder, dbt_names, ask)


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
