"""The raw tables as batches of Great Expectations: queries on PostgreSQL, frames on DuckDB.

Its SQL engine closes a DuckDB connection before it reads the result, so DuckDB's queries are
run here and handed over as data frames.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd
import psycopg
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from sqlalchemy import URL

from chm.contract import load_contract
from chm.errors import ChmError
from chm.postgres import connect
from chm.targets import DuckDBTarget, PostgresTarget, Target


@dataclass(frozen=True)
class Batch:
    """Rows to check: Great Expectations' definition of a batch, and the parameters to run it."""

    name: str
    definition: "BatchDefinition[Any]"
    parameters: dict[str, pd.DataFrame] | None = None


MakeBatch = Callable[[str, str], Batch]
"""Makes a batch of a name and a query."""


def open_batches(
    context: EphemeralDataContext, target: Target
) -> AbstractContextManager[MakeBatch]:
    """Return a context that yields a function to make batches of the target's tables.

    Entering it raises:
        ChmError: the target can't be reached or read, or a raw table is not there.
    """
    if isinstance(target, DuckDBTarget):
        return _frames(context, target)
    return _queries(context, target)


@contextmanager
def _frames(context: EphemeralDataContext, target: DuckDBTarget) -> Iterator[MakeBatch]:
    if not target.path.exists():
        raise ChmError(f"{target.path} is not there: run chm load first")
    source = context.data_sources.add_pandas(target.name)
    try:
        with duckdb.connect(str(target.path), read_only=True) as connection:
            _require_tables(target, connection.execute(_tables_query()).fetchall())

            def frame(name: str, query: str) -> Batch:
                asset = source.add_dataframe_asset(name)
                definition = asset.add_batch_definition_whole_dataframe("all")
                return Batch(name, definition, {"dataframe": connection.execute(query).df()})

            yield frame
    except duckdb.Error as error:
        raise ChmError(f"can't read {target.path}: {str(error).splitlines()[0]}") from None


@contextmanager
def _queries(context: EphemeralDataContext, target: PostgresTarget) -> Iterator[MakeBatch]:
    try:
        with connect(target) as connection:
            _require_tables(target, connection.execute(_tables_query()).fetchall())
    except psycopg.Error as error:
        raise ChmError(f"{target.place}: {error.diag.message_primary}") from None
    url = URL.create(
        "postgresql+psycopg",
        username=target.user,
        password=target.password or None,
        host=target.host,
        port=target.port,
        database=target.database,
    )
    # SQLAlchemy leaves blanks as they are, Great Expectations takes none in a URL.
    text = url.render_as_string(hide_password=False).replace(" ", "%20")
    source = context.data_sources.add_postgres(target.name, connection_string=text)

    def query(name: str, text: str) -> Batch:
        asset = source.add_query_asset(name, query=text)
        return Batch(name, asset.add_batch_definition_whole_table("all"))

    try:
        yield query
    finally:
        # One engine lists the assets, the other runs the expectations.
        source.get_engine().dispose()
        source.get_execution_engine().close()


def _tables_query() -> str:
    schema = load_contract().schema
    return f"select table_name from information_schema.tables where table_schema = '{schema}'"


def _require_tables(target: Target, found: list[tuple[str]]) -> None:
    contract = load_contract()
    missing = [f"{contract.schema}.{name}" for name in contract.tables if (name,) not in found]
    if missing:
        raise ChmError(f"target '{target.name}' has no {', '.join(missing)}: run chm load first")
