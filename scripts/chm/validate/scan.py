"""Scan the bytes of a batch of runs, in machine code: which rows are proved clean?

A row that is not proved is only doubtful; the exact path has the last word on it.
"""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.validate.fields import NOT_PROVED, Bytes, instant, is_text, uuid_halves, whole_number
from chm.validate.find_fields import (
    CREATED,
    DURATION,
    ERROR,
    EXTERNAL,
    FINISHED,
    ID,
    INGESTED,
    PAYLOAD,
    PIPELINE,
    PROCESSED,
    REASON,
    SCANNED,
    STARTED,
    STATUS,
    UPDATED,
    Numbers,
    find_fields,
)
from chm.validate.hints import SUSPICIOUS, Flags

Words = NDArray[np.uint64]

# What a status asks of its row, as bits.
MUST_HAVE_TEXTS, MAY_HAVE_NO_TEXTS, MUST_HAVE_END, MAY_HAVE_NO_END = 1, 2, 4, 8

_NEWLINE, _QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT = 0x0A, 0x22, 0x7B, 0x7D

_HASH_START = np.uint64(0xCBF29CE484222325)
_BYTE_BITS = np.uint64(8)
_MIX_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_MIX_SHIFT = np.uint64(32)


@lean
def _mixed(word: np.uint64) -> np.uint64:
    word ^= word >> _MIX_SHIFT
    word *= _MIX_FACTOR
    return word ^ (word >> _MIX_SHIFT)


@lean
def hash_of_pair(high: int, low: int) -> np.uint64:
    """Return a hash of 128 bits."""
    return _mixed(np.uint64(high) ^ _mixed(np.uint64(low)))


@lean
def _hash_of_text(data: Bytes, start: int, end: int) -> np.uint64:
    """Return a hash of a field; a quote, which is written twice or not at all, counts once."""
    word, part, size = _HASH_START, np.uint64(0), 0
    at = start
    while at < end:
        byte = data[at]
        part = part << _BYTE_BITS | np.uint64(byte)
        size += 1
        if size % 8 == 0:
            word = _mixed(word ^ part)
            part = np.uint64(0)
        at += 2 if byte == _QUOTE else 1
    return _mixed(word ^ part) + np.uint64(size)


@lean
def packed_word(data: Bytes, start: int, end: int) -> np.uint64:
    """Return a word of up to 8 bytes as one number, 0 for any other."""
    packed = np.uint64(0)
    if end - start <= 8:
        for at in range(start, end):
            packed = packed << _BYTE_BITS | np.uint64(data[at])
    return packed


@lean
def find_pipeline(pipelines: Numbers, high: int, low: int) -> int:
    """Return the slot of the id, or the empty one where it would stand."""
    slots = len(pipelines)
    slot = int(np.int64(hash_of_pair(high, low))) & (slots - 1)
    while pipelines[slot, 2] >= 0 and (pipelines[slot, 0] != high or pipelines[slot, 1] != low):
        slot = (slot + 1) & (slots - 1)
    return slot


@lean
def _instant(
    data: Bytes, starts: Numbers, ends: Numbers, values: Numbers, field: int
) -> tuple[bool, int]:
    """Return whether the field is empty or proved, and its value, NOT_PROVED if empty."""
    value = int(values[0, field])
    if value == NOT_PROVED and starts[field] < ends[field]:
        value = instant(data, starts[field], ends[field])
        return value != NOT_PROVED, value
    return True, value


@lean
def _halves(
    data: Bytes, starts: Numbers, ends: Numbers, values: Numbers, field: int
) -> tuple[bool, int, int]:
    """Return whether the field is a UUID, and its halves."""
    if values[0, field] != NOT_PROVED:
        return True, int(values[0, field]), int(values[1, field])
    return uuid_halves(data, starts[field], ends[field])


@lean
def _is_clean(
    data: Bytes,
    starts: Numbers,
    ends: Numbers,
    values: Numbers,
    pipeline: Numbers,
    status_words: Words,
    status_duties: Numbers,
) -> bool:
    """Return whether the fields, apart from the ids, break no rule."""
    duties = -1
    status = packed_word(data, starts[STATUS], ends[STATUS])
    for index in range(len(status_words)):
        if status != 0 and status_words[index] == status:
            duties = status_duties[index]
    if duties < 0 or not is_text(data, starts[EXTERNAL], ends[EXTERNAL]):
        return False
    for field in (ERROR, REASON):
        if duties & MUST_HAVE_TEXTS and not is_text(data, starts[field], ends[field]):
            return False
        if duties & MAY_HAVE_NO_TEXTS and starts[field] < ends[field]:
            return False
    has_started, started = _instant(data, starts, ends, values, STARTED)
    has_finished, finished = _instant(data, starts, ends, values, FINISHED)
    if not has_started or not has_finished:
        return False
    duration = NOT_PROVED
    if starts[DURATION] < ends[DURATION]:
        duration = whole_number(data, starts[DURATION], ends[DURATION], 9)
        if duration == NOT_PROVED:
            return False
    for value in (finished, duration):
        if duties & MUST_HAVE_END and value == NOT_PROVED:
            return False
        if duties & MAY_HAVE_NO_END and value != NOT_PROVED:
            return False
    if started != NOT_PROVED and finished != NOT_PROVED:
        if finished < started:
            return False
        # The exact path subtracts in floating point: leave it what is near a whole second.
        if duration != NOT_PROVED and abs(finished - started - duration * 1_000_000) > 900_000:
            return False
    if starts[PROCESSED] < ends[PROCESSED]:
        processed = whole_number(data, starts[PROCESSED], ends[PROCESSED], 18)
        if not pipeline[2] <= processed <= pipeline[3]:
            return False
    if values[0, PAYLOAD] == NOT_PROVED and starts[PAYLOAD] < ends[PAYLOAD]:
        # The one object that a CSV file has without quotes.
        at = starts[PAYLOAD]
        if ends[PAYLOAD] - at != 2 or data[at] != _OPEN_OBJECT or data[at + 1] != _CLOSE_OBJECT:
            return False
    _, ingested = _instant(data, starts, ends, values, INGESTED)
    _, created = _instant(data, starts, ends, values, CREATED)
    _, updated = _instant(data, starts, ends, values, UPDATED)
    # An instant that is not proved is below all others.
    return (
        created != NOT_PROVED
        and updated >= created
        and ingested > NOT_PROVED
        and (ingested >= started)
    )


@lean
def scan_records(
    data: Bytes,
    start: int,
    stop: int,
    end: int,
    file_index: int,
    pipelines: Numbers,
    status_words: Words,
    status_duties: Numbers,
    hashes: Words,
    starts_of_rows: NDArray[np.uint32],
    lines: NDArray[np.uint32],
    doubts: NDArray[np.bool_],
    fields: Numbers,
    flags: Flags,
) -> tuple[int, int, int, int]:
    """Scan the records that begin in data[start:stop]; the last may go on up to `end`.

    `pipelines` is an open hash table with a row (half of the id, other half, least and most
    rows_processed) for each pipeline, -1 for least in an empty row. The next four arrays are
    filled, with an entry for each row: `hashes` has those of id, of (pipeline_id,
    external_run_id) and of (file, external_run_id), where equal values have equal hashes;
    `lines` count from `start`. `fields` (4 by the number of columns) and `flags` (2) are to
    work with.

    Returns:
        how the scan ended, where it did, the number of rows and the lines they took.
    """
    starts, ends, values = fields[0], fields[1], fields[2:]
    at, row, line = start, 0, 0
    while at < stop:
        if data[at] == _NEWLINE:
            at += 1
            line += 1
            continue
        outcome, next_at, lines_of_row = find_fields(data, at, end, starts, ends, values, flags)
        if outcome != SCANNED:
            return outcome, at, row, line
        has_id, id_high, id_low = _halves(data, starts, ends, values, ID)
        has_pipeline, high, low = _halves(data, starts, ends, values, PIPELINE)
        external = _hash_of_text(data, starts[EXTERNAL], ends[EXTERNAL])
        hashes[0, row] = hash_of_pair(id_high, id_low)
        hashes[1, row] = _mixed(external ^ hash_of_pair(high, low))
        hashes[2, row] = _mixed(external ^ _mixed(np.uint64(file_index + 1)))
        starts_of_rows[row] = at
        lines[row] = line
        clean = has_id and has_pipeline and not flags[SUSPICIOUS]
        if clean:
            pipeline = pipelines[find_pipeline(pipelines, high, low)]
            clean = pipeline[2] >= 0 and _is_clean(
                data, starts, ends, values, pipeline, status_words, status_duties
            )
        doubts[row] = not clean
        row += 1
        line += lines_of_row
        at = next_at
    return SCANNED, at, row, line
