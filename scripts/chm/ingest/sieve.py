"""Prove events to be ordinary rows of raw.runs, and make these, many at a time.

Of an ordinary event chm.ingest.normalise would make the same row. What is not proved is left to
it: it alone knows the rules. Ordinary is an event under the contract's names, without anything
like a secret, with its values spelled as this project spells them.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chm.contract import load_contract
from chm.ingest.event_order import ARRIVAL
from chm.ingest.event_scan import (
    INSTANTS,
    NONE,
    NUMBERS,
    STATUSES,
    TEXTS,
    UUID_LENGTH,
    UUIDS,
    Found,
    new_found,
    new_scratch,
    scan,
)
from chm.ingest.resolve import NAMESPACE
from chm.runs_layout import RUNS_COLUMNS

ROW = "_row"

_THREADS = 2
_MOST_BYTES = 2**31 - 1
_INSTANT = pa.timestamp("us", "UTC")


def sift_json(
    connection: duckdb.DuckDBPyConnection, data: memoryview, starts: NDArray[np.int64]
) -> pa.Table:
    """Return the rows that the ordinary ones of some lines make, each with its number as ROW.

    Args:
        connection: one with nothing but temporary tables.
        data: the lines, each with what ends it.
        starts: where each line begins, and the end.
    """
    # The loops know the columns by their places.
    assert load_contract().tables["runs"].column_names == RUNS_COLUMNS
    # Offsets of texts have 32 bits.
    lines = len(starts) - 1 if len(data) <= _MOST_BYTES else 0
    cuts = np.linspace(0, lines, _THREADS + 1, dtype=np.int64)
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = threads.map(lambda cut: _sifted(data, starts, *cut), pairwise(cuts))
        return _with_ids(connection, pa.concat_tables(parts))


def _sifted(data: memoryview, starts: NDArray[np.int64], first: int, last: int) -> pa.Table:
    """The rows of the lines from `first` on and before `last`."""
    own = starts[first : last + 1]
    part = np.frombuffer(data, np.uint8)[own[0] : own[-1]]
    found = new_found(last - first, len(part))
    scratch = new_scratch(int(np.diff(own).max(initial=0)))
    count = scan(part, own - own[0], found, scratch)
    found.line[:count] += first
    return _table(found, count)


def open_sieve() -> duckdb.DuckDBPyConnection:
    """Return a connection for sift_json; it holds no data between calls."""
    return duckdb.connect()


def _table(found: Found, count: int) -> pa.Table:
    columns: dict[str, pa.Array] = {ROW: pa.array(found.line[:count])}
    for place, name in enumerate(UUIDS):
        letters = found.uuids[place, :count]
        ends = np.arange(count + 1, dtype=np.int32) * UUID_LENGTH
        columns[name] = _texts(letters, ends, letters[:, 0] != 0)
    statuses = pa.DictionaryArray.from_arrays(pa.array(found.status[:count]), list(STATUSES))
    columns["status"] = statuses.cast(pa.string())
    for place, name in enumerate(INSTANTS):
        values = found.instants[place, :count]
        columns[name] = pa.array(values, _INSTANT, mask=values == NONE)
    for place, name in enumerate(NUMBERS):
        values = found.numbers[place, :count]
        columns[name] = pa.array(values, mask=values == NONE)
    for place, name in enumerate(TEXTS):
        ends = found.ends[place, : count + 1]
        columns[name] = _texts(found.texts[place], ends, np.diff(ends) > 0)
    names = [ROW, *(name for name in RUNS_COLUMNS if name != ARRIVAL)]
    return pa.table([columns[name] for name in names], names)


def _texts(
    content: NDArray[np.uint8], ends: NDArray[np.int32], is_told: NDArray[np.bool_]
) -> pa.Array:
    return pa.StringArray.from_buffers(
        len(is_told),
        pa.py_buffer(np.ascontiguousarray(ends)),
        pa.py_buffer(np.ascontiguousarray(content).reshape(-1)[: int(ends[-1])]),
        pa.py_buffer(np.packbits(is_told, bitorder="little")),
    )


def _with_ids(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """The rows, with the id that their identity makes where they have none."""
    is_nameless = rows["id"].combine_chunks().is_null()
    if not pc.any(is_nameless).as_py():
        return rows
    identities = rows.select(["pipeline_id", "external_run_id"]).filter(is_nameless)
    connection.register("chm_nameless", identities)
    made = connection.execute(f"select {_made_id()} as id from chm_nameless").to_arrow_table()
    connection.unregister("chm_nameless")
    ids = pc.replace_with_mask(
        rows["id"].combine_chunks(), is_nameless, made["id"].combine_chunks()
    )
    return rows.set_column(rows.column_names.index("id"), "id", ids)


@cache
def _made_id() -> str:
    """What chm.ingest.resolve.made_id makes of a run's identity: a UUID of version 5."""
    name = "'run' || chr(31) || pipeline_id || chr(31) || external_run_id"
    hashed = f"sha1(from_hex('{NAMESPACE.hex}') || encode({name}))"
    variant = f"substr('89ab', cast('0x' || substr({hashed}, 17, 1) as integer) % 4 + 1, 1)"
    return (
        f"cast(cast(substr({hashed}, 1, 12) || '5' || substr({hashed}, 14, 3) || {variant} "
        f"|| substr({hashed}, 18, 15) as uuid) as varchar)"
    )
