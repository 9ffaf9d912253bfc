"""A whole data set, planned: what its tables hold, before a run is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chm.errors import ChmError
from chm.generate.alerts import AlertRule, make_alert_rules
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Client, Pipeline, make_clients, make_pipelines
from chm.generate.history import History, plan_history
from chm.generate.names import slug
from chm.generate.sizes import pipelines_by_client
from chm.generate.text_pools import TextPool, load_pools
from chm.registry import REGISTRY, Row, read_registry


@dataclass(frozen=True)
class DataSet:
    """A planned data set: the rows that it adds to the tables, and the history of its runs.

    The runs are of all `history.pipelines`: the new ones, and those known before.
    """

    config: GenerateConfig
    clients: Sequence[Client]
    pipelines: Sequence[Pipeline]
    alert_rules: Sequence[AlertRule]
    history: History
    text_pools: Sequence[TextPool]


def plan_data_set(
    config: GenerateConfig,
    known: Sequence[Pipeline] = (),
    workers: int = 1,
    on_progress: Callable[[float], None] = lambda _: None,
) -> DataSet:
    """Return the data set that this configuration and its seed settle, to the last value.

    Args:
        config: The configuration.
        known: Pipelines that are there already, whose runs go on. Clients and pipelines are
            added to them only where the configuration asks for a number of them.
        workers: Threads to use; they do not change what comes out.
        on_progress: Told the share of the planning that is done.

    Raises:
        ChmError: the configuration asks for what its numbers cannot hold; the message names
            the key.
    """
    pools = load_pools(config.texts.folders)
    clients, owners = _new_fleet(config, known)
    taken: dict[str, list[str]] = {}
    for pipeline in known:
        taken.setdefault(pipeline.client.id, []).append(pipeline.name)
    pipelines = make_pipelines(config, owners, taken) if owners else []
    history = plan_history(config, [*known, *pipelines], pools, workers, on_progress)
    rules: list[AlertRule] = []
    if not known or config.alert_rules.total is not None:
        rules = make_alert_rules(config, history.pipelines, history.tally.failed)
    return DataSet(config, clients, pipelines, rules, history, pools)


def _new_fleet(
    config: GenerateConfig, known: Sequence[Pipeline]
) -> tuple[list[Client], list[Client]]:
    """The new clients, and the owner of each new pipeline."""
    if known and config.clients.total is None:
        if config.pipelines.total is None:
            return [], []
        active = list(
            {item.client.id: item.client for item in known if item.client.is_active}.values()
        )
        if not active:
            raise ChmError("pipelines.total: no client of the data set is active")
        return [], [active[i % len(active)] for i in range(config.pipelines.total)]
    sizes = pipelines_by_client(config)
    taken = {slug(pipeline.client.name) for pipeline in known}
    clients = make_clients(config, len(sizes), taken)
    return clients, [
        client for client, size in zip(clients, sizes, strict=True) for _ in range(size)
    ]


def registered_pipelines(folder: Path) -> list[Pipeline]:
    """Return the pipelines of a data set's id registry, the only source of parents.

    Raises:
        ChmError: the registry is missing, or one of its lines is no client or pipeline.
    """
    path = folder / REGISTRY
    registry = read_registry(folder)
    if registry.content is None:
        raise ChmError(f"can't read {path}: there is none")
    try:
        clients = {key: _client(row) for key, row in registry.entities["clients"].items()}
        pipelines = [_pipeline(row, clients) for row in registry.entities["pipelines"].values()]
    except (KeyError, ValueError) as error:
        raise ChmError(f"{path} is no id registry: {error!r}") from error
    if not pipelines:
        raise ChmError(f"{path} names no pipeline that could have run")
    return pipelines


def _client(row: Row) -> Client:
    created_at = _instant(row["created_at"])
    is_active = row["is_active"] == "true"
    return Client(row["entity_id"], row["entity_name"], is_active, created_at, created_at)


def _pipeline(row: Row, clients: dict[str, Client]) -> Pipeline:
    created_at = _instant(row["created_at"])
    client = clients[row["parent_entity_id"].lower()]
    return Pipeline(
        id=row["entity_id"],
        client=client,
        key=f"{slug(client.name)}-{slug(row['entity_name'])}",
        name=row["entity_name"],
        platform=row["platform"],
        external_id=None,
        pipeline_type=row["pipeline_type"],
        description=None,
        environment=row["environment"],
        is_active=row["is_active"] == "true",
        created_at=created_at,
        updated_at=created_at,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
