"""Measures of a ranking against the set of items that belong on top."""

from collections.abc import Collection, Sequence
from math import log2


def precision_at(k: int, ranking: Sequence[str], relevant: Collection[str]) -> float | None:
    """Return the share of the first k places that relevant items take; None for k = 0."""
    if not k:
        return None
    return sum(item in relevant for item in ranking[:k]) / k


def ndcg(ranking: Sequence[str], relevant: Collection[str], k: int | None = None) -> float | None:
    """Return the normalized discounted cumulative gain of the first k places, or of all.

    DCG = sum over places i = 1, 2 ... of gain(i) / log2(i + 1), gain 1 for a relevant item
    and 0 for another; NDCG = DCG / DCG of a ranking with all relevant items on top. The
    discount is that of Burges et al., "Learning to Rank using Gradient Descent" (2005), on
    the measure of Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques" (2002). None where nothing is relevant.
    """
    places = len(ranking) if k is None else k
    best = _dcg([True] * min(len(relevant), places))
    if not best:
        return None
    return _dcg([item in relevant for item in ranking[:places]]) / best


def _dcg(gains: Sequence[bool]) -> float:
    return sum(gain / log2(place + 1) for place, gain in enumerate(gains, start=1))
