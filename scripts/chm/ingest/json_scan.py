"""Read the JSON of ordinary events, as compiled functions over the bytes of lines.

They know printable ASCII, the one escape of a quote, and numbers that are spelled the same
everywhere. "Not proved" does not mean that it is no JSON.
"""

from string import ascii_lowercase, digits

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.ingest.redact import SECRET_NAMES
from chm.validate.fields import Bytes, Integers

QUOTE, BACKSLASH, SPACE, COMMA, COLON = 0x22, 0x5C, 0x20, 0x2C, 0x3A
MINUS, ZERO, NINE = 0x2D, 0x30, 0x39
OPEN_OBJECT, CLOSE_OBJECT = 0x7B, 0x7D
_OPEN_ARRAY, _CLOSE_ARRAY = 0x5B, 0x5D
_DOT, _SLASH, _LAST_PRINTABLE = 0x2E, 0x2F, 0x7E

# Longer numbers may change their spelling when they are read and written again.
_MOST_DIGITS, _MOST_DECIMALS = 15, 4
_MOST_KEYS = 64
_WORDS = (b"true", b"false", b"null")
_NULL = b"null"


def _harmless_states() -> tuple[NDArray[np.uint8], int]:
    """What a search for secrets goes on with, by state and byte; and the first of two ends.

    A state is how much of a word was read last, twice: the second time after a backslash.
    Letters may be of either case and parted by punctuation: that leaves a state as it is. The
    ends are that the line is not proved, and that a slash leaves open whether it is.
    """
    prefixes = sorted(
        {word[:length] for word in SECRET_NAMES for length in range(len(word))}, key=len
    )
    numbers = {prefix: number for number, prefix in enumerate(prefixes)}
    escaped = len(prefixes)
    refused = 2 * escaped
    states = np.full((refused, 256), refused, np.uint8)
    for prefix, number in numbers.items():
        states[number, SPACE : _LAST_PRINTABLE + 1] = number
        for letter in ascii_lowercase + digits:
            text = prefix + letter
            tails = (text[cut:] for cut in range(len(text) + 1))
            following = next(numbers[tail] for tail in tails if tail in numbers)
            for spelled in {letter, letter.upper()}:
                is_word = any(text.endswith(word) for word in SECRET_NAMES)
                states[number, ord(spelled)] = refused if is_word else following
        # The quote that ends a text ends a name with it; the one other escape is that of a quote.
        states[number, QUOTE] = 0
        states[number, BACKSLASH] = escaped + number
        states[number, _SLASH] = refused + 1
        states[escaped + number, QUOTE] = number
    return states.reshape(-1), refused


_STATES, _REFUSED = _harmless_states()


def new_keys() -> Integers:
    """Return room for the keys of an object."""
    return np.zeros(2 * _MOST_KEYS, np.int64)


@lean
def is_harmless(data: Bytes, start: int, end: int) -> bool:
    """Return whether a line is printable ASCII without anything like a secret.

    It begins with a brace. Other escapes than that of a quote are not proved.
    """
    state = 0
    for at in range(start, end):
        following = _STATES[state << 8 | data[at]]
        if following < _REFUSED:
            state = int(following)
        elif following == _REFUSED or (data[at - 1] == _SLASH and data[at - 2] == COLON):
            return False
    return True


@lean
def after_spaces(data: Bytes, at: int, end: int) -> int:
    """Return where something other than a space is, at or after `at`."""
    while at < end and data[at] == SPACE:
        at += 1
    return at


@lean
def string_end(data: Bytes, at: int, end: int) -> int:
    """Return where the quote is that ends the string whose inside begins at `at`, else -1."""
    while at < end:
        if data[at] == QUOTE and data[at - 1] != BACKSLASH:
            return at
        at += 1
    return -1


@lean
def number_end(data: Bytes, at: int, end: int) -> int:
    """Return where a number ends that reading and writing leaves as it is, else -1."""
    is_negative = data[at] == MINUS
    first = at + is_negative
    at = first
    while at < end and ZERO <= data[at] <= NINE:
        at += 1
    digits = at - first
    if digits == 0 or (data[first] == ZERO and (digits > 1 or is_negative)):
        return -1
    if at < end and data[at] == _DOT:
        at += 1
        decimals = at
        while at < end and ZERO <= data[at] <= NINE:
            at += 1
        decimals = at - decimals
        if not 1 <= decimals <= _MOST_DECIMALS or (decimals > 1 and data[at - 1] == ZERO):
            return -1
        digits += decimals
    return at if digits <= _MOST_DIGITS else -1


@lean
def null_end(data: Bytes, at: int, end: int) -> int:
    """Return where null ends, -1 if it is not there."""
    return _word_end(data, at, end, _NULL)


@lean
def _word_end(data: Bytes, at: int, end: int, word: bytes) -> int:
    length = len(word)
    if at + length > end:
        return -1
    for index in range(length):
        if data[at + index] != word[index]:
            return -1
    return at + length


@lean
def copied(data: Bytes, start: int, end: int, out: Bytes, to: int) -> int:
    """Copy a stretch of bytes; return where the copy ends."""
    for at in range(start, end):
        out[to] = data[at]
        to += 1
    return to


@lean
def unescaped(data: Bytes, start: int, end: int, out: Bytes, to: int) -> int:
    """Copy the inside of a string without its backslashes; return where the copy ends."""
    for at in range(start, end):
        if data[at] != BACKSLASH:
            out[to] = data[at]
            to += 1
    return to


@lean
def _scalar_end(data: Bytes, at: int, end: int) -> int:
    if at == end:
        return -1
    byte = data[at]
    if byte == QUOTE:
        at = string_end(data, at + 1, end)
        return -1 if at < 0 else at + 1
    if byte == MINUS or ZERO <= byte <= NINE:
        return number_end(data, at, end)
    for word in _WORDS:
        found = _word_end(data, at, end, word)
        if found >= 0:
            return found
    return -1


@lean
def _list_copied(data: Bytes, at: int, end: int, out: Bytes, to: int) -> tuple[int, int]:
    """Copy a list of scalars without its spaces; return where it ends and where the copy does."""
    out[to] = _OPEN_ARRAY
    to += 1
    at = after_spaces(data, at + 1, end)
    if at < end and data[at] == _CLOSE_ARRAY:
        out[to] = _CLOSE_ARRAY
        return at + 1, to + 1
    while True:
        value_end = _scalar_end(data, at, end)
        if value_end < 0:
            return -1, to
        to = copied(data, at, value_end, out, to)
        at = after_spaces(data, value_end, end)
        if at == end or (data[at] != COMMA and data[at] != _CLOSE_ARRAY):
            return -1, to
        out[to] = data[at]
        to += 1
        if data[at] == _CLOSE_ARRAY:
            return at + 1, to
        at = after_spaces(data, at + 1, end)


@lean
def _is_repeated(data: Bytes, start: int, end: int, keys: Integers, count: int) -> bool:
    """Whether the key of these bytes is one of the `count` keys before."""
    for number in range(count):
        first = keys[2 * number]
        if keys[2 * number + 1] - first == end - start:
            same = True
            for index in range(end - start):
                same = same and data[first + index] == data[start + index]
            if same:
                return True
    return False


@lean
def object_copied(
    data: Bytes, at: int, end: int, out: Bytes, to: int, keys: Integers
) -> tuple[int, int]:
    """Copy an object of scalars and lists of these, in its order, without its spaces.

    Args:
        data: the bytes.
        at: where the object's brace is.
        end: where the bytes end.
        out: room for the copy.
        to: where the copy begins.
        keys: what `new_keys` returns.

    Returns:
        Where the object ends and where the copy does; -1 for the former if it is not proved:
        it is empty, nested, or has a key twice.
    """
    out[to] = OPEN_OBJECT
    to += 1
    at += 1
    count = 0
    while count < _MOST_KEYS:
        at = after_spaces(data, at, end)
        if at == end or data[at] != QUOTE:
            return -1, to
        key_end = string_end(data, at + 1, end)
        if key_end < 0 or _is_repeated(data, at, key_end, keys, count):
            return -1, to
        keys[2 * count], keys[2 * count + 1] = at, key_end
        count += 1
        to = copied(data, at, key_end + 1, out, to)
        at = after_spaces(data, key_end + 1, end)
        if at == end or data[at] != COLON:
            return -1, to
        out[to] = COLON
        to += 1
        at = after_spaces(data, at + 1, end)
        if at < end and data[at] == _OPEN_ARRAY:
            at, to = _list_copied(data, at, end, out, to)
            if at < 0:
                return -1, to
        else:
            value_end = _scalar_end(data, at, end)
            if value_end < 0:
                return -1, to
            to = copied(data, at, value_end, out, to)
            at = value_end
        at = after_spaces(data, at, end)
        if at == end or (data[at] != COMMA and data[at] != CLOSE_OBJECT):
            return -1, to
        out[to] = data[at]
        to += 1
        at += 1
        if data[at - 1] == CLOSE_OBJECT:
            return at, to
    return -1, to
