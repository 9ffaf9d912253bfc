"""`chm generate`: write a made-up data set with planted faults."""

from pathlib import Path
from typing import Annotated

import typer

_CONFIG = "Configuration"
_FILES = "Files"


def generate(
    out: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write, missing or empty; - writes the runs to standard output.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A configuration to start from: demo (the released data set), small (10,000 "
            "runs), medium (a million) or large (100 million).",
            rich_help_panel=_CONFIG,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A YAML file of keys, over the preset's.", rich_help_panel=_CONFIG),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any key, over the file's: --set failures.transient_share=0.1; --keys lists them.",
            rich_help_panel=_CONFIG,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same bytes.", rich_help_panel=_CONFIG),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(help="How many runs.", rich_help_panel=_CONFIG)
    ] = None,
    clients: Annotated[
        int | None, typer.Option(help="How many clients.", rich_help_panel=_CONFIG)
    ] = None,
    pipelines: Annotated[
        int | None, typer.Option(help="How many pipelines.", rich_help_panel=_CONFIG)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="The first day or instant of the history.", rich_help_panel=_CONFIG
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="Its end, excluded.", rich_help_panel=_CONFIG),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="The batch's number.", rich_help_panel=_CONFIG)
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="csv|parquet",
            help="Of the runs: csv unless given.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs in a file. Without it CSV is one file, Parquet files of a million.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Threads; without it one a core. The bytes stay the same."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print rows, sizes and the configuration in force; write nothing."
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace the data set that --out holds.", rich_help_panel=_FILES
        ),
    ] = False,
    overlap: Annotated[
        bool,
        typer.Option(
            "--overlap",
            help="With --append: the range may overlap that of an earlier batch.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    keys: Annotated[
        bool,
        typer.Option(
            "--keys",
            help="Print every key of the configuration with its default and meaning.",
            rich_help_panel=_CONFIG,
        ),
    ] = False,
    append: Annotated[
        Path | None,
        typer.Option(
            help="Add a batch to this data set: runs of its pipelines from where it ends, and "
            "as many more clients and pipelines as are asked for.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Compare this data set with its manifests, and do nothing else.",
            rich_help_panel=_FILES,
        ),
    ] = None,
) -> None:
    """Write a made-up data set: clients, pipelines, runs and alert rules.

    It is as a fleet that someone runs, with planted faults: outages of platforms, clients and
    pipelines, flaky, broken, silent and slow pipelines. context/planted_truth.json tells them.
    The bytes depend on the configuration and its seed alone. After an interruption the same
    call goes on where it was. --keys, as docs/generate.md, lists every key of the configuration.
    The first call on a machine compiles the simulation, which takes some seconds.

    Examples:
        chm generate --out data/mine --preset small --seed 7

        chm generate --out data/big --runs 10000000 --shard-rows 1000000

        chm generate --preset medium --set roles.flaky_share=0.2 --dry-run

        chm generate --append data/mine --batch 2 --seed 99

        chm generate --check data/mine

        chm generate --keys | grep roles
    """
    # Imported here: compilers and name pools would slow down every other command.
    from chm.generate.command import run
    from chm.generate.options import GenerateOptions

    flags = {
        "--seed": seed,
        "--runs": runs,
        "--batch": batch,
        "--clients": clients,
        "--pipelines": pipelines,
        "--from": start,
        "--to": end,
    }
    options = GenerateOptions(
        out=out,
        preset=preset,
        config=config,
        assignments=tuple(assignments or ()),
        flags={flag: value for flag, value in flags.items() if value is not None},
        file_format=file_format,
        shard_rows=shard_rows,
        workers=workers,
        dry_run=dry_run,
        force=force,
        append=append,
        overlap=overlap,
        check=check,
        keys=keys,
    )
    raise typer.Exit(run(options))
