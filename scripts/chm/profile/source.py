"""The files of a data set, as SQL that reads no more of them than it must."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from glob import escape
from pathlib import Path

import duckdb

from chm.contract import Table
from chm.errors import ChmError
from chm.validate.records import MAX_RECORD_BYTES, read_records
from chm.validate.sql import literal
from chm.words import counted

# The table that comes in batches; the others are one base file each.
BATCHED = "runs"
_FORMATS = ("csv", "parquet")
# Where DuckDB says a CSV file is broken.
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_FILE = re.compile(r"^\s*file = (.+)$", re.MULTILINE)
_FIELDS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
# What it finds wrong, in this project's words.
_REASONS = {
    "Invalid unicode": "is not UTF-8",
    "unterminated quote": "has a quote that is never closed, or text after one that is",
    "Maximum line size": "is too long",
}


def table_files(folder: Path, table: Table) -> list[Path]:
    """Return the files of a table in the data set, by name; none if there is none.

    Raises:
        ChmError: the folder with the batches can't be read.
    """
    if table.name != BATCHED:
        path = folder / "base" / f"{table.name}.csv"
        return [path] if path.exists() else []
    batches = folder / "batches"
    if not batches.exists():
        return []
    try:
        names = sorted(os.listdir(batches))  # noqa: PTH208
    except OSError as error:
        raise ChmError(f"can't read the folder {batches}: {error.strerror}") from None
    patterns = [f"{table.name}_*.{extension}" for extension in _FORMATS]
    return [batches / name for name in names if any(fnmatch(name, p) for p in patterns)]


def select_text(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], columns: Sequence[str]
) -> str:
    """Return the SQL that reads these columns of all files as text, empty as null.

    Raises:
        ChmError: a file can't be read, or lacks one of the columns.
    """
    by_header: dict[tuple[str, ...], list[Path]] = {}
    parquet = []
    for path in paths:
        header = tuple(read_header(connection, path))
        for column in columns:
            if header.count(column) != 1:
                line = ":1" if path.suffix == ".csv" else ""
                raise ChmError(
                    f"{path}{line} expected one column {column} in the header, not "
                    f"{header.count(column)} (chm validate tells every fault)"
                )
        if path.suffix == ".csv":
            by_header.setdefault(header, []).append(path)
        else:
            parquet.append(path)
    sources = [_read_csv(files, header) for header, files in by_header.items()]
    if parquet:
        sources.append(
            f"read_parquet({_names(parquet)}, union_by_name = true, hive_partitioning = false)"
        )
    fields = ", ".join(
        f"nullif(cast({_quoted(column)} as varchar), '') as {_quoted(column)}" for column in columns
    )
    if not sources:
        empty = ", ".join(f"cast(null as varchar) as {_quoted(column)}" for column in columns)
        return f"select {empty} where false"
    return " union all ".join(f"select {fields} from {source}" for source in sources)


def read_header(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the names of a file's columns, none for an empty file.

    Raises:
        ChmError: the file can't be read.
    """
    try:
        if path.suffix == ".csv":
            record = next(read_records(path), None)
            return record.fields if record else []
        described = connection.execute(f"describe select * from read_parquet({_names([path])})")
        return [row[0] for row in described.fetchall()]
    except OSError as error:
        raise ChmError(f"{path} can't be read: {error.strerror}") from None
    except duckdb.Error as error:
        raise ChmError(f"{path} can't be read: {str(error).splitlines()[0]}") from None


@contextmanager
def told_by_file(folder: Path) -> Iterator[None]:
    """Turn DuckDB's account of a broken file of a data set into a message of one line.

    Raises:
        ChmError: naming the file and the line, where they are known.
    """
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        file, line = _FILE.search(text), _LINE.search(text)
        if file is None or line is None:
            raise ChmError(text.splitlines()[0]) from None
        path = Path(file[1])
        if path.is_relative_to(folder.resolve()):
            # As the user named it.
            path = folder / path.relative_to(folder.resolve())
        raise ChmError(
            f"{path}:{line[1]} the row {_fault(text)}: nothing can be counted before that is "
            "mended (chm validate tells every fault)"
        ) from None


def _fault(text: str) -> str:
    fields = _FIELDS.search(text)
    if fields:
        return f"has {counted(int(fields[2]), 'field')} instead of {fields[1]}"
    found = (reason for words, reason in _REASONS.items() if words in text)
    return next(found, "is no well-formed CSV")


def _read_csv(paths: Sequence[Path], header: Sequence[str]) -> str:
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in header)
    return (
        f"read_csv({_names(paths)}, columns = {{{columns}}}, header = true, delim = ',', "
        "quote = '\"', escape = '\"', comment = '', nullstr = '', allow_quoted_nulls = true, "
        "auto_detect = false, strict_mode = true, null_padding = false, compression = 'none', "
        f"hive_partitioning = false, max_line_size = {MAX_RECORD_BYTES})"
    )


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _names(paths: Sequence[Path]) -> str:
    return f"[{', '.join(literal(escape(str(path.resolve()))) for path in paths)}]"
