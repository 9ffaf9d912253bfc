"""Take events from a source into a store, batch by batch."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chm.ingest.ahead import ahead
from chm.ingest.batches import Batch, BatchSource, plain_batches
from chm.ingest.deadletters import DeadLetter, append_letters
from chm.ingest.event_order import ARRIVAL
from chm.ingest.events import RefusedError, RunEvent, SourceEvent
from chm.ingest.mapping import Mapping
from chm.ingest.merge import MergeCounts
from chm.ingest.normalise import clean, normalise
from chm.ingest.redact import REPLACEMENT, secret_goes_on
from chm.ingest.resolve import Resolver, made_id
from chm.ingest.rows import arrived, rows_schema, rows_table
from chm.ingest.sieve import ROW
from chm.ingest.sources.jsonl import unread
from chm.ingest.store import Store

# A batch is merged at once. Larger ones spare little, and are in memory twice.
BATCH_EVENTS = 500_000
# Lines that belong together are so near, for blank ones are left out.
_NEAR_LINES = 2
# Without new events for so long the target is left to others.
RELEASE_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """How to take events.

    `source` names the source in the dead letters, which go to the file `dead_letters`. `client`
    is the client of events that name none; with `register` unknown pipelines are made. A batch has
    at most `batch_events`, BATCH_EVENTS if not given.
    """

    source: str
    dead_letters: Path
    mapping: Mapping = field(default_factory=Mapping)
    client: str | None = None
    register: bool = False
    batch_events: int | None = None


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
    """Take all events; each batch is one transaction.

    While a batch is merged the next one is read and normalised; no others are in memory. The
    refused events of a batch are in the dead letters before the batch is committed: a crash in
    between may tell them twice, but loses none.

    Raises:
        ChmError: the dead letters can't be written, or the source fails; what it gave before
            is taken.
    """
    counts = IngestCounts()
    most = options.batch_events or BATCH_EVENTS
    if isinstance(events, BatchSource) and options.mapping == Mapping():
        prepared = (_prepare(batch, options) for batch in events.batches(most))
        found = ahead(prepared, store.release, RELEASE_SECONDS)
    else:
        # Such a source may use the store: not beside a merge.
        found = (_prepare(batch, options) for batch in plain_batches(events, most))
    with closing(found):
        for batch in found:
            counts = _ingest_batch(batch, store, options, counts)
            progress(counts)
    return counts


@dataclass(frozen=True)
class _Prepared:
    """A batch whose other events are normalised, or refused, by their rows."""

    batch: Batch
    accepted: dict[int, RunEvent]
    letters: dict[int, DeadLetter]


def _prepare(batch: Batch, options: Options) -> _Prepared:
    prepared = _Prepared(batch, {}, {})
    _normalise(prepared, batch.rest, options)
    return prepared


def _normalise(prepared: _Prepared, rows: Iterable[int], options: Options) -> None:
    went_on, last = False, -1
    for row in rows:
        event = prepared.batch.event(row)
        if event.fault:
            # One event in several lines, such as a private key that was pasted in.
            is_next = went_on and row - last <= _NEAR_LINES
            went_on = secret_goes_on(str(event.fields.get("unread", "")), went_on=is_next)
            last = row
            if is_next:
                event = replace(event, fields=unread(REPLACEMENT))
        else:
            went_on = False
        try:
            fields = clean(event)
            if not event.fault:
                prepared.accepted[row] = normalise(fields, event.position, options.mapping)
        except RefusedError as refusal:
            prepared.letters[row] = _letter(event, str(refusal), options)
        else:
            if event.fault:
                prepared.letters[row] = _letter(event, event.fault, options)


def _ingest_batch(
    prepared: _Prepared, store: Store, options: Options, counts: IngestCounts
) -> IngestCounts:
    registered = 0
    with store.transaction(registers=options.register):
        known = store.pipelines()
        resolver = Resolver(
            known, options.client, register=store.register if options.register else None
        )
        rows = _rows(prepared, {pipeline.id for pipeline in known}, resolver, options)
        merged = MergeCounts()
        if len(rows):
            store.stage(rows)
            _refuse_shared_ids(prepared, store, options)
        letters = prepared.letters
        append_letters(options.dead_letters, [letters[row] for row in sorted(letters)])
        if len(rows):
            merged = store.merge()
        if options.register:
            registered = len(store.pipelines()) - len(known)
    return replace(
        counts,
        read=counts.read + prepared.batch.count,
        merged=counts.merged + merged,
        refused=counts.refused + len(letters),
        registered=counts.registered + registered,
        naive_instants=counts.naive_instants
        + sum(event.naive_instants for event in prepared.accepted.values()),
    )


def _rows(prepared: _Prepared, known: set[str], resolver: Resolver, options: Options) -> pa.Table:
    """The rows to be merged; refuses the events of unknown pipelines."""
    ordinary = prepared.batch.ordinary
    if ordinary is not None:
        named = ordinary["pipeline_id"]
        unknown = [id_ for id_ in named.unique().to_pylist() if id_ not in known]
        if unknown:
            is_unknown = pc.is_in(named, pa.array(unknown))
            _normalise(prepared, ordinary.filter(is_unknown)[ROW].to_pylist(), options)
            ordinary = ordinary.filter(pc.invert(is_unknown))
    arrival = datetime.now(UTC)
    columns = [name for name in rows_schema().names if name != ROW]
    others = []
    for row in sorted(prepared.accepted):
        event = prepared.accepted[row]
        try:
            pipeline_id = resolver.find(event.pipeline)
        except RefusedError as refusal:
            source = prepared.batch.event(row)
            prepared.letters[row] = _letter(source, str(refusal), options)
            continue
        own = {
            ROW: row,
            "id": event.run_id or made_id("run", pipeline_id, event.external_run_id),
            "pipeline_id": pipeline_id,
            ARRIVAL: arrival,
        }
        others.append(own | {name: getattr(event, name) for name in columns if name not in own})
    rows = rows_table(others)
    return rows if ordinary is None else pa.concat_tables([arrived(ordinary, arrival), rows])


def _refuse_shared_ids(prepared: _Prepared, store: Store, options: Options) -> None:
    """Refuse the staged events with the id of another run: it is the stored, or the first one's."""
    shared = store.shared_ids()
    if not shared:
        return
    owners = store.owners(sorted({id_ for _, id_, _ in shared}))
    refused = [(row, id_) for row, id_, run in shared if owners.setdefault(id_, run) != run]
    for row, id_ in refused:
        reason = f"id '{id_}' is that of another run"
        prepared.letters[row] = _letter(prepared.batch.event(row), reason, options)
    store.unstage([row for row, _ in refused])


def _letter(event: SourceEvent, reason: str, options: Options) -> DeadLetter:
    try:
        fields = clean(event)
    except RefusedError:
        # What can't be looked through can't be shown either.
        fields = {}
    return DeadLetter(reason, event.source or options.source, event.position, fields)
