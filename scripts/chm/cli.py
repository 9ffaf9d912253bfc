"""The command line `chm`: thin commands over functions that can be called alone."""

import sys

import typer
from rich.console import Console

from chm.errors import ChmError

app = typer.Typer(
    name="chm",
    help="Client Health Monitor: make, check and load the data behind the ten health answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; a ChmError becomes one message on standard error, never a traceback."""
    try:
        app()
    except ChmError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        sys.exit(130)
