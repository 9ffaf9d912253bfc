"""Whatever is configured, a data set keeps the contract's rules and its own promises."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from chm.errors import ChmError
from chm.generate.configure import make_config
from chm.generate.dataset import DataSet
from chm.generate.verify import verify
from chm.validate import validate
from generated import batches, generate, rows, truth
from random_configs import random_values

MANIFEST = "context/generation_manifest.yaml"


def broken_rules(folder: Path) -> list[str]:
    """The violations of rules of either level, and differences from the manifest."""
    report = validate(folder)
    return [str(violation) for violation in report.violations] + [
        str(problem) for problem in verify(folder)
    ]


def check_counts(folder: Path, data: DataSet) -> None:
    """The runs asked for, and in the manifest the rows that each file has."""
    manifest: dict[str, Any] = yaml.safe_load((folder / MANIFEST).read_text("utf-8"))
    told = {path: entry["rows"] for path, entry in manifest["files"].items() if "rows" in entry}
    found = {
        path: pq.read_metadata(folder / path).num_rows
        if path.endswith(".parquet")
        else len(rows(folder / path))
        for path in told
    }
    assert told == found
    total = data.config.runs.total
    assert sum(told[f"batches/{path.name}"] for path in batches(folder)) == total
    assert sum(entry["runs"] for entry in truth(folder)["pipelines"]) == total
    assert told["base/clients.csv"] == len(data.clients)
    assert told["base/pipelines.csv"] == len(data.pipelines) == len(truth(folder)["pipelines"])
    assert told["base/alert_rules.csv"] == len(data.alert_rules)
    assert told["context/id_registry.csv"] == len(data.clients) + len(data.pipelines)
    assert make_config(manifest["configuration"]) == data.config


@pytest.mark.parametrize("number", range(50))
def test_random_configuration_breaks_no_rule_and_keeps_its_counts(
    number: int, tmp_path: Path
) -> None:
    values = random_values(number)
    file_format, shard_rows = [("csv", None), ("csv", 100), ("parquet", None), ("parquet", 1000)][
        number % 4
    ]
    out = tmp_path / "out"
    options = {"file_format": file_format, "shard_rows": shard_rows, "workers": 2}
    try:
        data = generate(out, values, **options)
    except ChmError as error:
        # Too many for these schedules; nothing is written.
        assert re.match(r"runs\.total: .* (fastest cadence|ever active)", str(error))
        assert list(tmp_path.iterdir()) == []
        data = generate(out, values, {"runs": {"total": 0}}, **options)
    assert broken_rules(out) == []
    check_counts(out, data)
