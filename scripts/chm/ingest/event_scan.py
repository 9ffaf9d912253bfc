"""Turn lines of JSON into the columns of raw.runs, where they are proved to be ordinary events.

Compiled functions over the bytes of lines; chm.ingest.sieve makes Arrow of what they find.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.ingest.json_scan import (
    BACKSLASH,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    MINUS,
    NINE,
    OPEN_OBJECT,
    QUOTE,
    SPACE,
    ZERO,
    after_spaces,
    copied,
    is_harmless,
    new_keys,
    null_end,
    number_end,
    object_copied,
    string_end,
    unescaped,
)
from chm.ingest.normalise import MAX_INT
from chm.ingest.status_words import status_words
from chm.runs_layout import RUNS_COLUMNS
from chm.validate.fields import NOT_PROVED, Bytes, Integers, instant, whole_number

UUID_LENGTH = 36
# The columns of each kind, in the order in which `Found` has them.
UUIDS = ("id", "pipeline_id")
INSTANTS = ("started_at", "finished_at", "updated_at", "created_at")
NUMBERS = ("duration_seconds", "rows_processed")
TEXTS = ("external_run_id", "error_message", "status_reason", "payload")
STATUSES = tuple(dict.fromkeys(status_words().values()))
# An empty field.
NONE = NOT_PROVED

_ABSENT, _STRING, _NUMBER, _NULL, _OBJECT = range(5)
_COLUMNS = len(RUNS_COLUMNS)
_ID, _PIPELINE_ID, _STATUS, _PAYLOAD = (
    RUNS_COLUMNS.index(name) for name in ("id", "pipeline_id", "status", "payload")
)
_INSTANTS = tuple(RUNS_COLUMNS.index(name) for name in INSTANTS)
_NUMBERS = tuple(RUNS_COLUMNS.index(name) for name in NUMBERS)
_PLAIN_TEXTS = tuple(RUNS_COLUMNS.index(name) for name in TEXTS[:-1])
_PAYLOAD_TEXT = len(TEXTS) - 1
_MOST_DIGITS = (9, 15)
_BY_NAME = np.array(sorted(range(_COLUMNS), key=lambda column: RUNS_COLUMNS[column]))
_STARTED, _FINISHED, _UPDATED, _CREATED = range(4)
_ONE, _TWO = 0x31, 0x32
# Of an instant with its offset: Z or +00:00, and no fraction, three digits or six.
_INSTANT_LENGTHS = (20, 24, 27, 25, 29, 32)
_MICROSECONDS = 1_000_000

_IS_HEX = np.zeros(256, np.bool_)
_IS_HEX[list(b"0123456789abcdef")] = True


def _words(words: list[bytes]) -> tuple[Bytes, Integers]:
    """Words in one array, and where each begins; the last number is the end."""
    return (
        np.frombuffer(b"".join(words), np.uint8),
        np.cumsum([0, *(len(word) for word in words)], dtype=np.int64),
    )


_NAMES, _NAME_STARTS = _words([name.encode() for name in RUNS_COLUMNS])
_STATUS_WORDS, _STATUS_STARTS = _words([word.encode() for word in status_words()])
_STATUS_OF_WORD = np.array([STATUSES.index(status) for status in status_words().values()])


class Found(NamedTuple):
    """Room for the rows of lines: the line of each, and the columns by kind.

    `texts` holds the texts of each of TEXTS in a row, `ends` where they end, after a 0; an empty
    one is null. `uuids` has 36 characters each, the first of which is 0 if there is none.
    `instants` are microseconds since 1970. Empty numbers and instants are NONE.
    """

    line: NDArray[np.int32]
    uuids: NDArray[np.uint8]
    status: NDArray[np.int8]
    instants: NDArray[np.int64]
    numbers: NDArray[np.int64]
    texts: NDArray[np.uint8]
    ends: NDArray[np.int32]


class Scratch(NamedTuple):
    """Room for one line: its fields by column, keys of an object, a text without escapes."""

    kind: Integers
    start: Integers
    end: Integers
    keys: Integers
    text: Bytes


def new_found(lines: int, size: int) -> Found:
    """Return room for so many lines of `size` bytes in all; what is not used takes no memory."""
    return Found(
        np.empty(lines, np.int32),
        np.empty((len(UUIDS), lines, UUID_LENGTH), np.uint8),
        np.empty(lines, np.int8),
        np.empty((len(INSTANTS), lines), np.int64),
        np.empty((len(NUMBERS), lines), np.int64),
        np.empty((len(TEXTS), size), np.uint8),
        np.zeros((len(TEXTS), lines + 1), np.int32),
    )


def new_scratch(longest: int) -> Scratch:
    """Return room for lines of so many bytes at most."""
    kind, start, end = np.zeros((3, _COLUMNS), np.int64)
    return Scratch(kind, start, end, new_keys(), np.empty(longest, np.uint8))


@lean
def scan(data: Bytes, starts: Integers, found: Found, scratch: Scratch) -> int:
    """Find the ordinary events among lines; return how many there are.

    Args:
        data: the lines, each with what ends it.
        starts: where each line begins, and the end.
        found: takes the rows.
        scratch: room for the longest line.
    """
    rows = 0
    for line in range(starts.size - 1):
        start, end = starts[line], starts[line + 1]
        while end > start and (data[end - 1] == 0x0A or data[end - 1] == 0x0D):
            end -= 1
        # Whether any line end is inside is seen below: it is no printable character.
        if starts[line + 1] - end > 2 or end - start < 2 or data[start] != OPEN_OBJECT:
            continue
        if (
            is_harmless(data, start, end)
            and _fields(data, start, end, scratch)
            and _row(data, end, found, rows, scratch)
        ):
            found.line[rows] = line
            rows += 1
    return rows


@lean
def _column(data: Bytes, start: int, end: int, first: int) -> int:
    """The column of this name, looked for from `first` on; -1 if there is none."""
    for step in range(_COLUMNS):
        column = (first + step) % _COLUMNS
        begin = _NAME_STARTS[column]
        if _NAME_STARTS[column + 1] - begin == end - start:
            same = True
            for index in range(end - start):
                same = same and _NAMES[begin + index] == data[start + index]
            if same:
                return column
    return -1


@lean
def _fields(data: Bytes, start: int, end: int, scratch: Scratch) -> bool:
    """Find the fields of a line; whether it is an object of columns, none of them twice."""
    scratch.kind[:] = _ABSENT
    column = -1
    at = start + 1
    while True:
        at = after_spaces(data, at, end)
        if at == end or data[at] != QUOTE:
            return False
        key_end = string_end(data, at + 1, end)
        if key_end < 0:
            return False
        column = _column(data, at + 1, key_end, column + 1)
        if column < 0 or scratch.kind[column] != _ABSENT:
            return False
        at = after_spaces(data, key_end + 1, end)
        if at == end or data[at] != COLON:
            return False
        at = after_spaces(data, at + 1, end)
        if at == end:
            return False
        at = _value(data, at, end, column, scratch)
        if at < 0:
            return False
        at = after_spaces(data, at, end)
        if at == end:
            return False
        if data[at] == CLOSE_OBJECT:
            return at + 1 == end
        if data[at] != COMMA:
            return False
        at += 1


@lean
def _value(data: Bytes, at: int, end: int, column: int, scratch: Scratch) -> int:
    """Note the value of a column; return where it ends, -1 if it is of no kind for it."""
    byte = data[at]
    scratch.start[column] = at
    if byte == QUOTE:
        scratch.kind[column] = _STRING
        scratch.start[column] = at + 1
        at = string_end(data, at + 1, end)
        scratch.end[column] = at
        return -1 if at < 0 else at + 1
    if byte == OPEN_OBJECT:
        scratch.kind[column] = _OBJECT
        at = _object_end(data, at, end) if column == _PAYLOAD else -1
        scratch.end[column] = at
        return at
    if byte == MINUS or ZERO <= byte <= NINE:
        scratch.kind[column] = _NUMBER
        at = number_end(data, at, end) if column in _NUMBERS else -1
    else:
        scratch.kind[column] = _NULL
        at = null_end(data, at, end)
    scratch.end[column] = at
    return at


@lean
def _object_end(data: Bytes, at: int, end: int) -> int:
    """Where the object ends if it has no other inside; `object_copied` looks at the rest."""
    is_inside = False
    while at < end:
        if data[at] == QUOTE and data[at - 1] != BACKSLASH:
            is_inside = not is_inside
        elif data[at] == CLOSE_OBJECT and not is_inside:
            return at + 1
        at += 1
    return -1


@lean
def _is_empty(column: int, scratch: Scratch) -> bool:
    kind = scratch.kind[column]
    if kind == _STRING:
        return bool(scratch.start[column] == scratch.end[column])
    return kind in (_ABSENT, _NULL)


@lean
def _row(data: Bytes, end: int, found: Found, row: int, scratch: Scratch) -> bool:
    """Put the fields of a line into a row; whether all of them are ordinary."""
    return (
        _put_uuid(data, _ID, 0, found, row, scratch)
        and not _is_empty(_PIPELINE_ID, scratch)
        and _put_uuid(data, _PIPELINE_ID, 1, found, row, scratch)
        and _put_status(data, found, row, scratch)
        and _put_instants(data, found, row, scratch)
        and _put_numbers(data, found, row, scratch)
        and _put_texts(data, found, row, scratch)
        and _put_payload(data, end, found, row, scratch)
    )


@lean
def _put_uuid(
    data: Bytes, column: int, place: int, found: Found, row: int, scratch: Scratch
) -> bool:
    if _is_empty(column, scratch):
        found.uuids[place, row, 0] = 0
        return True
    start = scratch.start[column]
    if scratch.end[column] - start != UUID_LENGTH:
        return False
    for index in range(UUID_LENGTH):
        byte = data[start + index]
        if index in (8, 13, 18, 23):
            if byte != MINUS:
                return False
        elif not _IS_HEX[byte]:
            return False
        found.uuids[place, row, index] = byte
    return True


@lean
def _put_status(data: Bytes, found: Found, row: int, scratch: Scratch) -> bool:
    if _is_empty(_STATUS, scratch):
        return False
    start, length = scratch.start[_STATUS], scratch.end[_STATUS] - scratch.start[_STATUS]
    for word in range(_STATUS_OF_WORD.size):
        begin = _STATUS_STARTS[word]
        if _STATUS_STARTS[word + 1] - begin == length:
            same = True
            for index in range(length):
                same = same and _STATUS_WORDS[begin + index] == data[start + index]
            if same:
                found.status[row] = _STATUS_OF_WORD[word]
                return True
    return False


@lean
def _put_instants(data: Bytes, found: Found, row: int, scratch: Scratch) -> bool:
    for place, column in enumerate(_INSTANTS):
        found.instants[place, row] = NONE
        if not _is_empty(column, scratch):
            start, end = scratch.start[column], scratch.end[column]
            if end - start not in _INSTANT_LENGTHS or not _ONE <= data[start] <= _TWO:
                return False
            value = instant(data, start, end)
            if value == NOT_PROVED:
                return False
            found.instants[place, row] = value
    started, finished = found.instants[_STARTED, row], found.instants[_FINISHED, row]
    if started != NONE and finished != NONE and finished < started:
        return False
    updated = found.instants[_UPDATED, row]
    if updated == NONE:
        updated = finished if finished != NONE else started
        found.instants[_UPDATED, row] = updated
    if updated == NONE:
        return False
    if found.instants[_CREATED, row] == NONE:
        for value in (started, finished):
            if value != NONE and value < updated:
                updated = value
        found.instants[_CREATED, row] = updated
    return True


@lean
def _put_numbers(data: Bytes, found: Found, row: int, scratch: Scratch) -> bool:
    for place, column in enumerate(_NUMBERS):
        found.numbers[place, row] = NONE
        if not _is_empty(column, scratch):
            start, end = scratch.start[column], scratch.end[column]
            value = whole_number(data, start, end, _MOST_DIGITS[place])
            if value == NOT_PROVED:
                return False
            found.numbers[place, row] = value
    started, finished = found.instants[_STARTED, row], found.instants[_FINISHED, row]
    if found.numbers[0, row] == NONE and started != NONE and finished != NONE:
        seconds = (finished - started) // _MICROSECONDS
        found.numbers[0, row] = seconds
        return bool(seconds <= MAX_INT)
    return True


@lean
def _put_texts(data: Bytes, found: Found, row: int, scratch: Scratch) -> bool:
    for place, column in enumerate(_PLAIN_TEXTS):
        to = found.ends[place, row]
        if _is_empty(column, scratch):
            # The run's own number is never empty: it would be made of the content.
            if place == 0:
                return False
        else:
            start, end = scratch.start[column], scratch.end[column]
            if data[start] == SPACE or data[end - 1] == SPACE:
                return False
            to = unescaped(data, start, end, found.texts[place], to)
        found.ends[place, row + 1] = to
    return True


@lean
def _put_payload(data: Bytes, end: int, found: Found, row: int, scratch: Scratch) -> bool:
    out, to = found.texts[_PAYLOAD_TEXT], found.ends[_PAYLOAD_TEXT, row]
    begin, stop = scratch.start[_PAYLOAD], scratch.end[_PAYLOAD]
    if _is_empty(_PAYLOAD, scratch):
        to = _whole_copied(data, out, to, scratch)
    elif scratch.kind[_PAYLOAD] == _OBJECT:
        at, to = object_copied(data, begin, end, out, to, scratch.keys)
        if at != stop:
            return False
    else:
        size = unescaped(data, begin, stop, scratch.text, 0)
        if scratch.text[0] != OPEN_OBJECT:
            return False
        at, to = object_copied(scratch.text, 0, size, out, to, scratch.keys)
        if at != size:
            return False
    found.ends[_PAYLOAD_TEXT, row + 1] = to
    return True


@lean
def _whole_copied(data: Bytes, out: Bytes, to: int, scratch: Scratch) -> int:
    """Copy the event with its keys in order and without spaces; return where the copy ends."""
    out[to] = OPEN_OBJECT
    to += 1
    is_first = True
    for column in _BY_NAME:
        kind = scratch.kind[column]
        if kind == _ABSENT:
            continue
        if not is_first:
            out[to] = COMMA
            to += 1
        is_first = False
        out[to] = QUOTE
        to = copied(_NAMES, _NAME_STARTS[column], _NAME_STARTS[column + 1], out, to + 1)
        out[to], out[to + 1] = QUOTE, COLON
        # A string's quotes are part of it here.
        quote = kind == _STRING
        to = copied(data, scratch.start[column] - quote, scratch.end[column] + quote, out, to + 2)
    out[to] = CLOSE_OBJECT
    return to + 1
