"""Work in several threads whose results are taken in order, with bounded memory."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Tool = TypeVar("Tool")

_NO_TOOL = object()
# One result is made by a worker while another is taken; more would only take memory.
_RESULTS_AHEAD = 2


class _Ordered(Generic[Tool, Result]):
    """Numbers handed out from `first` up to `count`; results taken in that order."""

    def __init__(
        self,
        first: int,
        count: int,
        tools: list[Tool],
        make: Callable[[int, Tool], Result],
        take: Callable[[int, Result], Callable[[], None] | None],
    ) -> None:
        self.stopped = threading.Event()
        self._make = make
        self._take = take
        self._count = count
        self._next = first
        self._expected = first
        self._ready: dict[int, tuple[Result, Tool]] = {}
        self._to_finish: deque[tuple[Callable[[], None] | None, Tool]] = deque()
        self._is_taking = False
        self._lock = threading.Lock()
        self._tools: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for tool in tools:
            self._tools.put(tool)

    def work(self) -> None:
        try:
            # The tool comes before the number: the lowest number never waits for a tool.
            while not self.stopped.is_set() and (tool := self._tools.get()) is not _NO_TOOL:
                with self._lock:
                    number = self._next
                    self._next += 1
                if number >= self._count:
                    break
                self._hand_in(number, self._make(number, tool), tool)
                self._finish()
        except BaseException:
            self.stop()
            raise
        finally:
            self._tools.put(_NO_TOOL)

    def stop(self) -> None:
        self.stopped.set()
        self._tools.put(_NO_TOOL)

    def _hand_in(self, number: int, result: Result, tool: Tool) -> None:
        with self._lock:
            self._ready[number] = (result, tool)
            if self._is_taking:
                return
            self._is_taking = True
        while True:
            with self._lock:
                taken = self._ready.pop(self._expected, None)
                if taken is None or self.stopped.is_set():
                    self._is_taking = False
                    return
            self._to_finish.append((self._take(self._expected, taken[0]), taken[1]))
            self._expected += 1

    def _finish(self) -> None:
        while self._to_finish and not self.stopped.is_set():
            try:
                finish, tool = self._to_finish.popleft()
            except IndexError:
                return
            if finish:
                finish()
            self._tools.put(tool)


def work_in_order(
    first: int,
    count: int,
    workers: int,
    new_tool: Callable[[], Tool],
    make: Callable[[int, Tool], Result],
    take: Callable[[int, Result], Callable[[], None] | None],
) -> None:
    """Make results `first` to `count` - 1 in threads and take them one by one, in order.

    Args:
        first: The first number.
        count: The end of the numbers, excluded.
        workers: The number of threads; each of them makes results and takes them.
        new_tool: Makes what a result is made with, such as a buffer. A tool is used again
            once its result has been taken; there are a few more of them than threads.
        make: Makes a result.
        take: Takes a result. What it returns, if anything, is called afterwards, by any
            thread and in any order.

    Raises:
        BaseException: what `make`, `take` or an interruption raised, after every thread ended.
    """
    tools = [new_tool() for _ in range(min(workers + _RESULTS_AHEAD, max(count - first, 1)))]
    ordered = _Ordered(first, count, tools, make, take)
    with ThreadPoolExecutor(workers) as threads:
        futures = [threads.submit(ordered.work) for _ in range(workers)]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            ordered.stop()
            raise
