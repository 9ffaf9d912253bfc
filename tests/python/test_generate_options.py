"""The options of `chm generate`: which go together, exit codes, and where output can't go."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chm.cli import app
from chm.errors import ChmError
from chm.generate.configure import make_config, merged, set_values
from chm.generate.dataset import plan_data_set
from chm.generate.notes import notes
from generated import COMMAND, FROZEN, checksums, command, generate

VALUES = {"seed": 3, "runs": {"total": 300}, "pipelines": {"total": 12}}


def invoke(*arguments: object) -> str:
    """Run the command; return what it printed."""
    words = ["generate", *map(str, arguments)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object, code: int) -> str:
    """Run the command, which is to fail with this exit code; return its message."""
    with pytest.raises(ChmError) as caught:
        invoke(*arguments)
    assert caught.value.exit_code == code
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--check", "{data}", "--out", "x"), "takes no --out"),
        (("--check", "{data}", "--force"), "takes no --force"),
        (("--check", "{data}", "--append", "{data}"), "takes no --append"),
        (("--check", "{data}", "--config", "x", "--set", "seed=1"), "takes no --config, --set"),
        (("--check", "{data}", "--seed", 0, "--workers", 1), "takes no --seed, --workers"),
        (("--check", "{data}", "--dry-run"), "takes no --dry-run"),
        (("--append", "{data}", "--out", "x"), "takes no --out"),
        (("--append", "{data}", "--force"), "takes no --force"),
        (("--preset", "demo", "--out", "x", "--seed", 7), "takes no --seed"),
        (("--preset", "demo", "--out", "x", "--workers", 2), "takes no --workers"),
        (("--preset", "demo", "--append", "{data}"), "takes no --append"),
        (("--preset", "demo", "--out", "-"), "--out takes one"),
        (("--out", "-", "--shard-rows", 5), "takes no --shard-rows"),
        (("--out", "-", "--format", "parquet"), "takes no --format parquet"),
        (("--out", "x", "--overlap"), "--overlap .* needs --append"),
        (("--keys", "--preset", "small"), "takes no --preset"),
        (("--runs", 5), "give --out"),
        (("--out", "x", "--format", "xml"), "--format: 'xml' is not one of csv, parquet"),
        (("--out", "x", "--preset", "huge"), "--preset: 'huge' is not one of demo, small"),
        (("--out", "x", "--set", "seed"), "--set: 'seed' is not of the form"),
        (("--out", "x", "--seed", -1), "--seed: expected 0 or more, not -1"),
        (("--out", "x", "--from", "May"), "--from: expected a day .*, not 'May'"),
        (("--out", "x", "--batch", 100), "--batch: expected at most 99, not 100"),
    ],
)
def test_command_line_that_makes_no_sense_exits_2(
    arguments: tuple[object, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options that would have no effect are refused by name, as are values they can't take."""
    monkeypatch.chdir(tmp_path)
    words = [str(word).replace("{data}", str(FROZEN)) for word in arguments]
    assert re.search(named, refused(*words, code=2))
    assert list(tmp_path.iterdir()) == []


def test_exit_codes_of_a_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert refused("--out", out, "--set", "runs.total=-1", code=1).startswith("runs.total: ")
    result = command("--out", out, "--seed", -1)
    assert result.returncode == 2
    assert (result.stdout, result.stderr) == (b"", b"error: --seed: expected 0 or more, not -1\n")
    assert CliRunner().invoke(app, ["generate", "--speed", "3"]).exit_code == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("{tmp}/file/sub", r"{tmp}/file takes no new folder: Not a directory"),
        ("{tmp}/file", r"is a file: --out takes a folder"),
        ("/proc/chm", r"/proc takes no new folder: "),
        ("{tmp}/" + "n" * 300, r"File name too long"),
    ],
)
def test_place_that_cannot_be_written_is_refused_at_once(
    place: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    message = refused("--out", place.format(tmp=tmp_path), "--runs", 100, code=1)
    assert reason.format(tmp=tmp_path) in message
    assert len(message.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_reader_that_goes_away_ends_the_stream_quietly() -> None:
    """As of other programs in a pipe; nothing says that it is complete."""
    with subprocess.Popen(
        [*COMMAND, "--out", "-", "--runs", "20000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"id,pipelin"
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_full_disk_behind_the_stream_is_one_message() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*COMMAND, "--out", "-", "--runs", "500"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert result.returncode == 1
    message = b"error: standard output can't be written: No space left on device\n"
    assert result.stderr == message


def test_demo_s_dry_run_tells_as_the_others_do() -> None:
    output = invoke("--preset", "demo", "--dry-run")
    told = [line.split()[:3] for line in output.splitlines()[1:5]]
    assert told == [
        ["clients", "12", "1,299"],
        ["pipelines", "40", "9,958"],
        ["alert_rules", "25", "4,695"],
        ["runs", "1,500", "632,811"],
    ]
    assert "frozen" in output
    assert "configuration in force:\nseed: 42\n" in output


def test_keys_are_printed() -> None:
    output = invoke("--keys")
    assert "| `roles.since_days` | `[1, 10]` |" in output


def found_notes(*assignments: str) -> list[str]:
    told = merged(VALUES, set_values(assignments))
    return notes(plan_data_set(make_config(told)), told)


def test_what_is_not_planted_is_told() -> None:
    assert found_notes("pipelines.total=40", "runs.total=9000") == []
    [note] = found_notes("pipelines.total=40", "runs.total=9000", "roles.since_days=[200, 300]")
    assert note.startswith("roles: planted broken 0 of 1, silent 0 of 1, slow 0 of 1; ")
    assert "begins 200 to 300 days before its end (roles.since_days)" in note
    assert any(
        note.startswith("durations.long_tail: no pipeline is of platform dbt and type transform")
        for note in found_notes("pipelines.mix.dbt=null")
    )
    assert any(note.startswith("pipelines.runs_per_day: no effect") for note in found_notes(
        "pipelines.runs_per_day=3"
    ))  # fmt: skip


def test_notes_are_printed_with_the_plan_and_the_summary(tmp_path: Path) -> None:
    arguments = ("--runs", 1, "--pipelines", 1)
    for output in (
        invoke("--dry-run", *arguments),
        (summary := invoke("--out", tmp_path / "out", *arguments)),
    ):
        assert "note: roles: planted broken 0 of 1, silent 0 of 1, slow 0 of 1, flaky 0" in output
    assert "1 run (1 started by hand) of 1 pipeline, seed 42; planted: 0 incidents, role h" in (
        summary
    )


def test_batch_tells_keys_of_rows_that_it_does_not_add(tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(out, VALUES)
    before = checksums(out)
    keys = ("--set", "pipelines.late_share=0.5", "--set", "alert_rules.enabled_share=0.1")
    output = invoke("--append", out, "--runs", 100, "--dry-run", *keys)
    assert "note: pipelines.late_share: no effect, for no pipelines are added; pipelines.to" in (
        output
    )
    assert "note: alert_rules.enabled_share: no effect, for no alert rules are added;" in output
    assert checksums(out) == before
