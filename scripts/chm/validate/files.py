"""The files of a data set, as plain values, and the tables that they are loaded into."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chm.contract import Table
from chm.validate.report import Violation


@dataclass(frozen=True)
class DataFile:
    """A file whose header is right, loaded into `source_<table>`.

    `rows` are the records loaded, in the file's order; in the table they begin at rowid
    `first_row`. `lines` holds the place of each in its file, where that is known: the physical
    line, or in a Parquet file the row, from 1. `proved` is the number of rows that were proved
    clean and therefore not loaded. Of a CSV file that was scanned for such rows, `starts` are
    places where records begin, in bytes: the first one, and then one every few megabytes.
    """

    path: Path
    table: str
    rows: int
    first_row: int
    lines: Sequence[int] | None = None
    proved: int = 0
    starts: tuple[int, ...] = ()


@dataclass(frozen=True)
class DataSetFiles:
    """The files of a data set; in `source_<table>` the column `_file` is the index in `files`.

    `faults` are the first R01 violations, `fault_count` is their true number. A table in
    `incomplete` lacks a file or rows, so that what it does not hold proves nothing.
    """

    folder: Path
    files: tuple[DataFile, ...]
    faults: tuple[Violation, ...]
    fault_count: int
    incomplete: frozenset[str]


class Faults:
    """R01 violations: the first `limit` of them and the number of all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.shown: list[Violation] = []

    def add(
        self,
        path: Path,
        line: int | None,
        message: str,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Note that the file at `path` breaks R01 there."""
        self.count += 1
        if len(self.shown) < self.limit:
            self.shown.append(Violation(path.name, line, column, "R01", value, message))


def source_table(table: Table) -> str:
    """Return the name of the temporary table that holds the fields of a table's files as text."""
    return f"source_{table.name}"
