"""Load one Parquet file into the source table of its table, as the text that CSV would have."""

import glob
from pathlib import Path

import duckdb

from chm.contract import Column, Table
from chm.validate.csv_files import check_columns, inserted_rows
from chm.validate.files import DataFile, Faults, source_table
from chm.validate.sql import literal

_WHOLE_NUMBERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
)
_TEXTS = frozenset(("VARCHAR", "JSON"))
# DuckDB's types of a column of the file, by the contract's type of the column. Text can hold
# any value, spelled as in a CSV file.
_ALLOWED_TYPES = {
    "uuid": _TEXTS | {"UUID"},
    "timestamptz": _TEXTS | {"TIMESTAMP WITH TIME ZONE"},
    "integer": _TEXTS | _WHOLE_NUMBERS,
    "bigint": _TEXTS | _WHOLE_NUMBERS,
    "text": _TEXTS,
    "jsonb": _TEXTS,
    "boolean": _TEXTS | {"BOOLEAN"},
}


def load_parquet(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, index: int, faults: Faults
) -> DataFile | None:
    """Append the file, with `index` as its `_file`; None if its columns are wrong.

    The place of a row is its number, from 1. An empty text is no value, as in a CSV file.

    Raises:
        duckdb.Error: the rows can't be loaded.
    """
    found_before = faults.count
    file = f"read_parquet({literal(glob.escape(str(path.resolve())))}, hive_partitioning = false)"
    types = _column_types(connection, path, faults)
    if types is None:
        return None
    # DuckDB tells names that differ in case alone apart by a number: such a file is refused.
    check_columns(table, path, list(types), None, faults)
    for column in table.columns:
        found = types.get(column.name)
        if found and found not in _ALLOWED_TYPES[column.sql_type] | {_NO_TYPE}:
            message = f"has the type {found}, which does not fit {_words(column)}"
            faults.add(path, None, message, column.name)
    if faults.count > found_before:
        return None
    fields = ", ".join(
        f"{_text(column, types[column.name])} as {column.name}" for column in table.columns
    )
    try:
        connection.execute(
            f"insert into {source_table(table)} by name select {index} as _file, {fields} "
            f"from {file}"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        faults.add(path, None, f"is damaged: {_first_line(error)}")
        return None
    rows, first_row = inserted_rows(connection, table, index)
    _report_nul_characters(connection, table, path, index, faults)
    return DataFile(path, table.name, rows, first_row, range(1, rows + 1))


# The type of a column without any value, for which DuckDB takes another.
_NO_TYPE = "NULL"


def _column_types(
    connection: duckdb.DuckDBPyConnection, path: Path, faults: Faults
) -> dict[str, str] | None:
    """Return DuckDB's type of each column, None if the file is not readable as Parquet."""
    name = literal(glob.escape(str(path.resolve())))
    try:
        described = connection.execute(f"describe select * from read_parquet({name})").fetchall()
        empty = connection.execute(
            f"select name from parquet_schema({name}) where logical_type = 'NullType()'"
        ).fetchall()
    except duckdb.Error as error:
        faults.add(path, None, f"is no readable Parquet file: {_first_line(error)}")
        return None
    types = {row[0]: row[1] for row in described}
    return types | {column: _NO_TYPE for (column,) in empty}


def _words(column: Column) -> str:
    return "timestamptz: an instant in UTC" if column.sql_type == "timestamptz" else column.sql_type


def _text(column: Column, found: str) -> str:
    """The SQL that spells a value as a CSV file would."""
    if found == "TIMESTAMP WITH TIME ZONE":
        instant = f"strftime({column.name} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
        return f"replace({instant}, '.000000Z', 'Z')"
    return f"nullif(cast({column.name} as varchar), '')"


def _report_nul_characters(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, index: int, faults: Faults
) -> None:
    tests = " or ".join(f"contains({name}, chr(0))" for name in table.column_names)
    found = connection.execute(
        f"select rowid - min(rowid) over () + 1, {tests} from {source_table(table)} "
        f"where _file = {index} qualify {tests} order by 1"
    ).fetchall()
    for row, _ in found:
        faults.add(path, row, "the row holds a NUL character")


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
