"""Show the scores as tables or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from chm.evaluate.results import Evaluation

NONE_PLANTED = "none planted"


def as_json(evaluation: Evaluation) -> str:
    """Return one JSON object; a score that does not exist is null."""
    values = asdict(evaluation)
    values["as_of"] = f"{evaluation.as_of:%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps(values, indent=2)


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print a table for each kind of score."""
    console.print(f"the marts as of {evaluation.as_of:%Y-%m-%d %H:%M:%S} UTC", highlight=False)
    _print(
        console,
        "Windows of failure",
        (
            "scope",
            "planted",
            "unseen",
            "clear",
            "found",
            "precision",
            "recall",
            "of clear",
            "mean IoU",
        ),
        [
            (
                row.scope,
                _count(row.planted),
                str(row.invisible),
                str(row.detectable),
                str(row.found),
                _percent(row.precision),
                _percent(row.recall),
                _percent(row.detectable_recall),
                _number(row.mean_iou),
            )
            for row in evaluation.windows
        ],
    )
    flaky = evaluation.flaky
    _print(
        console,
        f"Flaky pipelines: k = {_count(flaky.k)}, {flaky.ranked} ranked",
        ("ranking", "precision@k", "NDCG@k", "NDCG"),
        [
            (
                row.ranking,
                _percent(row.precision_at_k),
                _number(row.ndcg_at_k),
                _number(row.ndcg),
            )
            for row in flaky.rankings
        ],
    )
    _print(
        console,
        "Faulty pipelines (median and greatest delay)",
        (
            "sign",
            "planted",
            "flagged",
            "precision",
            "recall",
            "delay",
            "max",
        ),
        [
            (
                f"{row.role}: {row.sign}",
                _count(row.planted),
                str(row.flagged),
                _percent(row.precision),
                _percent(row.recall),
                _hours(row.delay_hours.median if row.delay_hours else None),
                _hours(row.delay_hours.max if row.delay_hours else None),
            )
            for row in evaluation.faults
        ],
    )
    for missing in evaluation.not_covered:
        planted = "" if missing.planted is None else f" ({_count(missing.planted)})"
        console.print(
            f"not covered: {missing.name}{planted}: {missing.reason}",
            highlight=False,
        )


def _print(
    console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
    for name in header:
        is_text = name in ("scope", "ranking", "sign")
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()


def _count(planted: int) -> str:
    return str(planted) if planted else NONE_PLANTED


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _hours(hours: float | None) -> str:
    return "-" if hours is None else f"{hours:.1f} h"
