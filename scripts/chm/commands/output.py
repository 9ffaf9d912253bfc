"""What several commands print alike."""

from enum import StrEnum


class Format(StrEnum):
    """How a report is printed."""

    table = "table"
    json = "json"
