"""Show a job's steps in the terminal: a bar while each runs, a line with its time at its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)


def transient_progress(console: Console, *columns: ProgressColumn) -> Progress:
    """Return a display of bars that goes when it is done, and shows nothing off a terminal."""
    # Where nobody looks, rich would still print an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class Step:
    """A running step: tell it how far it is, and at its end what came of it."""

    def __init__(self, advance: Callable[[int, int], None]) -> None:
        self.advance = advance
        self.outcome = ""


class StepDisplay:
    """The steps of one job, to be used as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = monotonic()
        self._progress = transient_progress(
            console,
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )

    def __enter__(self) -> "StepDisplay":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if error is None:
            self._console.print(f"{'total':<10} {monotonic() - self._started:6.1f} s", style="bold")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run the block as a step; its line is printed when it ends without an error."""
        task = self._progress.add_task(name, total=None)
        started = monotonic()
        step = Step(lambda done, total: self._progress.update(task, completed=done, total=total))
        try:
            yield step
        finally:
            self._progress.remove_task(task)
        self._console.print(
            f"{name:<10} {monotonic() - started:6.1f} s  {step.outcome}",
            highlight=False,
            markup=False,
        )
