"""Q9: which pipelines fail on and off."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from oracle.clock import DAY
from oracle.common import Row, Tally, World, decided, descending, ranked, within
from oracle.inputs import Pipeline, Run
from oracle.stats import binary_entropy, ratio

CLASS_ORDER = ("flaky", "broken", "unstable", "stable", "insufficient_data")
FEWEST_DECIDED = 5


def flips(deciding: Sequence[Run]) -> int:
    """Count the decided runs whose status differs from the one before."""
    return sum(before.status != after.status for before, after in pairwise(deciding))


def transient_failures(deciding: Sequence[Run]) -> int:
    """Count the failures with a success directly before and directly after."""
    triples = zip(deciding, deciding[1:], deciding[2:], strict=False)
    return sum(b.is_success and run.is_failure and a.is_success for b, run, a in triples)


def stability_class(
    counts: Tally, last_week: Tally, flip_rate: float | None, threshold: float
) -> str:
    """Name the first class that holds."""
    if counts.decided < FEWEST_DECIDED:
        return "insufficient_data"
    if last_week.failed > 0 and last_week.success == 0:
        return "broken"
    if counts.failed == 0:
        return "stable"
    return "flaky" if flip_rate is not None and flip_rate >= threshold else "unstable"


def q09_flaky_pipeline_ranking(world: World, threshold: float) -> list[Row]:
    """Return one row an active pipeline that ran in the last 30 days, the flakiest first."""
    keyed = (_keyed_row(world, pipeline, threshold) for pipeline in world.active_pipelines())
    return ranked("flaky_rank", [pair for pair in keyed if pair is not None])


def _keyed_row(
    world: World, pipeline: Pipeline, threshold: float
) -> tuple[tuple[Any, ...], Row] | None:
    runs = within(world.runs_by_pipeline[pipeline.id], world.clock.last(30 * DAY))
    if not runs:
        return None
    counts = Tally.of(runs)
    deciding = decided(runs)
    transient = transient_failures(deciding)
    flip_rate = ratio(flips(deciding), len(deciding) - 1) if len(deciding) >= 2 else None
    last_week = Tally.of(within(runs, world.clock.last(7 * DAY)))
    stability = stability_class(counts, last_week, flip_rate, threshold)
    row: Row = {
        "client_id": pipeline.client_id,
        "client_name": world.client_name(pipeline),
        "pipeline_id": pipeline.id,
        "pipeline_name": pipeline.name,
        "platform": pipeline.platform,
        "environment": pipeline.environment,
        "stability_class": stability,
        "total_runs_30d": counts.total,
        "failed_runs_30d": counts.failed,
        "decided_runs_30d": counts.decided,
        "failure_rate_30d": counts.failure_rate,
        "flips_30d": flips(deciding),
        "flip_rate_30d": flip_rate,
        "failure_entropy_30d": binary_entropy(counts.failed, counts.decided),
        "transient_failures_30d": transient,
        "transient_failure_share": ratio(transient, counts.failed),
    }
    key = (
        CLASS_ORDER.index(stability),
        descending(flip_rate),
        -counts.failed,
        -counts.total,
        pipeline.id,
    )
    return key, row
