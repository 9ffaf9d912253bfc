"""Copy CSV records into a PostgreSQL table as binary rows, over one connection."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from chm.contract import Table
from chm.load.binary_rows import FIELD_BYTES, HEADER, TRAILER, field_kinds, put_rows
from chm.load.postgres_streams import Connection
from chm.validate.fields import Bytes

# Around records: more than is looked at beyond their end.
_PADDING = 64
_WRITE_BYTES = 1 << 20
_ODD_RECORDS = 1_000


class NoCsvError(ValueError):
    """The bytes are no well-formed records."""


def padded(size: int) -> tuple[Bytes, Bytes]:
    """Return room for so many bytes of records, and the part of it that they are to fill.

    A line feed follows them, for a last line that has none; a second one makes no record.
    """
    data = np.zeros(_PADDING + size + 1 + _PADDING, np.uint8)
    data[_PADDING + size] = ord("\n")
    return data, data[_PADDING : _PADDING + size]


class BinaryWriter:
    """Copies records, with the same buffers for all of them.

    `tell` is called after each write with the bytes of the records written.
    """

    def __init__(
        self,
        connection: Connection,
        table: Table,
        relation: str,
        largest: int,
        tell: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._copy = f"copy {relation} ({', '.join(table.column_names)}) from stdin"
        self._largest = largest
        self._tell = tell
        self._kinds = field_kinds(table)
        self._output = np.empty(largest + len(self._kinds) * FIELD_BYTES + _WRITE_BYTES, np.uint8)
        self._odd = np.empty((_ODD_RECORDS, 2), np.int64)

    def copy(self, data: Bytes) -> int:
        """Copy the padded records, of no more than `largest` bytes each; return their number.

        Raises:
            NoCsvError: they are not well-formed, or longer.
            psycopg.Error: the server refuses a row, or is gone.
        """
        odd: list[bytes] = []
        with self._connection.cursor() as cursor:
            with cursor.copy(f"{self._copy} (format binary)") as copy:
                copy.write(HEADER)
                for rows in self._rows(data, odd):
                    copy.write(rows)
                copy.write(TRAILER)
            copied = cursor.rowcount
            if odd:
                with cursor.copy(self._copy) as copy:
                    for fields in self._fields(odd):
                        copy.write_row([field or None for field in fields])
                copied += cursor.rowcount
        return copied

    def _rows(self, data: Bytes, odd: list[bytes]) -> Iterator[memoryview]:
        """The rows of the records, some at a time; those that are not proved go to `odd`."""
        at, stop = _PADDING, len(data) - _PADDING
        while at < stop:
            begin = at
            is_csv, at, size, count = put_rows(
                data, at, stop, self._largest, self._kinds, self._output, self._odd
            )
            if not is_csv:
                raise NoCsvError
            odd += [data[start:end].tobytes() for start, end in self._odd[:count]]
            yield self._output[:size].data
            self._tell(at - begin)

    def _fields(self, records: Sequence[bytes]) -> Iterator[list[str]]:
        # The limit is the process's.
        csv.field_size_limit(max(self._largest, csv.field_size_limit()))
        return csv.reader(io.StringIO(b"".join(records).decode(), newline=""), strict=True)
