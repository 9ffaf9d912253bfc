"""Prove single fields well-formed, as compiled functions over the bytes of a file.

Each takes the bytes and where the field begins and ends. They know the usual spellings only:
"not proved" does not mean malformed. What they do prove, the rules accept.
"""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

# Below every instant and number that a field can hold.
NOT_PROVED = -(1 << 62)

_SPACE, _MINUS, _DOT, _ZERO, _NINE, _COLON = 0x20, 0x2D, 0x2E, 0x30, 0x39, 0x3A
_UPPER_T, _UPPER_Z = 0x54, 0x5A

_NO_OFFSET = np.array(list(b"+00:00"))
_HEX_VALUES = np.full(256, -1, np.int64)
for _value, _digits in enumerate(zip(b"0123456789abcdef", b"0123456789ABCDEF", strict=True)):
    _HEX_VALUES[list(_digits)] = _value

_MICROSECONDS = 1_000_000
_DAYS_OF_MONTH = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@lean
def hex_number(data: Bytes, start: int, digits: int) -> int:
    """Return the number of up to 15 hexadecimal digits, -1 if one of them is none."""
    number, signs = 0, 0
    for at in range(start, start + digits):
        value = int(_HEX_VALUES[data[at]])
        signs |= value
        number = number << 4 | value
    return number if signs >= 0 else -1


@lean
def uuid_halves(data: Bytes, start: int, end: int) -> tuple[bool, int, int]:
    """Return whether the field is a UUID, and its two halves; equal for either letter case."""
    if end - start != 36:
        return False, 0, 0
    for dash in (8, 13, 18, 23):
        if data[start + dash] != _MINUS:
            return False, 0, 0
    first = hex_number(data, start, 8)
    second = hex_number(data, start + 9, 4)
    third = hex_number(data, start + 14, 4)
    fourth = hex_number(data, start + 19, 4)
    fifth = hex_number(data, start + 24, 12)
    if first < 0 or second < 0 or third < 0 or fourth < 0 or fifth < 0:
        return False, 0, 0
    return True, first << 32 | second << 16 | third, fourth << 48 | fifth


@lean
def whole_number(data: Bytes, start: int, end: int, most_digits: int) -> int:
    """Return the number that a field of plain digits holds, else NOT_PROVED."""
    if not 1 <= end - start <= most_digits:
        return NOT_PROVED
    number = 0
    for at in range(start, end):
        if not _ZERO <= data[at] <= _NINE:
            return NOT_PROVED
        number = number * 10 + int(data[at] - _ZERO)
    return number


@lean
def instant(data: Bytes, start: int, end: int) -> int:
    """Return the microseconds since 1970 of an instant, else NOT_PROVED."""
    # From here on, end is where the offset begins.
    end -= 1 if data[end - 1] == _UPPER_Z else 6
    length = end - start
    if not 19 <= length <= 26:
        return NOT_PROVED
    if data[end] != _UPPER_Z:
        for index in range(6):
            if data[end + index] != _NO_OFFSET[index]:
                return NOT_PROVED
    if data[start + 4] != _MINUS or data[start + 7] != _MINUS or data[start + 10] != _UPPER_T:
        return NOT_PROVED
    if data[start + 13] != _COLON or data[start + 16] != _COLON:
        return NOT_PROVED
    year = whole_number(data, start, start + 4, 4)
    month = whole_number(data, start + 5, start + 7, 2)
    day = whole_number(data, start + 8, start + 10, 2)
    hour = whole_number(data, start + 11, start + 13, 2)
    minute = whole_number(data, start + 14, start + 16, 2)
    second = whole_number(data, start + 17, start + 19, 2)
    if year < 1 or not 1 <= month <= 12 or day < 1 or not 0 <= hour <= 23:
        return NOT_PROVED
    if not 0 <= minute <= 59 or not 0 <= second <= 59:
        return NOT_PROVED
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS_OF_MONTH[month - 1] + leap:
        return NOT_PROVED
    fraction = 0
    if length > 19:
        digits = length - 20
        fraction = whole_number(data, start + 20, end, 6)
        if data[start + 19] != _DOT or fraction < 0:
            return NOT_PROVED
        for _ in range(6 - digits):
            fraction *= 10
    # The day's number, in a year that begins in March: its leap day is the last.
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60 * _MICROSECONDS + (
        second * _MICROSECONDS + fraction
    )


@lean
def is_text(data: Bytes, start: int, end: int) -> bool:
    """Return whether the field has a character that is no white space."""
    at = start
    while at < end and data[at] <= _SPACE:
        at += 1
    return at < end


@lean
def is_utf8(data: Bytes, start: int, end: int) -> bool:
    """Return whether the bytes are UTF-8: no overlong form, no surrogate, nothing cut off."""
    at = start
    while at < end:
        lead = data[at]
        if lead < 0x80:
            at += 1
            continue
        if 0xC2 <= lead <= 0xDF:
            following, least, most = 1, 0x80, 0xBF
        elif 0xE0 <= lead <= 0xEF:
            following = 2
            least = 0xA0 if lead == 0xE0 else 0x80
            most = 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            following = 3
            least = 0x90 if lead == 0xF0 else 0x80
            most = 0x8F if lead == 0xF4 else 0xBF
        else:
            return False
        if at + following >= end or not least <= data[at + 1] <= most:
            return False
        for later in range(at + 2, at + following + 1):
            if not 0x80 <= data[later] <= 0xBF:
                return False
        at += following + 1
    return True
