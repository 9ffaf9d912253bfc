"""File what was accepted: batches under their names, the registry, a manifest."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from chm.chat.registry import extended, read_rows
from chm.chat.staging import Staged, write_aside
from chm.chat.tables import ChatTable
from chm.generate.append import next_batch
from chm.registry import ENTITY_TYPES, REGISTRY, Registry
from chm.validate.records import read_records

_BATCH_MANIFEST = re.compile(r"generation_manifest_(batch\d+)(?:_.*)?\.yaml")
# An event is placed in time as the marts place it: by the first of these that is set.
_EVENT_COLUMNS = ("finished_at", "started_at", "created_at")


@dataclass(frozen=True)
class FiledFile:
    """A file that an import wrote or extended: path in the data set, rows, bytes, SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


def file_tables(stage: Path, staged: Staged, registry: Registry) -> list[FiledFile]:
    """Give the batches their names, extend the registry, write the manifest."""
    paths = list(staged.base_files)
    number = next_batch(stage)
    last = None
    for offset, (name, table) in enumerate(staged.batches):
        last = number + offset
        filed = f"runs_{_newest_day(table)}_batch{last:02}.csv"
        (stage / "batches" / name).rename(stage / "batches" / filed)
        paths.append(f"batches/{filed}")
    rows = {table: read_rows(stage / "base" / f"{table}.csv") for table in ENTITY_TYPES}
    content = extended(registry, rows)
    if content != registry.content:
        write_aside(stage / REGISTRY, content)
        paths.append(REGISTRY)
    files = [_filed(stage, path) for path in paths]
    manifest = stage / "context" / _manifest_name(stage / "context", last)
    write_aside(manifest, _manifest(files))
    return files


def _newest_day(table: ChatTable) -> str:
    columns = [table.table.column_names.index(name) for name in _EVENT_COLUMNS]
    events = (next(row.fields[at] for at in columns if row.fields[at]) for row in table.rows)
    # All are ISO 8601 in UTC, whose first ten characters sort by day.
    return max(event[:10] for event in events).replace("-", "")


def _filed(stage: Path, path: str) -> FiledFile:
    content = (stage / path).read_bytes()
    rows = sum(1 for _ in read_records(stage / path)) - 1
    return FiledFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def _manifest_name(folder: Path, batch: int | None) -> str:
    """Return a name that sorts behind all manifests so far: what is read last holds."""
    names = [path.name for path in folder.glob("generation_manifest*.yaml")]
    if batch is not None:
        name = f"generation_manifest_batch{batch:02}.yaml"
        if all(name > other for other in names):
            return name
    batches = [found[1] for name in names if (found := _BATCH_MANIFEST.fullmatch(name))]
    prefix = "_".join(["generation_manifest", *sorted(batches)[-1:], "base"])
    numbers = (re.fullmatch(rf"{prefix}(\d+)\.yaml", name) for name in names)
    number = max((int(found[1]) for found in numbers if found), default=0) + 1
    return f"{prefix}{number:02}.yaml"


def _manifest(files: Iterable[FiledFile]) -> bytes:
    document = {
        "source": "import-chat",
        "files": {
            file.path: {"rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
            for file in files
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
