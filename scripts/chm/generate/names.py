"""Names of clients, vendors and pipelines."""

import re
from collections.abc import Collection
from random import Random

from faker import Faker

_SUBJECTS = (
    "orders",
    "invoices",
    "customers",
    "inventory",
    "payments",
    "shipments",
    "sessions",
    "subscriptions",
    "campaigns",
    "returns",
    "tickets",
    "prices",
)
_JOBS = {
    "ingestion": ("intake", "sync", "load"),
    "transform": ("mart", "model", "rollup"),
    "quality": ("checks", "audit"),
    "export": ("export", "feed", "report"),
    "healthcheck": ("heartbeat", "probe"),
}
# All of them would take long to load.
_PROVIDERS = ["faker.providers.company", "faker.providers.person"]
_TEAMS = ("data-alerts", "etl-oncall", "platform-ops", "analytics-eng", "data-quality")


def slug(text: str) -> str:
    """Return the text in lower case, every run of other characters than a-z, 0-9 as one `-`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def company_names(seed: str, count: int, taken: Collection[str] = ()) -> list[str]:
    """Return distinct company names, also distinct as slugs, and from those `taken`."""
    faker = Faker("en_US", providers=_PROVIDERS)
    faker.seed_instance(seed)
    names: dict[str, str] = {}
    while len(names) < count:
        name = faker.company()
        key = slug(name)
        # A long list runs out of fresh companies; a number then tells them apart.
        if key in names or key in taken:
            name = f"{name} {len(names) + 1}"
            key = slug(name)
        if key not in taken:
            names.setdefault(key, name)
    return list(names.values())


def vendor_names(seed: int, count: int) -> list[str]:
    """Return the names of vendors, one word each; a name may come twice."""
    faker = Faker("en_US", providers=_PROVIDERS)
    faker.seed_instance(f"{seed}/vendors")
    return [faker.last_name() for _ in range(count)]


def pipeline_name(rng: Random, pipeline_type: str, vendor: str | None, taken: set[str]) -> str:
    """Return a name for a pipeline whose slug is not among a client's taken ones.

    A type without a pool of its own lends its name: a new type needs no new text.
    """
    subject = rng.choice(_SUBJECTS)
    job = rng.choice(_JOBS.get(pipeline_type, (pipeline_type,)))
    name = f"{vendor} {subject} {job}" if vendor else f"{subject} {job}".capitalize()
    number = 2
    unique = name
    while slug(unique) in taken:
        unique = f"{name} {number}"
        number += 1
    return unique


def team(rng: Random) -> str:
    """Return a team that alerts go to, in a form that fits into every destination."""
    return rng.choice(_TEAMS)
