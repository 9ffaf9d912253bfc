"""`chm check`: check the raw tables with Great Expectations."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from chm.targets import read_target

if TYPE_CHECKING:
    from chm.quality import QualityReport


def check(
    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev",
) -> None:
    """Check the raw tables with Great Expectations, as they are in the database.

    The suites are built from the data contract: columns, required values, unique
    keys, enums, foreign keys, minimums, rules across columns, JSON. A failed
    expectation is printed with its table, rule and the ids of some rows, and the
    command exits 1. The Data Docs, static HTML, are in target/great_expectations.

    Examples:
        chm check

        chm check --target prod
    """
    # Imported here: pandas would slow down every other command.
    from chm.quality import check as check_raw

    source = read_target(target)
    with Console(stderr=True).status("starting Great Expectations") as status:
        report = check_raw(source, on_step=status.update)
    console = Console()
    console.print(_summary(report))
    print_failures(console, report)
    console.print(f"Data Docs: {report.data_docs}", soft_wrap=True, markup=False, highlight=False)
    if not report.success:
        raise typer.Exit(1)


def print_failures(console: Console, report: "QualityReport") -> None:
    """Print a line for each failed expectation: table, rule, columns, rows."""
    for failure in report.failures:
        console.print(str(failure), style="red", markup=False, highlight=False, soft_wrap=True)


def _summary(report: "QualityReport") -> Table:
    expected = Counter(result.table for result in report.results)
    failed = Counter(failure.table for failure in report.failures)
    table = Table("table", box=None)
    for name in ("expectations", "failed"):
        table.add_column(name, justify="right")
    for name, count in expected.items():
        table.add_row(name, f"{count:,}", f"{failed[name]:,}")
    return table
