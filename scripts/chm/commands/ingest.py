"""`chm ingest`: take run events from live systems."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer
from rich.console import Console

from chm.errors import ChmError
from chm.project import project_dir
from chm.targets import read_target

if TYPE_CHECKING:
    from chm.ingest.events import SourceEvent
    from chm.ingest.run import IngestCounts

REFUSED_EXIT_CODE = 3

app = typer.Typer(
    name="ingest",
    help="""Take run events from live systems: any order, any repetition, nothing lost.

    Of all events of a run the greatest is stored: a terminal status beats running, then the
    later updated_at counts, then the status. What can't be taken goes to the dead letters, with
    its reason; exit code 3 says that there were some.

    Examples:
        chm ingest jsonl events.jsonl

        chm ingest retry target/dead_letters.jsonl
    """,
    no_args_is_help=True,
    rich_markup_mode="rich",
)

TargetOption = Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")]
MappingOption = Annotated[
    Path | None,
    typer.Option(help="A YAML file that says where the events hold a run's fields."),
]
ClientOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The client of events that name none.")
]
RegisterOption = Annotated[
    bool, typer.Option("--register", help="Make unknown pipelines, under --client.")
]
LettersOption = Annotated[
    Path | None,
    typer.Option(help="Where refused events go; target/dead_letters.jsonl if not given."),
]
FormatOption = Annotated[
    Literal["text", "json"], typer.Option("--format", help="text, or json for a program.")
]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="The file, or - for stdin.")]


@app.command()
def jsonl(
    file: FileArgument,
    target: TargetOption = "dev",
    mapping: MappingOption = None,
    client: ClientOption = None,
    register: RegisterOption = False,
    dead_letters: LettersOption = None,
    output: FormatOption = "text",
) -> None:
    """Take events from lines of JSON, one object a line.

    Examples:
        chm ingest jsonl events.jsonl

        tail -n 1000 jobs.log | chm ingest jsonl - --client "Davis and Sons" --register
    """
    from chm.ingest.sources.jsonl import read_jsonl

    with _stream(file) as (stream, name):
        _ingest("jsonl", read_jsonl(stream, name), target, mapping, client, register,
                _letters(dead_letters), output)  # fmt: skip


@app.command()
def csv(
    file: FileArgument,
    target: TargetOption = "dev",
    mapping: MappingOption = None,
    client: ClientOption = None,
    register: RegisterOption = False,
    dead_letters: LettersOption = None,
    output: FormatOption = "text",
) -> None:
    """Take events from the rows of a CSV file with a header.

    Examples:
        chm ingest csv runs.csv --target prod

        chm ingest csv export.csv --mapping export.yaml --format json
    """
    from chm.ingest.sources.csv import read_csv

    with _stream(file) as (stream, name):
        _ingest("csv", read_csv(stream, name), target, mapping, client, register,
                _letters(dead_letters), output)  # fmt: skip


@app.command()
def retry(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of dead letters.")],
    target: TargetOption = "dev",
    mapping: MappingOption = None,
    client: ClientOption = None,
    register: RegisterOption = False,
    output: FormatOption = "text",
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
        refused = _run("retry", events, target, mapping, client, register, left, output, file)
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


def _letters(path: Path | None) -> Path:
    return path or project_dir() / "target" / "dead_letters.jsonl"


def _ingest(
    source: str,
    events: "Iterable[SourceEvent]",
    target: str,
    mapping: Path | None,
    client: str | None,
    register: bool,
    dead_letters: Path,
    output: str,
) -> None:
    if _run(source, events, target, mapping, client, register, dead_letters, output):
        raise typer.Exit(REFUSED_EXIT_CODE)


def _run(
    source: str,
    events: "Iterable[SourceEvent]",
    target: str,
    mapping: Path | None,
    client: str | None,
    register: bool,
    dead_letters: Path,
    output: str,
    shown_letters: Path | None = None,
) -> int:
    """Take the events, print the counts, return how many were refused."""
    # Imported here: the drivers would slow down every other command.
    from chm.ingest.mapping import Mapping, read_mapping
    from chm.ingest.run import Options, ingest
    from chm.ingest.store import open_store

    if register and not client:
        raise ChmError("--register needs --client NAME, the client of new pipelines", 2)
    options = Options(
        source=source,
        dead_letters=dead_letters,
        mapping=read_mapping(mapping) if mapping else Mapping(),
        client=client,
        register=register,
    )
    with open_store(read_target(target)) as store, _progress() as progress:
        counts = ingest(events, store, options, progress)
    if output == "json":
        letters = str(shown_letters or dead_letters) if counts.refused else None
        typer.echo(json.dumps(counts.as_dict() | {"dead_letters": letters}))
    else:
        _print_counts(counts, shown_letters or dead_letters)
    return counts.refused


@contextmanager
def _progress() -> "Iterator[Callable[[IngestCounts], None]]":
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("reading events") as status:
        yield lambda counts: status.update(f"{counts.read:,} events taken")


def _print_counts(counts: "IngestCounts", dead_letters: Path) -> None:
    for name, number in counts.as_dict().items():
        if number or name in ("read", "inserted", "updated", "unchanged", "stale", "refused"):
            typer.echo(f"{name.replace('_', ' '):<21}{number:>12,}")
    if counts.refused:
        typer.echo(f"the refused events are in {dead_letters}")
