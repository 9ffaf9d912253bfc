"""The id registry of a data set: the frozen clients and pipelines that rows may refer to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chm.errors import ChmError

REGISTRY = "context/id_registry.csv"
REGISTRY_COLUMNS = (
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
    # Imported here: what checks a data set loads slowly, and most data sets are made without.
    from chm.validate.records import read_records

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


def _header() -> str:
    return ",".join(REGISTRY_COLUMNS)
