"""Read rows from a target."""

from collections.abc import Callable
from typing import Any

from chm.errors import ChmError
from chm.targets import DuckDBTarget, Target

Row = dict[str, Any]


def read_tables(target: Target, tables: list[str]) -> dict[str, list[Row]]:
    """Return all rows of each table, by the table's name.

    Raises:
        ChmError: the target can't be reached, or a table is not there.
    """
    if isinstance(target, DuckDBTarget):
        return _read_duckdb(target, tables)
    # Imported here: the other engine's driver may not be needed.
    import psycopg

    from chm.postgres import connect

    try:
        with connect(target) as connection:
            return {table: _rows(connection.execute, table) for table in tables}
    except psycopg.errors.UndefinedTable as error:
        raise _not_built(target, str(error)) from None
    except psycopg.Error as error:
        raise ChmError(f"target '{target.name}': {str(error).strip()}") from None


def _read_duckdb(target: DuckDBTarget, tables: list[str]) -> dict[str, list[Row]]:
    import duckdb

    if not target.path.exists():
        raise ChmError(f"target '{target.name}': {target.path} is not there")
    try:
        with duckdb.connect(str(target.path), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return {table: _rows(connection.execute, table) for table in tables}
    except duckdb.CatalogException as error:
        raise _not_built(target, str(error)) from None
    except duckdb.Error as error:
        raise ChmError(f"target '{target.name}': {str(error).strip()}") from None


def _not_built(target: Target, reason: str) -> ChmError:
    first_line = reason.strip().splitlines()[0]
    return ChmError(
        f"target '{target.name}' is not built ({first_line}): "
        f"run dbt build --target {target.name} first"
    )


def _rows(execute: Callable[[str], Any], table: str) -> list[Row]:
    cursor = execute(f"select * from {table}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
