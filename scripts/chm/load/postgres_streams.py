"""Several COPY streams into one PostgreSQL table at a time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from chm.errors import ChmError

# More are more than two cores can use: client and server take about one for each.
STREAMS = 2

Connection = psycopg.Connection[Any]
Connect = Callable[[], AbstractContextManager[Connection]]
Stream = Callable[[Connection, Callable[[], None]], int]
"""Copies rows over a connection, calls the function after each write, returns their number."""


def run_streams(connect: Connect, stream: Stream) -> int:
    """Run STREAMS streams side by side; return the rows of all.

    When one fails, or at Ctrl-C, the others end at their next write.

    Raises:
        Exception: what the first stream to fail raised.
    """
    stop = threading.Event()

    def go_on() -> None:
        if stop.is_set():
            raise _StoppedError

    def run() -> int:
        try:
            with connect() as connection:
                # What is copied counts from the switch on, whose commit flushes all before it.
                connection.execute("set synchronous_commit = off")
                return stream(connection, go_on)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(STREAMS) as pool:
        futures = [pool.submit(run) for _ in range(STREAMS)]
        try:
            found = _first_error(futures)
        except BaseException:
            stop.set()
            raise
    if found is not None:
        raise found
    return sum(future.result() for future in futures)


class _StoppedError(ChmError):
    def __init__(self) -> None:
        super().__init__("the load was stopped; nothing was loaded")


def _first_error(futures: Sequence[Future[int]]) -> BaseException | None:
    """Wait for the streams; of their errors the one that came of itself."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    return min(errors, key=lambda error: isinstance(error, _StoppedError), default=None)
