"""Score what the marts say against what was planted.

Everything is cut at the marts' as_of: a fault that begins later is not planted yet.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chm.evaluate.detect import MIN_PIPELINES, Scope, detect, scopes
from chm.evaluate.intervals import Interval, match, merge
from chm.evaluate.marts import FlakyRank, Marts
from chm.evaluate.ranking import ndcg, precision_at
from chm.evaluate.results import (
    Delay,
    Evaluation,
    FaultScore,
    FlakyScore,
    NotCovered,
    RankingScore,
    WindowScore,
)
from chm.evaluate.truth import PlantedPipeline, Truth
from chm.generate.faults import Role

Key = TypeVar("Key")

# One failed run is a stumble; from two in a row on a reader sees an outage.
OUTAGE_FAILED_RUNS = 2


def evaluate(truth: Truth, marts: Marts) -> Evaluation:
    """Return the scores of the marts."""
    known = {pipeline.pipeline_id for pipeline in marts.pipelines if pipeline.is_monitored}
    as_of = marts.as_of.timestamp()

    def planted(role: Role) -> list[PlantedPipeline]:
        # Standing lists show active pipelines only.
        return [
            pipeline
            for pipeline in truth.with_role(role)
            if pipeline.pipeline_id in known and (pipeline.since is None or pipeline.since < as_of)
        ]

    broken, silent = planted(Role.BROKEN), planted(Role.SILENT)
    return Evaluation(
        as_of=marts.as_of,
        windows=(*incident_windows(truth, marts), outage_windows(truth, marts)),
        flaky=flaky_ranking({p.pipeline_id for p in planted(Role.FLAKY)}, marts.flaky),
        faults=(
            fault(Role.BROKEN, "triage_queue", broken, open_spells(marts)),
            fault(Role.BROKEN, "q09 class", broken, broken_class(marts)),
            fault(Role.SILENT, "q07, no run", silent, silent_since(marts)),
            fault(Role.SILENT, "q07 late", silent, late_since(marts)),
        ),
        not_covered=tuple(_not_covered(truth, len(planted(Role.SLOW)))),
    )


def incident_windows(truth: Truth, marts: Marts) -> list[WindowScore]:
    """Return the scores of platform-wide and of client-wide windows."""
    runs = marts.runs
    members = scopes(marts.pipelines)
    planted: dict[tuple[Scope, str], list[Interval]] = defaultdict(list)
    found: dict[tuple[Scope, str], list[Interval]] = defaultdict(list)
    for incident in truth.incidents:
        planted[incident.scope, incident.entity].append(incident.window)
    for window in detect(marts.pipelines, runs):
        found[window.scope, window.entity].append(window.window)

    def failing_pipelines(key: tuple[Scope, str], window: Interval) -> int:
        inside = (runs.started_at >= window.start) & (runs.started_at < window.end)
        failed = runs.pipeline[inside & runs.is_failure]
        return len(np.unique(failed[members[key][failed]])) if key in members else 0

    wide: tuple[Scope, ...] = ("platform", "client")
    return [
        score_windows(
            scope,
            {key: windows for key, windows in planted.items() if key[0] == scope},
            {key: windows for key, windows in found.items() if key[0] == scope},
            failing_pipelines,
            MIN_PIPELINES,
            marts.as_of.timestamp(),
        )
        for scope in wide
    ]


def outage_windows(truth: Truth, marts: Marts) -> WindowScore:
    """Return the score of single pipelines' outages, found as failing spells of two runs on.

    Planted is when a pipeline was down by itself, as part of an incident, or for good.
    """
    as_of = marts.as_of.timestamp()
    planted: dict[str, list[Interval]] = defaultdict(list)
    if truth.has_outages:
        for pipeline in truth.pipelines.values():
            planted[pipeline.pipeline_id] += pipeline.outages
            if pipeline.role is Role.BROKEN and pipeline.since is not None:
                planted[pipeline.pipeline_id].append(Interval(pipeline.since, as_of))
        for incident in truth.incidents:
            for key in incident.pipeline_ids:
                planted[key].append(incident.window)
    found: dict[str, list[Interval]] = defaultdict(list)
    for spell in marts.spells:
        if spell.failed_runs >= OUTAGE_FAILED_RUNS:
            end = spell.closed_at or marts.as_of
            found[spell.pipeline_id].append(Interval(spell.started_at.timestamp(), end.timestamp()))
    failed_at = _failed_at(marts)

    def failed_runs(key: str, window: Interval) -> int:
        starts = failed_at.get(key, np.empty(0, dtype=np.int64))
        return int(np.diff(np.searchsorted(starts, [window.start, window.end]))[0])

    return score_windows("pipeline", planted, found, failed_runs, OUTAGE_FAILED_RUNS, as_of)


def score_windows(
    scope: str,
    planted: Mapping[Key, Sequence[Interval]],
    found: Mapping[Key, Sequence[Interval]],
    failures: Callable[[Key, Interval], int],
    needed: int,
    as_of: float,
) -> WindowScore:
    """Score the found windows of each platform, client or pipeline against its planted ones.

    Windows of one key that overlap count as one. `failures` counts what failed of a key in a
    window, and a window is detectable from `needed` on.
    """
    visible = invisible = detectable = detectable_matched = 0
    overlaps: list[float] = []
    for key, windows in planted.items():
        merged = merge(Interval(w.start, min(w.end, as_of)) for w in windows)
        counts = [failures(key, window) for window in merged]
        seen = [window for window, count in zip(merged, counts, strict=True) if count]
        clear = [window for window, count in zip(merged, counts, strict=True) if count >= needed]
        found_here = merge(found.get(key, ()))
        visible += len(seen)
        invisible += len(merged) - len(seen)
        overlaps += match(seen, found_here)
        detectable += len(clear)
        detectable_matched += len(match(clear, found_here))
    count = sum(len(merge(windows)) for windows in found.values())
    return WindowScore(
        scope=scope,
        planted=visible,
        invisible=invisible,
        detectable=detectable,
        found=count,
        matched=len(overlaps),
        precision=_share(len(overlaps), count) if visible else None,
        recall=_share(len(overlaps), visible),
        detectable_recall=_share(detectable_matched, detectable),
        mean_iou=fmean(overlaps) if overlaps else None,
    )


def flaky_ranking(planted: set[str], rows: Sequence[FlakyRank]) -> FlakyScore:
    """Score the mart's ranking and two naive ones of the same pipelines."""
    relevant = planted & {row.pipeline_id for row in rows}
    k = len(relevant)
    orders: dict[str, Callable[[FlakyRank], tuple[float, str]]] = {
        "q09 flaky_rank": lambda row: (row.flaky_rank, row.pipeline_id),
        "naive failed_runs_30d": lambda row: (-row.failed_runs_30d, row.pipeline_id),
        "naive failure_rate_30d": lambda row: (-row.failure_rate_30d, row.pipeline_id),
    }
    scores = []
    for name, order in orders.items():
        ranking = [row.pipeline_id for row in sorted(rows, key=order)]
        scores.append(
            RankingScore(
                ranking=name,
                precision_at_k=precision_at(k, ranking, relevant),
                ndcg_at_k=ndcg(ranking, relevant, k),
                ndcg=ndcg(ranking, relevant),
            )
        )
    return FlakyScore(len(rows), k, tuple(scores))


def open_spells(marts: Marts) -> dict[str, float | None]:
    """Return the pipelines that triage_queue lists with two failed runs, and the second's end."""
    runs = marts.runs
    numbers = {pipeline.pipeline_id: n for n, pipeline in enumerate(marts.pipelines)}
    found: dict[str, float | None] = {}
    for spell in marts.spells:
        if spell.in_triage and spell.failed_runs >= OUTAGE_FAILED_RUNS:
            own = runs.of(numbers[spell.pipeline_id])
            failed = runs.is_failure[own] & (
                runs.started_at[own] >= int(spell.started_at.timestamp())
            )
            found[spell.pipeline_id] = float(runs.event_at[own][failed][OUTAGE_FAILED_RUNS - 1])
    return found


def broken_class(marts: Marts) -> dict[str, float | None]:
    """Return the pipelines of class broken; the mart does not tell since when."""
    return {row.pipeline_id: None for row in marts.flaky if row.stability_class == "broken"}


def late_since(marts: Marts) -> dict[str, float | None]:
    """Return the pipelines whose data is late, and since when."""
    return {
        row.pipeline_id: row.due_at.timestamp()
        for row in marts.freshness
        if row.freshness_state == "late" and row.due_at is not None
    }


def silent_since(marts: Marts) -> dict[str, float | None]:
    """Return the late pipelines that have not run at all for as long, and since when.

    A broken or failing pipeline is late too, but it runs: a silent one has exceeded its
    expected interval and grace since its last run of any status.
    """
    found: dict[str, float | None] = {}
    for row in marts.freshness:
        if row.freshness_state == "late" and row.due_at and row.last_success_at and row.last_run_at:
            silent_at = row.last_run_at + (row.due_at - row.last_success_at)
            if silent_at <= marts.as_of:
                found[row.pipeline_id] = silent_at.timestamp()
    return found


def fault(
    role: Role, sign: str, planted: Sequence[PlantedPipeline], flagged: Mapping[str, float | None]
) -> FaultScore:
    """Score the flagged pipelines, each with the instant of its flag where that is known.

    A flag that was up before the fault began has no delay: 0 hours.
    """
    found = [pipeline for pipeline in planted if pipeline.pipeline_id in flagged]
    delays = []
    for pipeline in found:
        at = flagged[pipeline.pipeline_id]
        if at is not None and pipeline.since is not None:
            delays.append(max(at - pipeline.since, 0.0) / 3600)
    return FaultScore(
        role=role,
        sign=sign,
        planted=len(planted),
        flagged=len(flagged),
        found=len(found),
        precision=_share(len(found), len(flagged)) if planted else None,
        recall=_share(len(found), len(planted)),
        delay_hours=Delay(fmean(delays), median(delays), max(delays)) if delays else None,
    )


def _not_covered(truth: Truth, slow: int) -> Iterator[NotCovered]:
    yield NotCovered(Role.SLOW, slow, "no mart compares a pipeline's durations with what they were")
    if not truth.has_outages:
        yield NotCovered(
            "outages of single pipelines",
            None,
            "the truth, of format 1, does not tell when they were",
        )


def _failed_at(marts: Marts) -> dict[str, NDArray[np.int64]]:
    runs = marts.runs
    own = {pipeline.pipeline_id: runs.of(n) for n, pipeline in enumerate(marts.pipelines)}
    return {key: runs.started_at[runs_of][runs.is_failure[runs_of]] for key, runs_of in own.items()}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
