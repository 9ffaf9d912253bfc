"""`chm import-chat`: file the tables in a chat model's answers as part of a data set."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chm.errors import ChmError
from chm.words import counted


def import_chat(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Saved answers; - reads standard input."),
    ],
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="The data set; may be missing at first.")
    ],
    limit: Annotated[
        int, typer.Option(min=1, help="Show so many violations of a rule; all are counted.")
    ] = 20,
) -> None:
    """Import the answers of a chat model into a data set: all of it or nothing.

    An answer holds CSV tables in code fences or bare, with or without prose around them.
    The header decides which table it is. Every rule of the contract must hold for the data
    set and the new rows together, and parents must be in context/id_registry.csv or in the
    same call; else each violation is told with line, column, rule and value, nothing is
    written and the exit code is 1. Warnings are told and do not stop.

    Clients, pipelines and alert rules go to base/, each block of runs becomes a batch in
    batches/, new clients and pipelines join the registry.

    Examples:
        chm import-chat clients.md pipelines.md --into data/mine

        pbpaste | chm import-chat - --into data/mine
    """
    # Imported here: DuckDB would slow down every other command.
    from chm.chat.importer import import_answers
    from chm.chat.render import refusal, warnings

    answers = _read(files)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with errors.status("importing") as status:
        found = import_answers(answers, into, lambda step: status.update(escape(step)))
    for item in found.passed_over:
        errors.print(f"passed over {item.file}:{item.line} {item.reason}")
    for line in warnings(found, limit):
        errors.print(line)
    if not found.is_accepted:
        raise ChmError("\n".join(refusal(found, limit)))
    table = Table("file", box=None)
    table.add_column("rows", justify="right")
    for file in found.files:
        table.add_row(file.path, f"{file.rows:,}")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    counts: dict[str, int] = {}
    for part in found.tables:
        counts[part.table.name] = counts.get(part.table.name, 0) + len(part.rows)
    console.print(table)
    numbers = (counted(count, name.removesuffix("s")) for name, count in counts.items())
    console.print("imported " + ", ".join(numbers))
    console.print(f"data set in {into}")


def _read(files: list[Path]) -> list[tuple[str, bytes]]:
    answers: list[tuple[str, bytes]] = []
    seen: set[Path] = set()
    for path in files:
        real = path if str(path) == "-" else path.resolve()
        if real in seen:
            raise ChmError(f"{path} is given twice")
        seen.add(real)
        if str(path) == "-":
            answers.append(("stdin", sys.stdin.buffer.read()))
            continue
        try:
            answers.append((str(path), path.read_bytes()))
        except OSError as error:
            raise ChmError(f"{path} can't be read: {error.strerror}") from error
    return answers
