"""Runs from a partner's API, asked page by page for each pipeline."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from chm.contract import load_contract
from chm.errors import ChmError
from chm.ingest.each_pipeline import FailedPipeline, read_each
from chm.ingest.events import RefusedError, SourceEvent
from chm.ingest.http import HttpError, JsonClient
from chm.ingest.known import KnownPipeline
from chm.ingest.mapping import DEFAULT_PATHS, Mapping
from chm.ingest.normalise import canonical_json, clean
from chm.ingest.sources.jsonl import unread
from chm.ingest.status_words import plain

# Where the runs hold their fields when no mapping says otherwise: the contract's columns, and
# other names that partners give to the id of a run.
PARTNER_MAPPING = Mapping(
    fields=DEFAULT_PATHS | {"external_run_id": (("external_run_id",), ("run_id",), ("id",))}
)
# The fields that say whose run it is: here that is known.
_REFERENCE = {"pipeline_id", "platform", "external_id", "client_name", "pipeline_name"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = {"external_id", "platform"}


@dataclass(frozen=True)
class PageRequest:
    """How to ask for a page.

    `url` may hold {external_id} and {platform}; without {external_id} that goes into the query
    parameter `pipeline_parameter`. `query` has more parameters, sent with every request.
    """

    url: str
    pipeline_parameter: str = "pipeline"
    cursor_parameter: str = "cursor"
    query: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        unknown = set(_PLACEHOLDER.findall(self.url)) - _PLACEHOLDERS
        if unknown:
            raise ChmError(f"--url may hold {{external_id}} and {{platform}}, not {unknown}", 2)

    def of(self, pipeline: KnownPipeline, cursor: str | None) -> tuple[str, dict[str, str]]:
        """Return the URL and the query parameters for a page of a pipeline.

        Raises:
            HttpError: the pipeline's external id can't be part of a path.
        """
        names = set(_PLACEHOLDER.findall(self.url))
        query = dict(self.query)
        if "external_id" not in names:
            query[self.pipeline_parameter] = pipeline.external_id
        elif set(pipeline.external_id) <= {"."}:
            raise HttpError(f"the external id {pipeline.external_id!r} would lead to another path")
        if cursor is not None:
            query[self.cursor_parameter] = cursor
        values = {name: quote(getattr(pipeline, name), safe="") for name in names}
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.url), query


def read_partner_api(
    client: JsonClient,
    request: PageRequest,
    pipelines: Sequence[KnownPipeline],
    mapping: Mapping | None,
    failed: list[FailedPipeline],
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[SourceEvent]:
    """Yield an event for every run of every page of every pipeline.

    The events have the contract's columns, and the run as it came under payload. `mapping` says
    where the runs hold their fields. A pipeline that fails is added to `failed` (see `read_each`).
    """

    def read(pipeline: KnownPipeline) -> Iterator[SourceEvent]:
        for page, runs in enumerate(_pages(client, request, pipeline), start=1):
            tell(f"{pipeline}, page {page}")
            for place, run in enumerate(runs, start=1):
                position = f"{pipeline.external_id} page {page} run {place}"
                yield _event(run, pipeline, mapping, position)

    return read_each(pipelines, read, failed, tell)


def _pages(
    client: JsonClient, request: PageRequest, pipeline: KnownPipeline
) -> Iterator[list[Any]]:
    """The runs of each page, until there is no next cursor."""
    seen: set[str] = set()
    cursor = None
    while True:
        page = client.get(*request.of(pipeline, cursor))
        number = len(seen) + 1
        runs = page.get("runs") if isinstance(page, dict) else None
        if not isinstance(runs, list):
            raise HttpError(f"page {number} is not of the shape {{runs: [...], next_cursor}}")
        yield runs
        following = page.get("next_cursor")
        if following is None or following == "":
            return
        if isinstance(following, bool) or not isinstance(following, str | int):
            raise HttpError(f"next_cursor of page {number} is neither a text nor a number")
        cursor = str(following)
        if cursor in seen:
            raise HttpError(f"next_cursor of page {number} repeats that of an earlier page")
        seen.add(cursor)


def _event(
    run: object, pipeline: KnownPipeline, mapping: Mapping | None, position: str
) -> SourceEvent:
    if not isinstance(run, dict):
        return SourceEvent(unread(json.dumps(run)), position, "is not a JSON object")
    try:
        # Before its fields are taken apart: a secret is known by the name that it stands under.
        fields = clean(SourceEvent(run, position))
        payload = json.loads(canonical_json(fields))
    except RefusedError:
        # It is refused again, and then told so.
        return SourceEvent(run, position)
    wanted = mapping or PARTNER_MAPPING
    event = {
        name: value
        for name in DEFAULT_PATHS
        if name not in _REFERENCE and (value := wanted.value(name, fields)) is not None
    }
    if not mapping and not _is_uuid(event.get("id")):
        event.pop("id", None)
    word = event.get("status")
    if mapping and isinstance(word, str):
        event["status"] = mapping.statuses.get(plain(word), word)
    event["pipeline_id"] = pipeline.id
    is_row = fields.keys() <= set(load_contract().tables["runs"].column_names)
    event["payload"] = (not mapping and is_row and fields.get("payload")) or payload
    return SourceEvent(event, position)


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
