"""The windows that are found in the runs of fleets with outages planted here."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from chm.evaluate.detect import MIN_PIPELINES, DetectedWindow, detect, segments
from chm.evaluate.intervals import Interval, iou
from chm.evaluate.marts import Pipeline, Runs

HOUR = 3600
DAY = 24 * HOUR
DAYS = 60


@dataclass
class Fleet:
    """Clients with a pipeline on each of four platforms and one more on the first, run hourly."""

    seed: int
    clients: int = 5
    failure_rate: float = 0.02
    # A pipeline that fails once fails on with this probability.
    sticky: float = 0.0
    outages: dict[str, list[Interval]] = field(default_factory=dict)

    def pipelines(self) -> tuple[Pipeline, ...]:
        return tuple(
            Pipeline(f"p{client}{number}", f"client{client}", f"platform{number % 4}", True)
            for client in range(self.clients)
            for number in range(5)
        )

    def runs(self) -> Runs:
        rng = random.Random(self.seed)
        rows = []
        for number, pipeline in enumerate(self.pipelines()):
            hit = [
                *self.outages.get(pipeline.platform, []),
                *self.outages.get(pipeline.client_id, []),
                *self.outages.get(pipeline.pipeline_id, []),
            ]
            minute = rng.randrange(HOUR)
            failed = False
            for hour in range(DAYS * 24):
                start = hour * HOUR + minute
                failed = rng.random() < (self.sticky if failed else self.failure_rate)
                is_out = any(window.start <= start < window.end for window in hit)
                rows.append((number, start, start + 60, failed or (is_out and rng.random() < 0.9)))
        table = np.array(rows, dtype=np.int64)
        return Runs(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(bool))

    def detect(self) -> list[DetectedWindow]:
        return detect(self.pipelines(), self.runs())

    def detect_near(self, instant: float) -> list[DetectedWindow]:
        """Without what is found by chance far from a planted outage."""
        return [found for found in self.detect() if abs(found.window.start - instant) < DAY]


@pytest.mark.parametrize("seed", range(10))
def test_a_platforms_outage_is_found_as_one_and_as_no_clients(seed: int) -> None:
    outage = Interval(20 * DAY + 1000, 20 * DAY + 1000 + 4 * HOUR)
    (found,) = Fleet(seed, outages={"platform1": [outage]}).detect_near(outage.start)
    assert (found.scope, found.entity) == ("platform", "platform1")
    assert iou(found.window, outage) > 0.7


@pytest.mark.parametrize("seed", range(10))
def test_a_clients_outage_is_found_as_one_and_as_no_platforms(seed: int) -> None:
    outage = Interval(30 * DAY + 2000, 30 * DAY + 2000 + 5 * HOUR)
    (found,) = Fleet(seed, outages={"client3": [outage]}).detect_near(outage.start)
    assert (found.scope, found.entity) == ("client", "client3")
    assert iou(found.window, outage) > 0.7


@pytest.mark.parametrize("seed", range(10))
def test_two_outages_at_once_are_told_apart(seed: int) -> None:
    outages = {
        "platform2": [Interval(20 * DAY, 20 * DAY + 6 * HOUR)],
        "client1": [Interval(20 * DAY + 3 * HOUR, 20 * DAY + 9 * HOUR)],
    }
    found = Fleet(seed, outages=outages).detect_near(20 * DAY)
    assert [(window.scope, window.entity) for window in found] == [
        ("client", "client1"),
        ("platform", "platform2"),
    ]


@pytest.mark.parametrize("failure_rate", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("sticky", [0.0, 0.7])
def test_by_chance_hardly_anything_is_found(failure_rate: float, sticky: float) -> None:
    found = [Fleet(seed, failure_rate=failure_rate, sticky=sticky).detect() for seed in range(10)]
    assert sum(map(len, found)) <= 2


def test_an_outage_of_two_pipelines_is_no_platforms() -> None:
    # The only two of their platform, down and up again a dozen times: much evidence.
    windows = [Interval(10 * DAY + n * 2 * HOUR, 10 * DAY + (n * 2 + 1) * HOUR) for n in range(12)]
    outages = {"p01": windows, "p11": windows}
    assert len(outages) < MIN_PIPELINES
    assert Fleet(1, clients=2, outages=outages).detect_near(10 * DAY) == []


def test_pipelines_that_break_for_good_on_different_days_are_no_outage() -> None:
    outages = {
        f"p{client}{client}": [Interval((10 + 5 * client) * DAY, DAYS * DAY)] for client in range(5)
    }
    assert Fleet(1, outages=outages).detect() == []


def test_runs_in_another_order_of_pipelines_give_the_same_windows() -> None:
    fleet = Fleet(3, outages={"platform1": [Interval(20 * DAY, 20 * DAY + 4 * HOUR)]})
    pipelines, runs = fleet.pipelines(), fleet.runs()
    turned = tuple(reversed(pipelines))
    order = np.argsort(-runs.pipeline, kind="stable")
    reordered = Runs(
        len(pipelines) - 1 - runs.pipeline[order],
        runs.started_at[order],
        runs.event_at[order],
        runs.is_failure[order],
    )
    first, second = detect(pipelines, runs), detect(turned, reordered)
    assert [(w.entity, w.window) for w in first] == [(w.entity, w.window) for w in second]


def test_no_run_at_all() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert detect(Fleet(0).pipelines(), Runs(empty, empty, empty, empty.astype(bool))) == []
    assert detect((), Runs(empty, empty, empty, empty.astype(bool))) == []


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([-1, -1], []),
        ([2, 2, -1, 2], [(0, 3, 5)]),
        ([2, 2], [(0, 1, 4)]),
        # Falls by the threshold in between: two stretches.
        ([3, 2, -4, 4, 1], [(0, 1, 5), (3, 4, 5)]),
        # Falls to 0 before it reaches the threshold.
        ([2, -3, 2, -3], []),
        # The last positive one is the end, not the -1 after it.
        ([-1, 4, 1, -1], [(1, 2, 5)]),
    ],
)
def test_segments(scores: list[float], expected: list[tuple[int, int, float]]) -> None:
    assert list(segments(np.array(scores, dtype=float), 4)) == expected
