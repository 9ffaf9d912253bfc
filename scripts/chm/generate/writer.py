"""Write a data set as files: aside first, then switched into place as a whole."""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.dataset import DataSet
from chm.generate.runs import iso

# Raised with every change that alters the bytes of a data set.
GENERATOR_VERSION = 1

_FOLDERS = ("base", "batches", "context")
_REGISTRY_COLUMNS = (
    "entity_type",
    "entity_id",
    "entity_name",
    "parent_entity_id",
    "parent_entity_name",
    "platform",
    "pipeline_type",
    "environment",
    "is_active",
    "created_at",
)


@dataclass(frozen=True)
class WrittenFile:
    """A file of a data set: its path inside it, rows (None if not a table), size and SHA-256."""

    path: str
    rows: int | None
    bytes: int
    sha256: str


def write(data: DataSet, out: Path, *, force: bool = False) -> list[WrittenFile]:
    """Write a data set into the folder `out` and return its files.

    Everything is written beside `out` and renamed at the end: an interrupted call leaves
    `out` as it was.

    Args:
        data: The data set.
        out: The folder; it may be missing or empty.
        force: Replace a data set that is there, with every file of it.

    Raises:
        ChmError: `out` is in use, holds something other than a data set, or can't be written.
    """
    out = out.resolve()
    try:
        _refuse_unfit(out, force=force)
        with _switched_into(out) as folder:
            return _write_files(data, folder)
    except OSError as error:
        raise ChmError(f"{out} can't be written: {error.strerror or error}") from error


def _refuse_unfit(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ChmError(f"{out} is a file: --out takes a folder")
    if Path.cwd().is_relative_to(out):
        raise ChmError(f"{out} holds the working directory: --out takes a folder of its own")
    content = sorted(item.name for item in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in content if name not in _FOLDERS]
    if foreign:
        raise ChmError(f"{out} holds {foreign[0]}, which is no part of a data set: not replaced")
    if content and not force:
        raise ChmError(f"{out} already holds {', '.join(content)}: --force replaces it")


@contextmanager
def _switched_into(out: Path) -> Iterator[Path]:
    """Give a folder to write to; it takes the place of `out` if all goes well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.parent / f".{out.name}.{os.getpid()}.new"
    former = out.parent / f".{out.name}.{os.getpid()}.old"
    try:
        aside.mkdir()
        yield aside
        if out.exists():
            out.rename(former)
        aside.rename(out)
    finally:
        if former.exists() and not out.exists():
            former.rename(out)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def _write_files(data: DataSet, folder: Path) -> list[WrittenFile]:
    for name in _FOLDERS:
        (folder / name).mkdir()
    files = [
        _write_table(folder, f"base/{table}.csv", load_contract().tables[table].column_names, rows)
        for table, rows in (
            ("clients", data.clients),
            ("pipelines", data.pipelines),
            ("alert_rules", data.alert_rules),
        )
    ]
    last_day = data.config.range.end - timedelta(seconds=1)
    batch = f"batches/runs_{last_day:%Y%m%d}_batch{data.config.runs.batch:02}.csv"
    files.append(
        _write_table(folder, batch, load_contract().tables["runs"].column_names, data.runs)
    )
    files.append(_write_rows(folder, "context/id_registry.csv", _REGISTRY_COLUMNS, _registry(data)))
    truth = json.dumps(data.truth, indent=2, ensure_ascii=False) + "\n"
    files.append(_write_text(folder, "context/planted_truth.json", truth, rows=None))
    manifest = yaml.safe_dump(_manifest(data, files), sort_keys=False, allow_unicode=True)
    files.append(_write_text(folder, "context/generation_manifest.yaml", manifest, rows=None))
    return files


def _registry(data: DataSet) -> list[tuple[object, ...]]:
    clients: list[tuple[object, ...]] = [
        ("client", item.id, item.name, *[None] * 5, item.is_active, item.created_at)
        for item in data.clients
    ]
    pipelines: list[tuple[object, ...]] = [
        (
            "pipeline",
            item.id,
            item.name,
            item.client.id,
            item.client.name,
            item.platform,
            item.pipeline_type,
            item.environment,
            item.is_active,
            item.created_at,
        )
        for item in data.pipelines
    ]
    return clients + pipelines


def _manifest(data: DataSet, files: list[WrittenFile]) -> dict[str, Any]:
    return {
        "generator_version": GENERATOR_VERSION,
        "seed": data.config.seed,
        "configuration": data.config.model_dump(mode="json"),
        "files": {
            file.path: ({} if file.rows is None else {"rows": file.rows})
            | {"bytes": file.bytes, "sha256": file.sha256}
            for file in files
        },
    }


def _write_table(
    folder: Path, path: str, columns: tuple[str, ...], rows: Iterable[object]
) -> WrittenFile:
    values = [tuple(getattr(row, column) for column in columns) for row in rows]
    return _write_rows(folder, path, columns, values)


def _write_rows(
    folder: Path, path: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]
) -> WrittenFile:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    return _write_text(folder, path, text.getvalue(), rows=len(rows))


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return str(value)


def _write_text(folder: Path, path: str, text: str, *, rows: int | None) -> WrittenFile:
    content = text.encode()
    (folder / path).write_bytes(content)
    return WrittenFile(path, rows, len(content), hashlib.sha256(content).hexdigest())
