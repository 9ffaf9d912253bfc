"""The command line `chm`: thin commands over functions that can be called alone."""

import errno
import os
import signal
import sys
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from chm.commands import (
    answers,
    check,
    demo,
    evaluate,
    exec_,
    generate,
    import_chat,
    ingest,
    load,
    profile,
    prompts,
    reset,
    validate,
)
from chm.errors import ChmError

_INTERRUPTED = 130

app = typer.Typer(
    name="chm",
    help="Client Health Monitor: make, check and load the data behind the ten health answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chm {version('chm-analytics')}")
        raise typer.Exit


@app.callback()
def _chm(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command()(generate.generate)
app.command()(validate.validate)
app.command()(load.load)
app.command()(check.check)
app.command()(reset.reset)
app.command()(answers.answers)
app.command()(demo.demo)
app.command()(evaluate.evaluate)
app.command()(profile.profile)
app.command()(prompts.prompts)
app.command()(import_chat.import_chat)
app.add_typer(ingest.app)
# What follows the job's name is the job's own, also what looks like an option.
app.command("exec", context_settings={"allow_interspersed_args": False})(exec_.exec_)


def _noted_interrupts() -> list[int]:
    """The interruptions by Ctrl-C from now on; each still raises KeyboardInterrupt."""
    interrupts: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    # Not where whoever called has it ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    return interrupts


def _end_interrupted(console: Console) -> NoReturn:
    console.print("interrupted")
    sys.exit(_INTERRUPTED)


def main() -> None:
    """Run the command line: what goes wrong is one message on standard error, never a traceback."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    interrupts = _noted_interrupts()
    try:
        app()
    except ChmError as error:
        if interrupts and error.exit_code != _INTERRUPTED:
            _end_interrupted(console)
        console.print(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _end_interrupted(console)
    except Exception as error:
        # Libraries make errors of their own of an interruption.
        if interrupts:
            _end_interrupted(console)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            console.print(f"error: {error.strerror}: {error.filename or 'the output'}")
            sys.exit(1)
        # A fault of this program: its traceback is for whoever mends it.
        log = Path(tempfile.gettempdir()) / f"chm-error-{os.getpid()}.log"
        log.write_text(traceback.format_exc(), "utf-8")
        console.print(f"error: {type(error).__name__}: {error} (a bug in chm; details in {log})")
        sys.exit(1)
