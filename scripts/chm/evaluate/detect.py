"""Find the windows in which the pipelines of a platform or of a client fail at once.

What a run tells is a log likelihood ratio: how much likelier its outcome is while FAILED_SHARE of
all runs fail than with the pipeline's own rates. The rates depend on how the pipeline's run before
ended, so that a pipeline that fails for days tells next to nothing, and they are drawn to the
fleet's where a pipeline has few runs. Along the runs of a scope in order of their start, the sum
of a window's runs is its evidence (the CUSUM of Page, "Continuous Inspection Schemes", 1954,
restarted after each window). A window counts where

- its evidence reaches log(places / FALSE_ALARMS), the places where it could start being every
  run once in its platform and once in its client: chance reaches a sum S from a given place
  with a probability of at most exp(-S), and so FALSE_ALARMS times in all, if the runs of
  different pipelines fail independently;
- MIN_PIPELINES of the scope's pipelines fail in it: fewer are outages of their own.

A failure counts once: the window with the most evidence takes its failures, and the others are
looked for in what is left, so that a platform's outage is none of its clients'.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chm.evaluate.intervals import Interval
from chm.evaluate.marts import Pipeline, Runs

Scope = Literal["platform", "client"]

# The share of the runs that fail in an outage that hits everything in its scope.
FAILED_SHARE = 0.8
MIN_PIPELINES = 3
# So many windows are found by chance in a whole data set.
FALSE_ALARMS = 0.05
# A pipeline's own rates weigh as much as the fleet's once it has so many runs.
PRIOR_RUNS = 10


@dataclass(frozen=True)
class DetectedWindow:
    """A window in which pipelines fail at once; `entity` is a platform or a client's id."""

    scope: Scope
    entity: str
    window: Interval
    evidence: float


def scopes(pipelines: tuple[Pipeline, ...]) -> dict[tuple[Scope, str], NDArray[np.bool_]]:
    """Return which pipelines belong to each platform and to each client."""
    entities: dict[Scope, list[str]] = {
        "platform": [pipeline.platform for pipeline in pipelines],
        "client": [pipeline.client_id for pipeline in pipelines],
    }
    return {
        (scope, entity): np.array([value == entity for value in values])
        for scope, values in entities.items()
        for entity in sorted(set(values))
    }


def detect(pipelines: tuple[Pipeline, ...], runs: Runs) -> list[DetectedWindow]:
    """Return the windows of every platform and client, in order of scope, entity and start."""
    scores = run_scores(runs, len(pipelines))
    threshold = float(np.log(max(2 * len(scores), 1) / FALSE_ALARMS))
    by_start = np.argsort(runs.started_at, kind="stable")
    members: dict[tuple[Scope, str], NDArray[np.int64]] = {
        key: by_start[mask[runs.pipeline[by_start]]] for key, mask in scopes(pipelines).items()
    }
    return sorted(
        _take_strongest_first(members, scores, threshold, runs),
        key=lambda found: (found.scope, found.entity, found.window),
    )


def run_scores(runs: Runs, pipeline_count: int) -> NDArray[np.float64]:
    """Return each run's log likelihood ratio, above 0 for what speaks for an outage."""
    failed_before = np.zeros(len(runs.pipeline), dtype=bool)
    failed_before[1:] = (runs.pipeline[1:] == runs.pipeline[:-1]) & runs.is_failure[:-1]
    rate = np.empty(len(failed_before))
    for state in (False, True):
        here = failed_before == state
        total = np.bincount(runs.pipeline[here], minlength=pipeline_count)
        failed = np.bincount(runs.pipeline[here & runs.is_failure], minlength=pipeline_count)
        # One run of each outcome more than there are: a rate is never 0 or 1.
        fleet = (failed.sum() + 1) / (total.sum() + 2)
        rates = (failed + PRIOR_RUNS * fleet) / (total + PRIOR_RUNS)
        # What fails as often by itself as in an outage tells nothing.
        rate[here] = np.minimum(rates, FAILED_SHARE)[runs.pipeline[here]]
    return np.where(
        runs.is_failure, np.log(FAILED_SHARE / rate), np.log((1 - FAILED_SHARE) / (1 - rate))
    )


def segments(scores: NDArray[np.float64], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yield (first, last, sum) of the stretches whose sum reaches the threshold.

    A stretch starts at a positive score and ends where its sum is greatest before it falls
    to 0 or by the threshold; the next one is looked for behind it.
    """
    after = 0
    for start in np.flatnonzero(scores > 0):
        if start < after:
            continue
        total = best = 0.0
        last = int(start)
        for place in range(int(start), len(scores)):
            total += scores[place]
            if total > best:
                best, last = total, place
            elif total <= 0 or best - total >= threshold:
                break
        if best >= threshold:
            yield int(start), last, float(best)
        after = last + 1


def _take_strongest_first(
    members: Mapping[tuple[Scope, str], NDArray[np.int64]],
    scores: NDArray[np.float64],
    threshold: float,
    runs: Runs,
) -> Iterator[DetectedWindow]:
    left = scores.copy()
    # The strongest on top; among equals the order of scope and entity decides.
    heap: list[tuple[float, Scope, str, int, int]] = []

    def look(scope: Scope, entity: str, begin: int, end: int) -> None:
        places = members[scope, entity][begin:end]
        for first, last, evidence in segments(left[places], threshold):
            hit = places[first : last + 1][left[places[first : last + 1]] > 0]
            if len(np.unique(runs.pipeline[hit])) >= MIN_PIPELINES:
                heappush(heap, (-evidence, scope, entity, begin + first, begin + last + 1))

    for (scope, entity), places in members.items():
        look(scope, entity, 0, len(places))
    while heap:
        evidence, scope, entity, begin, end = heappop(heap)
        places = members[scope, entity]
        inside = places[begin:end]
        if not np.isclose(left[inside].sum(), -evidence):
            # A stronger window took some of its failures.
            look(scope, entity, begin, end)
            continue
        yield DetectedWindow(scope, entity, _window(runs, places, begin, end), -evidence)
        left[inside[runs.is_failure[inside]]] = 0.0


def _window(runs: Runs, places: NDArray[np.int64], begin: int, end: int) -> Interval:
    """Return when the outage of a stretch of runs was.

    It began before the first and ended after the last failure that it caused: by their mean
    distance, which makes the ends unbiased if they fall evenly, but not beyond the scope's
    neighbouring runs.
    """
    starts = runs.started_at[places]
    failed = starts[begin:end][runs.is_failure[places[begin:end]]]
    first, last = float(failed[0]), float(failed[-1])
    margin = max((last - first) / (len(failed) - 1), 1.0)
    begin_limit = float(starts[begin - 1]) if begin else -np.inf
    end_limit = float(starts[end]) if end < len(starts) else np.inf
    return Interval(
        max(first - margin, min(begin_limit, first)), min(last + margin, max(end_limit, last + 1))
    )
