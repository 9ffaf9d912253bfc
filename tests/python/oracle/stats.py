"""The few statistics of the spec, in exact arithmetic up to the last step."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

WILSON_Z = 1.959963984540054
MAD_TO_SIGMA = Fraction("1.4826")


def ratio(numerator: int, denominator: int) -> float | None:
    """Divide; null where the denominator is 0."""
    return numerator / denominator if denominator else None


def change(this: float | None, previous: float | None) -> float | None:
    """Subtract previous from this; null where either is."""
    return None if this is None or previous is None else this - previous


def wilson(failed: int, decided: int) -> tuple[float | None, float | None]:
    """Return the 95 % Wilson score interval of failed out of decided."""
    if decided == 0:
        return None, None
    z2 = WILSON_Z * WILSON_Z
    p = failed / decided
    shrink = 1 + z2 / decided
    centre = (p + z2 / (2 * decided)) / shrink
    spread = math.sqrt(p * (1 - p) / decided + z2 / (4 * decided * decided))
    half = WILSON_Z * spread / shrink
    # The two ends are exact by algebra; rounding noise there would decide ranks.
    low = 0.0 if failed == 0 else centre - half
    high = 1.0 if failed == decided else centre + half
    return low, high


def percentile(values: Sequence[Fraction], share: Fraction) -> Fraction:
    """Interpolate linearly between the order statistics at (n - 1) x share."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median(values: Sequence[Fraction]) -> Fraction:
    """Return the middle value, or the mean of the two middle ones."""
    return percentile(values, Fraction(1, 2))


def median_absolute_deviation(values: Sequence[Fraction]) -> Fraction:
    """Return the median distance from the median, not scaled."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def coefficient_of_variation(values: Sequence[int]) -> float | None:
    """Population standard deviation / mean; null below 2 values or at mean 0."""
    if len(values) < 2 or sum(values) == 0:
        return None
    mean = Fraction(sum(values), len(values))
    variance = sum(((value - mean) ** 2 for value in values), Fraction(0)) / len(values)
    # Scale-free first: the square root then sees a small number, however large the rows.
    return math.sqrt(variance / mean**2)


def binary_entropy(failed: int, decided: int) -> float | None:
    """Return the entropy in bits of the failure rate; 0 at 0 and 1."""
    if decided == 0:
        return None
    if failed in (0, decided):
        return 0.0
    p = failed / decided
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def seconds(span: timedelta) -> Fraction:
    """Turn a span into seconds, exact to the microsecond."""
    return Fraction(span // timedelta(microseconds=1), 1_000_000)


def hours(span_seconds: Fraction) -> float:
    """Turn exact seconds into hours."""
    return float(span_seconds / 3600)


def later(instant: datetime, span_seconds: Fraction) -> datetime:
    """Add exact seconds, rounded to the microsecond an instant can hold."""
    return instant + timedelta(microseconds=round(span_seconds * 1_000_000))
