"""Prepare the next item in another thread, while this one works on the one before."""

from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import TypeVar

Item = TypeVar("Item")

# How long an item that is being prepared is waited for, when nobody wants it any more.
_JOIN_SECONDS = 10


def ahead(
    items: Iterator[Item], idle: Callable[[], None], patience: float
) -> Generator[Item, None, None]:
    """Yield the items; one at most is prepared ahead. What `items` raises is raised here.

    Args:
        items: is asked for items in another thread.
        idle: called when an item is not there after a while.
        patience: how long this while is, in seconds.
    """
    ready: SimpleQueue[tuple[Item] | BaseException | None] = SimpleQueue()
    wanted = Semaphore(1)
    is_over = False

    def prepare() -> None:
        try:
            while wanted.acquire() and not is_over:
                item = next(items, None)
                if item is None:
                    ready.put(None)
                    return
                ready.put((item,))
        except BaseException as error:  # raised where the items are taken
            ready.put(error)

    # A daemon: it may wait for a stream that never ends.
    thread = Thread(target=prepare, daemon=True, name="chm-ingest-ahead")
    thread.start()
    try:
        while True:
            try:
                found = ready.get(timeout=patience)
            except Empty:
                idle()
                found = ready.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            wanted.release()
            yield found[0]
            del found
    finally:
        is_over = True
        wanted.release()
        thread.join(_JOIN_SECONDS)
