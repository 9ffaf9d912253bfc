"""Say in plain words what a value that pydantic refused should have been."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# What was expected, by pydantic's type of problem and the limits that it names.
_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda _: "a number"),
    "finite_number": lambda _: "a finite number",
    "string_type": lambda _: "a text",
    "path_type": lambda _: "the path of a folder",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), lambda _: "keys with "
    "values"),
    **dict.fromkeys(("tuple_type", "list_type"), lambda _: "a list such as [1, 2]"),
    "greater_than_equal": lambda limits: f"{limits['ge']:g} or more",
    "greater_than": lambda limits: f"more than {limits['gt']:g}",
    "less_than_equal": lambda limits: f"at most {limits['le']:g}",
    "less_than": lambda limits: f"less than {limits['lt']:g}",
    "too_short": lambda limits: f"at least {_entries(limits['min_length'])}",
    "too_long": lambda limits: f"at most {_entries(limits['max_length'])}",
    "string_pattern_mismatch": lambda limits: f"a text that matches {limits['pattern']}",
    "literal_error": lambda limits: f"one of {limits['expected']}",
    "enum": lambda limits: f"one of {limits['expected']}",
    "timezone_aware": lambda _: "an instant with a UTC offset, such as 2026-01-31T00:00:00Z",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_"
         "invalid"),
        lambda _: "a day or an ISO 8601 instant with a UTC offset",
    ),
}  # fmt: skip
_LONGEST_VALUE = 60


class WrongPartError(ValueError):
    """A validator's refusal of one part of what it checks: `key` is its path in there."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def path(problem: ErrorDetails, whole: str = "configuration") -> str:
    """Return the path of the key that a problem is about, `whole` where it is about all of it."""
    # The key of a mapping, if it is the key that is wrong, is followed by "[key]".
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    error = problem.get("ctx", {}).get("error")
    if isinstance(error, WrongPartError):
        parts.append(error.key)
    return ".".join(parts) or whole


def expectation(problem: ErrorDetails) -> str:
    """Return what a problem's key was expected to hold, and what it holds."""
    kind, value = problem["type"], problem["input"]
    if kind == "missing":
        is_item = isinstance(problem["loc"][-1], int)
        return "is missing: the list is too short" if is_item else "is missing"
    if kind == "value_error":
        words = str(problem["msg"]).removeprefix("Value error, ")
        # What a mapping or a list of keys is refused for names its values itself.
        is_told = isinstance(value, Mapping) or shown(value) in words
        return words if is_told else f"{words}, not {shown(value)}"
    expected = _EXPECTED.get(kind)
    words = expected(problem.get("ctx", {})) if expected else str(problem["msg"])
    return f"expected {words}, not {shown(value)}"


def shown(value: object) -> str:
    """Return a value as a message shows it: as it would stand in YAML or JSON, and not too long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def problems_by_path(error: ValidationError, whole: str) -> list[str]:
    """Return a line for each problem: the key's path, what was expected, what is there."""
    return [
        f"{path(problem, whole)}: {expectation(problem)}"
        for problem in error.errors(include_url=False)
    ]


def _entries(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}"
