"""Prove a field to be the text of a JSON object, in machine code."""

from chm.compiled import lean
from chm.validate.fields import Bytes, hex_number
from chm.validate.hints import DELIMITER, ESCAPE, HINT, KINDS, PLAIN, QUOTES, Flags, note

_QUOTE, _SPACE, _COMMA, _COLON = 0x22, 0x20, 0x2C, 0x3A
_MINUS, _DOT, _ZERO, _NINE = 0x2D, 0x2E, 0x30, 0x39
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D
_NEWLINE, _LOWER_U = 0x0A, 0x75
# After a backslash, besides the quote and u: \\ / f n r t. Not b: "\bearer" may hold a credential.
_ONE_LETTER_ESCAPES = (0x5C, 0x2F, 0x66, 0x6E, 0x72, 0x74)
_WORDS = (b"true", b"false", b"null")

_MAX_DEPTH = 60
_MAX_DIGITS = 18
# What a JSON text may go on with.
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _KEY_COLON, _COMMA_OR_END = range(6)


@lean
def _string_end(data: Bytes, at: int, end: int, record: int, flags: Flags) -> int:
    """Return where the string that began before `at` ends, -1 if it is not proved."""
    while at < end:
        kind = KINDS[data[at]]
        if kind == PLAIN:
            at += 1
        elif kind == QUOTES:
            # Inside a CSV field a quote is written twice.
            return at + 2 if data[at + 1] == _QUOTE else -1
        elif kind == DELIMITER and data[at] != _NEWLINE:
            at += 1
        elif kind == ESCAPE:
            escape = data[at + 1]
            if escape in _ONE_LETTER_ESCAPES:
                at += 2
            elif escape == _QUOTE and data[at + 2] == _QUOTE:
                at += 3
            elif escape == _LOWER_U:
                code = hex_number(data, at + 2, 4)
                # Half of a pair, which may lack the other half, is left to the exact path.
                if code <= 0 or 0xD800 <= code <= 0xDFFF:
                    return -1
                at += 6
            else:
                return -1
        elif kind >= HINT:
            note(data, at, record, flags)
            at += 1
        else:
            return -1
    return -1


@lean
def _number_end(data: Bytes, at: int, end: int) -> int:
    """Return where the number ends, -1 if it is not proved: it has an exponent, or is long."""
    if data[at] == _MINUS:
        at += 1
    first = at
    while at < end and _ZERO <= data[at] <= _NINE:
        at += 1
    digits = at - first
    if not 1 <= digits <= _MAX_DIGITS or (data[first] == _ZERO and digits > 1):
        return -1
    if at < end and data[at] == _DOT:
        at += 1
        first = at
        while at < end and _ZERO <= data[at] <= _NINE:
            at += 1
        if not 1 <= at - first <= _MAX_DIGITS:
            return -1
    return at


@lean
def _word_end(data: Bytes, at: int, end: int) -> int:
    """Return where true, false or null ends, -1 if it is none of them."""
    for word in _WORDS:
        length = len(word)
        if at + length <= end:
            same = True
            for index in range(length):
                same = same and data[at + index] == word[index]
            if same:
                return at + length
    return -1


@lean
def json_object_end(data: Bytes, start: int, end: int, record: int, flags: Flags) -> int:
    """Return where the JSON object that begins at `start` of a quoted field ends, else -1.

    Its quotes are still doubled. -1 says that it is not proved; `flags` take note of what
    else it holds, seen from the start of the record.
    """
    if data[start] != _OPEN_OBJECT:
        return -1
    # One bit for each open bracket: 1 for an object. The outermost is the object itself.
    open_objects, depth = 1, 1
    expected = _KEY_OR_END
    at = start + 1
    while at < end:
        byte = data[at]
        if byte == _QUOTE:
            if data[at + 1] != _QUOTE:
                return -1
            at = _string_end(data, at + 2, end, record, flags)
            if at < 0:
                return -1
            if expected <= _VALUE_OR_END:
                expected = _COMMA_OR_END
            elif expected <= _KEY_OR_END:
                expected = _KEY_COLON
            else:
                return -1
        elif byte == _COLON:
            if expected != _KEY_COLON:
                return -1
            expected = _VALUE
            at += 1
        elif byte == _COMMA:
            if expected != _COMMA_OR_END:
                return -1
            expected = _KEY if open_objects & 1 else _VALUE
            at += 1
        elif byte == _SPACE:
            at += 1
        elif byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            if expected > _VALUE_OR_END or depth == _MAX_DEPTH:
                return -1
            is_object = byte == _OPEN_OBJECT
            open_objects = open_objects << 1 | is_object
            depth += 1
            expected = _KEY_OR_END if is_object else _VALUE_OR_END
            at += 1
        elif byte in (_CLOSE_OBJECT, _CLOSE_ARRAY):
            is_object = byte == _CLOSE_OBJECT
            empty = _KEY_OR_END if is_object else _VALUE_OR_END
            if is_object != (open_objects & 1) or expected not in (_COMMA_OR_END, empty):
                return -1
            open_objects >>= 1
            depth -= 1
            expected = _COMMA_OR_END
            at += 1
            if depth == 0:
                return at
        elif expected > _VALUE_OR_END:
            return -1
        else:
            if byte == _MINUS or _ZERO <= byte <= _NINE:
                at = _number_end(data, at, end)
            else:
                at = _word_end(data, at, end)
            if at < 0:
                return -1
            expected = _COMMA_OR_END
    return -1
