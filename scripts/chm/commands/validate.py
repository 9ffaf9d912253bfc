"""`chm validate`: check a data set against the data contract."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from chm.commands.output import Format


def validate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The data set: base/*.csv and batches/runs_*.csv or runs_*.parquet in a folder.",
        ),
    ],
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    limit: Annotated[
        int, typer.Option(min=1, help="Show so many violations of a rule; all are counted.")
    ] = 20,
) -> None:
    """Check a data set against every rule of the data contract.

    All rules over all files in one pass: R01-R16 are errors and stop a load,
    W01-W05 are warnings. Each violation names file, line, column, rule, value;
    in a Parquet file the line is the number of the row, from 1.
    Exits 1 on any error. While rows of a table can't be read (R01), the rows
    that refer to it are not checked against it.
    Batches may be CSV and Parquet files side by side; any other file in
    batches/ that is not hidden is an error.

    As JSON, one object: data_set, is_valid, files (file, table, rows),
    rules (rule, level, violations) and violations (file, line, column, rule,
    level, value, message).

    Examples:
        chm validate data/synthetic/v1

        chm validate exports/today --limit 100

        chm validate exports/today --format json > report.json
    """
    # Imported here: DuckDB would slow down every other command.
    from chm.validate import validate as check
    from chm.validate.render import as_json, print_report

    with Console(stderr=True).status("validating") as status:
        report = check(folder, limit, lambda step: status.update(escape(step)))
    if output is Format.json:
        typer.echo(as_json(report))
    else:
        print_report(report, Console())
    if not report.is_valid:
        raise typer.Exit(1)
