"""Events as lines of JSON."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from chm.ingest.batches import Batch, split_batches
from chm.ingest.blocks import Block, read_blocks
from chm.ingest.events import SourceEvent
from chm.ingest.sieve import ROW, open_sieve, sift_json


def read_jsonl(stream: BinaryIO, name: str) -> "JsonLines":
    """Return an event for every line that is not blank; `name` is the stream's, for positions."""
    return JsonLines(stream, name)


class JsonLines(Iterator[SourceEvent]):
    """The events of a stream of lines: one by one, or by batches with proofs, but not both."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._numbered = enumerate(stream, start=1)

    def __next__(self) -> SourceEvent:
        for number, line in self._numbered:
            if line.strip():
                return self._event(line, number)
        raise StopIteration

    def batches(self, most_events: int) -> Iterator[Batch]:
        """See chm.ingest.batches.BatchSource."""
        with open_sieve() as sieve:
            for block in read_blocks(self._stream, most_events):
                ordinary = sift_json(sieve, block.data, block.starts)
                is_left = np.ones(len(block), np.bool_)
                is_left[ordinary[ROW].to_numpy()] = False
                rest = [row for row in np.flatnonzero(is_left).tolist() if block.line(row).strip()]
                yield from split_batches(ordinary, rest, self._event_of(block))

    def _event_of(self, block: Block) -> "Callable[[int], SourceEvent]":
        return lambda row: self._event(block.line(row), block.first_line + row)

    def _event(self, line: bytes, number: int) -> SourceEvent:
        data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        return _event(data, f"{self._name}:{number}")


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
