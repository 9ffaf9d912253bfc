"""`chm ingest jsonl`, `csv` and `retry`: events from files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from chm.commands.ingest.options import (
    REFUSED_EXIT_CODE,
    LettersOptions,
    MappingOptions,
    OutputOptions,
    PipelineOptions,
    run_source,
    take_events,
    with_options,
)
from chm.errors import ChmError

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="The file, or - for stdin.")]


@with_options
def jsonl(
    file: FileArgument,
    common: LettersOptions,
    pipelines: PipelineOptions,
    mapping: MappingOptions,
) -> None:
    """Take events from lines of JSON, one object a line.

    Examples:
        chm ingest jsonl events.jsonl

        tail -n 1000 jobs.log | chm ingest jsonl - --client "Davis and Sons" --register
    """
    from chm.ingest.sources.jsonl import read_jsonl

    with _stream(file) as (stream, name):
        run_source("jsonl", lambda *_: read_jsonl(stream, name), common, pipelines, mapping.read())


@with_options
def csv(
    file: FileArgument,
    common: LettersOptions,
    pipelines: PipelineOptions,
    mapping: MappingOptions,
) -> None:
    """Take events from the rows of a CSV file with a header.

    Examples:
        chm ingest csv runs.csv --target prod

        chm ingest csv export.csv --mapping export.yaml --format json
    """
    from chm.ingest.sources.csv import read_csv

    with _stream(file) as (stream, name):
        run_source("csv", lambda *_: read_csv(stream, name), common, pipelines, mapping.read())


@with_options
def retry(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of dead letters.")],
    common: OutputOptions,
    pipelines: PipelineOptions,
    mapping: MappingOptions,
) -> None:
    """Take the events of a dead-letter file again; those accepted are removed from it.

    The file changes at the end, in one step. Give the mapping that the events came with.

    Examples:
        chm ingest retry target/dead_letters.jsonl --client "Davis and Sons" --register
    """
    from chm.ingest.deadletters import letters_to_retry

    if not file.is_file():
        raise ChmError(f"{file} is not there")
    left = file.with_name(f".{file.name}.left")
    with letters_to_retry(file, left) as events:
        refused = take_events(
            "retry", lambda *_: events, common, left, pipelines, mapping.read(), shown_letters=file
        )
    if refused:
        raise typer.Exit(REFUSED_EXIT_CODE)


@contextmanager
def _stream(file: str) -> Iterator[tuple[BinaryIO, str]]:
    if file == "-":
        yield sys.stdin.buffer, "stdin"
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise ChmError(f"can't read {file}: {error.strerror}") from None
    with stream:
        yield stream, file
