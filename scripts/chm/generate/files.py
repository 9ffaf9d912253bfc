"""The files of a data set besides its runs, as bytes: base tables, registry, truth, manifest."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from chm.contract import load_contract
from chm.generate.config import GenerateConfig
from chm.generate.csv_files import Shard
from chm.generate.dataset import DataSet
from chm.generate.fleet import Client, Pipeline
from chm.generate.journal import WrittenFile
from chm.generate.text_pools import checksums
from chm.generate.truth import iso, planted_truth
from chm.generate.version import GENERATOR_VERSION
from chm.registry import REGISTRY, REGISTRY_COLUMNS

FOLDERS = ("base", "batches", "context")
# Libraries whose updates may change names or time zones.
_LIBRARIES = ("faker", "tzdata")


def run_shards(config: GenerateConfig, file_format: str, shard_rows: int | None) -> list[Shard]:
    """Return the files of runs: one, or as many as hold `shard_rows` each."""
    last_day = config.range.end - timedelta(seconds=1)
    name = f"batches/runs_{last_day:%Y%m%d}_batch{config.runs.batch:02}"
    total = config.runs.total
    if shard_rows is None:
        return [Shard(f"{name}.{file_format}", 0, total)]
    firsts = range(0, max(total, 1), shard_rows)
    width = max(3, len(str(len(firsts))))
    return [
        Shard(f"{name}_{number:0{width}}.{file_format}", first, min(shard_rows, total - first))
        for number, first in enumerate(firsts, start=1)
    ]


def base_tables(data: DataSet) -> dict[str, Sequence[object]]:
    """Return the new rows of the tables other than runs, by table."""
    return {
        "clients": data.clients,
        "pipelines": data.pipelines,
        "alert_rules": data.alert_rules,
    }


def write_others(
    data: DataSet, folder: Path, runs: Iterable[WrittenFile], earlier: Path | None
) -> list[WrittenFile]:
    """Write everything but the runs; return the files of the data set, those of runs included.

    Args:
        data: The data set.
        folder: Takes the files.
        runs: The files of runs, which are there.
        earlier: A data set that this one goes on from: its base tables and registry are the
            beginning of the new ones, which are written only if there is something to add.
    """
    files = []
    for table, rows in base_tables(data).items():
        columns = load_contract().tables[table].column_names
        values = [[getattr(row, column) for column in columns] for row in rows]
        files += _table(folder, f"base/{table}.csv", columns, values, earlier)
    files += _table(folder, REGISTRY, REGISTRY_COLUMNS, _registry(data), earlier)
    suffix = "" if earlier is None else f"_batch{data.config.runs.batch:02}"
    truth = json.dumps(planted_truth(data.config, data.history), indent=2, ensure_ascii=False)
    truth_path = f"context/planted_truth{suffix}.json"
    files += [*runs, _file(folder, truth_path, f"{truth}\n".encode(), None)]
    manifest = yaml.safe_dump(_manifest(data, files), sort_keys=False, allow_unicode=True)
    _file(folder, f"context/generation_manifest{suffix}.yaml", manifest.encode(), None)
    return files


def _registry(data: DataSet) -> list[list[object]]:
    return [_client_entry(item) for item in data.clients] + [
        _pipeline_entry(item) for item in data.pipelines
    ]


def _client_entry(client: Client) -> list[object]:
    empty: list[object] = [None] * 5
    return ["client", client.id, client.name, *empty, client.is_active, client.created_at]


def _pipeline_entry(pipeline: Pipeline) -> list[object]:
    return [
        "pipeline",
        pipeline.id,
        pipeline.name,
        pipeline.client.id,
        pipeline.client.name,
        pipeline.platform,
        pipeline.pipeline_type,
        pipeline.environment,
        pipeline.is_active,
        pipeline.created_at,
    ]


def configuration(config: GenerateConfig) -> dict[str, Any]:
    """Return the configuration in force as plain values, from which it can be made again.

    What it takes away from a mapping of the defaults is null there.
    """
    return _told(GenerateConfig().model_dump(mode="json"), config.model_dump(mode="json"))


def _told(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(defaults)
    for name, value in values.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            told[name] = _told(default, value)
        else:
            told[name] = value
    return told


def fingerprint(data: DataSet, shards: Sequence[Shard]) -> str:
    """Return what tells this command's files from those of any other."""
    told = {
        "configuration": configuration(data.config),
        "provenance": _provenance(data),
        "pipelines": [pipeline.id for pipeline in data.history.pipelines],
        "shards": [(shard.path, shard.rows) for shard in shards],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _provenance(data: DataSet) -> dict[str, Any]:
    return {
        "generator_version": GENERATOR_VERSION,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "text_pools": checksums(data.text_pools),
    }


def _manifest(data: DataSet, files: Sequence[WrittenFile]) -> dict[str, Any]:
    return {
        **_provenance(data),
        "seed": data.config.seed,
        "batch": data.config.runs.batch,
        "configuration": configuration(data.config),
        "files": {
            file.path: ({} if file.rows is None else {"rows": file.rows})
            | {"bytes": file.bytes, "sha256": file.sha256}
            for file in files
        },
    }


def _table(
    folder: Path,
    path: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    earlier: Path | None,
) -> list[WrittenFile]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    former, former_rows = b"", 0
    if earlier is None:
        writer.writerow(columns)
    elif not rows:
        return []
    else:
        former = (earlier / path).read_bytes()
        former += b"" if former.endswith(b"\n") else b"\n"
        former_rows = sum(1 for _ in csv.reader(io.StringIO(former.decode("utf-8-sig")))) - 1
    writer.writerows([_field(value) for value in row] for row in rows)
    return [_file(folder, path, former + text.getvalue().encode(), former_rows + len(rows))]


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    return str(value)


def _file(folder: Path, path: str, content: bytes, rows: int | None) -> WrittenFile:
    (folder / path).write_bytes(content)
    return WrittenFile(path, rows, len(content), hashlib.sha256(content).hexdigest())
