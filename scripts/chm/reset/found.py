"""What a reset finds in a target, for either engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Ask = Callable[["Found"], None]
"""Shown what would go; raises to keep it."""


@dataclass(frozen=True)
class Relation:
    """A table or view of the project that is there."""

    schema: str
    name: str
    is_view: bool

    def __str__(self) -> str:
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True)
class Found:
    """What the project made in a target: relations, enum types, and the rows of the raw tables."""

    relations: tuple[Relation, ...]
    types: tuple[str, ...]
    rows: int


def ordered(relations: list[Relation]) -> list[Relation]:
    """Return the views before the tables."""
    return sorted(relations, key=lambda row: (not row.is_view, row.schema, row.name))


def count_rows(connection: Any, relation: Relation) -> int:  # noqa: ANN401
    """Return how many rows a table holds, by a connection of either engine."""
    return int(connection.execute(f"select count(*) from {relation}").fetchone()[0])
