"""`chm load`: put a data set into the raw tables."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chm.targets import read_target


def load(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The data set: a folder with base/*.csv and batches/runs_*.csv."
        ),
    ],
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the data set in the place of what is there.")
    ] = False,
) -> None:
    """Validate a data set and load its four tables into the schema raw: all or nothing.

    A data set that breaks a rule of level E is refused, with the report of `chm validate`.
    A load that fails or is killed leaves the former content and every constraint in place.
    Where a table already holds rows, the load says so and stops, unless --replace is given.
    On PostgreSQL a second load waits for the first, and readers see the former rows until
    the new ones are complete.

    Examples:
        chm load data/synthetic/v1

        chm load exports/today --target prod --replace
    """
    # Imported here: DuckDB and the drivers would slow down every other command.
    from chm.load import InvalidDataSetError
    from chm.load import load as load_data_set
    from chm.validate.render import print_report

    into = read_target(target)
    console = Console()
    terminal = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(
            *columns, console=terminal, transient=True, disable=not terminal.is_terminal
        ) as display:
            task = display.add_task("opening", total=None)
            result = load_data_set(
                folder,
                into,
                replace=replace,
                progress=lambda step, done, total: display.update(
                    task, description=escape(step), completed=done, total=total or None
                ),
            )
    except InvalidDataSetError as error:
        print_report(error.report, console)
        raise
    table = Table("table", box=None)
    for name in ("replaced", "loaded", "seconds"):
        table.add_column(name, justify="right")
    for loaded in result.tables:
        former = result.former[loaded.table]
        table.add_row(loaded.table, f"{former:,}", f"{loaded.rows:,}", f"{loaded.seconds:.2f}")
    console.print(table)
    counts = ", ".join(f"{name} {rows:,}" for name, rows in result.counts.items())
    console.print(f"target '{target}' now holds: {counts}", soft_wrap=True, highlight=False)
