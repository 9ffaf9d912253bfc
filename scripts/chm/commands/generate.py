"""`chm generate`: write a made-up data set with planted faults."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def generate(
    out: Annotated[Path, typer.Option(help="The folder to write; missing or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 42,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the data set that the folder holds.")
    ] = False,
) -> None:
    """Write a made-up data set: clients, pipelines, runs and alert rules.

    It has planted faults: an outage of a platform, flaky, broken, silent and slow pipelines.
    context/planted_truth.json tells them. The bytes depend on the seed alone.

    Examples:
        chm generate --out data/mine

        chm generate --out data/mine --seed 7 --force
    """
    # Imported here: Faker and pydantic would slow down every other command.
    from chm.generate import generate as make_data_set
    from chm.generate import make_config, write

    data = make_data_set(make_config({"seed": seed}))
    files = write(data, out, force=force)
    table = Table("file", box=None)
    table.add_column("rows", justify="right")
    table.add_column("bytes", justify="right")
    for file in files:
        rows = "" if file.rows is None else f"{file.rows:,}"
        table.add_row(file.path, rows, f"{file.bytes:,}")
    console = Console()
    console.print(table)
    share = data.count("success") / len(data.runs)
    console.print(f"{len(data.runs):,} runs, {share:.1%} successful, seed {seed}")
    console.print(f"data set in {out}", soft_wrap=True, markup=False, highlight=False)
