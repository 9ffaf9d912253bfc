"""Interrupted generations: what is left, what is told, and that the same call ends the same."""

import errno
import fcntl
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.generate.journal import Journal, WrittenFile
from chm.generate.verify import verify
from chm.generate.writer import work_folder, write_data_set
from generated import COMMAND, batches, checksums, generate, paths, plan, runs

RUNS = 200_000
# Format and rows of a file.
LAYOUTS: dict[str, tuple[str, int | None]] = {
    "one CSV": ("csv", None),
    "CSV in shards": ("csv", 20_000),
    "Parquet in shards": ("parquet", 20_000),
}
SMALL = {"pipelines": {"total": 20}, "runs": {"total": 2000}, "range": {"end": "2026-02-01"}}


def arguments(out: Path, layout: str) -> list[str]:
    file_format, shard_rows = LAYOUTS[layout]
    options = ["--out", str(out), "--runs", str(RUNS), "--seed", "1", "--workers", "2"]
    if shard_rows:
        options += ["--shard-rows", str(shard_rows)]
    return [*options, "--pipelines", "60", "--format", file_format]


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, timeout=120
    )


def interrupt(words: list[str], out: Path, sent: signal.Signals, delay: float) -> tuple[int, str]:
    """Start a generation and send it a signal so long after its first bytes of runs."""
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if list(work_folder(out).glob("batches/runs_*")):
                time.sleep(delay)
                process.send_signal(sent)
                break
            time.sleep(0.002)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The checksums of uninterrupted generations by layout."""
    values = {"seed": 1, "pipelines": {"total": 60}, "runs": {"total": RUNS}}
    data = plan(values, workers=2)
    found = {}
    for layout, (file_format, shard_rows) in LAYOUTS.items():
        out = tmp_path_factory.mktemp("whole") / "out"
        write_data_set(data, out, file_format=file_format, shard_rows=shard_rows, workers=2)
        found[layout] = checksums(out)
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_killed_at_random_and_resumed_ends_in_the_same_bytes(
    layout: str, whole: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = arguments(out, layout)
    rng = Random(layout)
    kills = 0
    for _ in range(3):
        code, _ = interrupt(words, out, signal.SIGKILL, rng.uniform(0, 0.15))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        # Until the end there is no data set, and what is finished is whole.
        assert not out.exists()
        finished = {
            path: checksum
            for path, checksum in checksums(work_folder(out)).items()
            if path.startswith("batches/") and not path.endswith(".part")
        }
        assert finished.items() <= whole[layout].items()
    assert kills
    done = run(*words)
    assert done.returncode == 0 or out.exists(), done.stderr
    assert checksums(out) == whole[layout]
    assert verify(out) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("layout", ["one CSV", "Parquet in shards"])
def test_interruption_tells_what_is_finished_and_is_gone_on_with(
    layout: str, whole: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = arguments(out, layout)
    code, output = interrupt(words, out, signal.SIGINT, 0.05)
    assert code == 130, output
    assert "not complete after" in output
    assert f"of {RUNS:,} rows" in output
    assert "files finished with" in output
    assert "The same command goes on from here." in output
    assert "data set in" not in output
    assert "Traceback" not in output
    assert not out.exists()
    inodes = {
        path.name: path.stat().st_ino
        for path in work_folder(out).glob("batches/*")
        if path.suffix != ".part"
    }
    assert run(*words).returncode == 0
    assert checksums(out) == whole[layout]
    # What was told as finished was not written again.
    told = re.search(r"runs: (\d+) files finished", output)
    assert told is not None
    kept = [name for name in inodes if (out / "batches" / name).stat().st_ino == inodes[name]]
    assert len(kept) == int(told[1])


def test_second_interruption_does_not_hide_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: object) -> None:
        raise KeyboardInterrupt

    stop_after(monkeypatch, 3, KeyboardInterrupt())
    monkeypatch.setattr("rich.progress.Progress.stop", stopping)
    words = ["generate", "--out", str(tmp_path / "out"), "--runs", "5000"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 130
    assert "not complete after" in result.output


def stop_after(monkeypatch: pytest.MonkeyPatch, calls: int, error: BaseException) -> None:
    """Let os.pwrite work so many times, and then fail."""
    real = os.pwrite
    made = []

    def write(descriptor: int, content: memoryview, offset: int) -> int:
        made.append(descriptor)
        if len(made) > calls:
            raise error
        return real(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", write)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "changed", [{"seed": 2}, {"runs": {"total": 2001}}, {"texts": {"variants": 9}}]
)
@pytest.mark.parametrize("shard_rows", [None, 300])
def test_another_configuration_takes_over_nothing(
    changed: dict[str, object],
    shard_rows: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_after(patch, 12, no_space())
        with pytest.raises(ChmError):
            generate(out, SMALL, shard_rows=shard_rows)
    assert list(paths(work_folder(out) / "batches"))
    generate(out, SMALL, changed, shard_rows=shard_rows)
    generate(tmp_path / "fresh", SMALL, changed, shard_rows=shard_rows)
    assert checksums(out) == checksums(tmp_path / "fresh")


@pytest.mark.parametrize("shard_rows", [None, 300])
@pytest.mark.parametrize("damage", ["part", "journal", "finished"])
def test_damaged_leftovers_are_not_gone_on_with(
    damage: str, shard_rows: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_after(patch, 14, no_space())
        with pytest.raises(ChmError):
            generate(out, SMALL, shard_rows=shard_rows)
    work = work_folder(out)
    part = next(work.glob("batches/*.part"))
    if damage == "part":
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif damage == "journal":
        (work / "journal.json").write_text('{"fingerprint": ')
    else:
        for path in list(work.glob("batches/*.csv")) or [part]:
            path.unlink()
    generate(out, SMALL, shard_rows=shard_rows)
    generate(tmp_path / "fresh", SMALL, shard_rows=shard_rows)
    assert checksums(out) == checksums(tmp_path / "fresh")


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_stopped_before_a_finished_file_is_noted(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real = Journal.finish
    noted: list[WrittenFile] = []

    def finish(journal: Journal, file: WrittenFile) -> None:
        if len(noted) == calls:
            raise KeyboardInterrupt
        noted.append(file)
        real(journal, file)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", finish)
        with pytest.raises(KeyboardInterrupt):
            generate(out, SMALL, shard_rows=300)
    assert not out.exists()
    generate(out, SMALL, shard_rows=300)
    generate(tmp_path / "fresh", SMALL, shard_rows=300)
    assert checksums(out) == checksums(tmp_path / "fresh")


def test_full_disk_is_one_message_and_never_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ["generate", "--out", str(out), "--preset", "small", "--shard-rows", "500"]
    with monkeypatch.context() as patch:
        stop_after(patch, 60, no_space())
        result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert isinstance(result.exception, ChmError)
    assert str(result.exception) == f"{out} can't be written: No space left on device"
    assert "not complete after" in result.output
    assert "of 10,000 rows" in result.output
    assert "data set in" not in result.output
    assert not out.exists()
    assert CliRunner().invoke(app, words).exit_code == 0
    again = CliRunner().invoke(app, [*words[:2], str(tmp_path / "fresh"), *words[3:]])
    assert again.exit_code == 0
    assert checksums(out) == checksums(tmp_path / "fresh")


def test_too_small_a_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000})())
    result = CliRunner().invoke(app, ["generate", "--out", str(tmp_path / "out"), "--runs", "900"])
    assert isinstance(result.exception, ChmError)
    assert "GB are needed" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "moment", ["os.pwrite", "pathlib.Path.write_bytes", "chm.generate.writer.put_in_place"]
)
def test_interrupted_replacement_leaves_the_former_data_set(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    generate(out, SMALL)
    former = checksums(out)

    def stopping(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(moment, stopping)
        with pytest.raises(KeyboardInterrupt):
            generate(out, SMALL, {"seed": 2})
    assert checksums(out) == former
    generate(out, SMALL, {"seed": 2})
    assert checksums(out) != former
    assert verify(out) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_moment_of_a_replacement_is_without_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    generate(out, SMALL)
    real = Path.rename
    was_there = []

    def rename(path: Path, target: Path) -> Path:
        was_there.append(out.is_dir())
        return real(path, target)

    monkeypatch.setattr("pathlib.Path.rename", rename)
    generate(out, SMALL, {"seed": 2})
    assert all(was_there)
    assert verify(out) == ()


def test_more_files_in_a_block_than_a_process_may_have_open(tmp_path: Path) -> None:
    one_day = {"pipelines": {"total": 20}, "runs": {"total": 3000}, "range": {"end": "2026-01-03"}}
    generate(tmp_path / "one", one_day)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 40, hard))
    try:
        generate(tmp_path / "many", one_day, shard_rows=10, workers=2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert runs(tmp_path / "many") == runs(tmp_path / "one")


def test_existing_data_set_is_replaced_by_force_alone_and_wholly(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["generate", "--out", str(out), "--runs", "900", "--pipelines", "20"]
    assert CliRunner().invoke(app, [*words, "--shard-rows", "100"]).exit_code == 0
    former = checksums(out)
    refused = CliRunner().invoke(app, [*words, "--seed", "2"])
    assert isinstance(refused.exception, ChmError)
    assert "already holds base, batches, context: --force replaces it" in str(refused.exception)
    assert checksums(out) == former
    assert CliRunner().invoke(app, [*words, "--seed", "2", "--force"]).exit_code == 0
    # No shard of the earlier data set is left to be loaded.
    assert [path.name for path in batches(out)] == ["runs_20260331_batch01.csv"]
    assert verify(out) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("letters", r"holds a\.txt, which is no part of a data set: not replaced"),
        ("letters/a.txt", "is a file: --out takes a folder"),
        ("letters/a.txt/out", "can't be written: "),
        (".", "holds the working directory"),
    ],
)
def test_what_is_no_data_set_is_never_replaced(
    place: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    words = ["generate", "--out", place, "--runs", "100", "--force"]
    with pytest.raises(ChmError, match=message):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert [path.relative_to(tmp_path).as_posix() for path in paths(tmp_path)] == ["letters/a.txt"]


def test_second_writer_of_a_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    work_folder(out).mkdir()
    data = plan(SMALL)
    with (work_folder(out) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ChmError, match=f"another process is writing {out}"):
            write_data_set(data, out)
        assert not out.exists()
    write_data_set(data, out)
    assert verify(out) == ()


def test_two_processes_never_write_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = arguments(out, "CSV in shards")
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL) as first:
        while first.poll() is None and not (work_folder(out) / "lock").exists():
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        try:
            second = run(*words)
        finally:
            first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=60) == 0
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == f"error: another process is writing {out}"
    assert verify(out) == ()
