"""The fleet: clients and their pipelines, with the times at which each came and went."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from chm.contract import load_contract
from chm.generate.config import GenerateConfig
from chm.generate.draw import between, dealt, flags, nearest, stream
from chm.generate.names import company_names, pipeline_name, slug, vendor_names

DAY = timedelta(days=1)
NOTHING: Mapping[str, Iterable[str]] = {}
# A new pipeline was created at most this long before the end of the range.
NEW_PIPELINE_AGE = timedelta(hours=12)
# The platform group whose pipelines are named after a vendor.
_VENDOR_GROUP = "vendor_api"


@dataclass(frozen=True)
class Client:
    """A client; one that is not active was given up at `updated_at`."""

    id: str
    name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of a client; one that is not active was switched off at `updated_at`.

    `key` names it within the whole data set, in the words of its client and itself.
    """

    id: str
    client: Client
    key: str
    name: str
    platform: str
    external_id: str | None
    pipeline_type: str
    description: str | None
    environment: str
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @property
    def client_id(self) -> str:
        """The id of its client."""
        return self.client.id

    @property
    def stopped_at(self) -> datetime | None:
        """When it ran for the last time at the latest; None while it and its client are active."""
        stops = [owner.updated_at for owner in (self, self.client) if not owner.is_active]
        return min(stops, default=None)


def make_id(config: GenerateConfig, table: str, key: object) -> str:
    """Return the id of the row that this key names in a table of this seed and batch."""
    namespace = uuid.uuid5(uuid.NAMESPACE_OID, f"chm/generate/{config.seed}/{config.runs.batch}")
    return str(uuid.uuid5(namespace, f"{table}/{key}"))


def make_clients(config: GenerateConfig, total: int, taken: Collection[str] = ()) -> list[Client]:
    """Return so many clients, all created before the range begins.

    Args:
        config: The configuration.
        total: How many.
        taken: The slugs of names that are not free.
    """
    rng = stream(config.seed, config.runs.batch, "clients")
    names = company_names(f"{config.seed}/{config.runs.batch}", total, taken)
    actives = flags(rng, total, config.clients.active_share)
    clients = []
    for number, (name, is_active) in enumerate(zip(names, actives, strict=True), start=1):
        created_at = between(rng, config.range.start - 300 * DAY, config.range.start - 60 * DAY)
        updated_at = (
            between(rng, created_at, config.range.start)
            if is_active
            else _switched_off_at(rng, config)
        )
        clients.append(
            Client(
                id=make_id(config, "clients", number),
                name=name,
                is_active=is_active,
                created_at=created_at,
                updated_at=updated_at,
            )
        )
    return clients


def make_pipelines(
    config: GenerateConfig, owners: list[Client], taken: Mapping[str, Iterable[str]] = NOTHING
) -> list[Pipeline]:
    """Return one pipeline for each entry of `owners`; the new ones belong to active clients.

    Args:
        config: The configuration.
        owners: Each client as often as it gets pipelines.
        taken: By client id, the names of pipelines that it has already.
    """
    rng = stream(config.seed, config.runs.batch, "pipelines")
    settings = config.pipelines
    total = len(owners)
    kinds = dealt(
        rng,
        total,
        {
            (platform, pipeline_type): weight
            for platform, types in settings.mix.items()
            for pipeline_type, weight in types.items()
        },
    )
    environments = dealt(rng, total, settings.environments)
    actives = flags(rng, total, settings.active_share)
    described = flags(rng, total, settings.described_share)
    with_external_id = flags(rng, total, settings.external_id_share)
    births = dealt_births(rng, config, [owners[i].is_active and actives[i] for i in range(total)])
    vendors = vendor_names(config.seed, 6)
    groups = load_contract().enums["platforms"].rows
    slugs = {client.id: {slug(name) for name in taken.get(client.id, ())} for client in owners}

    pipelines = []
    for index, (owner, (platform, pipeline_type)) in enumerate(zip(owners, kinds, strict=True)):
        vendor = (
            rng.choice(vendors) if groups[platform]["platform_group"] == _VENDOR_GROUP else None
        )
        name = pipeline_name(rng, pipeline_type, vendor, slugs[owner.id])
        slugs[owner.id].add(slug(name))
        created_at = _created_at(rng, config, owner, births[index])
        key = f"{slug(owner.name)}-{slug(name)}"
        environment = environments[index]
        pipelines.append(
            Pipeline(
                id=make_id(config, "pipelines", index + 1),
                client=owner,
                key=key,
                name=name,
                platform=platform,
                external_id=f"{platform}/{key}" if with_external_id[index] else None,
                pipeline_type=pipeline_type,
                description=(
                    f"{pipeline_type.capitalize()} of {owner.name} on {platform}, {environment}."
                    if described[index]
                    else None
                ),
                environment=environment,
                is_active=actives[index],
                created_at=created_at,
                updated_at=(
                    between(rng, created_at, min(created_at + 30 * DAY, _last(config)))
                    if actives[index]
                    else _switched_off_at(rng, config)
                ),
            )
        )
    return pipelines


def dealt_births(rng: Random, config: GenerateConfig, can_be_new: list[bool]) -> list[str]:
    """Return for each pipeline when it was created: "before" the range, "late" in it or "new"."""
    total = len(can_be_new)
    free = [index for index in range(total) if can_be_new[index]]
    new = set(rng.sample(free, min(len(free), nearest(total, config.pipelines.new_share))))
    others = [index for index in range(total) if index not in new]
    wanted = min(len(others), nearest(total, config.pipelines.late_share))
    late = set(rng.sample(others, wanted))
    return ["new" if i in new else "late" if i in late else "before" for i in range(total)]


def is_new(config: GenerateConfig, pipeline: Pipeline) -> bool:
    """Whether a pipeline was created too late to have run inside the range."""
    return pipeline.created_at >= config.range.end - NEW_PIPELINE_AGE


def _created_at(rng: Random, config: GenerateConfig, owner: Client, birth: str) -> datetime:
    start, end = config.range.start, config.range.end
    if birth == "new":
        return between(rng, end - NEW_PIPELINE_AGE, _last(config))
    if birth == "late":
        return between(rng, start, start + (end - start) * 2 // 5)
    return between(rng, owner.created_at, max(owner.created_at, start - DAY))


def _switched_off_at(rng: Random, config: GenerateConfig) -> datetime:
    start, end = config.range.start, config.range.end
    return between(rng, start + (end - start) // 2, start + (end - start) * 9 // 10)


def _last(config: GenerateConfig) -> datetime:
    return config.range.end - timedelta(seconds=1)
