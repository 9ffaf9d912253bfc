"""What the results of a dbt invocation say of it as one run.

Plain values out of JSON, of any version of the artifact and of engines that write it nearly so:
whatever is missing, or not of its kind, is passed over.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chm.ingest.status_words import plain

_FINE = {"success", "pass", "warn", "no_op", "reused"}
_FAILED = {"error", "fail", "runtime_error", "partial_success"}
_SKIPPED = {"skipped"}
_CANCELED = {"cancelled", "canceled", "interrupted", "aborted", "killed"}

# Whose rows are the run's; what a test returns is not.
_WITH_ROWS = ("model", "seed", "snapshot")

_SHOWN_NODES = 10
_SHOWN_MESSAGE = 500


@dataclass(frozen=True)
class Verdict:
    """The run's columns that follow from its nodes."""

    status: str
    status_reason: str | None
    error_message: str | None
    rows_processed: int | None


def judge(results: list[dict[str, Any]], missing: int = 0) -> Verdict:
    """Return what the nodes' results make of the run.

    A node that failed makes it failed; warnings and skipped nodes do not, unless all were
    skipped. `missing` is the number of nodes that should have run and have no result: somebody
    ended the invocation.
    """
    words = [plain(_text(result.get("status"))) for result in results]
    known = _FINE | _FAILED | _SKIPPED | _CANCELED
    failing = [
        result
        for result, word in zip(results, words, strict=True)
        if word in _FAILED or word not in known
    ]
    if failing:
        status = "failed"
    elif missing or _CANCELED.intersection(words):
        status = "canceled"
    elif set(words) <= _SKIPPED:
        status = "skipped"
    else:
        status = "success"
    is_plain = status == "success" and not {"warn", "skipped"}.intersection(words)
    return Verdict(
        status=status,
        status_reason=None if is_plain else _counts(results, missing),
        error_message=_failures(failing) if failing else None,
        rows_processed=_rows(results),
    )


def node_type(result: dict[str, Any]) -> str:
    """Return the type of a result's node, such as model or test."""
    return _text(result.get("unique_id")).partition(".")[0]


def package_of(unique_id: object) -> str | None:
    """Return the package of a node's id, such as shop of model.shop.orders."""
    parts = _text(unique_id).split(".")
    return parts[1] if len(parts) > 2 else None


def _counts(results: list[dict[str, Any]], missing: int) -> str:
    """Such as: 12 success, 1 error, 3 skipped."""
    if not results and not missing:
        return "no nodes were run"
    words = Counter(_text(result.get("status")) or "without status" for result in results)
    counts = [f"{count} {word}" for word, count in words.items()]
    return ", ".join([*counts, f"interrupted, {missing} not run"] if missing else counts)


def _failures(failing: list[dict[str, Any]]) -> str:
    """The first nodes that failed, a line each, and how many more there are."""
    lines = [_failure(result) for result in failing[:_SHOWN_NODES]]
    if len(failing) > _SHOWN_NODES:
        lines.append(f"and {len(failing) - _SHOWN_NODES} more failed")
    return "\n".join(lines)


def _failure(result: dict[str, Any]) -> str:
    kind, _, name = _text(result.get("unique_id")).partition(".")
    # Freshness results call their message error.
    told = _text(result.get("message")) or _text(result.get("error"))
    message = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", told).split())
    if len(message) > _SHOWN_MESSAGE:
        message = f"{message[: _SHOWN_MESSAGE - 1]}…"
    status = _text(result.get("status")) or "without status"
    return f"{kind} {name} ({status})" + (f": {message}" if message else "")


def _rows(results: list[dict[str, Any]]) -> int | None:
    """All rows that the nodes' statements touched; None where the adapter tells of none."""
    told = [
        rows
        for result in results
        if node_type(result) in _WITH_ROWS
        and isinstance(response := result.get("adapter_response"), dict)
        and (rows := _count(response.get("rows_affected"))) is not None
    ]
    return sum(told) if told else None


def _count(value: object) -> int | None:
    """A number of rows; None for the -1 of drivers that know none."""
    if isinstance(value, str):
        text = value.strip().replace(",", "")
        return int(text) if text.isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value >= 0 else None


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
