"""The files of a data set, as SQL that reads no more of them than it must."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from glob import escape
from pathlib import Path

import duckdb

from chm.contract import Table
from chm.errors import ChmError
from chm.validate.records import MAX_RECORD_BYTES, read_records
from chm.validate.sql import literal

# The table that comes in batches; the others are one base file each.
BATCHED = "runs"
_FORMATS = ("csv", "parquet")


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
                raise ChmError(
                    f"{path}: expected one column {column} in the header, "
                    f"not {header.count(column)}"
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
