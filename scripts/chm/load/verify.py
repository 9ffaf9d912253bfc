"""What must hold of new rows before they take their place, as queries for either engine."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from chm.contract import Contract, Table
from chm.errors import ChmError
from chm.load.result import RunsPerPipeline
from chm.validate.files import DataFile


def spread_query(runs: str, pipelines: str) -> str:
    """Return the query for the fields of RunsPerPipeline."""
    return f"""
        select
            coalesce(sum(found.runs) filter (where pipelines.id is null), 0),
            count(pipelines.id),
            count(pipelines.id) filter (where found.runs is null),
            coalesce(min(coalesce(found.runs, 0)) filter (where pipelines.id is not null), 0),
            coalesce(max(found.runs) filter (where pipelines.id is not null), 0)
        from {pipelines} as pipelines
        full outer join (
            select pipeline_id, count(*) as runs from {runs} group by pipeline_id
        ) as found on found.pipeline_id = pipelines.id
    """


def repeated_key_queries(contract: Contract, table: Table) -> dict[str, str]:
    """Return a query for each key of a table, by the key's columns; a row is a repeated key."""
    keys = [(table.primary_key,), *(key.columns for key in table.unique if not key.where)]
    return {
        ", ".join(columns): (
            f"select 1 from {contract.schema}.{table.name} "
            f"group by {', '.join(columns)} having count(*) > 1 limit 1"
        )
        for columns in keys
    }


def check_counts(expected: dict[str, int], found: dict[str, int]) -> None:
    """Compare the rows of the files with the rows of the tables.

    Raises:
        ChmError: a table holds other than the validated number of rows.
    """
    for table, rows in expected.items():
        if found[table] != rows:
            raise ChmError(
                f"{table}: {found[table]:,} rows arrived instead of {rows:,}; nothing was loaded"
            )


def checked_spread(row: tuple[int, ...]) -> RunsPerPipeline:
    """Return the spread that the query found.

    Raises:
        ChmError: a run has no pipeline.
    """
    spread = RunsPerPipeline(*map(int, row))
    if spread.orphans:
        raise ChmError(f"{spread.orphans:,} runs have no pipeline; nothing was loaded")
    return spread


def check_manifests(folder: Path, files: Iterable[DataFile]) -> None:
    """Compare the rows of each file with what the data set's manifests say, where it has any.

    Raises:
        ChmError: a file has another number of rows, or is missing.
    """
    found = {file.path.relative_to(folder).as_posix(): file.rows + file.proved for file in files}
    for path, rows in _manifest_rows(folder).items():
        if path.startswith(("base/", "batches/")) and found.get(path) != rows:
            held = "is missing" if path not in found else f"has {found[path]:,} rows"
            raise ChmError(
                f"{folder / path} {held}, the manifest says {rows:,} rows: nothing was loaded; "
                f"chm generate --check {folder} tells more"
            )


def _manifest_rows(folder: Path) -> dict[str, int]:
    rows: dict[str, int] = {}
    for path in sorted((folder / "context").glob("generation_manifest*.yaml")):
        try:
            document = yaml.safe_load(path.read_text("utf-8"))
            rows |= {
                name: int(entry["rows"])
                for name, entry in document["files"].items()
                if "rows" in entry
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
            raise ChmError(f"{path} is no manifest: nothing was loaded") from None
    return rows
