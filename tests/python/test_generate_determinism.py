"""The bytes depend on configuration and seed alone."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.contract import load_contract
from chm.errors import ChmError
from chm.generate.verify import verify
from chm.project import project_dir
from generated import (
    FROZEN,
    base,
    batches,
    checksums,
    command,
    generate,
    paths,
    runs,
    truth,
)

# Two changes of clocks lie in this range, in other weeks on either side of the Atlantic.
VALUES = {
    "seed": 11,
    "range": {"start": "2021-02-20", "end": "2021-04-11"},
    "pipelines": {"total": 50},
    "runs": {"total": 6000},
}
FLAGS = ("--seed", 11, "--from", "2021-02-20", "--to", "2021-04-11")
FLAGS += ("--pipelines", 50, "--runs", 6000)
# What a machine, a library or a compiler that computes otherwise would change.
PINNED = "bc7a32f23f614eac2c9ea8bfe47788bfcffdf01dd7fbec2642efcee10af3e105"
BATCH = "batches/runs_20210410_batch01.csv"
TIMESTAMP = "TIMESTAMP WITH TIME ZONE"
# The released bytes; they never change.
FROZEN_CHECKSUMS = {
    "base/alert_rules.csv": ("10cb28ec25cefd03422fdd6d88ec19d562c04d2b4e206c37a3c286749060ac89"),
    "base/clients.csv": ("a2372f3c0cde3234dd093c40d73b89f5163ca4070883f078b0a066bf3343d4db"),
    "base/pipelines.csv": ("5bcf6641db8e4943bca1b3030e277bf38e7bd512f454c1c4b11559538e3f17f8"),
    "batches/runs_20260221_batch01.csv": (
        "a20672eaba7c485093ef7f6ee366dac9bcee447aefd65fa1df53f3df72e9527b"
    ),
    "context/generation_manifest.yaml": (
        "9438ef5d903b33f80682b4950f65e2751cf5ea3d47f784dd1ca62b0fea1a4b6f"
    ),
    "context/id_registry.csv": ("24a8fa7ea81b8d2abafbcc34ed2c2466690b8abf152e5c0501938643c5ded8f1"),
    "context/planted_truth.json": (
        "a2eb946472ccb392bf4beac9339359607c1e96de33fd526a9d72fe68f7c9fc07"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("determinism") / "out"
    generate(folder, VALUES)
    return folder


def test_bytes_are_those_of_the_first_machine(folder: Path) -> None:
    assert checksums(folder)[BATCH] == PINNED


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize("shard_rows", [None, 1000])
def test_bytes_do_not_depend_on_workers(
    file_format: str, shard_rows: int | None, tmp_path: Path
) -> None:
    found = []
    for workers in (1, 2, 3):
        out = tmp_path / str(workers)
        generate(out, VALUES, workers=workers, file_format=file_format, shard_rows=shard_rows)
        found.append(checksums(out))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shard_rows", [29, 777, 1000, 6000, 10**9])
def test_shards_are_the_one_file_cut(shard_rows: int, folder: Path, tmp_path: Path) -> None:
    generate(tmp_path / "cut", VALUES, shard_rows=shard_rows)
    [whole] = [path.read_bytes() for path in batches(folder)]
    header, _, lines = whole.partition(b"\n")
    shards = [path.read_bytes().partition(b"\n") for path in batches(tmp_path / "cut")]
    assert {shard[0] for shard in shards} == {header}
    assert b"".join(shard[2] for shard in shards) == lines
    assert [shard[2].count(b"\n") for shard in shards[:-1]] == [shard_rows] * (len(shards) - 1)
    for path in ("base/clients.csv", "base/pipelines.csv", "context/planted_truth.json"):
        assert checksums(tmp_path / "cut")[path] == checksums(folder)[path]


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
        {"TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "2"},
    ],
)
def test_bytes_do_not_depend_on_the_machine(
    environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    done = command("--out", tmp_path / "out", *FLAGS, **environment)
    assert done.returncode == 0, done.stderr
    assert checksums(tmp_path / "out") == checksums(folder)


def test_stream_is_the_file(folder: Path) -> None:
    done = command("--out", "-", *FLAGS, "--workers", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / BATCH).read_bytes()


def test_parquet_holds_the_rows_of_csv(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path / "out", VALUES, file_format="parquet", shard_rows=2500)
    columns = load_contract().tables["runs"].columns
    texts = ", ".join(f"'{column.name}': 'varchar'" for column in columns)
    typed = ", ".join(
        f"{column.name}::{column.sql_type.replace('jsonb', 'text')} as {column.name}"
        for column in columns
    )
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"create table told as select {typed} from read_csv('{folder / BATCH}', header = true,"
            f" quote = '\"', escape = '\"', columns = {{{texts}}})"
        )
        read = f"read_parquet('{tmp_path}/out/batches/*.parquet')"
        types = connection.execute(f"describe select * from {read}").fetchall()
        connection.execute(f"create table found as select {typed} from {read}")
        # In the order of the rows as well.
        told = connection.execute("select * from told").fetchall()
        found = connection.execute("select * from found").fetchall()
    assert len(found) == 6000
    assert found == told
    assert {name: kind for name, kind, *_ in types} == {
        column.name: {"text": "VARCHAR", "jsonb": "VARCHAR", "timestamptz": TIMESTAMP}.get(
            column.sql_type, column.sql_type.upper()
        )
        for column in columns
    }


def all_ids(folder: Path) -> set[str]:
    tables = [base(folder, table) for table in ("clients", "pipelines", "alert_rules")]
    return {row["id"] for table in [*tables, runs(folder)] for row in table}


def test_no_two_seeds_or_batches_share_an_id(folder: Path, tmp_path: Path) -> None:
    known = all_ids(folder)
    for number, other in enumerate(({"seed": 12}, {"seed": 111}, {"runs": {"batch": 2}})):
        generate(tmp_path / str(number), VALUES, other)
        ids = all_ids(tmp_path / str(number))
        assert len(ids) > 6000
        assert known.isdisjoint(ids)
        known |= ids
    assert {str(UUID(name)) for name in known} == known


def test_another_seed_gives_other_names_and_times(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path / "out", VALUES, {"seed": 12})
    for table, column in (("clients", "name"), ("pipelines", "name")):
        here = [row[column] for row in base(folder, table)]
        assert here != [row[column] for row in base(tmp_path / "out", table)]
    starts = [{row["started_at"] for row in runs(place)} for place in (folder, tmp_path / "out")]
    assert len(starts[0] & starts[1]) < len(starts[0]) / 10


def test_nothing_tells_the_clock_or_the_machine(folder: Path) -> None:
    today = f"{datetime.now(UTC):%Y-}"
    for path in paths(folder):
        text = path.read_text("utf-8")
        assert today not in text, path
        assert str(folder) not in text, path
        assert not re.search(r"\d{2}:\d{2}:\d{2}\.\d", text), path


@pytest.mark.parametrize("kind", ["base", "batches", "context"])
def test_files_are_utf8_with_plain_line_ends(kind: str, folder: Path) -> None:
    for path in paths(folder / kind):
        text = path.read_bytes().decode("utf-8")
        assert text.endswith("\n")
        assert "\r" not in text
        assert not text.startswith("\ufeff")
        # PostgreSQL takes a quoted empty field for an empty text, not for null.
        assert not re.search(r'^""|,""(,|$)', text, re.MULTILINE)


def test_payload_is_canonical_json(folder: Path) -> None:
    for row in runs(folder):
        payload = json.loads(row["payload"])
        assert row["payload"] == json.dumps(payload, sort_keys=True, separators=(",", ":"))


def test_frozen_set_is_as_its_manifest_says() -> None:
    assert verify(FROZEN) == ()
    assert checksums(FROZEN) == FROZEN_CHECKSUMS


def test_demo_preset_copies_the_frozen_set(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["generate", "--preset", "demo", "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert checksums(out) == FROZEN_CHECKSUMS
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, ChmError)
    assert "--force replaces it" in str(again.exception)
    (out / "batches" / "runs_20250101_batch01.csv").write_text("stale")
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert checksums(out) == FROZEN_CHECKSUMS
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "option",
    [
        ("--seed", "42"),
        ("--runs", "1500"),
        ("--set", "seed=42"),
        ("--config", "pyproject.toml"),
        ("--append", "data"),
        ("--format", "parquet"),
        ("--shard-rows", "100"),
    ],
)
def test_demo_preset_takes_no_configuration(option: tuple[str, str], tmp_path: Path) -> None:
    arguments = ["generate", "--preset", "demo", "--out", str(tmp_path / "out"), *option]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ChmError)
    assert "--preset demo is" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_demo_preset_refuses_released_files_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in paths(FROZEN):
        copy = tmp_path / "data" / "synthetic" / "v1" / path.relative_to(FROZEN)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "dbt_project.yml").write_text((project_dir() / "dbt_project.yml").read_text())
    monkeypatch.setenv("CHM_PROJECT_DIR", str(tmp_path))
    clients = tmp_path / "data" / "synthetic" / "v1" / "base" / "clients.csv"
    clients.write_bytes(clients.read_bytes().replace(b"true", b"True"))
    result = CliRunner().invoke(
        app, ["generate", "--preset", "demo", "--out", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, ChmError)
    assert "is not as it was released: base/clients.csv" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_truth_names_the_configuration(folder: Path) -> None:
    told = truth(folder)
    assert (told["seed"], told["batch"]) == (11, 1)
    assert told["range"] == {"start": "2021-02-20T00:00:00Z", "end": "2021-04-11T00:00:00Z"}
