"""Whatever is configured, a data set keeps the contract's rules and its own promises."""

import re
from bisect import bisect_right
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from chm.errors import ChmError
from chm.generate.configure import make_config, preset_values
from chm.generate.dataset import DataSet
from chm.generate.draw import nearest
from chm.generate.verify import verify
from chm.validate import validate
from generated import base, batches, generate, instant, rows, runs, truth
from random_configs import random_values

MANIFEST = "context/generation_manifest.yaml"
TOO_MANY = re.compile(r"runs\.total: .* (fastest cadence|ever active)")


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
        # Too many runs for these schedules: nothing is written, and fewer will do.
        if not TOO_MANY.match(str(error)) or any(tmp_path.iterdir()):
            raise
        data = generate(out, values, {"runs": {"total": 0}}, **options)
    assert broken_rules(out) == []
    check_counts(out, data)


@pytest.mark.parametrize(
    ("preset", "days", "runs_left"),
    [("small", 90, 10_000), ("medium", 12, 60_000), ("large", 2, 20_000)],
)
def test_fleet_of_each_preset_breaks_no_rule(
    preset: str, days: int, runs_left: int, tmp_path: Path
) -> None:
    """Large presets for their first days: all of their pipelines, and fewer runs."""
    values = preset_values(preset)
    start = instant(values["range"]["start"])
    fewer = {"range": {"end": f"{start + timedelta(days=days)}"}, "runs": {"total": runs_left}}
    data = generate(tmp_path / "out", values, fewer, workers=2)
    assert broken_rules(tmp_path / "out") == []
    assert len(data.pipelines) == values["pipelines"]["total"]
    check_counts(tmp_path / "out", data)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules") / "out"
    values = {"runs": {"total": 30_000}, "pipelines": {"total": 60}, "alert_rules": {"total": 150}}
    generate(folder, values)
    return folder


@pytest.mark.parametrize("share", [0.0, 0.85, 1.0])
def test_share_of_enabled_alert_rules_is_exact(share: float, tmp_path: Path) -> None:
    values = {"runs": {"total": 500}, "alert_rules": {"total": 130, "enabled_share": share}}
    generate(tmp_path / "out", values)
    enabled = [row["is_enabled"] for row in base(tmp_path / "out", "alert_rules")]
    assert (len(enabled), enabled.count("true")) == (130, nearest(130, share))


def test_alert_rules_watch_what_runs_and_never_coincide(busy: Path) -> None:
    scopes: set[tuple[str, ...]] = set()
    active = {row["id"]: row["is_active"] for row in base(busy, "clients")}
    pipelines = {row["id"]: row for row in base(busy, "pipelines")}
    for rule in base(busy, "alert_rules"):
        columns = ("client_id", "pipeline_id", "rule_type", "channel", "destination")
        scopes.add(tuple(rule[column] for column in columns))
        if rule["pipeline_id"]:
            pipeline = pipelines[rule["pipeline_id"]]
            assert pipeline["is_active"] == "true"
            assert active[pipeline["client_id"]] == "true"
            assert rule["client_id"] in ("", pipeline["client_id"])
        else:
            assert active[rule["client_id"]] == "true"
    assert len(scopes) == 150


def test_thresholds_are_sometimes_reached(busy: Path) -> None:
    """A windowed rule fires where so many failures lie in one of its windows."""
    clients = {row["id"]: row["client_id"] for row in base(busy, "pipelines")}
    failures: dict[str, list[float]] = {}
    for run in runs(busy):
        if run["status"] == "failed":
            moment = instant(run["finished_at"]).timestamp()
            for key in (run["pipeline_id"], clients[run["pipeline_id"]]):
                failures.setdefault(key, []).append(moment)
    days_fired = []
    for rule in base(busy, "alert_rules"):
        if rule["rule_type"] == "failures_in_window":
            moments = sorted(failures.get(rule["pipeline_id"] or rule["client_id"], []))
            seconds, threshold = int(rule["window_minutes"]) * 60, int(rule["threshold"])
            days_fired.append(
                len(
                    {
                        moment // 86400
                        for place, moment in enumerate(moments)
                        if place + 1 - bisect_right(moments, moment - seconds) >= threshold
                    }
                )
            )
    assert len(days_fired) == 60
    # Most rules fire some time, and hardly one fires on half of the 90 days.
    assert sum(map(bool, days_fired)) > 40
    assert sum(days > 45 for days in days_fired) < 6
