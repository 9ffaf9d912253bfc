"""A strict, slow CSV scanner: finds the broken rows of a file that the fast reader refuses."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# DuckDB refuses longer records too; it is its default.
MAX_RECORD_BYTES = 2_000_000
# A quoted field over more lines counts as one whose closing quote is missing.
MAX_RECORD_LINES = 10_000

_PROBLEMS = {
    "unexpected end of data": "has a quoted field that is never closed",
    "',' expected after '\"'": "has text after a closing quote",
    "new-line character seen in unquoted field": "has a carriage return outside quotes",
}


@dataclass(frozen=True)
class Record:
    """A record that starts at physical line `line` (from 1); `problem` says why it is broken."""

    line: int
    fields: list[str]
    problem: str | None = None


def read_records(path: Path) -> Iterator[Record]:
    """Yield every record of a CSV file, the header too; blank lines are no records.

    After a record with broken quoting the scan goes on at the next physical line, so one
    missing quote does not hide the rows below it.

    Raises:
        OSError: the file can't be read.
    """
    # csv's own limit of 128 KiB is below that of DuckDB; the setting is the process's.
    csv.field_size_limit(MAX_RECORD_BYTES)
    with path.open("rb") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        while True:
            line = lines.start_record()
            try:
                fields = next(reader, None)
            except csv.Error as error:
                lines.go_back()
                yield Record(line, [], _problem_of(str(error)))
                continue
            if fields is None:
                return
            if fields:
                yield Record(line, fields, _content_problem(fields))


class _Lines:
    """The physical lines of a file as text, with a way back to the second line of a record."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._next_line = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self._record) == MAX_RECORD_LINES:
            raise StopIteration
        if self._again:
            text = self._again.popleft()
        else:
            text = next(self._file).decode("utf-8", "surrogateescape")
            text = text.removeprefix("\ufeff") if self._next_line == 1 else text
        self._next_line += 1
        self._record.append(text)
        return text

    def start_record(self) -> int:
        """Forget the lines of the last record; return the line where the next one starts."""
        self._record = []
        return self._next_line

    def go_back(self) -> None:
        """Hand out all lines of the record once more but its first."""
        rest = self._record[1:]
        self._again.extendleft(reversed(rest))
        self._next_line -= len(rest)


def _problem_of(error: str) -> str:
    for start, problem in _PROBLEMS.items():
        if error.startswith(start):
            return problem
    return f"is not CSV: {error}"


def _content_problem(fields: list[str]) -> str | None:
    text = ",".join(fields)
    if "\0" in text:
        return "holds a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if size > MAX_RECORD_BYTES:
        return f"is longer than {MAX_RECORD_BYTES} bytes"
    return None
