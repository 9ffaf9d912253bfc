"""`chm answers`: print the headline of each of the ten answers."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chm.answers import Answer, read_answers
from chm.targets import read_target


def answers(
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
) -> None:
    """Print the headline of each of the ten answers that the marts hold.

    Example:
        chm answers --target prod
    """
    print_answers(Console(), read_answers(read_target(target, role="reader")))


def print_answers(console: Console, found: list[Answer]) -> None:
    """Print a line for each answer: the question, its mart and the headline."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for answer in found:
        question = answer.question
        table.add_row(
            Text(f"Q{question.number}", style="bold"),
            Text.assemble(
                (question.text, "bold"), ("  marts." + question.mart, "dim"), "\n", answer.headline
            ),
        )
    console.print(table)
