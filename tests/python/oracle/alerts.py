"""Which rules cover a pipeline, and what they would have sent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from oracle.common import Row, World, decided
from oracle.inputs import AlertRule, Pipeline, Run


def covers(rule: AlertRule, pipeline: Pipeline) -> bool:
    """Whether an enabled rule watches the pipeline; a null scope column watches all."""
    return (
        rule.is_enabled
        and rule.pipeline_id in (None, pipeline.id)
        and rule.client_id in (None, pipeline.client_id)
    )


def covering_rules(world: World, pipeline: Pipeline) -> list[AlertRule]:
    """Return the enabled rules that cover the pipeline."""
    return [rule for rule in world.data.alert_rules if covers(rule, pipeline)]


def alert_rule_firings(world: World) -> list[Row]:
    """Return one row a rule and instant at which it would have fired."""
    rows: list[Row] = []
    for rule in world.data.alert_rules:
        covered = [pipeline for pipeline in world.data.pipelines if covers(rule, pipeline)]
        replay = _on_failure if rule.rule_type == "on_failure" else _failures_in_window
        rows += replay(world, rule, covered)
    return rows


def _on_failure(world: World, rule: AlertRule, covered: Iterable[Pipeline]) -> list[Row]:
    opening: list[Run] = []
    for pipeline in covered:
        opening += _opening_failures(decided(world.runs_by_pipeline[pipeline.id]))
    return [_row(world, rule, runs, 1) for runs in _by_instant(opening).values()]


def _opening_failures(deciding: Sequence[Run]) -> list[Run]:
    first = [run for run in deciding[:1] if run.is_failure]
    return first + [
        run for before, run in pairwise(deciding) if run.is_failure and not before.is_failure
    ]


def _failures_in_window(world: World, rule: AlertRule, covered: Iterable[Pipeline]) -> list[Row]:
    if rule.threshold is None or rule.window_minutes is None:
        raise ValueError(f"rule {rule.id} breaks R13: no threshold or window")
    window = timedelta(minutes=rule.window_minutes)
    failed = [r for p in covered for r in world.runs_by_pipeline[p.id] if r.is_failure]
    events = [run.event_at for run in failed]
    rows: list[Row] = []
    for instant, runs in _by_instant(failed).items():
        reached = sum(instant - window < event <= instant for event in events)
        # Just before the instant the oldest failure of the window had not left it yet.
        reached_before = sum(instant - window <= event < instant for event in events)
        if reached >= rule.threshold > reached_before:
            rows.append(_row(world, rule, runs, reached))
    return rows


def _by_instant(runs: Iterable[Run]) -> dict[datetime, list[Run]]:
    groups: dict[datetime, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.event_at].append(run)
    return groups


def _row(world: World, rule: AlertRule, runs: Iterable[Run], failures: int) -> Row:
    run = max(runs, key=lambda candidate: candidate.id)
    return {
        "firing_id": f"{rule.id}:{run.id}",
        "alert_rule_id": rule.id,
        "rule_type": rule.rule_type,
        "channel": rule.channel,
        "destination": rule.destination,
        "client_id": world.client_of(run).id,
        "pipeline_id": run.pipeline_id,
        "run_id": run.id,
        "fired_at": run.event_at,
        "failures_in_window": failures,
    }
