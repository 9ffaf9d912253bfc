"""Connect to PostgreSQL."""

import logging
from typing import Any

import psycopg

from chm.errors import ChmError
from chm.targets import PostgresTarget

# What it would tell standard error of a lost connection is in the one message.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


def connect(target: PostgresTarget, **options: Any) -> psycopg.Connection[Any]:  # noqa: ANN401
    """Open a connection to the database of `target`; `options` are psycopg's.

    Raises:
        ChmError: it can't be reached, or refuses the user; names host, port and user.
    """
    settings: dict[str, Any] = {**target.conninfo, "client_encoding": "utf8", **options}
    try:
        return psycopg.connect(**settings)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ChmError(
            f"can't connect to {target.place}, as user {target.user}: {reason}"
        ) from None
