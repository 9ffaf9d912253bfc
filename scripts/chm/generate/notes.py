"""What a configuration asks for and a data set has less of, or not at all."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from chm.generate.dataset import DataSet
from chm.generate.roles import faultable, wanted_roles
from chm.generate.sizes import pace_counts


def notes(data: DataSet, told: Mapping[str, Any]) -> list[str]:
    """Return a line for each key whose value could not be honoured in full.

    Args:
        data: The planned data set.
        told: The values that were laid over the defaults.
    """
    return [
        *_roles(data),
        *_long_tail(data),
        *_without_new_rows(data, told),
        *_pace(data, told),
    ]


def _roles(data: DataSet) -> Iterator[str]:
    planted = Counter(planted.role for planted in data.history.roles)
    total = len(faultable(data.config, data.history.pipelines))
    short = [
        f"{role} {planted[role]:,} of {wanted:,}"
        for role, wanted in wanted_roles(data.config, total).items()
        if planted[role] < wanted
    ]
    if short:
        least, most = data.config.roles.since_days
        yield (
            f"roles: planted {', '.join(short)}; the other pipelines run too rarely in the range, "
            f"before and after a fault that begins {least} to {most} days before its end "
            "(roles.since_days)"
        )


def _long_tail(data: DataSet) -> Iterator[str]:
    tail = data.config.durations.long_tail
    if tail is None:
        return
    kinds = {(pipeline.platform, pipeline.pipeline_type) for pipeline in data.history.pipelines}
    if (tail.platform, tail.pipeline_type) not in kinds:
        yield (
            f"durations.long_tail: no pipeline is of platform {tail.platform} and type "
            f"{tail.pipeline_type}, so no run takes many times as long"
        )


def _without_new_rows(data: DataSet, told: Mapping[str, Any]) -> Iterator[str]:
    """Keys of rows that a further batch adds only where a number of them is asked for."""
    added = {"clients": data.clients, "pipelines": data.pipelines, "alert_rules": data.alert_rules}
    for part, rows in added.items():
        keys = sorted((told.get(part) or {}).keys() - {"total"})
        if keys and not rows:
            names = ", ".join(f"{part}.{key}" for key in keys)
            words = part.replace("_", " ")
            yield f"{names}: no effect, for no {words} are added; {part}.total asks for some"


def _pace(data: DataSet, told: Mapping[str, Any]) -> Iterator[str]:
    is_told = "runs_per_day" in (told.get("pipelines") or {})
    if is_told and data.pipelines and not pace_counts(data.config):
        yield (
            "pipelines.runs_per_day: no effect, for the number of pipelines follows from "
            "pipelines.total, clients.total, or the few runs"
        )
