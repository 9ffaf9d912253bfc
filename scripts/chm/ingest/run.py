"""Take events from a source into a store, batch by batch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from chm.contract import load_contract
from chm.ingest.deadletters import DeadLetter, append_letters
from chm.ingest.events import RefusedError, RunEvent, SourceEvent
from chm.ingest.mapping import Mapping
from chm.ingest.merge import MergeCounts
from chm.ingest.normalise import clean, normalise
from chm.ingest.resolve import Resolver, made_id
from chm.ingest.store import Row, Store

BATCH_EVENTS = 50_000


@dataclass(frozen=True)
class Options:
    """How to take events.

    `source` names the source in the dead letters, which go to the file `dead_letters`. `client`
    is the client of events that name none; with `register` unknown pipelines are made.
    """

    source: str
    dead_letters: Path
    mapping: Mapping = field(default_factory=Mapping)
    client: str | None = None
    register: bool = False
    batch_events: int = BATCH_EVENTS


@dataclass(frozen=True)
class IngestCounts:
    """What became of the events: read = inserted + updated + unchanged + stale + refused.

    `naive_instants` counts the instants without an offset, which were taken as UTC.
    """

    read: int = 0
    merged: MergeCounts = field(default_factory=MergeCounts)
    refused: int = 0
    registered: int = 0
    naive_instants: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {
            "read": self.read,
            "inserted": self.merged.inserted,
            "updated": self.merged.updated,
            "unchanged": self.merged.unchanged,
            "stale": self.merged.stale,
            "refused": self.refused,
            "registered_pipelines": self.registered,
            "naive_instants": self.naive_instants,
        }


def ingest(
    events: Iterable[SourceEvent],
    store: Store,
    options: Options,
    progress: Callable[[IngestCounts], None] = lambda _: None,
) -> IngestCounts:
    """Take all events; each batch is one transaction, and is in memory alone.

    The refused events of a batch are in the dead letters before the batch is committed: a crash
    in between may tell them twice, but loses none.

    Raises:
        ChmError: the dead letters can't be written.
    """
    counts = IngestCounts()
    for batch in _batches(events, options.batch_events):
        counts = _ingest_batch(batch, store, options, counts)
        progress(counts)
    return counts


def _batches(events: Iterable[SourceEvent], size: int) -> Iterator[list[SourceEvent]]:
    iterator = iter(events)
    while batch := list(islice(iterator, size)):
        yield batch


def _ingest_batch(
    batch: list[SourceEvent], store: Store, options: Options, counts: IngestCounts
) -> IngestCounts:
    letters: list[DeadLetter] = []
    accepted = list(_normalised(batch, options, letters))
    registered = 0
    with store.transaction(registers=options.register):
        known = store.pipelines()
        resolver = Resolver(
            known, options.client, register=store.register if options.register else None
        )
        rows = _rows(accepted, resolver, store, options, letters)
        append_letters(options.dead_letters, letters)
        merged = store.merge(rows) if rows else MergeCounts()
        if options.register:
            registered = len(store.pipelines()) - len(known)
    return replace(
        counts,
        read=counts.read + len(batch),
        merged=counts.merged + merged,
        refused=counts.refused + len(letters),
        registered=counts.registered + registered,
        naive_instants=counts.naive_instants + sum(event.naive_instants for event, _ in accepted),
    )


def _normalised(
    batch: list[SourceEvent], options: Options, letters: list[DeadLetter]
) -> Iterator[tuple[RunEvent, SourceEvent]]:
    for event in batch:
        try:
            fields = clean(event)
        except RefusedError as refusal:
            # What can't be looked through can't be shown either.
            letters.append(_letter(replace(event, fields={}), str(refusal), options))
            continue
        cleaned = replace(event, fields=fields)
        if event.fault:
            letters.append(_letter(cleaned, event.fault, options))
            continue
        try:
            yield normalise(fields, event.position, options.mapping), cleaned
        except RefusedError as refusal:
            letters.append(_letter(cleaned, str(refusal), options))


def _rows(
    accepted: list[tuple[RunEvent, SourceEvent]],
    resolver: Resolver,
    store: Store,
    options: Options,
    letters: list[DeadLetter],
) -> list[Row]:
    given = sorted({event.run_id for event, _ in accepted if event.run_id})
    owners = store.owners(given) if given else {}
    arrival = datetime.now(UTC)
    columns = load_contract().tables["runs"].column_names
    rows = []
    for event, source in accepted:
        try:
            pipeline_id = resolver.find(event.pipeline)
        except RefusedError as refusal:
            letters.append(_letter(source, str(refusal), options))
            continue
        identity = (pipeline_id, event.external_run_id)
        if event.run_id and owners.setdefault(event.run_id, identity) != identity:
            reason = f"id '{event.run_id}' is that of another run"
            letters.append(_letter(source, reason, options))
            continue
        own = {
            "id": event.run_id or made_id("run", *identity),
            "pipeline_id": pipeline_id,
            "ingested_at": arrival,
        }
        rows.append(tuple(own[name] if name in own else getattr(event, name) for name in columns))
    return rows


def _letter(event: SourceEvent, reason: str, options: Options) -> DeadLetter:
    return DeadLetter(reason, event.source or options.source, event.position, event.fields)
