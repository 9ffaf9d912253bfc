"""Read rows from a target."""

from collections.abc import Callable, Mapping
from typing import Any

from chm.errors import ChmError
from chm.targets import DuckDBTarget, Target

Row = dict[str, Any]
# The names of the columns, and the rows.
Result = tuple[list[str], list[tuple[Any, ...]]]


def read_tables(target: Target, tables: list[str]) -> dict[str, list[Row]]:
    """Return all rows of each table, by the table's name.

    Raises:
        ChmError: the target can't be reached, or a table is not there.
    """
    queries = {table: f"select * from {table}" for table in tables}
    return {
        table: [dict(zip(names, row, strict=True)) for row in rows]
        for table, (names, rows) in _run(target, queries).items()
    }


def read_queries(target: Target, queries: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of each query, by the query's name.

    Raises:
        ChmError: the target can't be reached, or a table is not there.
    """
    return {name: rows for name, (_, rows) in _run(target, queries).items()}


def _run(target: Target, queries: Mapping[str, str]) -> dict[str, Result]:
    if isinstance(target, DuckDBTarget):
        return _run_duckdb(target, queries)
    # Imported here: the other engine's driver may not be needed.
    import psycopg

    from chm.postgres import connect

    try:
        with connect(target) as connection:
            return {name: _result(connection.execute, query) for name, query in queries.items()}
    except psycopg.errors.UndefinedTable as error:
        raise _not_built(target, str(error)) from None
    except psycopg.Error as error:
        raise ChmError(f"target '{target.name}': {str(error).strip()}") from None


def _run_duckdb(target: DuckDBTarget, queries: Mapping[str, str]) -> dict[str, Result]:
    import duckdb

    if not target.path.exists():
        raise ChmError(f"target '{target.name}': {target.path} is not there")
    try:
        with duckdb.connect(str(target.path), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return {name: _result(connection.execute, query) for name, query in queries.items()}
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


def _result(execute: Callable[[str], Any], query: str) -> Result:
    cursor = execute(query)
    return [column[0] for column in cursor.description], cursor.fetchall()
