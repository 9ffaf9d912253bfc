"""Runs as text: rows of CSV, and the text columns of other formats."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chm.compiled import inlined, lean
from chm.generate.copying import copy_bytes
from chm.generate.plan import MANUAL, NONE, Bytes, Integers, Plan
from chm.generate.runs import Runs, manual_number, run_id

_DAY = 86400
_DATE_BYTES = len("2026-01-31")
_COMMA, _NEWLINE, _DASH, _COLON, _ZERO = (ord(character) for character in ",\n-:0")
_T, _Z, _R = (ord(character) for character in "TZr")
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8)
_PAIRS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8)
_MANUAL_WORD = np.frombuffer(b"manual-", np.uint8)


class Strings(NamedTuple):
    """Texts by number: text i is bytes[start[i]:start[i + 1]]."""

    bytes: Bytes
    start: Integers


class Wording(NamedTuple):
    """The texts that rows are put together from, escaped as the format asks.

    `head` by pipeline is what stands before the variable part of external_run_id (`key`
    alone holds the first part of that), `body` and `tail` go around the instant in payload,
    `tail` by trigger; `text` is error_message and status_reason as two fields.
    """

    first_day: int
    date: Strings
    status: Strings
    head: Strings
    key: Strings
    opening: Strings
    body: Strings
    tail: Strings
    text: Strings


def strings(texts: list[bytes]) -> Strings:
    """Return texts as compiled code reads them."""
    start = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=start[1:])
    return Strings(np.frombuffer(b"".join(texts) or b"\0", np.uint8), start)


@inlined
def _put(out: Bytes, at: int, texts: Strings, number: int) -> int:
    first = texts.start[number]
    size = texts.start[number + 1] - first
    copy_bytes(out, at, texts.bytes, first, size)
    return at + size


@inlined
def _put_again(out: Bytes, at: int, first: int, last: int) -> int:
    copy_bytes(out, at, out, first, last - first)
    return at + last - first


@inlined
def _put_number(out: Bytes, at: int, number: int) -> int:
    digits = 1
    bound = 10
    while number >= bound:
        digits += 1
        bound *= 10
    index = at + digits
    while index > at:
        index -= 1
        out[index] = _ZERO + number % 10
        number //= 10
    return at + digits


@inlined
def _put_pair(out: Bytes, at: int, number: int) -> int:
    out[at] = _PAIRS[2 * number]
    out[at + 1] = _PAIRS[2 * number + 1]
    return at + 2


@inlined
def _put_instant(out: Bytes, at: int, wording: Wording, instant: int) -> int:
    first = wording.date.start[instant // _DAY - wording.first_day]
    copy_bytes(out, at, wording.date.bytes, first, _DATE_BYTES)
    at += _DATE_BYTES
    second = instant % _DAY
    out[at] = _T
    at = _put_pair(out, at + 1, second // 3600)
    out[at] = _COLON
    at = _put_pair(out, at + 1, second // 60 % 60)
    out[at] = _COLON
    at = _put_pair(out, at + 1, second % 60)
    out[at] = _Z
    return at + 1


@inlined
def _put_half_id(out: Bytes, at: int, half: np.uint64, first_dash: int, second_dash: int) -> int:
    for index in range(8):
        if index in (first_dash, second_dash):
            out[at] = _DASH
            at += 1
        byte = 2 * np.int64((half >> np.uint64(56 - 8 * index)) & np.uint64(0xFF))
        out[at] = _HEX[byte]
        out[at + 1] = _HEX[byte + 1]
        at += 2
    return at


@inlined
def _put_occasion(out: Bytes, at: int, wording: Wording, runs: Runs, index: int) -> int:
    """Write what tells a run from the others of its pipeline: its slot and attempt."""
    if runs.trigger[index] == MANUAL:
        copy_bytes(out, at, _MANUAL_WORD, 0, _MANUAL_WORD.size)
        at += _MANUAL_WORD.size
        return _put_number(out, at, manual_number(runs.counter[index]))
    date = wording.date.start[runs.due[index] // _DAY - wording.first_day]
    # 2026-01-31 without its dashes.
    for place in (0, 1, 2, 3, 5, 6, 8, 9):
        out[at] = wording.date.bytes[date + place]
        at += 1
    out[at] = _T
    second = runs.due[index] % _DAY
    at = _put_pair(out, at + 1, second // 3600)
    at = _put_pair(out, at, second // 60 % 60)
    if runs.attempt[index] > 1:
        out[at] = _DASH
        out[at + 1] = _R
        at = _put_number(out, at + 2, runs.attempt[index])
    return at


@inlined
def _put_payload(out: Bytes, at: int, wording: Wording, runs: Runs, index: int) -> int:
    at = _put(out, at, wording.opening, 0)
    at = _put_number(out, at, runs.attempt[index])
    at = _put(out, at, wording.body, runs.pipeline[index])
    at = _put_instant(out, at, wording, runs.due[index])
    return _put(out, at, wording.tail, runs.trigger[index])


@lean
def csv_rows(plan: Plan, wording: Wording, runs: Runs, out: Bytes, ends: Integers) -> int:
    """Write runs as lines of CSV, in the contract's order of columns; return the bytes.

    As many runs as `ends` has places for: it takes the end of each line in `out`, which must
    have room for all of them.
    """
    at = 0
    for index in range(ends.size):
        start, finish, rows = runs.start[index], runs.finish[index], runs.rows[index]
        high, low = run_id(plan, runs.counter[index])
        at = _put_half_id(out, at, high, 4, 6)
        out[at] = _DASH
        at = _put_half_id(out, at + 1, low, 2, 8)
        at = _put(out, at, wording.head, runs.pipeline[index])
        at = _put_occasion(out, at, wording, runs, index)
        out[at] = _COMMA
        at = _put(out, at + 1, wording.status, runs.status[index])
        out[at] = _COMMA
        started = at + 1
        at = _put_instant(out, started, wording, start)
        started_end = at
        out[at] = _COMMA
        finished = at + 1
        at = finished
        if finish != NONE:
            at = _put_instant(out, at, wording, finish)
        finished_end = at
        out[at] = _COMMA
        at += 1
        if finish != NONE:
            at = _put_number(out, at, finish - start)
        out[at] = _COMMA
        at += 1
        if rows != NONE:
            at = _put_number(out, at, rows)
        out[at] = _COMMA
        at += 1
        if runs.text[index] != NONE:
            at = _put(out, at, wording.text, runs.text[index])
        else:
            out[at] = _COMMA
            at += 1
        out[at] = _COMMA
        at = _put_payload(out, at + 1, wording, runs, index)
        out[at] = _COMMA
        at = _put_instant(out, at + 1, wording, runs.ingested[index])
        out[at] = _COMMA
        at = _put_again(out, at + 1, started, started_end)
        out[at] = _COMMA
        if finish != NONE:
            at = _put_again(out, at + 1, finished, finished_end)
        else:
            at = _put_again(out, at + 1, started, started_end)
        out[at] = _NEWLINE
        at += 1
        ends[index] = at
    return at


@lean
def column_texts(
    plan: Plan,
    wording: Wording,
    runs: Runs,
    ids: Bytes,
    keys: Bytes,
    key_ends: NDArray[np.int32],
    payloads: Bytes,
    payload_ends: NDArray[np.int32],
) -> None:
    """Write the texts of runs that no dictionary holds, for formats by column.

    Args:
        plan: The plan of the fleet.
        wording: Plain texts.
        runs: The runs; as many are taken as the ends have places for, less one.
        ids: Takes the 16 bytes of each id.
        keys: Takes external_run_id after external_run_id; `key_ends` their bounds from 0 on.
        key_ends: See `keys`.
        payloads: Takes payload after payload; `payload_ends` their bounds from 0 on.
        payload_ends: See `payloads`.
    """
    key_at = payload_at = 0
    key_ends[0] = payload_ends[0] = 0
    for index in range(key_ends.size - 1):
        high, low = run_id(plan, runs.counter[index])
        for byte in range(8):
            shift = np.uint64(56 - 8 * byte)
            ids[16 * index + byte] = (high >> shift) & np.uint64(0xFF)
            ids[16 * index + 8 + byte] = (low >> shift) & np.uint64(0xFF)
        key_at = _put(keys, key_at, wording.key, runs.pipeline[index])
        key_at = _put_occasion(keys, key_at, wording, runs, index)
        key_ends[index + 1] = key_at
        payload_at = _put_payload(payloads, payload_at, wording, runs, index)
        payload_ends[index + 1] = payload_at
