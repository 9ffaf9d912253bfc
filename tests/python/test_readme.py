"""The README names every command, option, environment variable, dbt variable and answer."""

import re

import pytest
import typer
import yaml

from chm.answers import QUESTIONS, Question
from chm.cli import app
from chm.generate.configure import preset_names
from chm.generate.reference import configuration_table
from chm.project import project_dir

README = (project_dir() / "README.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SETTINGS_IN = (
    "profiles.yml",
    "docker-compose.yml",
    ".env.example",
    "docker",
    "scripts",
    "macros",
    "tests/python/postgres_server.py",
)


def options() -> list[tuple[str, str]]:
    return [
        (name, option)
        for name, command in COMMANDS.items()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    ]


def command_row(name: str) -> str:
    """The line of the README's table that documents a command."""
    rows = re.findall(rf"^\| `chm {name}[ `].*$", README, re.MULTILINE)
    assert len(rows) == 1, f"chm {name} has {len(rows)} rows in the README"
    return rows[0]


def environment_variables() -> set[str]:
    files = [
        path
        for name in SETTINGS_IN
        for path in [project_dir() / name, *(project_dir() / name).rglob("*")]
        if path.is_file() and path.suffix in {".py", ".sql", ".yml", ".example", ".sh"}
    ]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return set(re.findall(r"\bCHM_[A-Z_]+[A-Z]\b", text))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert command_row(name)


@pytest.mark.parametrize(("name", "option"), options())
def test_every_option_is_documented(name: str, option: str) -> None:
    assert f"`{option}`" in command_row(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_parameter_explains_itself(name: str) -> None:
    command = COMMANDS[name]
    assert "Example" in command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []


@pytest.mark.parametrize("variable", sorted(environment_variables()))
def test_every_environment_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in README


def test_every_dbt_variable_is_documented() -> None:
    project = yaml.safe_load((project_dir() / "dbt_project.yml").read_text("utf-8"))
    assert [name for name in project["vars"] if f"| `{name}` |" not in README] == []


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.mart)
def test_every_question_has_a_row(question: Question) -> None:
    rows = re.findall(rf"^\| Q{question.number} \|.*$", README, re.MULTILINE)
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[1:3] == [question.text, f"`{question.mart}`"]
    assert cells[3]


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (project_dir() / link).exists()] == []


def test_the_generator_s_configuration_is_documented_as_it_is():
    # `chm generate --keys` prints the table anew.
    described = (project_dir() / "docs" / "generate.md").read_text("utf-8")
    assert configuration_table() in described


def test_every_preset_is_documented():
    described = (project_dir() / "docs" / "generate.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \| ", described.partition("\n## Where")[0], re.MULTILINE)
    assert listed == preset_names()
