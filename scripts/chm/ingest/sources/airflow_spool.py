"""DAG runs on the disk, to be read again in another order than they came in."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

_NO_INSTANT = datetime.min.replace(tzinfo=UTC)


class Spool:
    """Objects by name, of which only the names and instants are in memory.

    To be used as a context manager. Of two with the same name the later one counts.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: dict[str, tuple[datetime, int]] = {}

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, name: str, instant: object, value: dict[str, Any]) -> None:
        """Keep an object, with the ISO 8601 instant that it is ordered by, if that is one."""
        place = self._file.seek(0, 2)
        self._file.write(json.dumps(value).encode() + b"\n")
        self._places[name] = (_instant(instant), place)

    def clear(self) -> None:
        """Forget all objects."""
        self._file.truncate(0)
        self._places.clear()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects by their instants, those without one first."""
        for _, place in sorted(self._places.values()):
            self._file.seek(place)
            value: dict[str, Any] = json.loads(self._file.readline())
            yield value


def _instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(str(value))
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _NO_INSTANT
