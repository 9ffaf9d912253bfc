"""Turn a source event into a run event of the contract's words, instants and numbers."""

import hashlib
import json
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from chm.contract import load_contract
from chm.ingest.events import PipelineReference, RefusedError, RunEvent, SourceEvent
from chm.ingest.mapping import DEFAULT_FIELDS, DEFAULT_PATHS, Mapping
from chm.ingest.redact import cut_at_secret, redact
from chm.ingest.status_words import UNKNOWN, plain

# Stored as updated_at of an event that tells no instant at all: it must come out the same
# whenever the event arrives, and lose to every event that tells one.
NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)

MAX_INT = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_SHOWN = 80
# Seconds since 1970 from 1973 to 2286: the same numbers of milliseconds are another range.
_LEAST_EPOCH, _MOST_EPOCH = 10**8, 10**10
# A text of ten digits or thirteen is no ISO 8601 instant.
_EPOCH = re.compile(r"[0-9]{10}(?:[0-9]{3})?")
# Neither PostgreSQL's text nor UTF-8 holds these.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(event: SourceEvent) -> dict[str, Any]:
    """Return the fields of an event as they may be stored: secrets and odd characters replaced.

    Raises:
        RefusedError: the event is nested too deep to be looked through.
    """
    try:
        fields: dict[str, Any] = redact(_storable(event.fields))
        if event.fault:
            return {
                name: cut_at_secret(value) if isinstance(value, str) else value
                for name, value in fields.items()
            }
    except RecursionError:
        raise RefusedError("is nested too deep") from None
    return fields


def normalise(fields: dict[str, Any], position: str, mapping: Mapping) -> RunEvent:
    """Make a run event of cleaned fields.

    Raises:
        RefusedError: a value is not of its kind or out of its range, or finished_at lies before
            started_at; names the field and the value.
    """

    def text(name: str) -> str | None:
        return _text(name, mapping.value(name, fields))

    naive = 0
    instants: dict[str, datetime | None] = {}
    for name in ("started_at", "finished_at", "updated_at", "created_at"):
        instants[name], is_naive = _instant(name, mapping.value(name, fields))
        naive += is_naive
    started_at, finished_at = instants["started_at"], instants["finished_at"]
    updated_at = instants["updated_at"] or finished_at or started_at or NO_INSTANT
    if started_at and finished_at and finished_at < started_at:
        raise RefusedError(f"finished_at {finished_at} is before started_at {started_at}")
    told = [instant for instant in (started_at, finished_at, updated_at) if instant]
    duration = _number("duration_seconds", mapping.value("duration_seconds", fields), MAX_INT)
    if duration is None and started_at and finished_at:
        duration = int((finished_at - started_at).total_seconds())
        if duration > MAX_INT:
            raise RefusedError(f"finished_at {finished_at} is too long after {started_at}")
    payload = canonical_json(fields)
    status, status_reason = _status(
        mapping.value("status", fields), text("status_reason"), mapping.statuses
    )
    return RunEvent(
        pipeline=PipelineReference(
            pipeline_id=_uuid("pipeline_id", text("pipeline_id")),
            platform=text("platform"),
            external_id=text("external_id"),
            client_name=text("client_name"),
            pipeline_name=text("pipeline_name"),
        ),
        run_id=_uuid("id", text("id")),
        external_run_id=text("external_run_id") or _id_from_content(payload),
        status=status,
        started_at=started_at,
        finished_at=finished_at,
        updated_at=updated_at,
        created_at=instants["created_at"] or min(told),
        duration_seconds=duration,
        rows_processed=_rows(mapping.value("rows_processed", fields)),
        error_message=text("error_message"),
        status_reason=status_reason,
        payload=_own_payload(fields, mapping) or payload,
        position=position,
        naive_instants=naive,
    )


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no blanks.

    Raises:
        RefusedError: a number is infinite or not a number.
    """
    return _json(value, sort_keys=True)


def _json(value: object, *, sort_keys: bool) -> str:
    try:
        return json.dumps(
            value,
            ensure_ascii=False,
            sort_keys=sort_keys,
            separators=(",", ":"),
            allow_nan=False,
        )
    except ValueError as error:
        raise RefusedError(f"is no JSON: {error}") from None


def _own_payload(fields: dict[str, Any], mapping: Mapping) -> str | None:
    """The payload of an event that is a row of the contract: there the rest is in the columns."""
    payload = fields.get("payload")
    if not payload or mapping.fields != DEFAULT_PATHS:
        return None
    if not fields.keys() <= _row_fields():
        return None
    if isinstance(payload, str):
        try:
            payload = redact(_storable(json.loads(payload)))
        except (ValueError, RecursionError):
            return None
    if not isinstance(payload, dict):
        return None
    # As it was written, but for blanks, so that a row of a data set says what is loaded already.
    return _json(payload, sort_keys=False)


@lru_cache
def _row_fields() -> frozenset[str]:
    """The columns of runs, and what names a pipeline."""
    names = (name for names in DEFAULT_FIELDS.values() for name in names)
    return frozenset(names).union(load_contract().tables["runs"].column_names)


def _storable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _id_from_content(payload: str) -> str:
    return f"content-{hashlib.sha256(payload.encode()).hexdigest()[:32]}"


def _status(word: object, reason: str | None, words: dict[str, str]) -> tuple[str, str | None]:
    """The status, and its reason with the source's word where that is unknown."""
    known = words.get(plain(str(word))) if word is not None else None
    if known:
        return known, reason
    told = "the source gave no status" if word is None else f"unknown status: {word}"
    return UNKNOWN, f"{reason} ({told})" if reason else told


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(f"{name} {_shown(value)} is not a text")
    return str(value)


def _uuid(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(UUID(value))
    except ValueError:
        raise RefusedError(f"{name} {_shown(value)} is not a UUID") from None


def _instant(name: str, value: object) -> tuple[datetime | None, bool]:
    """The instant in UTC, and whether it came without an offset."""
    if value is None:
        return None, False
    if not isinstance(value, str) or _EPOCH.fullmatch(value.strip()):
        return _epoch(name, value), False
    try:
        # The letters T and Z may be lower case.
        text = value.strip().upper()
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))
        if instant.tzinfo is None:
            return instant.replace(tzinfo=UTC), not text.endswith(" UTC")
        return instant.astimezone(UTC), False
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} {_shown(value)} is not an ISO 8601 instant") from None


def _epoch(name: str, value: object) -> datetime:
    """The instant of seconds or milliseconds since 1970; their sizes do not overlap."""
    number = float(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        for unit, per_second in (("seconds", 1), ("milliseconds", 1000)):
            if _LEAST_EPOCH * per_second <= number < _MOST_EPOCH * per_second:
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(**{unit: number})
    raise RefusedError(f"{name} {_shown(value)} is not an ISO 8601 instant")


def _number(name: str, value: object, maximum: int) -> int | None:
    """A number of at least 0, its fraction cut off."""
    if value is None:
        return None
    number = value
    if isinstance(value, str):
        try:
            text = value.strip()
            number = int(text) if text.isdecimal() else float(text)
        except ValueError:
            number = None
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number):  # type: ignore[arg-type]
        raise RefusedError(f"{name} {_shown(value)} is not a number")
    if not 0 <= number <= maximum:  # type: ignore[operator]
        raise RefusedError(f"{name} {_shown(value)} is not between 0 and {maximum}")
    return int(number)  # type: ignore[call-overload,no-any-return]


def _rows(value: object) -> int | None:
    rows = _number("rows_processed", value, _MAX_BIGINT)
    if rows is not None and float(str(value)) != rows and not isinstance(value, int):
        raise RefusedError(f"rows_processed {_shown(value)} is not a whole number")
    return rows


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
