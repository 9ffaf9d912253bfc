"""Find the fields of a record in the bytes of a batch of runs, in machine code."""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.runs_layout import RUNS_COLUMNS
from chm.validate.fields import NOT_PROVED, Bytes, instant, is_utf8, uuid_halves
from chm.validate.hints import (
    BEYOND_ASCII,
    CONTROL,
    DELIMITER,
    HINT,
    KINDS,
    REFUSED,
    Flags,
    note,
)
from chm.validate.json_proof import json_object_end

Numbers = NDArray[np.int64]

# Fields are numbered in the one order that is scanned.
WIDTH = len(RUNS_COLUMNS)
ID, PIPELINE, EXTERNAL, STATUS, STARTED, FINISHED, DURATION = range(7)
PROCESSED, ERROR, REASON, PAYLOAD, INGESTED, CREATED, UPDATED = range(7, 14)
_IDS = (ID, PIPELINE)
_INSTANTS = (STARTED, FINISHED, INGESTED, CREATED, UPDATED)

# How a search for fields, and a scan, ended.
SCANNED, BROKEN, CUT_OFF = range(3)

# The fewest bytes of a row: fields that are all empty, and the end of the line.
LEAST_ROW_BYTES = WIDTH
_MAX_RECORD_BYTES = 1_000_000

_NEWLINE, _QUOTE, _COMMA, _UPPER_Z = 0x0A, 0x22, 0x2C, 0x5A

# The usual length of an id and of an instant.
_UUID_BYTES, _INSTANT_BYTES = 36, 20


@lean
def _proved_end(
    data: Bytes, at: int, end: int, field: int, record: int, values: Numbers, flags: Flags
) -> int:
    """Return where a field ends that is proved as it is read, -1 if it has to be looked for.

    What it holds is put into `values`: the halves of an id, an instant, 0 for a payload.
    """
    if field in _IDS:
        proved, values[0, field], values[1, field] = uuid_halves(data, at, at + _UUID_BYTES)
        return at + _UUID_BYTES if proved else -1
    if field in _INSTANTS and data[at + _INSTANT_BYTES - 1] == _UPPER_Z:
        values[0, field] = instant(data, at, at + _INSTANT_BYTES)
        return at + _INSTANT_BYTES if values[0, field] != NOT_PROVED else -1
    if field == PAYLOAD and data[at - 1] == _QUOTE:
        values[0, field] = 0
        return json_object_end(data, at, end, record, flags)
    return -1


@lean
def find_fields(
    data: Bytes,
    start: int,
    end: int,
    starts: Numbers,
    ends: Numbers,
    values: Numbers,
    flags: Flags,
) -> tuple[int, int, int]:
    """Find the fields of the record at `start`, without their outer quotes.

    `data` has zeros before and after what counts.

    Returns:
        how it ended, where the next record starts, how many lines it takes.
    """
    flags[:] = False
    at, newlines = start, 1
    for field in range(WIDTH):
        quoted = data[at] == _QUOTE
        at += quoted
        starts[field] = at
        values[0, field] = NOT_PROVED
        proved_end = _proved_end(data, at, end, field, start, values, flags)
        at = max(at, proved_end)
        while True:
            kind = KINDS[data[at]]
            if kind <= CONTROL:
                at += 1
            elif kind == DELIMITER:
                if not quoted:
                    break
                newlines += data[at] == _NEWLINE
                at += 1
            elif kind >= HINT:
                note(data, at, start, flags)
                at += 1
            elif at >= end:
                return CUT_OFF, start, 0
            elif kind == REFUSED or not quoted:
                return BROKEN, start, 0
            elif data[at + 1] == _QUOTE:
                at += 2
            else:
                break
        ends[field] = at
        if at != proved_end:
            values[0, field] = NOT_PROVED
        at += quoted
        if at >= end:
            return CUT_OFF, start, 0
        if data[at] != (_NEWLINE if field == WIDTH - 1 else _COMMA):
            return BROKEN, start, 0
        at += 1
    if at - start > _MAX_RECORD_BYTES or (flags[BEYOND_ASCII] and not is_utf8(data, start, at)):
        return BROKEN, start, 0
    return SCANNED, at, newlines
