"""`chm profile`: what a person checks in a data set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from chm.commands.output import Format
from chm.steps import transient_progress


def profile(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The data set: a folder with base/*.csv and batches/runs_*.csv or .parquet.",
        ),
    ],
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    clients: Annotated[
        int, typer.Option(min=0, help="Show so many clients, those with the most runs.")
    ] = 10,
) -> None:
    """Show what a data set holds, to check it by eye after it was made.

    Rows and bytes by table, orphans (rows whose parent is missing), the
    status mix, how many runs the pipelines have, the failure rate by platform
    and by UTC day of the start, and the clients with the most runs. Rates are
    failed runs over decided ones.

    It reads any data set whose files can be read, valid or not: chm validate
    judges it.

    Examples:
        chm profile data/synthetic/v1

        chm profile my/data --clients 50

        chm profile my/data --format json > profile.json
    """
    # Imported here: DuckDB would slow down every other command.
    from chm.profile import profile_data_set
    from chm.profile.render import as_json, print_profile

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with transient_progress(Console(stderr=True), *columns, TimeElapsedColumn()) as progress:
        task = progress.add_task("reading", total=100)
        found = profile_data_set(
            folder, clients, lambda percent: progress.update(task, completed=percent)
        )
    if output is Format.json:
        typer.echo(as_json(found))
    else:
        print_profile(found, Console())
