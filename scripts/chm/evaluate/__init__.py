"""Score the marts of a built target against what was planted in a made-up data set."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from chm.errors import ChmError
from chm.evaluate.marts import Marts, read_marts
from chm.evaluate.results import Evaluation
from chm.evaluate.scores import evaluate
from chm.evaluate.truth import Truth, read_truth
from chm.targets import Target

__all__ = ["Evaluation", "evaluate_target"]

# The last runs of a data set may end after its range does, none of them as late as that.
SLACK = timedelta(days=2)


def evaluate_target(folder: Path, target: Target) -> Evaluation:
    """Return the scores of the marts of `target` against the truth in `folder`.

    Raises:
        ChmError: no truth there, no marts, marts of another data set, or marts that show an
            instant outside the data set's range.
    """
    truth = read_truth(folder)
    marts = read_marts(target)
    _check_fit(folder, truth, marts, target.name)
    return evaluate(truth, marts)


def _check_fit(folder: Path, truth: Truth, marts: Marts, target: str) -> None:
    loaded = {pipeline.pipeline_id for pipeline in marts.pipelines}
    missing = truth.pipelines.keys() - loaded
    if missing:
        raise ChmError(
            f"target '{target}' holds another data set than {folder}: {len(missing)} of its "
            f"{len(truth.pipelines)} planted pipelines are not in marts.dim_pipelines "
            f"(the first: {min(missing)}); load {folder} and build first"
        )
    as_of = marts.as_of
    if not truth.range.start < as_of.timestamp() <= truth.range.end + SLACK.total_seconds():
        raise ChmError(
            f"the marts of target '{target}' show {as_of:%Y-%m-%dT%H:%M:%SZ}, which is outside "
            f"the range of {folder} (from {_iso(truth.range.start)} to {_iso(truth.range.end)}): "
            f"run dbt build --target {target} --vars '{{as_of: data}}' first"
        )


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
