"""What the commands of `chm ingest` share: their options, and the one way to run a source."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape

from chm.errors import ChmError
from chm.project import project_dir
from chm.targets import read_target

if TYPE_CHECKING:
    from chm.ingest.each_pipeline import FailedPipeline
    from chm.ingest.events import SourceEvent
    from chm.ingest.mapping import Mapping
    from chm.ingest.run import IngestCounts
    from chm.ingest.store import Store

REFUSED_EXIT_CODE = 3
_SHOWN_FAILED = 20

# Tells whoever waits what is being read.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class OutputOptions:
    """The options of every source."""

    target: Annotated[str, typer.Option(help="A target of profiles.yml: dev or prod.")] = "dev"
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text, or json for a program.")
    ] = "text"


@dataclass(frozen=True)
class LettersOptions(OutputOptions):
    """The options of a source whose refused events go to the dead letters."""

    dead_letters: Annotated[
        Path | None,
        typer.Option(help="Where refused events go; target/dead_letters.jsonl if not given."),
    ] = None

    @property
    def letters(self) -> Path:
        """The file of the dead letters."""
        return self.dead_letters or project_dir() / "target" / "dead_letters.jsonl"


@dataclass(frozen=True)
class PipelineOptions:
    """The options of a source whose events may name unknown pipelines."""

    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="The client of events that name none.")
    ] = None
    register: Annotated[
        bool, typer.Option("--register", help="Make unknown pipelines, under --client.")
    ] = False


@dataclass(frozen=True)
class MappingOptions:
    """The options of a source whose events may have any shape."""

    mapping: Annotated[
        Path | None,
        typer.Option(help="A YAML file that says where the events hold a run's fields."),
    ] = None

    def read(self) -> "Mapping":
        """Return the mapping; that of the contract's columns if none was given.

        Raises:
            ChmError: the file can't be read, or is no mapping.
        """
        # Imported here: the YAML reader would slow down every other command.
        from chm.ingest.mapping import Mapping, read_mapping

        return read_mapping(self.mapping) if self.mapping else Mapping()


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of its dataclass parameters as options of their own.

    typer knows no groups of options; this puts the fields, with their Annotated types and
    defaults, in the place of each parameter whose type is a dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {
        name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)
    }
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = groups.get(parameter.name)
        parameters += _of_fields(group) if group else [
            parameter.replace(annotation=hints[parameter.name])
        ]  # fmt: skip

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return run


def _of_fields(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def run_source(
    name: str,
    read: "Callable[[Store, Tell], Iterable[SourceEvent]]",
    common: LettersOptions,
    pipelines: PipelineOptions | None = None,
    mapping: "Mapping | None" = None,
    failed: "list[FailedPipeline] | None" = None,
) -> None:
    """Take the events of a source, print the counts, and end as every source ends.

    Args:
        name: the source's, for the dead letters.
        read: returns the events, given the open target and what tells whoever waits.
        common: where the events and the refused ones go, and how the counts are printed.
        pipelines: what is done with events of unknown pipelines; refused if not given.
        mapping: where the events hold a run's fields; the contract's columns if not given.
        failed: what `read` adds the pipelines to that it could not read to their end.

    Raises:
        ChmError: the target can't be written, or pipelines were not read to their end.
        typer.Exit: some events were refused.
    """
    refused = take_events(
        name, read, common, common.letters, pipelines or PipelineOptions(), mapping, failed
    )
    if failed:
        told = "".join(f"\n  {one.pipeline}: {one.reason}" for one in failed[:_SHOWN_FAILED])
        left = len(failed) - _SHOWN_FAILED
        more = f"\n  and {left} more" if left > 0 else ""
        raise ChmError(f"pipelines not read to their end: {len(failed)}{told}{more}")
    if refused:
        raise typer.Exit(REFUSED_EXIT_CODE)


def take_events(
    name: str,
    read: "Callable[[Store, Tell], Iterable[SourceEvent]]",
    common: OutputOptions,
    dead_letters: Path,
    pipelines: PipelineOptions,
    mapping: "Mapping | None" = None,
    failed: "list[FailedPipeline] | None" = None,
    *,
    shown_letters: Path | None = None,
) -> int:
    """Take the events of a source and print the counts; return how many were refused.

    Args and errors are those of `run_source`; the refused events go to `dead_letters`, which is
    told as `shown_letters` where that is given.
    """
    # Imported here: the drivers would slow down every other command.
    from chm.ingest.mapping import Mapping
    from chm.ingest.run import Options, ingest
    from chm.ingest.store import open_store

    if pipelines.register and not pipelines.client:
        raise ChmError("--register needs --client NAME, the client of new pipelines", 2)
    options = Options(
        source=name,
        dead_letters=dead_letters,
        mapping=mapping or Mapping(),
        client=pipelines.client,
        register=pipelines.register,
    )
    with open_store(read_target(common.target)) as store, _status() as tell:
        counts = ingest(
            read(store, tell), store, options, lambda now: tell(f"{now.read:,} events taken")
        )
    letters = shown_letters or dead_letters
    if common.output == "json":
        told: dict[str, object] = {"dead_letters": str(letters) if counts.refused else None}
        if failed is not None:
            told["failed_pipelines"] = [asdict(one) for one in failed]
        typer.echo(json.dumps(counts.as_dict() | told))
    else:
        _print_counts(counts, letters)
    return counts.refused


@contextmanager
def _status() -> Iterator[Tell]:
    """What shows a text on the terminal for as long as the block runs, or until the next."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("reading events") as status:
        yield lambda text: status.update(escape(text))


def _print_counts(counts: "IngestCounts", dead_letters: Path) -> None:
    for name, number in counts.as_dict().items():
        if number or name in ("read", "inserted", "updated", "unchanged", "stale", "refused"):
            typer.echo(f"{name.replace('_', ' '):<21}{number:>12,}")
    if counts.refused:
        typer.echo(f"the refused events are in {dead_letters}")
