"""The rows of raw.runs that a batch makes, as Arrow."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from chm.contract import load_contract
from chm.ingest.event_order import ARRIVAL
from chm.ingest.sieve import ROW

_TYPES = {
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "timestamptz": pa.timestamp("us", "UTC"),
}


@cache
def rows_schema() -> pa.Schema:
    """Return ROW, and the contract's columns with the types that both engines take."""
    columns = load_contract().tables["runs"].columns
    types = [(column.name, _TYPES.get(column.sql_type, pa.string())) for column in columns]
    return pa.schema([(ROW, pa.int32()), *types])


def rows_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Return rows given as dicts of ROW and the contract's columns."""
    return pa.Table.from_pylist(list(rows), rows_schema())


def arrived(ordinary: pa.Table, arrival: datetime) -> pa.Table:
    """Return the rows of a sieve with the instant that they arrived at."""
    instants = pa.repeat(pa.scalar(arrival, rows_schema().field(ARRIVAL).type), len(ordinary))
    return ordinary.append_column(ARRIVAL, instants).select(rows_schema().names).cast(rows_schema())
