"""`chm reset`: drop what the project made in a target."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from chm.errors import ChmError

if TYPE_CHECKING:
    from chm.reset import Found


def reset(
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, and need no terminal.")] = False,
) -> None:
    """Drop what the project made in a target, and nothing else, after asking.

    That is the raw tables with their types, and the models, seeds and snapshots that dbt builds
    from this project. Other tables and views stay, and so do the schemas; what of others reads
    one of the project's stops the reset.

    Examples:
        chm reset --target dev

        chm reset --target prod --yes
    """
    from chm.reset import reset as reset_target

    def ask(found: "Found") -> None:
        schemas = ", ".join(sorted({relation.schema for relation in found.relations}))
        question = (
            f"target '{target}': {len(found.relations)} tables and views go, in {schemas}; "
            f"{found.rows:,} rows in raw"
        )
        if yes:
            return
        if not sys.stdin.isatty():
            raise ChmError(f"{question}; nothing was dropped: --yes drops them without a terminal")
        if not typer.confirm(f"{question}. Drop them?", err=True):
            raise ChmError("nothing was dropped")

    terminal = Console(stderr=True)
    if terminal.is_terminal:
        terminal.print("reading the project ...", style="dim")
    try:
        found = reset_target(target, ask)
    except KeyboardInterrupt:
        raise ChmError("interrupted: a second call drops what is left", exit_code=130) from None
    Console().print(
        f"target '{target}': {len(found.relations)} tables and views dropped", highlight=False
    )
