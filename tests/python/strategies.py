"""Hypothesis strategies: small but nasty data sets around a given as_of.

    @given(scenes())
    def test_marts(scene): data, as_of = scene

The data keep the raw tables' constraints and nothing more: R14 and R15 bind files, not live events.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from oracle.clock import HOUR, hour_start
from oracle.common import ENVIRONMENTS, PLATFORMS, STATUSES
from oracle.inputs import AlertRule, Client, DataSet, Pipeline, Run

MOST_RUNS = 40
TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)

PIPELINE_TYPES = ("ingestion", "transform", "quality", "export", "healthcheck")
# Equal prefixes, cases and accents that a locale folds, and letters UTF-16 sorts otherwise.
CLIENT_NAMES = (
    "Acme",
    "ACME",
    "acme",
    "Acme AG",
    "Acme-AG",
    "Ácme",
    "Zürich Öl",
    "éclair",
    "\uffee-tail",
    "\U0001d504lpha",
)
PIPELINE_NAMES = ("load", "Load", "load 2", "läuft")
TEXTS = ("boom", "Boom", "a,b", 'say "no"', "line 1\nline 2", "Überlauf \U0001f4a5")
DESTINATIONS = ("#alerts", "#Alerts", "#alerts-2", "ops@example.org", "https://example.org/ä")

AS_OFS = (
    datetime(2026, 2, 21, 23, 42, 59, tzinfo=UTC),
    datetime(2026, 2, 22, 23, 30, tzinfo=UTC),  # Sunday: window_end opens the next week
    datetime(2026, 2, 23, tzinfo=UTC),  # Monday, on the hour
    datetime(2026, 1, 1, 0, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
)
WINDOW_DAYS = (1, 7, 14, 21, 30)
# Bucket edges and their neighbours.
DURATIONS = (0, 29, 30, 59, 60, 120, 299, 300, 600, 1799, 1800, 3600, 7199, 7200, 14399, 14400)
# Cadences share their steps with the rules' windows, so that edges coincide exactly.
STEP_MINUTES = (0, 1, 5, 30, 60, 360, 1440, 4320)
# 4 runs are too few for Q7 and Q9, 5 are enough, 12 can flip less than once in ten.
LENGTHS = (2, 4, 5, 6, 9, 12, 16)
WINDOW_MINUTES = (1, 5, 10, 30, 60, 1440, 10080)

# How a pipeline fares of late and how before: its runs draw their statuses from these.
MOODS = (
    (("success",), ("failed",)),
    (("failed",), ("success",)),
    (("success",), ("success",)),
    (("success", "failed"), ("success", "failed")),
    (("success", "success", "success", "success", "failed"), ("success",)),
    (STATUSES, ("failed", "skipped")),
)

statuses = st.one_of(st.sampled_from(("success", "failed")), st.sampled_from(STATUSES))
durations = st.one_of(st.sampled_from(DURATIONS), st.integers(0, 20_000))
row_counts = st.one_of(st.none(), st.sampled_from((0, 1, 1000, 5_000_000_000)), st.integers(0, 50))
texts = st.one_of(st.none(), st.sampled_from(TEXTS))


def as_ofs() -> SearchStrategy[datetime]:
    """Instants at and around the edges of hours, weeks and years."""
    return st.sampled_from(AS_OFS)


def instants(as_of: datetime) -> SearchStrategy[datetime]:
    """Instants on the edges of every window, in the past 45 days and in the future."""
    window_end = hour_start(as_of) + HOUR
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    edges = [as_of, window_end, monday, monday - timedelta(days=7)]
    edges += [window_end - timedelta(days=days) for days in WINDOW_DAYS]
    beside = [edge + side for edge in edges for side in (-TICK, TICK)]
    future = [as_of + HOUR, as_of + timedelta(days=3)]
    minutes_ago = st.one_of(st.integers(0, 3000), st.integers(0, 45 * 1440))
    return st.one_of(
        st.sampled_from(edges + beside + future),
        minutes_ago.map(lambda minutes: window_end - minutes * MINUTE),
    )


@dataclass(frozen=True)
class _Span:
    """When a run happened and how it ended; the rest of a run is drawn apart from it."""

    pipeline_id: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: int | None
    created_at: datetime


@st.composite
def ids(draw: DrawFn, kind: int, count: int) -> list[str]:
    """Draw unique uuids: ascending, descending or shuffled, some in upper case."""
    numbers = list(range(count))
    order = draw(st.sampled_from(("ascending", "descending", "shuffled")))
    if order == "descending":
        numbers.reverse()
    elif order == "shuffled":
        numbers = draw(st.permutations(numbers))
    upper = draw(st.sampled_from(("none", "even", "all")))
    # The number leads, so that a digit and a letter, or two cases, decide an order early.
    made = [str(UUID(int=(number + 5) << 120 | 0xABCDEF << 40 | kind)) for number in numbers]
    if upper == "none":
        return made
    return [
        text.upper() if upper == "all" or position % 2 == 0 else text
        for position, text in enumerate(made)
    ]


@st.composite
def clients(draw: DrawFn) -> list[Client]:
    """Draw 0 to 4 clients."""
    # A drawn size is spread evenly; a list left to itself is mostly short.
    size = draw(st.integers(0, 4))
    names = draw(st.lists(st.sampled_from(CLIENT_NAMES), unique=True, min_size=size, max_size=size))
    return [
        Client(client_id, name, draw(st.sampled_from((True, True, False))), LONG_AGO, LONG_AGO)
        for client_id, name in zip(draw(ids(1, len(names))), names, strict=True)
    ]


@st.composite
def pipelines(draw: DrawFn, owners: list[Client]) -> list[Pipeline]:
    """Draw 0 to 8 pipelines of the clients."""
    if not owners:
        return []
    owner_ids = [client.id for client in owners]
    every_name = [(owner_id, name) for owner_id in owner_ids for name in PIPELINE_NAMES]
    size = draw(st.integers(0, min(8, len(every_name))))
    names = draw(st.permutations(every_name))[:size]
    return [
        Pipeline(
            id=pipeline_id,
            client_id=client_id,
            name=name,
            platform=draw(st.sampled_from(PLATFORMS)),
            external_id=draw(st.sampled_from((None, f"ext-{position}"))),
            pipeline_type=draw(st.sampled_from(PIPELINE_TYPES)),
            description=draw(texts),
            environment=draw(st.sampled_from(ENVIRONMENTS)),
            is_active=draw(st.sampled_from((True, True, True, False))),
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
        for position, (pipeline_id, (client_id, name)) in enumerate(
            zip(draw(ids(2, len(names))), names, strict=True)
        )
    ]


@st.composite
def last_starts(draw: DrawFn, as_of: datetime, step: timedelta, duration: timedelta) -> datetime:
    """Draw when a cadence started last: anywhere, or where Q7's states meet at as_of."""
    if draw(st.booleans()):
        return draw(instants(as_of))
    grace = max(duration, step / 10)
    lateness = draw(st.sampled_from((timedelta(0), grace)))
    return as_of - duration - step - lateness + draw(st.sampled_from((-TICK, 0 * TICK, TICK)))


@st.composite
def cadences(draw: DrawFn, pipeline_ids: list[str], as_of: datetime) -> list[_Span]:
    """Draw some runs of one pipeline at a regular pace, so that Q7 learns a rhythm."""
    pipeline_id = draw(st.sampled_from(pipeline_ids))
    step = draw(st.sampled_from(STEP_MINUTES)) * MINUTE
    usual = draw(durations)
    is_steady = draw(st.booleans())
    jitters = st.sampled_from((timedelta(0), timedelta(0), timedelta(0), MINUTE, -MINUTE, TICK))
    newer, older = draw(st.sampled_from(MOODS))
    turn = draw(st.integers(0, 12))
    last = draw(last_starts(as_of, step, timedelta(seconds=usual)))
    spans = []
    for number in range(draw(st.sampled_from(LENGTHS))):
        status = draw(st.sampled_from(newer if number < turn else older))
        duration = usual if is_steady else draw(durations)
        started_at = last - number * step
        if not is_steady:
            started_at += draw(jitters)
        finished_at = started_at + timedelta(seconds=duration)
        spans.append(_Span(pipeline_id, status, started_at, finished_at, duration, started_at))
    return spans


@st.composite
def loose_spans(draw: DrawFn, pipeline_ids: list[str], as_of: datetime) -> _Span:
    """Draw one run whose instants may be missing, tied or far apart."""
    moments = instants(as_of)
    started_at = draw(st.one_of(st.none(), moments))
    duration = draw(st.one_of(st.none(), durations))
    finished_at = draw(st.one_of(st.none(), moments))
    if started_at and finished_at and finished_at < started_at:
        started_at, finished_at = finished_at, started_at
    if started_at and duration is not None and draw(st.booleans()):
        finished_at = started_at + timedelta(seconds=duration)
    pipeline_id = draw(st.sampled_from(pipeline_ids))
    return _Span(pipeline_id, draw(statuses), started_at, finished_at, duration, draw(moments))


@st.composite
def runs(draw: DrawFn, owners: list[Pipeline], as_of: datetime) -> list[Run]:
    """Draw 0 to 40 runs of the pipelines."""
    if not owners:
        return []
    owner_ids = [pipeline.id for pipeline in owners]
    spans = []
    for _ in range(draw(st.integers(0, 4))):
        spans += draw(cadences(owner_ids, as_of))
    spans += draw(st.lists(loose_spans(owner_ids, as_of), max_size=12))
    spans = spans[:MOST_RUNS]
    # The same external ids return in every pipeline: only the pair is unique.
    seen: Counter[str] = Counter()
    made = []
    for run_id, span in zip(draw(ids(3, len(spans))), spans, strict=True):
        seen[span.pipeline_id] += 1
        made.append(
            Run(
                id=run_id,
                pipeline_id=span.pipeline_id,
                external_run_id=f"run-{seen[span.pipeline_id]}",
                status=span.status,
                started_at=span.started_at,
                finished_at=span.finished_at,
                duration_seconds=span.duration_seconds,
                rows_processed=draw(row_counts),
                error_message=draw(texts),
                status_reason=draw(texts),
                payload=None,
                ingested_at=span.created_at,
                created_at=span.created_at,
                updated_at=span.created_at,
            )
        )
    return made


@st.composite
def alert_rules(draw: DrawFn, owners: list[Client], watched: list[Pipeline]) -> list[AlertRule]:
    """Draw 0 to 6 rules, scoped to a client, a pipeline or both."""
    scopes: list[tuple[str | None, str | None]] = [(client.id, None) for client in owners]
    scopes += [(None, pipeline.id) for pipeline in watched]
    scopes += [(pipeline.client_id, pipeline.id) for pipeline in watched]
    if not scopes:
        return []
    enabled: set[tuple[object, ...]] = set()
    made = []
    for rule_id in draw(ids(4, draw(st.integers(0, 6)))):
        client_id, pipeline_id = draw(st.sampled_from(scopes))
        rule_type = draw(st.sampled_from(("on_failure", "failures_in_window")))
        thresholds = st.integers(1, 4)
        windows = st.sampled_from(WINDOW_MINUTES)
        # on_failure may carry numbers: they must not matter.
        optional = rule_type == "on_failure"
        channel = draw(st.sampled_from(("slack", "email", "webhook")))
        destination = draw(st.sampled_from(DESTINATIONS))
        identity = (client_id, pipeline_id, rule_type, channel, destination)
        is_enabled = draw(st.sampled_from((True, True, True, False))) and identity not in enabled
        if is_enabled:
            enabled.add(identity)
        made.append(
            AlertRule(
                id=rule_id,
                client_id=client_id,
                pipeline_id=pipeline_id,
                rule_type=rule_type,
                threshold=draw(st.none() | thresholds if optional else thresholds),
                window_minutes=draw(st.none() | windows if optional else windows),
                channel=channel,
                destination=destination,
                is_enabled=is_enabled,
                created_at=LONG_AGO,
                updated_at=LONG_AGO,
            )
        )
    return made


@st.composite
def data_sets(draw: DrawFn, as_of: datetime) -> DataSet:
    """Draw a whole data set around the given as_of."""
    owners = draw(clients())
    owned = draw(pipelines(owners))
    return DataSet(
        clients=owners,
        pipelines=owned,
        runs=draw(runs(owned, as_of)),
        alert_rules=draw(alert_rules(owners, owned)),
    )


@st.composite
def scenes(draw: DrawFn) -> tuple[DataSet, datetime]:
    """Draw a data set and the as_of it is built around."""
    as_of = draw(as_ofs())
    return draw(data_sets(as_of)), as_of
