"""`chm load`: put a data set into the raw tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chm.errors import ChmError
from chm.targets import Target, read_target

if TYPE_CHECKING:
    from chm.load import LoadResult


def load(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The data set: a folder with base/*.csv and batches/runs_*."
        ),
    ],
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the data set in the place of what is there.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="Add the data set to what is there; runs are merged.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --replace: don't ask, and need no terminal.")
    ] = False,
) -> None:
    """Validate a data set and load its four tables into the schema raw: all or nothing.

    A data set that breaks a rule of level E is refused, with the report of `chm validate`.
    A load that fails or is killed leaves the former content and every constraint in place.
    Where a table already holds rows, the load says so and stops, unless --replace is given;
    then it says how many rows go, and asks. On PostgreSQL the new tables are made beside the
    old ones and switched in at once: readers see the former rows until then, and views and
    grants stay. A second load waits for the first.

    With --append new rows are added. Of a run that is there already, the version wins that the
    merge rule says: a terminal status beats running, then the later updated_at. A client,
    pipeline or alert rule that is there with other values stops the load.

    Examples:
        chm load data/synthetic/v1

        chm load exports/today --target prod --replace --yes

        chm load exports/march --append
    """
    # Imported here: DuckDB and the drivers would slow down every other command.
    from chm.load import InvalidDataSetError
    from chm.load import load as load_data_set
    from chm.validate.render import print_report

    into = read_target(target)
    if replace and not yes:
        _ask(into)
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
                append=append,
                progress=lambda step, done, total: display.update(
                    task, description=escape(step), completed=done, total=total or None
                ),
            )
    except InvalidDataSetError as error:
        print_report(error.report, console)
        raise
    except KeyboardInterrupt as interrupt:
        raise ChmError(str(interrupt), exit_code=130) from None
    _print(result, target, console)


def _ask(target: Target) -> None:
    """Ask before rows go; there is nothing to ask where all tables are empty.

    Raises:
        ChmError: the answer is no, or there is no terminal to ask on.
    """
    from chm.load import held_rows

    held = held_rows(target)
    total = sum(held.values())
    if not total:
        return
    found = ", ".join(f"{table} {rows:,}" for table, rows in held.items())
    question = f"target '{target.name}': {total:,} rows go ({found})"
    if not sys.stdin.isatty():
        raise ChmError(f"{question}; nothing was loaded: --yes replaces them without a terminal")
    if not typer.confirm(f"{question}. Replace them?", err=True):
        raise ChmError("nothing was loaded")


def _print(result: "LoadResult", target: str, console: Console) -> None:
    tables = Table("table", box=None)
    for heading in ("replaced", "loaded", "seconds"):
        tables.add_column(heading, justify="right")
    for loaded in result.tables:
        former = result.former[loaded.table]
        tables.add_row(loaded.table, f"{former:,}", f"{loaded.rows:,}", f"{loaded.seconds:.2f}")
    console.print(tables)
    steps = Table("step", box=None)
    for heading in ("rows", "seconds", "rows/s"):
        steps.add_column(heading, justify="right")
    for step in result.steps:
        pace = f"{step.rows / step.seconds:,.0f}" if step.rows and step.seconds else "-"
        steps.add_row(step.step, f"{step.rows:,}", f"{step.seconds:.2f}", pace)
    steps.add_row("total", "", f"{sum(step.seconds for step in result.steps):.2f}", "")
    console.print(steps)
    spread = result.spread
    counts = ", ".join(f"{name} {rows:,}" for name, rows in result.counts.items())
    for line in (
        f"runs per pipeline: {spread.fewest:,} to {spread.most:,} in {spread.pipelines:,} "
        f"pipelines, {spread.without_runs:,} of them without any; {spread.orphans:,} orphans",
        f"target '{target}' now holds: {counts}",
    ):
        console.print(line, soft_wrap=True, highlight=False)
