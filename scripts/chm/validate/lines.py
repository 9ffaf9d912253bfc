"""Which physical line of its file a record starts at."""

import re
from collections.abc import Collection
from pathlib import Path

from chm.validate.files import DataFile

_CHUNK_BYTES = 1 << 22
# Fields that are complete, then the start of a quoted one that goes on in the next line.
_FIELD = rb'(?: *"(?:[^"]|"")*" *|(?! *")[^,]*)'
_OPENS_QUOTE = re.compile(rb"(?:" + _FIELD + rb',)*+ *"(?:[^"]|"")*+')
_CLOSES_QUOTE = re.compile(rb'(?:[^"]|"")*+"')


def record_lines(file: DataFile, records: Collection[int]) -> dict[int, int]:
    """Map records of a file, counted from 0 without the header, to their physical lines.

    The header is line 1. The file is read only if some of its records span lines.
    """
    if not records:
        return {}
    if file.lines is not None:
        return {record: file.lines[record] for record in records}
    if _count_lines(file.path) == file.rows + 1:
        return {record: record + 2 for record in records}
    return _walk(file.path, set(records))


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            count += chunk.count(b"\n")
            last = chunk
    return count + (not last.endswith(b"\n"))


def _walk(path: Path, records: set[int]) -> dict[int, int]:
    """Go through the lines as DuckDB does: a quote opens only at the start of a field."""
    found: dict[int, int] = {}
    record = -2  # the header becomes -1, the first row 0
    in_quotes = False
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            text = raw.rstrip(b"\r\n")
            if in_quotes:
                closing = _CLOSES_QUOTE.match(text)
                if closing is None:
                    continue
                text = text[closing.end() :].partition(b",")[2]
            elif text:
                record += 1
                if record in records:
                    found[record] = line
                    if len(found) == len(records):
                        break
            in_quotes = _OPENS_QUOTE.fullmatch(text) is not None
    return found
