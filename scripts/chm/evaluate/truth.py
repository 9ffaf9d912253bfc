"""Read what was planted in a data set: context/planted_truth*.json, formats 1 and 2.

Later files are batches that were appended: their pipelines replace those of the same id, their
incidents and outages are added.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError

from chm.errors import ChmError
from chm.evaluate.intervals import Interval, merge
from chm.expectations import problems_by_path
from chm.generate.faults import Role

FORMATS = (1, 2)


@dataclass(frozen=True)
class PlantedIncident:
    """A window in which the runs of a platform or of a client fail at once."""

    scope: Literal["platform", "client"]
    # The platform, or the client's id.
    entity: str
    window: Interval
    # Those with a run in the window.
    pipeline_ids: tuple[str, ...]


@dataclass(frozen=True)
class PlantedPipeline:
    """A pipeline's role; `since` is when its fault begins, in seconds since 1970."""

    pipeline_id: str
    role: Role
    since: float | None
    outages: tuple[Interval, ...]


@dataclass(frozen=True)
class Truth:
    """All that was planted in a data set."""

    files: tuple[str, ...]
    range: Interval
    incidents: tuple[PlantedIncident, ...]
    pipelines: dict[str, PlantedPipeline]
    # Format 1 does not say when a single pipeline was down.
    has_outages: bool

    def with_role(self, role: Role) -> list[PlantedPipeline]:
        """Return the pipelines of a role."""
        return [pipeline for pipeline in self.pipelines.values() if pipeline.role is role]


def read_truth(folder: Path) -> Truth:
    """Return what was planted in the data set in `folder`.

    Raises:
        ChmError: there is no such file, or one that is not of a known format.
    """
    context = folder / "context"
    paths = sorted(context.glob("planted_truth*.json"), key=_batch_order)
    if not paths:
        raise ChmError(
            f"{context} holds no planted_truth.json: only a data set of chm generate tells "
            "what was planted in it"
        )
    return reduce(_add, [_read(path) for path in paths])


def _batch_order(path: Path) -> tuple[int, str]:
    # By number: batch 10 comes after batch 9, and the file without a number first.
    number = re.search(r"(\d+)\.json$", path.name)
    return (int(number[1]) if number else 0, path.name)


class _Range(BaseModel):
    start: AwareDatetime
    end: AwareDatetime


class _Incident(BaseModel):
    # Format 1 has outages of platforms only.
    scope: Literal["platform", "client"] = "platform"
    platform: str | None = None
    client_id: str | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    pipeline_ids: list[str]


class _Pipeline(BaseModel):
    pipeline_id: str
    role: Role
    since: AwareDatetime | None
    outages: list[tuple[AwareDatetime, AwareDatetime]] = Field(default_factory=list)


def _known(value: object) -> object:
    if value not in FORMATS:
        raise ValueError(f"this version reads {' and '.join(map(str, FORMATS))}")
    return value


class _File(BaseModel):
    format: Annotated[int, BeforeValidator(_known)]
    range: _Range
    incidents: list[_Incident]
    pipelines: list[_Pipeline]


def _read(path: Path) -> Truth:
    try:
        file = _File.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ChmError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        # A file of another shape has a problem in every entry: one is enough.
        raise ChmError(f"{path}: {problems_by_path(error, 'the file')[0]}") from None
    except ValueError as error:
        raise ChmError(f"{path}: no JSON: {error}") from None
    return Truth(
        files=(path.name,),
        range=_interval(file.range.start, file.range.end),
        incidents=tuple(_incident(path, incident) for incident in file.incidents),
        pipelines={
            entry.pipeline_id: PlantedPipeline(
                pipeline_id=entry.pipeline_id,
                role=entry.role,
                since=entry.since.timestamp() if entry.since else None,
                outages=tuple(_interval(start, end) for start, end in entry.outages),
            )
            for entry in file.pipelines
        },
        has_outages=file.format > 1,
    )


def _incident(path: Path, incident: _Incident) -> PlantedIncident:
    entity = incident.platform if incident.scope == "platform" else incident.client_id
    if entity is None:
        raise ChmError(
            f"{path}: incidents: one of scope {incident.scope} at "
            f"{incident.started_at.isoformat()} does not name it"
        )
    return PlantedIncident(
        scope=incident.scope,
        entity=entity,
        window=_interval(incident.started_at, incident.ended_at),
        pipeline_ids=tuple(incident.pipeline_ids),
    )


def _interval(start: datetime, end: datetime) -> Interval:
    return Interval(start.timestamp(), end.timestamp())


def _add(first: Truth, later: Truth) -> Truth:
    outages: dict[str, list[Interval]] = defaultdict(list)
    for truth in (first, later):
        for pipeline in truth.pipelines.values():
            outages[pipeline.pipeline_id] += pipeline.outages
    return Truth(
        files=first.files + later.files,
        range=Interval(
            min(first.range.start, later.range.start), max(first.range.end, later.range.end)
        ),
        incidents=first.incidents + later.incidents,
        pipelines={
            key: PlantedPipeline(key, entry.role, entry.since, tuple(merge(outages[key])))
            for key, entry in (first.pipelines | later.pipelines).items()
        },
        has_outages=first.has_outages and later.has_outages,
    )
