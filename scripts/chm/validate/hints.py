"""What single bytes of a record tell the compiled scan."""

import numpy as np
from numpy.typing import NDArray

from chm.compiled import lean
from chm.validate.fields import Bytes

Flags = NDArray[np.bool_]

# What the flags of a record say: it may hold a credential, it has bytes beyond ASCII.
SUSPICIOUS, BEYOND_ASCII = range(2)

# The kinds of bytes. Up to CONTROL they mean nothing in a CSV file.
PLAIN, ESCAPE, CONTROL, DELIMITER, QUOTES, REFUSED, HINT, HIGH = range(8)
KINDS = np.zeros(256, np.uint8)
KINDS[:0x20] = CONTROL
KINDS[ord("\\")] = ESCAPE
KINDS[list(b",\n")] = DELIMITER
KINDS[ord('"')] = QUOTES
KINDS[list(b"\0\r")] = REFUSED
# Letters and signs of which no credential lacks all; see chm.credentials.
KINDS[list(b"bBwW@")] = HINT
KINDS[0x80:] = HIGH

_MINUS, _SLASH, _COLON, _AT = 0x2D, 0x2F, 0x3A, 0x40
_A, _B, _D, _E, _P, _R, _S = list(b"abdeprs")
_TO_LOWER_CASE = 0x20


@lean
def note(data: Bytes, at: int, record: int, flags: Flags) -> None:
    """Set the flags for a byte of kind HINT or HIGH in the record that begins at `record`."""
    if data[at] >= 0x80:
        flags[BEYOND_ASCII] = True
    elif _may_be_credential(data, at, record):
        flags[SUSPICIOUS] = True


@lean
def _may_be_credential(data: Bytes, at: int, record: int) -> bool:
    """Return whether a credential may have its hint at `at`.

    Each pattern of a credential has "bearer", "passw", "pwd", "-----begin" or, in that order,
    "://" and "@". The regular expressions let a long s (two bytes) pass for an s.
    """
    byte = data[at] | _TO_LOWER_CASE
    before, earlier = data[at - 1], data[at - 2]
    if data[at] == _AT:
        for index in range(record, at - 2):
            if data[index] == _COLON and data[index + 1] == _SLASH and data[index + 2] == _SLASH:
                return True
        return False
    if byte == _B:
        if before == _MINUS and earlier == _MINUS:
            return True
        return bool(
            data[at + 1] | _TO_LOWER_CASE == _E
            and data[at + 2] | _TO_LOWER_CASE == _A
            and data[at + 3] | _TO_LOWER_CASE == _R
        )
    if before | _TO_LOWER_CASE == _P:
        return bool(data[at + 1] | _TO_LOWER_CASE == _D)
    is_s = before | _TO_LOWER_CASE == _S or before >= 0x80
    return bool(is_s and (earlier | _TO_LOWER_CASE == _S or earlier >= 0x80))
