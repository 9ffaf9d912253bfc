"""Write records of a batch of runs as rows of PostgreSQL's binary COPY, in machine code.

The server then has no CSV to parse, and no instants, ids and numbers to read: that is more than
half of its work.
"""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.contract import Table
from chm.validate.fields import (
    NOT_PROVED,
    Bytes,
    Integers,
    instant,
    uuid_halves,
    whole_number,
)

# Signature, no flags, no extension.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# How a field is written; up to _JSONB as it is.
_TEXT, _JSONB, _UUID, _INSTANT, _INTEGER, _BIGINT, _OTHER = range(7)
_KINDS = {
    "text": _TEXT,
    "jsonb": _JSONB,
    "uuid": _UUID,
    "timestamptz": _INSTANT,
    "integer": _INTEGER,
    "bigint": _BIGINT,
}
# Plain digits that fit in any case.
_INTEGER_DIGITS, _BIGINT_DIGITS = 9, 18
# Microseconds from 1970 to 2000, where PostgreSQL counts from.
_EPOCH = 946_684_800_000_000
_JSONB_VERSION = 1
_NULL = -1
# More than a field takes beyond the bytes that it has in the file: its length, a wide number.
FIELD_BYTES = 12
_NEWLINE, _QUOTE, _COMMA = 0x0A, 0x22, 0x2C


def field_kinds(table: Table) -> NDArray[np.int64]:
    """Return how each column of the table is written; enums are sent as text."""
    kinds = (
        _TEXT if column.enum else _KINDS.get(column.sql_type, _OTHER) for column in table.columns
    )
    return np.array(list(kinds), np.int64)


@lean
def _put_number(output: Bytes, at: int, number: int, size: int) -> int:
    """Write a number, the highest byte first; return where it ends."""
    for index in range(size):
        output[at + index] = (number >> 8 * (size - 1 - index)) & 0xFF
    return at + size


@lean
def _put_text(
    output: Bytes, at: int, data: Bytes, start: int, limit: int, quoted: bool
) -> tuple[int, int]:
    """Write the bytes of a field, a doubled quote as one; return where both end."""
    while start < limit:
        byte = data[start]
        if quoted:
            if byte == _QUOTE:
                # Not "start += 2 if": a jump that is foreseen takes a third of the time.
                if data[start + 1] != _QUOTE:
                    break
                start += 1
        elif byte in (_COMMA, _NEWLINE):
            break
        output[at] = byte
        at += 1
        start += 1
    return at, start


@lean
def _field_end(data: Bytes, at: int, limit: int, quoted: bool) -> int:
    """Return where a field without doubled quotes ends."""
    while at < limit:
        byte = data[at]
        if byte == _QUOTE if quoted else byte in (_COMMA, _NEWLINE):
            break
        at += 1
    return at


@lean
def _put_value(output: Bytes, at: int, data: Bytes, start: int, end: int, kind: int) -> int:
    """Write the id, instant or number of a field; return where it ends, -1 if not proved."""
    if kind == _UUID:
        proved, high, low = uuid_halves(data, start, end)
        if not proved:
            return -1
        return _put_number(output, _put_number(output, at, high, 8), low, 8)
    if kind == _INSTANT:
        value = instant(data, start, end) - _EPOCH
    elif kind == _INTEGER:
        value = whole_number(data, start, end, _INTEGER_DIGITS)
    elif kind == _BIGINT:
        value = whole_number(data, start, end, _BIGINT_DIGITS)
    else:
        return -1
    if value <= NOT_PROVED:
        return -1
    return _put_number(output, at, value, 4 if kind == _INTEGER else 8)


@lean
def _put_row(
    output: Bytes, at: int, data: Bytes, start: int, limit: int, kinds: Integers
) -> tuple[int, int]:
    """Write the record at `start`.

    Returns:
        where the row ends, -1 if it has a value that is not proved; where the next record
        starts, -1 if this one is not well-formed.
    """
    at = _put_number(output, at, len(kinds), 2)
    proved = True
    for field in range(len(kinds)):
        kind = kinds[field]
        quoted = data[start] == _QUOTE
        start += quoted
        # Its length goes before a field and is known last.
        first = at + 4
        if kind <= _JSONB:
            output[first] = _JSONB_VERSION
            at, end = _put_text(output, first + (kind == _JSONB), data, start, limit, quoted)
        else:
            end = _field_end(data, start, limit, quoted)
            at = _put_value(output, first, data, start, end, kind) if start < end else first
            if at < 0:
                proved = False
                at = first
        if start == end:
            at = first
            _put_number(output, first - 4, _NULL, 4)
        else:
            _put_number(output, first - 4, at - first, 4)
        start = end + quoted
        if data[start] != (_COMMA if field < len(kinds) - 1 else _NEWLINE):
            return -1, -1
        start += 1
    return at if proved else -1, start


@lean
def put_rows(
    data: Bytes,
    start: int,
    stop: int,
    largest: int,
    kinds: Integers,
    output: Bytes,
    odd: Integers,
) -> tuple[bool, int, int, int]:
    """Write the records in data[start:stop], as many as there is room for.

    They are well-formed CSV, of no more than `largest` bytes each; `data` goes on for a few
    bytes. An empty field is null, in quotes too. A record with a value that is not proved is left
    out: `odd` gets where it starts and ends.

    Returns:
        whether the records are well-formed and none is longer, where it stopped, the bytes
        written, the number of odd records.
    """
    written, odd_records = 0, 0
    room = largest + len(kinds) * FIELD_BYTES
    while start < stop and written + room <= len(output) and odd_records < len(odd):
        if data[start] == _NEWLINE:
            start += 1
            continue
        limit = min(stop, start + largest)
        row_end, next_start = _put_row(output, written, data, start, limit, kinds)
        if next_start < 0:
            return False, start, written, odd_records
        if row_end < 0:
            odd[odd_records, 0], odd[odd_records, 1] = start, next_start
            odd_records += 1
        else:
            written = row_end
        start = next_start
    return True, start, written, odd_records
