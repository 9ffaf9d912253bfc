"""Name a pipeline on a command line, by whatever the user knows of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from chm.ingest.resolve import Pipeline


def pipeline_fields(name: str, platform: str) -> dict[str, str]:
    """Return the fields of an event that name a pipeline: its id, external id or name.

    One that is registered gets the name as its external id too, and is found by it.
    """
    try:
        return {"pipeline_id": str(UUID(name))}
    except ValueError:
        return {"platform": platform, "external_id": name, "pipeline": name}


def names_no_client(event: dict[str, Any]) -> bool:
    """Return whether an event names a pipeline that several clients may have."""
    return "pipeline" in event and "client" not in event


def with_only_client(event: dict[str, Any], known: "Iterable[Pipeline]") -> dict[str, Any]:
    """Return the event with its pipeline's client, if just one client has one of that name."""
    if not names_no_client(event):
        return event
    named = [pipeline for pipeline in known if pipeline.name == event["pipeline"]]
    return event | {"client": named[0].client_name} if len(named) == 1 else event
