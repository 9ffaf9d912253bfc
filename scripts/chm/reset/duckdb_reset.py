"""Reset a DuckDB file."""

from contextlib import suppress
from typing import Any

import duckdb

from chm.contract import load_contract
from chm.errors import ChmError
from chm.reset.found import Ask, Found, Relation, count_rows, ordered
from chm.targets import DuckDBTarget


def reset_duckdb(target: DuckDBTarget, dbt_names: set[tuple[str, str]], ask: Ask) -> Found:
    """Drop the raw tables and the relations of these names in one transaction.

    Raises:
        ChmError: `ask` raises it, the file is in use, or something of others reads what would go.
    """
    contract = load_contract()
    if not target.path.exists():
        return Found((), (), 0)
    try:
        with duckdb.connect(str(target.path)) as connection:
            there = connection.execute(
                "select schema_name, table_name, false from duckdb_tables() "
                "where database_name = current_database() union all "
                "select schema_name, view_name, true from duckdb_views() "
                "where database_name = current_database() and not internal"
            ).fetchall()
            raw = [Relation(contract.schema, name, False) for name in reversed(contract.tables)]
            present = {Relation(*row) for row in there}
            built = [row for row in present if (row.schema, row.name) in dbt_names]
            own = [*ordered(built), *(table for table in raw if table in present)]
            rows = sum(count_rows(connection, table) for table in raw if table in present)
            found = Found(tuple(own), (), rows)
            if not own:
                return found
            ask(found)
            # DuckDB does not know what a view stands on.
            others = _readable(connection, [row for row in present - {*own} if row.is_view])
            connection.begin()
            for relation in own:
                kind = "view" if relation.is_view else "table"
                connection.execute(f"drop {kind} {relation}")
            broken = {*others} - {*_readable(connection, others)}
            if broken:
                connection.rollback()
                names = ", ".join(sorted(map(str, broken)))
                raise ChmError(f"{names} reads what would go; nothing was dropped")
            connection.commit()
            return found
    except duckdb.Error as error:
        raise ChmError(
            f"{target.path}: {str(error).splitlines()[0]}; nothing was dropped"
        ) from None


def _readable(connection: Any, views: list[Relation]) -> list[Relation]:  # noqa: ANN401
    """The views whose query DuckDB can bind."""
    found = []
    for view in views:
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            connection.execute(f"describe {view}")
            found.append(view)
    return found
