"""What a validation found, as plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["E", "W"]

RULES = {
    "R01": "the files are there and well-formed: exact header, complete rows, UTF-8",
    "R02": "required fields are not empty",
    "R03": "id is a valid UUID and unique in its table",
    "R04": "names and external ids are unique",
    "R05": "every foreign key resolves",
    "R06": "enum values are in their list",
    "R07": "instants are ISO 8601 with an explicit UTC offset",
    "R08": "finished_at >= started_at",
    "R09": "duration_seconds and rows_processed are whole numbers >= 0",
    "R10": "external_run_id is unique in its pipeline and in its file",
    "R11": "payload is the text of one JSON object",
    "R12": "an alert rule has a client or a pipeline, and they belong together",
    "R13": "failures_in_window has threshold >= 1 and window_minutes >= 1",
    "R14": "failed runs carry error_message and status_reason, success runs neither",
    "R15": "non-running runs carry finished_at and duration_seconds, running runs neither",
    "R16": "no two enabled alert rules are the same",
    "W01": "duration_seconds equals finished_at - started_at",
    "W02": "rows_processed lies in its pipeline type's usual range",
    "W03": "updated_at >= created_at, ingested_at >= started_at",
    "W04": "the destination looks like its channel's",
    "W05": "text fields hold no credential-like value",
}


def level_of(rule: str) -> Level:
    """Return E for a rule that stops a load, W for one that only warns."""
    return "E" if rule.startswith("R") else "W"


@dataclass(frozen=True)
class Violation:
    """One broken rule in one place.

    `line` is the physical line of `file` (the header is line 1) where the record starts, None
    for a file that is missing. `value` is the offending field as written ('' when empty), with
    credential-like text masked; None where there is no field to show.
    """

    file: str
    line: int | None
    column: str | None
    rule: str
    value: str | None
    message: str

    @property
    def level(self) -> Level:
        """E or W."""
        return level_of(self.rule)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        value = None if self.value is None else f"'{self.value}'"
        words = (place, self.column, self.rule, value, self.message)
        return _printable(" ".join(word for word in words if word))


@dataclass(frozen=True)
class FileSummary:
    """A file of the data set, the table it holds and how many of its rows could be read."""

    file: str
    table: str
    rows: int


@dataclass(frozen=True)
class Report:
    """All that one validation found.

    `counts` has the true number of violations of every rule; `violations` shows at most
    `limit` of each rule.
    """

    data_set: Path
    files: tuple[FileSummary, ...]
    counts: dict[str, int]
    violations: tuple[Violation, ...]
    limit: int

    @property
    def is_valid(self) -> bool:
        """Whether no rule of level E is broken."""
        return not any(self.counts[rule] for rule in self.counts if level_of(rule) == "E")


def _printable(text: str) -> str:
    """Escape what would break or drive a terminal, keeping every printable character."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
