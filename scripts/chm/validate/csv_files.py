"""Load one CSV file as text into the source table of its table."""

import contextlib
import csv
import glob
import tempfile
from array import array
from collections import Counter
from itertools import islice
from pathlib import Path

import duckdb

from chm.contract import Table
from chm.credentials import presentable
from chm.validate.files import DataFile, Faults, source_table
from chm.validate.records import MAX_RECORD_BYTES, read_records
from chm.validate.sql import literal

_CHUNK_BYTES = 1 << 22


def load_csv(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, index: int, faults: Faults
) -> DataFile | None:
    """Append the file, with `index` as its `_file`; None if its header is wrong.

    Raises:
        OSError: the file can't be read.
        duckdb.Error: the well-formed rows can't be loaded.
    """
    header = _read_header(table, path, faults)
    if header is None:
        return None
    if not _may_be_broken(path):
        # A file that DuckDB refuses is not lost: the scanner says where it is broken.
        with contextlib.suppress(duckdb.Error):
            rows, first_row = insert_csv(connection, table, path, header, index)
            return DataFile(path, table.name, rows, first_row)
    return _load_good_rows(connection, table, path, header, index, faults)


def _read_header(table: Table, path: Path, faults: Faults) -> list[str] | None:
    """Return the column names of the file, or None after reporting what is wrong with them."""
    found_before = faults.count
    record = next(read_records(path), None)
    if record is None or record.line != 1:
        faults.add(path, 1, "is empty: the first line must be the header")
    elif record.problem:
        faults.add(path, 1, f"is no header: it {record.problem}")
    else:
        check_columns(table, path, record.fields, 1, faults)
    return record.fields if record and faults.count == found_before else None


def check_columns(
    table: Table, path: Path, names: list[str], line: int | None, faults: Faults
) -> None:
    """Report the columns that are missing, unknown or there twice."""
    for name, times in Counter(names).items():
        shown = presentable(name)
        if name not in table.column_names:
            faults.add(path, line, f"is not a column of {table.name}", shown, shown)
        elif times > 1:
            faults.add(path, line, f"is {times} times in the header", shown, shown)
    for name in table.column_names:
        if name not in names:
            faults.add(path, line, "is missing in the header", name)


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
    faults: Faults,
) -> DataFile:
    """Load the rows that are well-formed, report the others."""
    lines = array("Q")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8") as good:
        writer = csv.writer(good, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(header)
        for record in islice(read_records(path), 1, None):
            problem = record.problem or _width_problem(len(record.fields), len(header))
            if problem:
                faults.add(path, record.line, f"the row {problem}")
            else:
                writer.writerow(record.fields)
                lines.append(record.line)
        good.flush()
        # Quotes are doubled when they are written: a record may have become longer.
        rows, first_row = insert_csv(
            connection, table, Path(good.name), header, index, 2 * MAX_RECORD_BYTES
        )
    return DataFile(path, table.name, rows, first_row, lines)


def _width_problem(fields: int, columns: int) -> str | None:
    if fields == columns:
        return None
    return f"has {fields} field{'' if fields == 1 else 's'} instead of {columns}"


def insert_csv(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    header: list[str],
    index: int,
    record_bytes: int = MAX_RECORD_BYTES,
) -> tuple[int, int]:
    """Append the file to its source table; return its number of rows and its first rowid.

    Raises:
        duckdb.Error: DuckDB refuses the file; nothing was appended.
    """
    columns = ", ".join(f"'{name}': 'varchar'" for name in header)
    connection.execute(
        f"insert into {source_table(table)} by name select {index} as _file, * from read_csv("
        f"{literal(glob.escape(str(path.resolve())))}, columns = {{{columns}}}, "
        "header = true, delim = ',', quote = '\"', escape = '\"', comment = '', nullstr = '', "
        "allow_quoted_nulls = true, auto_detect = false, strict_mode = true, "
        "null_padding = false, compression = 'none', hive_partitioning = false, "
        f"max_line_size = {record_bytes})"
    )
    return inserted_rows(connection, table, index)


def inserted_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, index: int
) -> tuple[int, int]:
    """Return the number of rows that a file has in its source table, and its first rowid."""
    found = connection.execute(
        f"select count(*), coalesce(min(rowid), 0) from {source_table(table)} where _file = {index}"
    ).fetchone()
    assert found is not None
    return found
