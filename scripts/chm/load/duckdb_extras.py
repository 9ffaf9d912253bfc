"""What others gave an old DuckDB table: for the new one, or a reason to stop."""

import duckdb

from chm.contract import Contract
from chm.errors import ChmError
from chm.validate.sql import literal


def take_extras(connection: duckdb.DuckDBPyConnection, contract: Contract) -> list[str]:
    """Return the statements that give new tables the indexes and comments of the old ones.

    Raises:
        ChmError: an old table has a column of others; names it.
    """
    statements = []
    for name, table in contract.tables.items():
        place = [contract.schema, name]
        columns = connection.execute(_COLUMNS, place).fetchall()
        for column, _ in columns:
            if column not in table.column_names:
                raise ChmError(
                    f"{contract.schema}.{name} has what a new table can't take over: "
                    f"the column {column}; nothing was loaded"
                )
        statements += [
            f"comment on column {contract.schema}.{name}.{column} is {literal(comment)}"
            for column, comment in columns
            if comment is not None
        ]
        statements += [
            f"comment on table {contract.schema}.{name} is {literal(comment)}"
            for (comment,) in connection.execute(_TABLE_COMMENT, place).fetchall()
        ]
        statements += [sql for (sql,) in connection.execute(_INDEXES, place).fetchall()]
    return statements


_OF_TABLE = "where database_name = current_database() and schema_name = ? and table_name = ?"
_COLUMNS = f"select column_name, comment from duckdb_columns() {_OF_TABLE} order by column_index"
_TABLE_COMMENT = f"select comment from duckdb_tables() {_OF_TABLE} and comment is not null"
_INDEXES = f"select sql from duckdb_indexes() {_OF_TABLE} order by index_name"
