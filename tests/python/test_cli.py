"""The command line as a whole: its version, and exit codes of what makes no sense."""

import contextlib
import errno
import signal
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from chm import cli
from chm.cli import app
from chm.errors import ChmError


def test_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"chm {version('chm-analytics')}\n")


@pytest.mark.parametrize(
    "words",
    [
        "conjure",
        "validate",
        "validate . --format xml",
        "validate . --limit 0",
        "profile . --clients -1",
        "profile . --speed 9",
        "evaluate . --format xml",
        "prompts sonnet",
        "prompts base --rows 5",
        "import-chat a.md",
        "generate --runs many --out x",
        "generate --runs -1 --out x",
        "generate --format xml --out x",
    ],
)
def test_command_line_that_makes_no_sense_exits_2(words: str) -> None:
    result = CliRunner().invoke(app, words.split())
    assert getattr(result.exception, "exit_code", result.exit_code) == 2


@pytest.fixture
def ends(monkeypatch, capsys):
    """Run main with an app that does something; its exit code and message."""

    def run(does):
        monkeypatch.setattr(cli, "app", does)
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, capsys.readouterr().err

    before = signal.getsignal(signal.SIGINT)
    yield run
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("error", [RuntimeError, ImportError, ChmError])
def test_an_interruption_is_one_whatever_a_library_makes_of_it(ends, error):
    def interrupted():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise error("Query interrupted")

    assert ends(interrupted) == (130, "interrupted\n")


def test_a_full_disk_is_no_bug(ends):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "x.csv")

    assert ends(full) == (1, "error: No space left on device: x.csv\n")
