"""The measures of `chm evaluate`, against values worked out by hand and against their laws."""

from itertools import combinations, permutations
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chm.evaluate.intervals import Interval, iou, match, merge
from chm.evaluate.ranking import ndcg, precision_at

intervals = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(
    lambda ends: Interval(min(ends), max(ends))
)
disjoint = st.lists(intervals, max_size=5).map(merge)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # 5 shared of 15.
        (Interval(0, 10), Interval(5, 15), 1 / 3),
        (Interval(0, 10), Interval(0, 10), 1),
        # One inside the other: 2 of 10.
        (Interval(0, 10), Interval(4, 6), 0.2),
        (Interval(0, 10), Interval(10, 20), 0),
        (Interval(0, 10), Interval(20, 30), 0),
        (Interval(5, 5), Interval(5, 5), 0),
    ],
)
def test_iou(one: Interval, other: Interval, expected: float) -> None:
    assert iou(one, other) == pytest.approx(expected)


@given(intervals, intervals)
def test_iou_is_symmetric_and_a_share(one: Interval, other: Interval) -> None:
    assert iou(one, other) == iou(other, one)
    assert 0 <= iou(one, other) <= 1
    assert (iou(one, other) == 1) == (one == other and one.length > 0)


def test_merging_joins_what_meets() -> None:
    found = merge([Interval(8, 9), Interval(0, 3), Interval(2, 5), Interval(5, 6), Interval(7, 7)])
    assert found == [Interval(0, 6), Interval(8, 9)]


def test_a_found_window_matches_one_planted_window_only() -> None:
    # It overlaps both, the second more.
    assert match([Interval(0, 10), Interval(20, 40)], [Interval(5, 35)]) == [pytest.approx(15 / 35)]


def test_matching_prefers_more_pairs_to_a_better_one() -> None:
    # The best pair is the second planted with the first found, which leaves both others alone.
    planted = [Interval(0, 2), Interval(3, 10)]
    found = [Interval(1, 9), Interval(9.5, 12)]
    assert match(planted, found) == [pytest.approx(1 / 9), pytest.approx(0.5 / 9)]


def test_nothing_matches_nothing() -> None:
    assert match([], []) == []
    assert match([Interval(0, 1)], []) == []
    assert match([], [Interval(0, 1)]) == []


@given(disjoint, disjoint)
def test_matching_is_the_best_of_all_matchings(
    planted: list[Interval], found: list[Interval]
) -> None:
    size = min(len(planted), len(found))
    best = max(
        (len(pairs), sum(pairs))
        for count in range(size + 1)
        for chosen in combinations(planted, count)
        for order in permutations(found, count)
        for pairs in [[iou(a, b) for a, b in zip(chosen, order, strict=True)]]
        if all(pairs)
    )
    pairs = match(planted, found)
    assert (len(pairs), sum(pairs)) == (best[0], pytest.approx(best[1]))


RANKING = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("k", "relevant", "expected"),
    [
        (1, {"a"}, 1),
        (2, {"a", "c"}, 0.5),
        (3, {"a", "c"}, 2 / 3),
        (5, {"a", "c"}, 0.4),
        (2, {"d"}, 0),
        # Places beyond the ranking hold nothing.
        (10, {"a"}, 0.1),
        (0, set(), None),
    ],
)
def test_precision_at_k(k: int, relevant: set[str], expected: float | None) -> None:
    assert precision_at(k, RANKING, relevant) == (
        expected if expected is None else pytest.approx(expected)
    )


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [
        # DCG = 1 / log2 2 + 1 / log2 4 = 1.5, at best 1 / log2 2 + 1 / log2 3 = 1.6309.
        ({"a", "c"}, None, 1.5 / 1.6309297535714575),
        ({"a", "c"}, 2, 1 / 1.6309297535714575),
        ({"c"}, None, 0.5),
        ({"c"}, 2, 0),
        ({"a", "b"}, None, 1),
        # The last place: 1 / log2 6.
        ({"e"}, None, 0.38685280723454163),
        (set(), None, None),
        ({"a"}, 0, None),
    ],
)
def test_ndcg(relevant: set[str], k: int | None, expected: float | None) -> None:
    assert ndcg(RANKING, relevant, k) == (expected if expected is None else pytest.approx(expected))


def test_ndcg_of_a_long_ranking() -> None:
    # Järvelin and Kekäläinen's example ranking of relevances 3 2 3 0 0 1 2 2 3 0, relevant or not.
    gains = [1, 1, 1, 0, 0, 1, 1, 1, 1, 0]
    ranking = [str(place) for place in range(10)]
    relevant = {item for item, gain in zip(ranking, gains, strict=True) if gain}
    dcg = 1 + 1 / log2(3) + 1 / 2 + 1 / log2(7) + 1 / 3 + 1 / log2(9) + 1 / log2(10)
    best = 1 + 1 / log2(3) + 1 / 2 + 1 / log2(5) + 1 / log2(6) + 1 / log2(7) + 1 / 3
    assert ndcg(ranking, relevant) == pytest.approx(dcg / best)


@given(st.permutations(list("abcdefgh")), st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_a_perfect_ranking_is_the_best(ranking: list[str], relevant: set[str]) -> None:
    perfect = sorted(ranking, key=lambda item: item not in relevant)
    k = len(relevant)
    assert ndcg(perfect, relevant) == ndcg(perfect, relevant, k) == 1
    assert precision_at(k, perfect, relevant) == 1
    found = ndcg(ranking, relevant)
    assert found is not None
    assert 0 < found <= 1
    assert (found == pytest.approx(1)) == (set(ranking[:k]) == relevant)
