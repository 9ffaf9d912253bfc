"""A further batch of a data set: what it adds, and all that it leaves as it was."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.generate.verify import verify
from chm.validate import validate
from generated import (
    FROZEN,
    base,
    batches,
    checksums,
    generate,
    instant,
    paths,
    rows,
    runs,
    truth,
)

VALUES = {
    "seed": 3,
    "range": {"start": "2025-02-15", "end": "2025-03-17"},
    "pipelines": {"total": 30},
    "runs": {"total": 2500},
}
REGISTRY = "context/id_registry.csv"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("append") / "original"
    generate(folder, VALUES)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "out"))


def append(folder: Path, *arguments: object) -> str:
    """Append a batch with the command; return what it printed."""
    words = ["generate", "--append", str(folder), *map(str, arguments)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def broken_rules(folder: Path) -> list[str]:
    violations = validate(folder).violations
    return [*map(str, violations), *map(str, verify(folder))]


def column(table: list[dict[str, str]], name: str) -> set[str]:
    return {row[name] for row in table}


def test_batch_adds_runs_of_the_known_pipelines_alone(folder: Path) -> None:
    before, first = checksums(folder), runs(folder)
    inodes = {path: path.stat().st_ino for path in paths(folder)}
    append(folder, "--batch", 2, "--seed", 99, "--runs", 1800)
    after = checksums(folder)
    assert {path: after[path] for path in before} == before
    assert {path: path.stat().st_ino for path in inodes} == inodes
    assert sorted(set(after) - set(before)) == [
        "batches/runs_20250415_batch02.csv",
        "context/generation_manifest_batch02.yaml",
        "context/planted_truth_batch02.json",
    ]
    second = rows(folder / "batches" / "runs_20250415_batch02.csv")
    assert len(second) == 1800
    registry = column(rows(folder / REGISTRY), "entity_id")
    assert column(second, "pipeline_id") <= registry
    assert len(column(second, "pipeline_id")) > 15
    assert column(first, "id").isdisjoint(column(second, "id"))
    keys = [run["external_run_id"] for run in [*first, *second]]
    assert len(set(keys)) == len(keys)
    # The range follows that of the batch before, and is as long.
    told = truth(folder, "planted_truth_batch02.json")
    assert told["range"] == {"start": "2025-03-17T00:00:00Z", "end": "2025-04-16T00:00:00Z"}
    assert (told["seed"], told["batch"]) == (99, 2)
    assert all(instant(told["range"]["start"]) <= instant(run["started_at"]) for run in second)
    assert all(instant(run["ingested_at"]) < instant(told["range"]["end"]) for run in second)
    assert broken_rules(folder) == []


def test_batches_follow_each_other(folder: Path) -> None:
    append(folder, "--seed", 5, "--runs", 500)
    append(folder, "--seed", 5, "--runs", 600, "--format", "parquet", "--shard-rows", 200)
    assert [path.name for path in batches(folder)] == [
        "runs_20250316_batch01.csv",
        "runs_20250415_batch02.csv",
        *(f"runs_20250515_batch03_{number:03}.parquet" for number in (1, 2, 3)),
    ]
    starts = [
        truth(folder, f"planted_truth{suffix}.json")["range"]["start"]
        for suffix in ("", "_batch02", "_batch03")
    ]
    assert starts == ["2025-02-15T00:00:00Z", "2025-03-17T00:00:00Z", "2025-04-16T00:00:00Z"]
    assert broken_rules(folder) == []


def test_batch_depends_on_configuration_and_seed_alone(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    append(folder, "--seed", 99, "--runs", 900, "--workers", 1)
    append(other, "--seed", 99, "--runs", 900, "--workers", 3)
    assert checksums(folder) == checksums(other)


def test_batch_of_the_same_seed_and_range_has_ids_of_its_own(folder: Path) -> None:
    first = runs(folder)
    same = ("--from", "2025-02-15", "--to", "2025-03-17", "--seed", 3, "--runs", 2500)
    append(folder, *same, "--overlap")
    assert len(column(first, "id") | column(runs(folder), "id")) == 5000
    assert broken_rules(folder) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-02-15", "2025-03-17"),
        ("2025-03-16T23:59:59Z", "2025-04-01"),
        ("2025-01-01", "2025-02-15T00:00:01Z"),
        ("2025-02-20", "2025-02-25"),
    ],
)
def test_range_of_an_earlier_batch_is_refused(start: str, end: str, folder: Path) -> None:
    before = checksums(folder)
    message = (
        r"overlaps 2025-02-15T00:00:00Z to 2025-03-17T00:00:00Z of "
        r"context/generation_manifest.yaml.* --from 2025-03-17T00:00:00Z is free"
    )
    with pytest.raises(ChmError, match=message):
        append(folder, "--runs", 100, "--from", start, "--to", end)
    assert checksums(folder) == before


def test_batch_may_lie_before_the_others(folder: Path) -> None:
    append(folder, "--runs", 50, "--from", "2025-01-20", "--to", "2025-02-15")
    assert broken_rules(folder) == []


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ("--from", "2025-06-01"),
            {"start": "2025-06-01T00:00:00Z", "end": "2025-07-01T00:00:00Z"},
        ),
        (("--to", "2025-03-27"), {"start": "2025-03-17T00:00:00Z", "end": "2025-03-27T00:00:00Z"}),
    ],
)
def test_batch_is_as_long_as_the_one_before_unless_told(
    flags: tuple[str, str], expected: dict[str, str], folder: Path
) -> None:
    output = append(folder, "--runs", 100, "--dry-run", *flags)
    assert yaml.safe_load(output.partition("configuration in force:\n")[2])["range"] == expected


@pytest.mark.parametrize(
    ("flags", "clients", "pipelines"),
    [(("--pipelines", 9), 0, 9), (("--clients", 4, "--pipelines", 15), 4, 15)],
)
def test_batch_adds_clients_and_pipelines_where_asked(
    flags: tuple[object, ...], clients: int, pipelines: int, folder: Path
) -> None:
    names = ("clients", "pipelines", "alert_rules")
    former = {path: (folder / path).read_bytes() for path in checksums(folder)}
    counts = {name: len(base(folder, name)) for name in names}
    append(folder, "--seed", 99, "--runs", 2500, *flags)
    # What was there is the beginning of what is there now.
    for path, content in former.items():
        assert (folder / path).read_bytes().startswith(content), path
    assert {name: len(base(folder, name)) - counts[name] for name in names} == {
        "clients": clients,
        "pipelines": pipelines,
        "alert_rules": 0,
    }
    registry = rows(folder / REGISTRY)
    assert column(registry, "entity_id") == column(base(folder, "clients"), "id") | column(
        base(folder, "pipelines"), "id"
    )
    assert len(registry) == 30 + counts["clients"] + clients + pipelines
    second = rows(batches(folder)[-1])
    assert column(second, "pipeline_id") & column(base(folder, "pipelines")[30:], "id")
    assert broken_rules(folder) == []


def test_registry_is_the_only_source_of_parents(folder: Path) -> None:
    """A pipeline that the registry does not name gets no runs."""
    registry = folder / REGISTRY
    lines = registry.read_bytes().splitlines(keepends=True)
    registry.write_bytes(b"".join(lines[:-12]))
    dropped = {line.split(b",")[1].decode() for line in lines[-12:]}
    append(folder, "--seed", 99, "--runs", 1500)
    second = rows(batches(folder)[-1])
    assert column(second, "pipeline_id")
    assert column(second, "pipeline_id").isdisjoint(dropped)


def test_known_batch_is_refused(folder: Path) -> None:
    before = checksums(folder)
    with pytest.raises(ChmError, match=r"--batch: .* already has batch 1; 2 is free"):
        append(folder, "--batch", 1, "--runs", 100)
    assert checksums(folder) == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "can't read .*id_registry.csv"),
        (lambda path: path.write_text("id,name\n1,2\n"), "is no id registry"),
        (lambda path: path.write_text(path.read_text().splitlines()[0]), "names no pipeline"),
    ],
)
def test_folder_without_registry_is_refused(damage: Any, message: str, folder: Path) -> None:
    damage(folder / REGISTRY)
    before = checksums(folder)
    with pytest.raises(ChmError, match=message):
        append(folder, "--runs", 100)
    assert checksums(folder) == before


def test_append_names_its_folder_alone(folder: Path) -> None:
    with pytest.raises(ChmError, match=r"--append .*: it takes no --force, --out$") as caught:
        append(folder, "--runs", 100, "--out", folder, "--force")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("moment", ["os.pwrite", "os.link", "chm.generate.writer.put_in_place"])
def test_interrupted_append_leaves_the_data_set(
    moment: str,
    stop: type[BaseException],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = checksums(folder)
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    flags = ("--seed", 99, "--runs", 900)
    append(whole, *flags)

    def stopping(*_: object) -> None:
        raise stop

    monkeypatch.setattr(moment, stopping)
    words = ["generate", "--append", str(folder), *map(str, flags)]
    result = CliRunner().invoke(app, words)
    monkeypatch.undo()
    assert result.exit_code == (130 if stop is KeyboardInterrupt else 1)
    assert "data set in" not in result.output
    assert checksums(folder) == before
    append(folder, *flags)
    assert checksums(folder) == checksums(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_released_data_set_can_be_continued(tmp_path: Path) -> None:
    out = Path(shutil.copytree(FROZEN, tmp_path / "v1"))
    append(out, "--batch", 2, "--seed", 99, "--runs", 1000)
    told = truth(out, "planted_truth_batch02.json")
    assert (
        told["range"]["start"]
        == json.loads((FROZEN / "context" / "planted_truth.json").read_text("utf-8")).get(
            "range", {"end": "2026-02-22T00:00:00Z"}
        )["end"]
    )
    assert len(runs(out)) == 2500
    assert broken_rules(out) == []
    after = checksums(out)
    assert {path: after[path] for path in checksums(FROZEN)} == checksums(FROZEN)
