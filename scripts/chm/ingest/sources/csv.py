"""Events as rows of CSV with a header."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from chm.errors import ChmError
from chm.ingest.events import SourceEvent
from chm.ingest.sources.jsonl import unread

# A payload may be long; the module's own limit is 128 KiB.
_LONGEST_FIELD = 1 << 27


class _Lines:
    """The lines of a stream as text, with those of the record that is being read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.record: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        # Bytes that are not UTF-8 are kept apart, so that only their row is refused.
        line = next(self._stream).decode("utf-8", "surrogateescape")
        self.record.append(line)
        return line


def read_csv(stream: BinaryIO, name: str) -> Iterator[SourceEvent]:
    """Yield an event for every row that is not blank; `name` is the stream's, for positions.

    Empty fields are left out. Positions name the line that a row begins on.

    Raises:
        ChmError: the header has a column twice, or one without a name.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        lines.record.clear()
        position = f"{name}:{reader.line_num + 1}"
        fault = None
        row: list[str] = []
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = f"is not CSV: {error}"
        if header is None:
            header = _header(row, fault, position)
        elif row or fault:
            yield _event(header, row, fault, "".join(lines.record), position)


def _header(row: list[str], fault: str | None, position: str) -> list[str]:
    header = [column.strip().removeprefix("\ufeff") for column in row]
    if fault or not header or not all(header) or len(set(header)) < len(header):
        raise ChmError(f"{position} {fault or 'must name each column, and none twice'}")
    return header


def _event(
    header: list[str], row: list[str], fault: str | None, text: str, position: str
) -> SourceEvent:
    if not fault and len(row) != len(header):
        fault = f"has {len(row)} fields instead of {len(header)}"
    if not fault and not text.isascii() and text.encode("utf-8", "replace").decode() != text:
        fault = "is not UTF-8"
    if fault:
        return SourceEvent(unread(text.encode("utf-8", "replace").decode()), position, fault)
    return SourceEvent(
        {column: value for column, value in zip(header, row, strict=True) if value}, position
    )
