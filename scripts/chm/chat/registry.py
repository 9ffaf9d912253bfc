"""What an import adds to the id registry, and the rows of base files that it is made from."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from chm.registry import ENTITY_TYPES, REGISTRY_COLUMNS, Registry, Row
from chm.validate.records import read_records


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
