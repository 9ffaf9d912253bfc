"""The id registry of a data set: the frozen clients and pipelines that rows may refer to."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chm.errors import ChmError
from chm.generate.dataset import REGISTRY, REGISTRY_COLUMNS
from chm.validate.records import read_records

# The tables whose ids other tables refer to, and what the registry calls their rows.
ENTITY_TYPES = {"clients": "client", "pipelines": "pipeline"}

Row = Mapping[str, str]


@dataclass(frozen=True)
class Registry:
    """The entities of each table in ENTITY_TYPES by their lower-case id.

    `content` is the file as it is, None if the data set has none.
    """

    content: bytes | None
    entities: Mapping[str, Mapping[str, Row]]


def read_registry(folder: Path) -> Registry:
    """Return the registry of the data set in `folder`, empty if there is none.

    Raises:
        ChmError: the file can't be read or is no registry.
    """
    path = folder / REGISTRY
    entities: dict[str, dict[str, Row]] = {table: {} for table in ENTITY_TYPES}
    if not path.exists():
        return Registry(None, entities)
    try:
        content = path.read_bytes()
        records = list(read_records(path))
    except OSError as error:
        raise ChmError(f"{path} can't be read: {error.strerror}") from error
    if not records or tuple(records[0].fields) != REGISTRY_COLUMNS:
        raise ChmError(f"{path}:1 is no id registry: its header must be {_header()}")
    tables = {entity_type: table for table, entity_type in ENTITY_TYPES.items()}
    for record in records[1:]:
        if record.problem or len(record.fields) != len(REGISTRY_COLUMNS):
            problem = record.problem or f"has {len(record.fields)} fields"
            raise ChmError(f"{path}:{record.line} the row {problem}: its columns are {_header()}")
        row = dict(zip(REGISTRY_COLUMNS, record.fields, strict=True))
        if row["entity_type"] not in tables:
            expected = " or ".join(tables)
            raise ChmError(
                f"{path}:{record.line} entity_type '{row['entity_type']}' must be {expected}"
            )
        entities[tables[row["entity_type"]]][row["entity_id"].lower()] = row
    return Registry(content, entities)


def extended(registry: Registry, rows: Mapping[str, Sequence[Row]]) -> bytes:
    """Return the registry's file with the entities that it lacks behind those it has.

    Args:
        registry: The registry so far.
        rows: The rows of the tables in ENTITY_TYPES, old and new.
    """
    names = {id_: row["entity_name"] for id_, row in registry.entities["clients"].items()}
    names |= {row["id"].lower(): row["name"] for row in rows["clients"]}
    text = io.StringIO()
    writer = csv.DictWriter(text, REGISTRY_COLUMNS, restval="", lineterminator="\n")
    if registry.content is None:
        writer.writeheader()
    elif not registry.content.endswith(b"\n"):
        text.write("\n")
    for table in ENTITY_TYPES:
        known = registry.entities[table]
        writer.writerows(
            _entity(table, row, names) for row in rows[table] if row["id"].lower() not in known
        )
    return (registry.content or b"") + text.getvalue().encode()


def _entity(table: str, row: Row, client_names: Mapping[str, str]) -> Row:
    entity = {name: row[name] for name in REGISTRY_COLUMNS if name in row}
    entity |= {
        "entity_type": ENTITY_TYPES[table],
        "entity_id": row["id"],
        "entity_name": row["name"],
    }
    if "client_id" in row:
        entity["parent_entity_id"] = row["client_id"]
        entity["parent_entity_name"] = client_names.get(row["client_id"].lower(), "")
    return entity


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a base file by the names of its columns; rows that are broken lack."""
    records = [record for record in read_records(path) if not record.problem]
    header = records[0].fields if records else []
    return [
        dict(zip(header, record.fields, strict=True))
        for record in records[1:]
        if len(record.fields) == len(header) and "id" in header and "name" in header
    ]


def _header() -> str:
    return ",".join(REGISTRY_COLUMNS)
