"""How often each pipeline runs: cadences that add up to about the number of runs asked for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chm.errors import ChmError
from chm.generate.arithmetic import DOUBLING, logarithm
from chm.generate.config import GenerateConfig
from chm.generate.fleet import Pipeline
from chm.generate.plan import NONE, Plan
from chm.generate.planner import median_seconds
from chm.generate.rhythm import Rhythm, opening_minutes, weekdays
from chm.generate.slots import slot_counts

# The rung of a pipeline without a schedule; cadences follow from the slowest on.
_UNSCHEDULED = 0
_RUNG_COLUMNS = ("weekdays", "open_minute", "close_minute", "cadence_minutes", "duration")


class Cadences:
    """The schedules that a fleet may have, and how many slots each would have."""

    def __init__(
        self,
        config: GenerateConfig,
        plan: Plan,
        pipelines: Sequence[Pipeline],
        rhythms: Sequence[Rhythm],
    ) -> None:
        self._config = config
        self._pipelines = pipelines
        self._rhythms = rhythms
        self._ladder = [0, *sorted(config.schedule.cadences_minutes, reverse=True)]
        self._heads, offsets = _lines(rhythms)
        rows = plan.pipelines.copy()
        rows["zone"] = plan.pipelines["zone"][self._heads]
        rows["offset_seconds"] = 60 * offsets
        rows["upstream"] = [
            NONE if rhythm.upstream is None else rhythm.upstream for rhythm in rhythms
        ]
        self._plan = plan._replace(pipelines=rows)
        self._schedules = np.stack([self._schedules_on(rung) for rung in range(len(self._ladder))])
        self._slots = np.stack([self._slots_on(rung) for rung in range(len(self._ladder))], axis=1)
        # The line of pipelines that wait for one another moves as one.
        self._by_line = np.zeros_like(self._slots)
        np.add.at(self._by_line, self._heads, self._slots)

    @property
    def most_slots(self) -> int:
        """The number of slots if every pipeline runs as often as it may."""
        return int(self._by_line.max(axis=1).sum())

    def fitted(self, slots: int) -> Plan:
        """Return the plan with the schedules that have nearly, and at most, so many slots.

        The frequencies follow a power law: a pipeline's is `u ** (-1 / tail_exponent)` times
        one that all share, u its uniform number, taken to the next cadence below.
        """
        lines = np.unique(self._heads)
        thresholds = self._thresholds(lines)
        rungs = np.zeros(len(self._rhythms), np.int64)
        low, high = int(thresholds.min()) - 1, int(thresholds[:, 1:].max()) + 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._total(lines, _rungs(thresholds, middle)) <= slots:
                low = middle
            else:
                high = middle
        reached = _rungs(thresholds, low)
        total = self._total(lines, reached)
        # Steps too large for what is still missing are left out, smaller ones taken.
        for place in np.argsort(thresholds.min(axis=1), kind="stable"):
            line = lines[place]
            for rung in range(reached[place] + 1, len(self._ladder)):
                step = int(self._by_line[line, rung] - self._by_line[line, reached[place]])
                if 0 < step <= slots - total:
                    reached[place] = rung
                    total += step
        rungs[lines] = reached
        return self._with_schedules(rungs[self._heads])

    def _thresholds(self, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """By line and rung: the shared logarithm of frequency from which it is reached."""
        exponent = self._config.schedule.tail_exponent
        activity = [round(self._rhythms[line].activity_log / exponent) for line in lines]
        frequency = [0, *(logarithm((10080 << 16) // minutes) for minutes in self._ladder[1:])]
        thresholds: NDArray[np.int64] = np.array(frequency) - np.array(activity)[:, None]
        # A weekly job that hardly runs is the least before none at all.
        thresholds[:, _UNSCHEDULED] = thresholds[:, 1] - 40 * DOUBLING
        return thresholds

    def _total(self, lines: NDArray[np.int64], rungs: NDArray[np.int64]) -> int:
        return int(self._by_line[lines, rungs].sum())

    def _slots_on(self, rung: int) -> NDArray[np.int64]:
        return slot_counts(self._with_schedules(np.full(len(self._rhythms), rung)))

    def _schedules_on(self, rung: int) -> NDArray[np.int64]:
        """By pipeline: the columns of its schedule at this rung, as _RUNG_COLUMNS names them."""
        cadence = self._ladder[rung]
        return np.array(
            [
                (
                    weekdays(self._rhythms[head], cadence),
                    *opening_minutes(self._config, self._rhythms[head], cadence),
                    cadence,
                    logarithm(median_seconds(self._config, pipeline, rhythm, cadence)),
                )
                for pipeline, rhythm, head in zip(
                    self._pipelines, self._rhythms, self._heads, strict=True
                )
            ],
            np.int64,
        )

    def _with_schedules(self, rungs: NDArray[np.int64]) -> Plan:
        rows = self._plan.pipelines.copy()
        schedules = self._schedules[rungs, np.arange(len(rungs))]
        for column, name in enumerate(_RUNG_COLUMNS):
            rows[name] = schedules[:, column]
        return self._plan._replace(pipelines=rows)


def _rungs(thresholds: NDArray[np.int64], level: int) -> NDArray[np.int64]:
    reached: NDArray[np.int64] = (thresholds <= level).sum(axis=1)
    return np.maximum(reached - 1, 0)


def _lines(rhythms: Sequence[Rhythm]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each pipeline: the first one upstream, and how many minutes later it is due."""
    heads = np.arange(len(rhythms))
    offsets = np.zeros(len(rhythms), np.int64)
    for row in range(len(rhythms)):
        head = row
        while (upstream := rhythms[head].upstream) is not None:
            offsets[row] += rhythms[head].lag_minutes
            head = upstream
        heads[row] = head
    return heads, offsets


def check_reachable(config: GenerateConfig, cadences: Cadences, pipelines: int) -> None:
    """Refuse a number of runs far beyond what the pipelines can have.

    Raises:
        ChmError: even the fastest cadences leave too many runs to no schedule.
    """
    most = cadences.most_slots
    if config.runs.total > 2 * most + 1000:
        raise ChmError(
            f"runs.total: {config.runs.total:,} runs asked for, and {pipelines:,} pipelines have "
            f"about {most:,} even at their fastest cadence; add pipelines or days"
        )
