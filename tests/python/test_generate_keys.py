"""Every key of the configuration counts: another value makes another data set."""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.configure import make_config, merged
from chm.generate.files import base_tables
from chm.generate.run_formats import CsvFormat
from chm.generate.shards import stream_csv
from chm.generate.text_pools import load_pools
from generated import plan

# A fleet in which everything happens.
VALUES: dict[str, Any] = {
    "range": {"start": "2025-03-01", "end": "2025-03-31"},
    "clients": {
        "total": 10,
        "tiers": {
            "small": {"share": 0.5, "pipelines": [1, 5]},
            "medium": {"share": 0.2, "pipelines": [2, 6]},
            "large": {"share": 0.2, "pipelines": [3, 9]},
            "enterprise": {"share": 0.1, "pipelines": [5, 12]},
        },
    },
    "pipelines": {"total": 40, "new_share": 0.05},
    "runs": {"total": 6000},
    "failures": {
        "platform_incidents": {"per_30_days": 3.0},
        "client_incidents": {"per_30_days": 3.0},
    },
    "texts": {"variants": 6},
    "alert_rules": {"total": 60},
}
CONFIG = make_config(VALUES)
# Another value that is legal, where the general rules below find none, or need a second key.
OTHERS: dict[str, Any] = {
    "range.start": "2025-03-02",
    "range.end": "2025-04-01",
    "clients.total": 11,
    "clients.tiers.small.share": {"small": {"share": 0.4}, "medium": {"share": 0.3}},
    "clients.tiers.medium.share": {"medium": {"share": 0.3}, "large": {"share": 0.1}},
    "clients.tiers.large.share": {"large": {"share": 0.3}, "small": {"share": 0.4}},
    "clients.tiers.enterprise.share": {"enterprise": {"share": 0.2}, "small": {"share": 0.4}},
    "pipelines.total": 41,
    "durations.cadence_percent": 2,
    "durations.long_tail.platform": "airflow",
    "durations.long_tail.pipeline_type": "quality",
    "schedule.cadences_minutes": [60, 1440],
    "alert_rules.windows_minutes": [90],
    "alert_rules.channels.slack.destination": "#data-{team}",
    "alert_rules.channels.email.destination": "{team}@example.org",
    "alert_rules.channels.webhook.destination": "https://example.org/{team}",
    "texts.folders": ["pools"],
}
# The keys that change nothing beside another one, which is then told apart: without it they do.
BESIDE: dict[str, dict[str, Any]] = {
    "pipelines.runs_per_day": {
        "clients": {"total": None},
        "pipelines": {"total": None, "runs_per_day": 3.0},
    }
}
POOL = """
platform: dbt
cause: own_cause
kind: failed
weight: 500
templates:
  - error_message: Model {model} has failed
    status_reason: own_cause
slots:
  model: [orders, invoices]
"""


def leaves(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that holds a value; of a mapping of weights the first entry, they are alike."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, dict):
        is_weights = all(isinstance(item, int) for item in value.values())
        for key, item in list(value.items())[: 1 if is_weights else None]:
            yield from leaves(item, f"{path}.{key}")
    else:
        yield path, value


def nested(path: str, value: object) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def is_legal(values: dict[str, Any]) -> bool:
    try:
        make_config(merged(VALUES, values))
    except ChmError:
        return False
    return True


def first_legal(path: str, values: list[object]) -> dict[str, Any]:
    """The values of the first of these that the schema takes."""
    return next(filter(is_legal, (nested(path, value) for value in values)))


def changes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key with the values that change it; of a list each number for itself."""
    for path, value in leaves(CONFIG):
        if path in OTHERS:
            told = OTHERS[path]
            whole = path.rpartition(".")[0].rpartition(".")[0] if isinstance(told, dict) else path
            yield path, nested(whole, told)
        elif isinstance(value, float):
            yield path, first_legal(path, [value * 4, value / 2])
        elif isinstance(value, int):
            yield path, first_legal(path, [value * 5 + 3, value + 1, value - 1])
        else:
            for index, number in enumerate(value):
                others = [number * 2 + 1, number // 2, number + 1, number - 1]
                lists = [[*value[:index], other, *value[index + 1 :]] for other in others]
                yield f"{path}.{index}", first_legal(path, lists)


def tables(*layers: dict[str, Any]) -> tuple[object, bytes]:
    """The base tables and the runs; what was planted is told elsewhere, and not looked at."""
    data = plan(VALUES, *layers)
    lines = CsvFormat(data.config, data.history)
    with tempfile.TemporaryFile(buffering=0) as stream:
        stream_csv(lines, data.history.blocks, 1, stream, lambda _: None)
        stream.seek(0)
        return base_tables(data), stream.read()


CHANGES = dict(changes())
# The texts are read anew for each data set, which would take half of the time.
POOLS_OF = cache(load_pools)


@pytest.fixture(scope="module")
def plain() -> tuple[object, bytes]:
    return tables()


@pytest.mark.parametrize("path", CHANGES)
def test_another_value_makes_another_data_set(
    path: str, plain: tuple[object, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chm.generate.dataset.load_pools", POOLS_OF)
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / "dbt_own_cause.yaml").write_text(POOL)
    beside = BESIDE.get(path)
    former = tables(beside) if beside else plain
    assert tables(beside or {}, CHANGES[path]) != former


def test_every_key_of_the_schema_is_changed() -> None:
    known = {path for path, _ in leaves(GenerateConfig())}
    assert {path for path in known if not any(name.startswith(path) for name in CHANGES)} == set()
    assert "durations.long_tail.factor.1" in CHANGES
    assert len(CHANGES) > 100
