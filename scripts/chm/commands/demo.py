"""`chm demo`: the whole path, from a data set to the ten answers."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chm.answers import read_answers
from chm.commands.answers import print_answers
from chm.commands.check import print_failures
from chm.dbt import dbt_build
from chm.errors import ChmError
from chm.project import project_dir
from chm.steps import StepDisplay
from chm.targets import read_target

FROZEN_DATA_SET = "data/synthetic/v1"


def demo(
    data: Annotated[
        Path | None,
        typer.Argument(help=f"The data set's folder; without it the project's {FROZEN_DATA_SET}."),
    ] = None,
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
    as_of: Annotated[
        str,
        typer.Option(
            help="The instant the marts show: data (the newest run), now, or an ISO 8601 instant."
        ),
    ] = "data",
) -> None:
    """Validate a data set, load it, check it, build the marts and print the ten answers.

    The data set takes the place of what the target's raw tables hold.

    Examples:
        chm demo

        chm demo my/data --target prod

        chm demo --as-of 2026-02-14T12:00:00Z
    """
    # Imported here: Great Expectations and its kin would slow down every other command.
    from chm.load import load
    from chm.quality import check
    from chm.validate import validate
    from chm.validate.render import print_report

    _check_as_of(as_of)
    folder = data or project_dir() / FROZEN_DATA_SET
    loader = read_target(target)
    console = Console()
    with StepDisplay(console) as display:
        with display.step("validate") as step:
            report = validate(folder)
            step.outcome = f"{sum(file.rows for file in report.files):,} rows in {folder}"
        if not report.is_valid:
            print_report(report, console)
            raise ChmError(f"{folder} breaks the data contract: nothing was loaded")
        with display.step("load") as step:
            loaded = load(
                folder,
                loader,
                replace=True,
                progress=lambda _, done, total: step.advance(done, total),
            )
            step.outcome = ", ".join(f"{rows:,} {table}" for table, rows in loaded.counts.items())
        with display.step("check") as step:
            quality = check(loader)
            step.outcome = f"{len(quality.results)} expectations"
        if not quality.success:
            print_failures(console, quality)
            raise ChmError("the raw tables fail their expectations: the marts were not built")
        with display.step("dbt build") as step:
            built = dbt_build(target, as_of, step.advance)
            step.outcome = f"{built.nodes} seeds, models, snapshots and tests"
        with display.step("answers"):
            found = read_answers(read_target(target, role="reader"))
        console.print()
        print_answers(console, found)
        console.print()


def _check_as_of(as_of: str) -> None:
    """Refuse what dbt would refuse only after the data was loaded."""
    if as_of in ("data", "now"):
        return
    try:
        datetime.fromisoformat(as_of)
    except ValueError:
        raise ChmError(
            f"--as-of is data, now or an ISO 8601 instant such as 2026-02-21T12:00:00Z; "
            f"it is '{as_of}'"
        ) from None
