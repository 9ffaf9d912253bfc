"""The command line as a whole: its version, and exit codes of what makes no sense."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from chm.cli import app


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
