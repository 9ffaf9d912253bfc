"""Find the pipeline that an event names, or register it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID, uuid5

from chm.contract import load_contract
from chm.ingest.events import PipelineReference, RefusedError

# Ids made here are version 5 UUIDs in this namespace: the same names make the same ids.
NAMESPACE = UUID("6f1b2c0a-8d3e-5c47-9a51-0d2f7b64e9c3")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline as far as events name it."""

    id: str
    client_name: str
    name: str
    platform: str
    external_id: str | None


@dataclass(frozen=True)
class NewPipeline:
    """A pipeline to be registered; its client is made too if there is none of the name."""

    id: str
    client_id: str
    client_name: str
    name: str
    platform: str
    external_id: str | None


def made_id(*parts: str) -> str:
    """Return the UUID that these parts always make."""
    return str(uuid5(NAMESPACE, "\x1f".join(parts)))


class Resolver:
    """Finds pipelines by what events say of them.

    Args:
        pipelines: all that are stored.
        client: the client of events that name none.
        register: what makes an unknown pipeline; None refuses its events.
    """

    def __init__(
        self,
        pipelines: Iterable[Pipeline],
        client: str | None = None,
        register: Callable[[NewPipeline], None] | None = None,
    ) -> None:
        self._client = client
        self._register = register
        self._ids: set[str] = set()
        self._external: dict[tuple[str, str], list[Pipeline]] = defaultdict(list)
        self._named: dict[tuple[str, str], Pipeline] = {}
        self._platforms = load_contract().enums["platforms"].values
        for pipeline in pipelines:
            self._add(pipeline)

    def find(self, reference: PipelineReference) -> str:
        """Return the id of the pipeline: by id, else platform and external id, else names.

        Raises:
            RefusedError: it is unknown, named by too little, or by what several share.
        """
        if reference.pipeline_id:
            if reference.pipeline_id not in self._ids:
                raise RefusedError(f"unknown pipeline: {reference}")
            return reference.pipeline_id
        client = reference.client_name or self._client
        if reference.platform and reference.external_id:
            found = self._external.get((reference.platform, reference.external_id), [])
            if len(found) > 1 or (found and reference.client_name):
                found = [pipeline for pipeline in found if pipeline.client_name == client]
                if not found and not reference.client_name:
                    raise RefusedError(f"several clients have this pipeline: {reference}")
            if found:
                return found[0].id
        if client and reference.pipeline_name:
            named = self._named.get((client, reference.pipeline_name))
            if named:
                return named.id
        return self._new(reference, client)

    def _new(self, reference: PipelineReference, client: str | None) -> str:
        name = reference.pipeline_name or reference.external_id
        if not self._register or not client or not name:
            raise RefusedError(f"unknown pipeline: {reference}")
        platform = reference.platform or "custom"
        if platform not in self._platforms:
            allowed = ", ".join(self._platforms)
            raise RefusedError(f"platform {platform!r} is not one of {allowed}")
        if (client, name) in self._named:
            raise RefusedError(f"another pipeline of the client has this name: {reference}")
        pipeline = Pipeline(
            made_id("pipeline", client, name), client, name, platform, reference.external_id
        )
        self._register(
            NewPipeline(
                pipeline.id,
                made_id("client", client),
                client,
                name,
                platform,
                reference.external_id,
            )
        )
        self._add(pipeline)
        return pipeline.id

    def _add(self, pipeline: Pipeline) -> None:
        self._ids.add(pipeline.id)
        self._named[pipeline.client_name, pipeline.name] = pipeline
        if pipeline.external_id:
            self._external[pipeline.platform, pipeline.external_id].append(pipeline)
