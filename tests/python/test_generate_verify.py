"""A data set is compared with its manifests: every difference is told, and nothing else."""

import hashlib
import os
import shutil
from collections.abc import Callable
from importlib import import_module
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from chm.errors import ChmError
from chm.generate.verify import Problem, print_problems, verify

MANIFEST = "context/generation_manifest.yaml"
BATCH = "batches/runs_20260105_batch01.csv"
TEXTS = {
    "base/clients.csv": 'id,name\n1,"A\nB"\n2,C\n',
    BATCH: "id,status\n1,success\n2,failed\n3,failed\n",
    "context/planted_truth.json": "{}\n",
}
ROWS = {"base/clients.csv": 2, BATCH: 3}


def entry(content: bytes, rows: int | None = None) -> dict[str, object]:
    known = {} if rows is None else {"rows": rows}
    return known | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_manifest(folder: Path, files: object, name: str = MANIFEST) -> None:
    (folder / name).write_text(yaml.safe_dump({"seed": 1, "files": files}), "utf-8")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A data set that is as its manifest says."""
    folder = tmp_path / "made"
    for path, text in TEXTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    write_manifest(folder, {p: entry(t.encode(), ROWS.get(p)) for p, t in TEXTS.items()})
    return folder


def change(folder: Path, path: str, edit: Callable[[str], str]) -> None:
    text = (folder / path).read_bytes().decode()
    (folder / path).write_bytes(edit(text).encode())


def test_a_data_set_as_it_was_written_has_no_problem(made: Path) -> None:
    assert verify(made) == ()


def test_a_changed_byte_is_a_checksum(made: Path) -> None:
    change(made, BATCH, lambda text: text.replace("2,failed", "2,Failed"))
    old = hashlib.sha256(TEXTS[BATCH].encode()).hexdigest()
    new = hashlib.sha256((made / BATCH).read_bytes()).hexdigest()
    assert verify(made) == (Problem(BATCH, "checksum", old, new),)


def test_a_row_more_is_told_besides_the_size(made: Path) -> None:
    change(made, "base/clients.csv", lambda text: text + '3,"D\nE"\n')
    assert [str(problem) for problem in verify(made)] == [
        "base/clients.csv: size 28 bytes, expected 20 bytes",
        "base/clients.csv: rows 3, expected 2",
    ]


def test_another_size_with_as_many_rows_is_the_size_alone(made: Path) -> None:
    change(made, BATCH, lambda text: text.replace("success", "ok"))
    assert [problem.fault for problem in verify(made)] == ["size"]


def test_as_many_bytes_in_fewer_rows_is_checksum_and_rows(made: Path) -> None:
    change(made, BATCH, lambda text: text.replace("failed\n3,f", "failed 3 f"))
    assert [(p.fault, p.found) for p in verify(made)][1:] == [("rows", "2")]


@pytest.mark.parametrize(
    ("text", "found"), [("", "0"), ('id,status\n1,"open\n', "unknown"), ("a,a\n1,2\n", "unknown")]
)
def test_rows_of_a_broken_file(made: Path, text: str, found: str) -> None:
    (made / BATCH).write_text(text)
    assert [(p.fault, p.found) for p in verify(made)][1:] == [("rows", found)]


def test_a_file_without_rows_is_not_counted(made: Path) -> None:
    change(made, "context/planted_truth.json", lambda _: "[1]\n")
    assert [problem.fault for problem in verify(made)] == ["size"]


def test_rows_of_parquet(made: Path) -> None:
    path = "batches/runs_20260105_batch02.parquet"
    table = pa.table({"id": ["1", "2"], "status": ["failed", "failed"]})
    pq.write_table(table, made / path)
    files = yaml.safe_load((made / MANIFEST).read_text())["files"]
    content = (made / path).read_bytes()
    write_manifest(made, files | {path: entry(content, 2)})
    assert verify(made) == ()
    pq.write_table(table.slice(0, 1), made / path)
    assert ("rows", "1") in [(p.fault, p.found) for p in verify(made)]
    (made / path).write_bytes(content[:100])
    assert ("rows", "unknown") in [(p.fault, p.found) for p in verify(made)]


def test_a_missing_file_and_a_folder_in_its_place(made: Path) -> None:
    (made / BATCH).unlink()
    assert verify(made) == (Problem(BATCH, "missing"),)
    (made / BATCH).mkdir()
    assert verify(made) == (Problem(BATCH, "missing"),)
    shutil.rmtree(made / "batches")
    assert verify(made) == (Problem(BATCH, "missing"),)


@pytest.mark.parametrize(
    "path",
    [
        "batches/runs_20260104_batch01.csv",
        "batches/deep/runs_1.csv",
        "batches/.runs_20260105_batch02.csv.part",
        "base/old.csv",
        "context/notes.txt",
        "base/generation_manifest.yaml",
    ],
)
def test_a_file_that_no_manifest_lists(made: Path, path: str) -> None:
    (made / path).parent.mkdir(exist_ok=True)
    (made / path).write_text("stale")
    assert [str(problem) for problem in verify(made)] == [f"{path}: is in no manifest"]


def test_a_file_outside_the_data_folders_is_not_looked_at(made: Path) -> None:
    (made / "README.md").write_text("mine")
    assert verify(made) == ()


def test_a_later_manifest_adds_and_overrides(made: Path) -> None:
    new = "batches/runs_20260106_batch02.csv"
    (made / new).write_text("id\n9\n")
    change(made, BATCH, lambda text: text + "4,failed\n")
    later = {path: entry((made / path).read_bytes(), 1) for path in (new, BATCH)}
    write_manifest(made, later, "context/generation_manifest_batch02.yaml")
    assert verify(made) == ()
    write_manifest(made, {BATCH: entry(b"")}, "context/generation_manifest_batch03.yaml")
    assert [problem.path for problem in verify(made)] == [BATCH]


def test_problems_come_by_path(made: Path) -> None:
    change(made, BATCH, str.upper)
    (made / "base/clients.csv").unlink()
    (made / "batches/a.csv").write_text("")
    (made / "context/planted_truth.json").write_text("")
    paths = [problem.path for problem in verify(made)]
    assert len(paths) == 4
    assert paths == sorted(paths)


SUM = "0" * 64
MALFORMED: list[tuple[str, str]] = [
    ("- a\n", "expected the key files"),
    ("seed: 1\n", "files: is missing"),
    ("files: [a]\n", "files: expected keys with values, not ['a']"),
    ("files: {base/a.csv: 3}\n", "files.base/a.csv: expected keys with values, not 3"),
    ("files: {base/a.csv: {bytes: 1}}\n", "files.base/a.csv.sha256: is missing"),
    (
        f"files: {{base/a.csv: {{bytes: -1, sha256: '{SUM}'}}}}\n",
        "files.base/a.csv.bytes: expected 0",
    ),
    (
        f"files: {{base/a.csv: {{bytes: '1', sha256: '{SUM}'}}}}\n",
        "files.base/a.csv.bytes: expected a",
    ),
    ("files: {base/a.csv: {bytes: 1, sha256: abc}}\n", "files.base/a.csv.sha256: expected 64"),
    (
        f"files: {{base/a.csv: {{rows: 1.5, bytes: 1, sha256: '{SUM}'}}}}\n",
        "files.base/a.csv.rows: expected a whole number, not 1.5",
    ),
    *(
        (f"files: {{'{path}': {{bytes: 1, sha256: '{SUM}'}}}}\n", f"files.{path}: expected a path")
        for path in (
            "../base/a.csv",
            "base/../../a.csv",
            "/etc/passwd",
            "a.csv",
            "base//a.csv",
            "./base/a.csv",
            "base/./a.csv",
        )
    ),
    ("files: {\n", "is not YAML: "),
    ("files: 2026-13-01\n", "is not YAML: "),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED)
def test_a_malformed_manifest_is_refused(made: Path, text: str, message: str) -> None:
    (made / MANIFEST).write_text(text)
    with pytest.raises(ChmError) as caught:
        verify(made)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(made / MANIFEST))


def test_without_a_manifest_nothing_is_proved(made: Path) -> None:
    (made / MANIFEST).unlink()
    with pytest.raises(ChmError, match=r"expected a manifest, there is none"):
        verify(made)
    with pytest.raises(ChmError, match=r"nowhere is not a folder"):
        verify(made / "nowhere")


def test_a_manifest_or_file_that_cannot_be_read(made: Path) -> None:
    (made / MANIFEST).unlink()
    (made / MANIFEST).mkdir()
    with pytest.raises(ChmError, match=r"generation_manifest\.yaml can't be read: Is a directory"):
        verify(made)
    (made / MANIFEST).rmdir()
    (made / MANIFEST).write_bytes(b"\xff")
    with pytest.raises(ChmError, match=r"generation_manifest\.yaml is not YAML"):
        verify(made)


def test_the_progress_reaches_the_whole(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("chm.generate.verify"), "_POLL_SECONDS", 1e-9)
    content = os.urandom(8 << 20)
    path = "batches/runs_20260107_batch03.csv"
    (made / path).write_bytes(content)
    write_manifest(made, {path: entry(content)}, "context/generation_manifest_2.yaml")
    steps: list[tuple[int, int]] = []
    assert verify(made, lambda done, total: steps.append((done, total))) == ()
    assert {total for _, total in steps} == {len(content) + sum(map(len, TEXTS.values()))}
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1]


def test_an_interruption_ends_the_reading(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("chm.generate.verify"), "_POLL_SECONDS", 1e-9)
    path = "batches/runs_20260107_batch03.csv"
    with (made / path).open("wb") as file:
        file.truncate(1 << 40)
    files = {path: {"bytes": 1 << 40, "sha256": SUM}}
    write_manifest(made, files, "context/generation_manifest_2.yaml")

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(made, interrupt)


def test_problems_are_printed_with_a_verdict() -> None:
    console = Console(file=StringIO(), width=40)
    print_problems((Problem("base/[b]a.csv", "missing"),) * 2, Path("my/data"), console)
    print_problems((), Path("my/data"), console)
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().splitlines() == [
        "base/[b]a.csv: is missing",
        "base/[b]a.csv: is missing",
        "my/data differs from its manifest in 1 file",
        "my/data is as its manifest says",
    ]
