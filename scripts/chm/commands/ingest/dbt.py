"""`chm ingest dbt`: invocations of dbt, from their artifacts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chm.commands.ingest.options import LettersOptions, PipelineOptions, run_source, with_options

if TYPE_CHECKING:
    from chm.ingest.events import SourceEvent
    from chm.ingest.store import Store


@with_options
def dbt(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="A dbt project, its target folder, or a run_results.json."
        ),
    ],
    common: LettersOptions,
    pipelines: PipelineOptions,
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The pipeline: its name, external id or id; else that of platform dbt whose "
            "external id is the project's name.",
        ),
    ] = None,
) -> None:
    """Take invocations of dbt from run_results.json, with manifest.json beside it.

    An invocation is a run: failed if a node failed, with the nodes' messages. The file holds
    the last invocation alone, so take it after each.

    Examples:
        chm ingest dbt target --client "Davis and Sons" --register

        chm ingest dbt archive/*/run_results.json --pipeline "Nightly dbt"
    """
    from chm.ingest.naming import pipeline_fields, with_only_client
    from chm.ingest.sources.dbt import PLATFORM, artifact_files, read_dbt

    files = artifact_files(paths)
    named = pipeline_fields(pipeline, PLATFORM) if pipeline else None

    def read(store: "Store", *_: object) -> "Iterator[SourceEvent]":
        with store.transaction(registers=False):
            known = store.pipelines() if named and not pipelines.client else []
        for event in read_dbt(files, named):
            yield replace(event, fields=with_only_client(event.fields, known))

    run_source("dbt", read, common, pipelines)
