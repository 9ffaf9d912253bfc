"""What the commands share that ask a server: how long they wait, and where the token is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chm.ingest.http import Patience

TokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="VARIABLE",
        help="The environment variable with the bearer token, if not the usual one.",
    ),
]


@dataclass(frozen=True)
class PatienceOptions:
    """How long to wait for a server."""

    connect_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until the connection must stand.")
    ] = 10
    read_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that the server may be silent.")
    ] = 60
    retries: Annotated[
        int, typer.Option(min=0, max=20, help="How often a request that failed is tried again.")
    ] = 5
    longest_wait: Annotated[
        float,
        typer.Option(
            min=0, max=86_400, help="The longest Retry-After, in seconds, that is waited for."
        ),
    ] = 300

    def patience(self) -> "Patience":
        """Return them as the client takes them."""
        from chm.ingest.http import Patience

        return Patience(self.connect_timeout, self.read_timeout, self.retries, self.longest_wait)
