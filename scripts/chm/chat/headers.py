"""Decide by the names in it which table a header is of."""

import re
from collections import Counter
from collections.abc import Sequence

from chm.contract import Contract, Table

# Blanks that chats put around a name and nobody sees, and the marks of bold type.
_UNSEEN = " \t\r\n\u00a0\u200b\u2060\ufeff"
_AROUND = _UNSEEN + "*"
_NAME = re.compile(r"[A-Za-z_]\w*")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def column_names(fields: Sequence[str]) -> list[str]:
    """Return the fields of a header without the blanks and the marks of bold type around them."""
    return [field.strip(_AROUND) for field in fields]


def table_of(contract: Contract, fields: Sequence[str]) -> Table | None:
    """Return the table that has exactly these columns, in any order."""
    names = sorted(column_names(fields))
    for table in contract.tables.values():
        if sorted(table.column_names) == names:
            return table
    return None


def resembles_header(contract: Contract, fields: Sequence[str]) -> bool:
    """Whether at least two fields, and half of them, name columns of the contract."""
    names = column_names(fields)
    known = {name for table in contract.tables.values() for name in table.column_names}
    shared = sum(name.lower() in known for name in names)
    return shared >= max(2, len(names) / 2) and _NAME.fullmatch(names[0]) is not None


def other_separator(contract: Contract, line: str) -> str | None:
    """Return what separates the names of a header, if it is not commas."""
    for separator, name in _SEPARATORS.items():
        fields = line.strip(_UNSEEN + "|").split(separator)
        if len(fields) > 1 and resembles_header(contract, fields):
            return name
    return None


def misfit(contract: Contract, fields: Sequence[str]) -> str:
    """Say what the header lacks and has too much against the nearest table."""
    names = column_names(fields)
    found = set(names)

    def distance(table: Table) -> int:
        return len(found ^ set(table.column_names))

    tables = contract.tables.values()
    as_written = table_of(contract, [name.lower() for name in names])
    if as_written is not None:
        return f"is the header of {as_written.name} in capitals: column names are lower-case"
    nearest = [table for table in tables if distance(table) == min(map(distance, tables))]
    if all(found.isdisjoint(table.column_names) for table in nearest):
        return f"is no header: no column of {', '.join(contract.tables)} is in it"
    return "is the header of no table: " + " or ".join(
        f"against {table.name} {_difference(names, table)}" for table in nearest
    )


def _difference(names: Sequence[str], table: Table) -> str:
    found = Counter(names)
    missing = [name for name in table.column_names if name not in found]
    extra = [name or "an empty name" for name in found if name not in table.column_names]
    repeated = [name for name, times in found.items() if times > 1 and name in table.column_names]
    parts = [
        f"{word} {', '.join(listed)}"
        for word, listed in (
            ("it lacks", missing),
            ("it has the unknown", extra),
            ("it repeats", repeated),
        )
        if listed
    ]
    return ", ".join(parts)
