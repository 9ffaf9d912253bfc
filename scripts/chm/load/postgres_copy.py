"""Put the rows of a data set into PostgreSQL tables by COPY."""

import duckdb

from chm.contract import Column, Table
from chm.load.postgres_streams import Connect
from chm.load.result import Progress
from chm.load.source import Source

ROWS_PER_WRITE = 10_000
# From here on the compiler is worth the wait.
BINARY_FROM_ROWS = 100_000


def copy_table(
    connect: Connect, source: Source, table: Table, relation: str, progress: Progress
) -> int:
    """Copy the rows of `table` into `relation`; return their number.

    Many rows go to the server as binary rows, by several streams; few as lines of text.

    Raises:
        ChmError: a shard is not what was validated.
        psycopg.Error: the server refuses a row, or is gone.
    """
    progress(f"loading {table.name}", 0, source.rows[table.name])
    if source.reads_files(table):
        # Imported here: small data sets need not wait for the compiler.
        from chm.load.postgres_shards import copy_shards

        return copy_shards(connect, source, table, relation, progress)
    if source.rows[table.name] >= BINARY_FROM_ROWS:
        from chm.load.postgres_batches import copy_batches

        return copy_batches(connect, source, table, relation, progress)
    return _copy_lines(connect, source, table, relation, progress)


def _copy_lines(
    connect: Connect, source: Source, table: Table, relation: str, progress: Progress
) -> int:
    lines: duckdb.DuckDBPyConnection = source.connection.execute(_lines(source, table))
    statement = f"copy {relation} ({', '.join(table.column_names)}) from stdin"
    total, done = source.rows[table.name], 0
    with connect() as connection, connection.cursor().copy(statement) as copy:
        while batch := lines.fetchmany(ROWS_PER_WRITE):
            copy.write("".join(line for (line,) in batch))
            done += len(batch)
            progress(f"loading {table.name}", done, total)
    return done


def _lines(source: Source, table: Table) -> str:
    """A query for the rows as lines of COPY's text format, made by DuckDB's vectors."""
    fields = ", ".join(_field(column) for column in table.columns)
    return f"select concat_ws(chr(9), {fields}) || chr(10) from ({source.select(table)})"


def _field(column: Column) -> str:
    field = f"{column.name}::varchar"
    if column.is_text:
        # The backslash goes first: the others put in new ones.
        for character, escaped in (("'\\'", "\\\\"), ("chr(9)", "\\t"), ("chr(10)", "\\n")):
            field = f"replace({field}, {character}, '{escaped}')"
        field = f"replace({field}, chr(13), '\\r')"
    return f"coalesce({field}, '\\N')"
