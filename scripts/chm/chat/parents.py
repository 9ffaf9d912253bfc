"""Hold new rows against the id registry: what is frozen stays, parents come from it alone."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from chm.chat.registry import read_rows
from chm.chat.staging import Origin
from chm.credentials import presentable
from chm.errors import ChmError
from chm.registry import ENTITY_TYPES, REGISTRY, Registry, read_registry
from chm.validate import Violation


@dataclass(frozen=True)
class KnownIds:
    """The lower-case ids of each table in ENTITY_TYPES before an import.

    `frozen` are those of the registry (where there is none, of the base files), `base` those
    of the base files.
    """

    registry: Registry
    frozen: Mapping[str, Set[str]]
    base: Mapping[str, Set[str]]


def read_known_ids(stage: Path, into: Path) -> KnownIds:
    """Return the ids of the data set in `stage`, a copy of `into`.

    Raises:
        ChmError: the registry is none, or a name in a base file is not the registry's.
    """
    registry = read_registry(stage)
    base: dict[str, Set[str]] = {}
    for table in ENTITY_TYPES:
        path = stage / "base" / f"{table}.csv"
        rows = read_rows(path) if path.exists() else []
        base[table] = {row["id"].lower() for row in rows}
        for row in rows:
            entity = registry.entities[table].get(row["id"].lower())
            if entity is not None and entity["entity_name"] != row["name"]:
                raise ChmError(
                    f"{into / 'base' / path.name}: {row['id']} is called '{row['name']}', "
                    f"in {REGISTRY} '{entity['entity_name']}': names there are frozen"
                )
    frozen = base if registry.content is None else registry.entities
    return KnownIds(registry, {table: set(frozen[table]) for table in ENTITY_TYPES}, base)


def against_registry(known: KnownIds, origins: Iterable[Origin]) -> list[Violation]:
    """Return the new rows with an id that is frozen, or a parent that the registry lacks.

    What the base files prove already is the validator's to tell.
    """
    readable = [origin for origin in origins if not origin.row.problem]
    new = {
        table: {_field(origin, "id") for origin in readable if origin.table.table.name == table}
        for table in ENTITY_TYPES
    }
    found = []
    for origin in readable:
        table = origin.table.table
        own = known.frozen.get(table.name, set()) - known.base.get(table.name, set())
        if _field(origin, "id") in own:
            message = f"is the frozen id of another {ENTITY_TYPES[table.name]} in {REGISTRY}"
            found.append(_violation(origin, "id", "R03", message))
        for column in table.columns:
            parent = column.references
            if parent is None:
                continue
            unregistered = known.base[parent] - known.frozen[parent] - new[parent]
            if _field(origin, column.name) in unregistered:
                message = f"is not an id of {parent} in {REGISTRY}"
                found.append(_violation(origin, column.name, "R05", message))
    return found


def _field(origin: Origin, name: str) -> str:
    return origin.row.fields[origin.table.table.column_names.index(name)].lower()


def _violation(origin: Origin, column: str, rule: str, message: str) -> Violation:
    value = presentable(_field(origin, column))
    return Violation(origin.table.file, origin.row.line, column, rule, value, message)
