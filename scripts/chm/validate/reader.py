"""Open a data set's CSV files as all-text tables in DuckDB."""

import contextlib
import csv
import fnmatch
import glob
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb

from chm.contract import Column, Table, load_contract
from chm.errors import ChmError
from chm.validate.credentials import presentable
from chm.validate.records import MAX_RECORD_BYTES, read_records
from chm.validate.report import Violation
from chm.validate.sql import literal

# The table that comes in batches; the others are one base file each.
_BATCHED = "runs"
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class DataFile:
    """A file whose header is right, loaded into `source_<table>`.

    `rows` are the records loaded, in the file's order; in the table they begin at rowid
    `first_row`. `lines` holds the physical line of each where a slow scan has found them.
    """

    path: Path
    table: str
    rows: int
    first_row: int
    lines: Sequence[int] | None = None


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


class _Faults:
    """R01 violations: the first `limit` of them and the number of all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.shown: list[Violation] = []

    def add(self, violation: Violation) -> None:
        self.count += 1
        if len(self.shown) < self.limit:
            self.shown.append(violation)


def open_data_set(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    limit: int = 20,
    on_step: Callable[[str], None] = lambda _: None,
) -> DataSetFiles:
    """Load the files of a data set into the temporary tables `source_<table>`.

    Each has the contract's columns as text (empty is null) and `_file`. Call it outside a
    transaction: DuckDB numbers the rows of an open transaction differently.

    Args:
        connection: any DuckDB connection.
        folder: holds base/{clients,pipelines,alert_rules}.csv and batches/runs_*.csv.
        limit: how many R01 violations to keep.
        on_step: told what is being read.

    Raises:
        ChmError: the folder or a file can't be read.
    """
    if not folder.is_dir():
        raise ChmError(f"{folder} is not a folder: give the one that holds base/ and batches/")
    faults = _Faults(limit)
    files: list[DataFile] = []
    incomplete = set()
    for table in load_contract().tables.values():
        columns = ", ".join(f"{name} varchar" for name in table.column_names)
        connection.execute(
            f"create or replace temp table {source_table(table)} (_file integer, {columns})"
        )
        for path in _paths(folder, table):
            if not path.name.isprintable():
                raise ChmError(f"{path.name!a} in {folder}: a file name must be readable text")
            on_step(f"reading {path.name}")
            found_before = faults.count
            file = _load_file(connection, table, path, len(files), faults)
            if file is not None:
                files.append(file)
            if faults.count > found_before:
                incomplete.add(table.name)
    return DataSetFiles(
        folder, tuple(files), tuple(faults.shown), faults.count, frozenset(incomplete)
    )


def source_table(table: Table) -> str:
    """Return the name of the temporary table that open_data_set fills."""
    return f"source_{table.name}"


def typed_select(table: Table) -> str:
    """Return the SQL that reads `source_<table>` as the contract's columns and types.

    The rows are those of the files, in no given order; it fails on a value that is not of
    its type, so use it on a data set that has passed validation.
    """
    columns = ", ".join(f"{_cast(column)} as {column.name}" for column in table.columns)
    return f"select {columns} from {source_table(table)}"


def _cast(column: Column) -> str:
    sql_type = "json" if column.sql_type == "jsonb" else column.sql_type
    return column.name if sql_type == "text" else f"cast({column.name} as {sql_type})"


def _paths(folder: Path, table: Table) -> list[Path]:
    if table.name == _BATCHED:
        return _batches(folder / "batches", f"{table.name}_*.csv")
    return [folder / "base" / f"{table.name}.csv"]


def _batches(folder: Path, pattern: str) -> list[Path]:
    """List the batch files; a folder that is not there holds none, any other failure is told."""
    if not os.path.lexists(folder):
        return []
    try:
        # Not Path.glob: it takes a folder that can't be read for an empty one.
        names = os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise ChmError(f"can't read the folder {folder}: {error.strerror}") from None
    return sorted(folder / name for name in fnmatch.filter(names, pattern))


def _load_file(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    index: int,
    faults: _Faults,
) -> DataFile | None:
    if not path.is_file():
        faults.add(Violation(path.name, None, None, "R01", None, f"is missing: expected {path}"))
        return None
    try:
        header = _read_header(table, path, faults)
        if header is None:
            return None
        if not _may_be_broken(path):
            # A file that DuckDB refuses is not lost: the scanner says where it is broken.
            with contextlib.suppress(duckdb.Error):
                rows, first_row = _insert(connection, table, path, header, index)
                return DataFile(path, table.name, rows, first_row)
        return _load_good_rows(connection, table, path, header, index, faults)
    except OSError as error:
        raise ChmError(f"{path} can't be read: {error.strerror}") from error
    except duckdb.Error as error:
        raise ChmError(f"{path} can't be read: {str(error).splitlines()[0]}") from error


def _read_header(table: Table, path: Path, faults: _Faults) -> list[str] | None:
    """Return the column names of the file, or None after reporting what is wrong with them."""

    def fault(message: str, column: str | None = None, value: str | None = None) -> None:
        faults.add(Violation(path.name, 1, column, "R01", value, message))

    found_before = faults.count
    record = next(read_records(path), None)
    if record is None or record.line != 1:
        fault("is empty: the first line must be the header")
    elif record.problem:
        fault(f"is no header: it {record.problem}")
    else:
        for name, times in Counter(record.fields).items():
            shown = presentable(name)
            if name not in table.column_names:
                fault(f"is not a column of {table.name}", shown, shown)
            elif times > 1:
                fault(f"is {times} times in the header", shown, shown)
        for name in table.column_names:
            if name not in record.fields:
                fault("is missing in the header", name)
    return record.fields if record and faults.count == found_before else None


def _may_be_broken(path: Path) -> bool:
    """Whether the file has bytes that DuckDB reads but the contract may not allow.

    NUL characters, and commas at the end of a line: either an empty last field or one field
    too many, which DuckDB drops without a word.
    """
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            text = tail + chunk
            if b"\0" in text or b",\n" in text or b",\r\n" in text:
                return True
            tail = text[-2:]
    return tail.endswith(b",")


def _load_good_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    header: list[str],
    index: int,
    faults: _Faults,
) -> DataFile:
    """Load the rows that are well-formed, report the others."""
    lines = array("Q")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8") as good:
        writer = csv.writer(good, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(header)
        for record in islice(read_records(path), 1, None):
            problem = record.problem or _width_problem(len(record.fields), len(header))
            if problem:
                faults.add(
                    Violation(path.name, record.line, None, "R01", None, f"the row {problem}")
                )
            else:
                writer.writerow(record.fields)
                lines.append(record.line)
        good.flush()
        # Quotes are doubled when they are written: a record may have become longer.
        rows, first_row = _insert(
            connection, table, Path(good.name), header, index, 2 * MAX_RECORD_BYTES
        )
    return DataFile(path, table.name, rows, first_row, lines)


def _width_problem(fields: int, columns: int) -> str | None:
    if fields == columns:
        return None
    return f"has {fields} field{'' if fields == 1 else 's'} instead of {columns}"


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    header: list[str],
    index: int,
    record_bytes: int = MAX_RECORD_BYTES,
) -> tuple[int, int]:
    """Append the file to its source table; return its number of rows and its first rowid."""
    columns = ", ".join(f"'{name}': 'varchar'" for name in header)
    name = source_table(table)
    connection.execute(
        f"insert into {name} by name select {index} as _file, * from read_csv("
        f"{literal(glob.escape(str(path.resolve())))}, columns = {{{columns}}}, "
        "header = true, delim = ',', quote = '\"', escape = '\"', comment = '', nullstr = '', "
        "allow_quoted_nulls = true, auto_detect = false, strict_mode = true, "
        "null_padding = false, compression = 'none', hive_partitioning = false, "
        f"max_line_size = {record_bytes})"
    )
    found = connection.execute(
        f"select count(*), coalesce(min(rowid), 0) from {name} where _file = {index}"
    ).fetchone()
    assert found is not None
    return found
