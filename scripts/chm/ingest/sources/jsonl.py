"""Events as lines of JSON."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from chm.ingest.events import SourceEvent


def read_jsonl(stream: BinaryIO, name: str) -> Iterator[SourceEvent]:
    """Yield an event for every line that is not blank; `name` is the stream's, for positions."""
    for number, line in enumerate(stream, start=1):
        data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if data.strip():
            yield _event(data, f"{name}:{number}")


def _event(line: bytes, position: str) -> SourceEvent:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8: byte {error.start + 1}"
    except RecursionError:
        fault = "is nested too deep"
    except ValueError as error:
        # Its position tells no value of the line.
        fault = f"is not JSON: {getattr(error, 'msg', error)}"
    else:
        if isinstance(value, dict):
            return SourceEvent(value, position)
        fault = "is not a JSON object"
    return SourceEvent(unread(line.decode("utf-8", "replace")), position, fault)


def unread(text: str) -> dict[str, Any]:
    """Return what is kept of an event that can't be read."""
    return {"unread": text.rstrip("\r\n")}


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
