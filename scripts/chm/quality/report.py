"""What a check of the raw tables found, as plain values."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ExpectationResult:
    """One expectation of one table.

    `rule` is the data contract's, `expectation` says in words what must hold of which columns.
    `unexpected_count` is the number of rows that break it, `examples` are the ids of some of
    them; for R01 both are about columns.
    """

    table: str
    rule: str
    expectation: str
    success: bool
    unexpected_count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.table} {self.rule} {self.expectation}"
        if self.success:
            return text
        return f"{text}: broken by {self.unexpected_count:,}, such as {', '.join(self.examples)}"


@dataclass(frozen=True)
class QualityReport:
    """The results of every expectation, and the page where the Data Docs begin."""

    results: tuple[ExpectationResult, ...]
    data_docs: Path

    @property
    def success(self) -> bool:
        """Whether every expectation holds."""
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The expectations that do not hold."""
        return tuple(result for result in self.results if not result.success)
