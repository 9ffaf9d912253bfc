"""The configuration of `chm generate`: what is refused and how, layers, presets, the dry run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.generate.config import GenerateConfig
from chm.generate.configure import make_config, merged, preset_names, preset_values, set_values
from chm.generate.files import configuration, run_shards
from chm.generate.yaml_values import read_yaml
from generated import base, plan, runs

PLAINLY_WRONG = "no such value"


def values_of(path: str, value: object) -> dict[str, Any]:
    nested: Any = value
    for key in reversed(path.split(".")):
        nested = {key: nested}
    return dict(nested)


def leaves(model: BaseModel, prefix: str = "") -> Iterator[str]:
    """The path of every key that holds a value, through models and mappings of models."""
    for name in type(model).model_fields:
        yield from _leaves(getattr(model, name), f"{prefix}{name}")


def _leaves(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from leaves(value, f"{path}.")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    else:
        yield path


def models(model: BaseModel) -> Iterator[BaseModel]:
    yield model
    for name in type(model).model_fields:
        value = getattr(model, name)
        for item in value.values() if isinstance(value, dict) else [value]:
            if isinstance(item, BaseModel):
                yield from models(item)


def invoke(*arguments: object) -> str:
    """Run the command; return what it printed."""
    result = CliRunner().invoke(app, ["generate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def told_configuration(output: str) -> dict[str, Any]:
    """The configuration that a dry run prints."""
    found: dict[str, Any] = yaml.safe_load(output.partition("configuration in force:\n")[2])
    return found


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # Unknown keys.
        ("clients.tiers.huge.size", 1, "clients.tiers.huge.share: is missing"),
        ("speed", 1, "speed: is no key; expected one of alert_rules, clients, "),
        ("runs.totl", 1, "runs.totl: is no key; expected one of batch, canceled_share, "),
        ("clients.tiers.small.size", 1, "clients.tiers.small.size: is no key; expected one of "),
        ("failures.outages.rate", 1, "failures.outages.rate: is no key; expected one of "),
        # Wrong types.
        ("runs.total", "many", "runs.total: expected a whole number, not 'many'"),
        ("runs.total", 1.5, "runs.total: expected a whole number, not 1.5"),
        ("runs.total", True, "runs.total: expected a whole number, not true"),
        ("seed", "42", "seed: expected a whole number, not '42'"),
        ("roles.flaky_share", True, "roles.flaky_share: expected a number, not true"),
        ("runs", 7, "runs: expected keys with values, not 7"),
        ("range.start", 20260101, "range.start: expected a day or an ISO 8601 instant"),
        ("schedule.time_zones", ["UTC"], "schedule.time_zones: expected keys with values, not"),
        # Impossible values.
        ("seed", -1, "seed: expected 0 or more, not -1"),
        ("runs.total", -1, "runs.total: expected 0 or more, not -1"),
        ("runs.canceled_share", 1.01, "runs.canceled_share: expected at most 1, not 1.01"),
        ("roles.slow_share", float("nan"), "roles.slow_share: expected a finite number, not"),
        ("runs", {"canceled_share": 0.6, "skipped_share": 0.5}, "runs: canceled_share and skipped"),
        ("roles", {"flaky_share": 0.6, "broken_share": 0.5}, "roles: the shares of the roles add"),
        ("pipelines", {"late_share": 0.6, "new_share": 0.5}, "pipelines: late_share and new_share"),
        ("clients.tiers.small.share", 0.8, "clients.tiers: the shares add up to 1.1, not to 1"),
        (
            "clients.tiers.small.pipelines",
            [5, 1],
            "clients.tiers.small.pipelines: expected a first number that is not above",
        ),
        ("range.end", "2025-12-31", "range: end 2025-12-31T00:00:00Z must lie 2 days to 20 years"),
        ("range.end", "2026-01-01", "range: end 2026-01-01T00:00:00Z must lie 2 days to 20 years"),
        (
            "range.start",
            "2026-01-01T00:00:00",
            "range.start: expected an instant with a UTC offset",
        ),
        (
            "range.start",
            "2026-01-01T00:00:00.5Z",
            "range.start: expected a whole second, not '2026",
        ),
        ("retries.attempts", [2, 8], "retries.attempts.1: expected at most 7, not 8"),
        (
            "schedule.business_hours",
            [9, 9],
            "schedule.business_hours: expected a first hour below the",
        ),
        ("schedule.cadences_minutes", [7], "schedule.cadences_minutes.0: expected a part of a day"),
        (
            "schedule.cadences_minutes",
            [90],
            "schedule.cadences_minutes.0: expected a part of a day",
        ),
        (
            "schedule.cadences_minutes",
            [],
            "schedule.cadences_minutes: expected at least 1 entry, not []",
        ),
        (
            "failures.outages.per_30_days",
            1000.0,
            "failures.outages: 1000 times 1140 minutes are mo",
        ),
        ("schedule.time_zones.Mars/Port", 1, "schedule.time_zones.Mars/Port: 'Mars/Port' is no"),
        ("pipelines.mix.fax.export", 1, "pipelines.mix.fax: 'fax' is not one of airflow, dbt, "),
        ("pipelines.mix.dbt.report", 1, "pipelines.mix.dbt.report: 'report' is not one of inge"),
        ("pipelines.environments", {"prod": None, "staging": None, "dev": None}, "pipelines.envir"),
        ("durations.by_type.export", None, "durations.by_type: lacks export, which is in pi"),
        (
            "alert_rules.channels.email.destination",
            "{team}",
            "alert_rules.channels.email.destination: expected a text that matches ^",
        ),
        (
            "alert_rules.channels.email.destination",
            "all@example.com",
            "alert_rules.channels.email.destination: expected a text that matches",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_key_and_expectation(
    path: str, value: object, message: str
) -> None:
    with pytest.raises(ChmError, match="^" + re.escape(message)):
        make_config(values_of(path, value))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ChmError) as caught:
        make_config({"runs": {"total": -1}, "roles": {"flaky_share": 2}, "color": "red"})
    assert sorted(line.partition(":")[0] for line in str(caught.value).splitlines()) == [
        "color",
        "roles.flaky_share",
        "runs.total",
    ]


@pytest.mark.parametrize("path", sorted(leaves(GenerateConfig())))
def test_every_key_is_reached_by_set(path: str) -> None:
    with pytest.raises(ChmError) as caught:
        make_config(set_values([f"{path}={PLAINLY_WRONG}"]))
    assert {line.partition(":")[0] for line in str(caught.value).splitlines()} == {path}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["runs.total"], "'runs.total' is not of the form key.path=value"),
        (["=5"], "'=5' is not of the form"),
        (["runs..total=5"], "'runs..total=5' is not of the form"),
        (["runs.total=[1"], "runs.total:1 is no YAML: expected"),
        (["runs=5", "runs.total=7"], "runs.total goes on where another one has set a value"),
    ],
)
def test_malformed_assignment_is_refused(assignments: list[str], message: str) -> None:
    with pytest.raises(ChmError, match="^--set:? " + re.escape(message)):
        set_values(assignments)


def test_assignment_takes_yaml_and_null_takes_an_entry_away() -> None:
    config = make_config(
        set_values(
            [
                "clients.tiers.enterprise=null",
                "clients.tiers.large.share=0.1",
                "retries.attempts=[3, 3]",
                "durations.long_tail=null",
                "range.end=2026-03-01",
            ]
        )
    )
    assert list(config.clients.tiers) == ["small", "medium", "large"]
    assert config.retries.attempts == (3, 3)
    assert config.durations.long_tail is None
    assert f"{config.range.end:%Y-%m-%dT%H:%M:%SZ}" == "2026-03-01T00:00:00Z"


def test_layers_lie_over_each_other(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 2\nruns: {total: 200, canceled_share: 0.2}\npipelines: {total: 20}\n")
    told = told_configuration(
        invoke(
            *("--dry-run", "--preset", "small", "--config", file),
            *("--set", "runs.total=300", "--set", "seed=3", "--runs", 400, "--clients", 6),
        )
    )
    preset = preset_values("small")
    assert told["range"]["end"] == preset["range"]["end"]  # the preset's
    assert (told["runs"]["canceled_share"], told["pipelines"]["total"]) == (0.2, 20)  # the file's
    assert told["seed"] == 3  # --set's
    assert (told["runs"]["total"], told["clients"]["total"]) == (400, 6)  # the flags'
    assert told["roles"]["flaky_share"] == GenerateConfig().roles.flaky_share


@pytest.mark.parametrize(
    ("flag", "value", "path"),
    [
        ("--seed", 5, "seed"),
        ("--runs", 120, "runs.total"),
        ("--clients", 3, "clients.total"),
        ("--pipelines", 9, "pipelines.total"),
        ("--from", "2026-02-01", "range.start"),
        ("--to", "2026-03-01", "range.end"),
        ("--batch", 4, "runs.batch"),
    ],
)
def test_flag_sets_its_key_alone(flag: str, value: object, path: str) -> None:
    told = told_configuration(invoke("--dry-run", "--set", "runs.total=100", flag, value))
    expected = make_config(merged({"runs": {"total": 100}}, values_of(path, value)))
    assert told == configuration(expected)
    assert expected != make_config({"runs": {"total": 100}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n", "expected keys and values"),
        (b"runs: {total: 1\n", "is no YAML"),
        (b"runs: \xff\n", "is no YAML"),
        (None, "can't read"),
    ],
)
def test_file_that_is_no_configuration_is_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ChmError, match=message):
        invoke("--dry-run", "--config", file)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("seed: 1\nruns: {total: 5}\nseed: 2\n", [":3: seed is there twice, first in line 1"]),
        (
            "runs:\n  total: 1\n  batch: 2\n  total: 1\n",
            [":4: runs.total is there twice, first in line 2"],
        ),
        (
            "pipelines:\n  mix:\n    dbt: {export: 1, export: 2}\n    dbt: {quality: 1}\n",
            [
                ":3: pipelines.mix.dbt.export is there twice, first in line 3",
                ":4: pipelines.mix.dbt is there twice, first in line 3",
            ],
        ),
    ],
)
def test_key_that_is_there_twice_is_refused_by_path_and_line(
    text: str, problems: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ChmError) as caught:
        invoke("--dry-run", "--config", file)
    assert str(caught.value).splitlines() == [f"{file}{problem}" for problem in problems]
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("text", ["a: &a {b: *a}", "[" * 5000])
def test_endless_nesting_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ChmError, match=r"mine\.yaml is nested too deeply"):
        invoke("--dry-run", "--config", file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000),
        ("1E+3", 1000),
        ("1.5e3", 1500),
        ("1_000", 1000),
        ("-2.5e-1", -0.25),
        (".5", 0.5),
        ("3.", 3.0),
        ("1e400", float("inf")),
        ("1e30", 1e30),
        ("0", 0),
        ("true", True),
        ("null", None),
        # What YAML 1.1 takes for 8, 90 and 16 is no number here.
        ("010", "010"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("1e", "1e"),
        ("'5'", "5"),
    ],
)
def test_numbers_are_read_as_they_look(text: str, value: object) -> None:
    found = read_yaml(text, "here")
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "path", ["pipelines.mix", "pipelines.mix.dbt", "clients.tiers", "failures.outages", "runs"]
)
def test_mapping_without_an_entry_is_refused(path: str) -> None:
    with pytest.raises(ChmError, match=f"^{path}: expected keys with values, not {{}}"):
        make_config(values_of(path, {}))


def test_messages_are_plain_words() -> None:
    """No word of the library that checks the values, and always the value itself."""
    wrong: list[Any] = ["x y z", -77, [], [1, 2, 3, 4, 5, 6, 7, 8, 9], {"x": 1}, None, True, 1e99]
    for path in leaves(GenerateConfig()):
        for value in wrong:
            try:
                make_config(values_of(path, value))
            except ChmError as error:
                for line in str(error).splitlines():
                    assert line.startswith(path.split(".", maxsplit=1)[0])
                    assert not re.search("Input|should|valid |Config|Tuple|dictionary|type=", line)


def test_presets_are_of_rising_size() -> None:
    assert preset_names() == ["demo", "small", "medium", "large"]
    totals = [make_config(preset_values(name)).runs.total for name in preset_names()[1:]]
    assert totals == [10_000, 1_000_000, 100_000_000]
    with pytest.raises(ChmError, match="'huge' is not one of demo, small, medium, large"):
        preset_values("huge")


def test_large_preset_is_planned_in_shards() -> None:
    config = make_config(preset_values("large"))
    shards = run_shards(config, "csv", 1_000_000)
    assert len(shards) == 100
    assert sum(shard.rows for shard in shards) == 100_000_000
    assert shards[-1].path == "batches/runs_20261231_batch01_100.csv"


def test_dry_run_tells_counts_and_configuration_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--out", out, "--preset", "small", "--seed", 5, "--set", "roles.flaky_share=0.5")
    output = invoke(*arguments, "--dry-run")
    assert list(tmp_path.iterdir()) == []
    told = {
        words[0]: (int(words[1].replace(",", "")), int(words[2].replace(",", "")))
        for words in map(str.split, output.partition("configuration")[0].splitlines()[1:])
        if len(words) == 3
    }
    invoke(*arguments)
    written = {name: len(base(out, name)) for name in ("clients", "pipelines", "alert_rules")}
    assert {name: rows for name, (rows, _) in told.items()} == written | {"runs": len(runs(out))}
    [batch] = (out / "batches").iterdir()
    assert told["runs"][1] == pytest.approx(batch.stat().st_size, rel=0.03)
    for name in written:
        size = (out / "base" / f"{name}.csv").stat().st_size
        assert told[name][1] == pytest.approx(size, rel=1.5)
    expected = make_config(
        merged(preset_values("small"), {"seed": 5, "roles": {"flaky_share": 0.5}})
    )
    assert told_configuration(output) == configuration(expected)
    assert make_config(told_configuration(output)) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"runs": {"total": 10**7}, "pipelines": {"total": 5}},
            "runs.total: 10,000,000 runs asked for, and 5 pipelines have about",
        ),
        (
            {"clients": {"total": 2}, "pipelines": {"total": 1000}},
            "pipelines.total: 1000 pipelines asked for, and 2 clients",
        ),
        (
            {"clients": {"active_share": 0.0}, "alert_rules": {"total": 5}},
            "alert_rules.total: no active client has an active pipeline",
        ),
    ],
)
def test_what_the_numbers_cannot_hold_is_refused_by_key(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChmError, match="^" + re.escape(message)):
        plan(values)


def test_every_key_is_described() -> None:
    for model in models(GenerateConfig()):
        assert type(model).__doc__
        for name, field in type(model).model_fields.items():
            is_part = isinstance(getattr(model, name), BaseModel)
            assert field.description or is_part, f"{type(model).__name__}.{name}"
