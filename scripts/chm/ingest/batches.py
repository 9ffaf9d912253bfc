"""The events of a source by batches, with what is proved of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from chm.errors import ChmError
from chm.ingest.blocks import BLOCK_SECONDS
from chm.ingest.events import SourceEvent

# Events that are not proved take many times the memory.
PLAIN_EVENTS = 50_000


@dataclass(frozen=True)
class Batch:
    """Events that are merged at once; an event is known by its row, a number of its own.

    `ordinary` holds proved events as they are stored: their row and the columns of raw.runs but
    ingested_at. `rest` are the rows of all others; `event` reads an event of either kind.
    """

    count: int
    ordinary: pa.Table | None
    rest: Sequence[int]
    event: Callable[[int], SourceEvent]


@runtime_checkable
class BatchSource(Protocol):
    """Events that come with proofs, if they are read under the contract's names."""

    def batches(self, most_events: int) -> Iterator[Batch]:
        """Yield the events by batches of at most so many."""


def plain_batches(events: Iterable[SourceEvent], most_events: int) -> Iterator[Batch]:
    """Yield the events by batches, none of them proved.

    A batch ends early where the events are slow, and where the source fails: what came before
    is taken.
    """
    most_events = min(most_events, PLAIN_EVENTS)
    gathered: list[SourceEvent] = []
    deadline = 0.0
    try:
        for event in events:
            deadline = deadline if gathered else time.monotonic() + BLOCK_SECONDS
            gathered.append(event)
            if len(gathered) >= most_events or time.monotonic() > deadline:
                yield _plain(gathered)
                gathered = []
    except ChmError:
        if gathered:
            yield _plain(gathered)
        raise
    if gathered:
        yield _plain(gathered)


def _plain(events: list[SourceEvent]) -> Batch:
    return Batch(len(events), None, range(len(events)), events.__getitem__)


def split_batches(
    ordinary: pa.Table, rest: Sequence[int], event: Callable[[int], SourceEvent]
) -> Iterator[Batch]:
    """Yield the events of a block as batches with few enough that are not proved."""
    for first in range(0, max(len(rest), 1), PLAIN_EVENTS):
        part = rest[first : first + PLAIN_EVENTS]
        proved = ordinary if first == 0 else None
        yield Batch(len(part) + (len(ordinary) if first == 0 else 0), proved, part, event)
