"""Compare the rows of a mart, in any order, doubles to a relative error of 1e-9."""

from datetime import UTC, datetime
from math import isclose

Row = dict[str, object]


def differences(actual: list[Row], expected: list[Row], limit: int = 5) -> list[str]:
    """Return what differs between two sets of rows, a line each; an empty list if nothing does."""
    found = []
    if actual and expected and set(actual[0]) != set(expected[0]):
        found.append(f"columns: {sorted(set(actual[0]) ^ set(expected[0]))}")
    if len(actual) != len(expected):
        found.append(f"rows: {len(actual)} instead of {len(expected)}")
    columns = [
        column for column in (expected or actual or [{}])[0] if column in (actual or [{}])[0]
    ]
    if not columns:
        return found
    for left, right in zip(
        sorted(actual, key=lambda row: _sort_key(row, columns)),
        sorted(expected, key=lambda row: _sort_key(row, columns)),
        strict=False,
    ):
        found += [
            f"{column}: {left[column]!r} instead of {right[column]!r} in {right}"
            for column in columns
            if not _equal(left[column], right[column])
        ]
    return found[:limit]


def _equal(left: object, right: object) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        if left is None or right is None:
            return left is right
        return isclose(float(left), float(right), rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]
    # True == 1 in Python, not in a mart.
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _sort_key(row: Row, columns: list[str]) -> tuple[tuple[str, str], ...]:
    """Order rows by everything but doubles, which may differ in the last digit."""
    return tuple(
        (type(row[column]).__name__, _text(row[column]))
        for column in columns
        if not isinstance(row[column], float)
    )


def _text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
