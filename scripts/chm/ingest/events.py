"""What a source yields, and what is made of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """One event as a source gave it.

    `position` says where it stood ("events.jsonl:12"); `fault`, where set, why it can't be read:
    `fields` then holds what there is of it, for the dead letters. `source`, where set, is the one
    that it came from first.
    """

    fields: dict[str, Any]
    position: str
    fault: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineReference:
    """How an event names its pipeline: by id, by (platform, external_id) or by client and name."""

    pipeline_id: str | None = None
    platform: str | None = None
    external_id: str | None = None
    client_name: str | None = None
    pipeline_name: str | None = None

    def __str__(self) -> str:
        parts = [f"{name} {getattr(self, name)!r}" for name in self.__slots__]
        told = [part for part in parts if not part.endswith(" None")]
        return ", ".join(told) or "(not named)"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """A normalised event: statuses of the contract, instants in UTC, secrets replaced.

    `run_id` is the id that the source gave the run, if any; `created_at` the one it gave, or the
    earliest instant that the event tells. `payload` is the whole source event as JSON text.
    `naive_instants` counts instants that came without an offset and were taken as UTC.
    """

    pipeline: PipelineReference
    run_id: str | None
    external_run_id: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    created_at: datetime
    duration_seconds: int | None
    rows_processed: int | None
    error_message: str | None
    status_reason: str | None
    payload: str
    position: str
    naive_instants: int


class RefusedError(Exception):
    """An event that can't be taken; its text is the reason, as told in the dead letters."""
