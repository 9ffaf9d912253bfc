"""What a target tells a source that has to ask for each pipeline."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from chm.ingest.store import Store


@dataclass(frozen=True)
class KnownPipeline:
    """A stored pipeline that has an external id."""

    id: str
    client_name: str
    name: str
    platform: str
    external_id: str
    is_active: bool

    def __str__(self) -> str:
        return f"{self.platform} {self.external_id} of {self.client_name}"


def known_pipelines(store: Store) -> list[KnownPipeline]:
    """Return all pipelines that have an external id, by client and name."""
    with store.transaction(registers=False):
        rows = store.execute(
            "select cast(pipelines.id as varchar), clients.name, pipelines.name, "
            "cast(pipelines.platform as varchar), pipelines.external_id, pipelines.is_active "
            "from raw.pipelines inner join raw.clients on clients.id = pipelines.client_id "
            "where pipelines.external_id is not null"
        )
    return sorted(
        (KnownPipeline(*row) for row in rows), key=lambda one: (one.client_name, one.name)
    )


def newest_updates(store: Store, pipeline_ids: Collection[str]) -> dict[str, datetime]:
    """Return each pipeline's greatest updated_at; not that of pipelines without runs.

    Instants that are still to come don't count: nothing can have been seen up to them.
    """
    with store.transaction(registers=False):
        rows = store.execute(
            "select cast(pipeline_id as varchar), max(updated_at) from raw.runs "
            "where pipeline_id = any(cast(%s as uuid[])) and updated_at <= %s group by pipeline_id",
            [list(pipeline_ids), datetime.now(UTC)],
        )
    return {pipeline_id: newest.astimezone(UTC) for pipeline_id, newest in rows}
