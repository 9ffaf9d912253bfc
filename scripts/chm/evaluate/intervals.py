"""Intervals of time, and how well found ones match planted ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Interval:
    """From `start` up to, but not including, `end`, in seconds since 1970."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds, 0 for an interval that ends before it starts."""
        return max(self.end - self.start, 0.0)

    def intersection(self, other: "Interval") -> "Interval":
        """Return what lies in both; its length is 0 where they do not meet."""
        return Interval(max(self.start, other.start), min(self.end, other.end))


def iou(one: Interval, other: Interval) -> float:
    """Return intersection over union (the Jaccard index): 0 apart, 1 equal."""
    shared = one.intersection(other).length
    union = one.length + other.length - shared
    return shared / union if union else 0.0


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals in order, those that meet or overlap made one."""
    merged: list[Interval] = []
    for interval in sorted(i for i in intervals if i.length):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def match(planted: Sequence[Interval], found: Sequence[Interval]) -> list[float]:
    """Match one to one by overlap and return the IoU of each matched pair.

    Each sequence is in order and without overlaps in itself. Of all ways to match, it is
    the one with the most pairs, and of those the one with the greatest sum of IoU. Such a
    matching need not cross, so that it is an alignment of the two sequences.
    """
    # best[j]: the pairs' IoU, as a tuple, for the planted ones so far and the first j found.
    best: list[tuple[float, ...]] = [()] * (len(found) + 1)
    for interval in planted:
        before, best = best, [()]
        for j, candidate in enumerate(found):
            options = [before[j + 1], best[j]]
            overlap = iou(interval, candidate)
            if overlap > 0:
                options.append((*before[j], overlap))
            best.append(max(options, key=lambda pairs: (len(pairs), sum(pairs))))
    return list(best[-1])
