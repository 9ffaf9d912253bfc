"""How far a generation is, in the terminal, and what is finished at its end."""

from collections.abc import Sequence
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from chm.generate.estimate import Estimate
from chm.generate.journal import Journal
from chm.steps import transient_progress
from chm.words import counted

_PLANNING = "planning"


class _Rows(ProgressColumn):
    """Rows written of all; nothing while planning."""

    def render(self, task: Task) -> Text:
        if task.description == _PLANNING:
            return Text("")
        return Text(f"{task.completed:,.0f} of {task.total or 0:,.0f} rows")


class _Rate(ProgressColumn):
    """Rows in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        is_known = speed is not None and task.description != _PLANNING
        return Text(f"{speed:,.0f} rows/s" if is_known else "")


class GenerateDisplay:
    """The progress of one generation, to be used as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = monotonic()
        self._progress = transient_progress(
            console,
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Rows(),
            _Rate(),
            TimeRemainingColumn(),
        )
        self._planning = self._progress.add_task(_PLANNING, total=1)
        self._journal: Journal | None = None
        self._estimates: Sequence[Estimate] = ()
        self._runs = self._planning

    def __enter__(self) -> "GenerateDisplay":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._progress.stop()
        finally:
            # Also if a second Ctrl-C comes meanwhile.
            self._tell_end(kind)

    def clear(self) -> None:
        """Show nothing more."""
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """The time since the display was made."""
        return monotonic() - self._started

    def on_planned(self, share: float) -> None:
        """Show how much of the planning is done."""
        self._progress.update(self._planning, completed=share)

    def on_estimates(self, estimates: Sequence[Estimate]) -> None:
        """Begin to show the tables."""
        self._progress.remove_task(self._planning)
        self._estimates = estimates
        for estimate in estimates:
            task = self._progress.add_task(estimate.table, total=estimate.rows)
            if estimate.table == "runs":
                self._runs = task
            else:
                # They are made with the plan, all at once.
                self._progress.update(task, completed=estimate.rows)

    def on_rows(self, rows: int) -> None:
        """Show that so many more runs are written."""
        self._progress.advance(self._runs, rows)

    def on_journal(self, journal: Journal) -> None:
        """Remember who knows what is finished."""
        self._journal = journal

    def _tell_end(self, kind: type[BaseException] | None) -> None:
        if kind is not None and self._journal is not None:
            self._tell_finished(self._journal)
        elif kind is KeyboardInterrupt:
            self._console.print(
                f"stopped while planning, after {self.seconds:.1f} s: 0 files, 0 rows written",
                highlight=False,
            )

    def _tell_finished(self, journal: Journal) -> None:
        """Say what an interrupted or failed generation has finished."""
        files, part = journal.progress.files, journal.progress.part
        rows = sum(file.rows or 0 for file in files)
        total = sum(item.rows for item in self._estimates if item.table == "runs")
        begun = f", {part.rows:,} rows of the next one" if part else ""
        self._console.print(
            f"not complete after {self.seconds:.1f} s. "
            f"runs: {counted(len(files), 'file')} finished with {rows:,} of {total:,} rows{begun}; "
            "clients, pipelines, alert_rules: not written yet. The same command goes on from here.",
            highlight=False,
            soft_wrap=True,
        )
