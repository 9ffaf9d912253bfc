"""Reproducible draws: exact shares instead of chances, and no platform's own arithmetic.

Only integers and the four basic operations on floats are used: exponentials and logarithms
come from the C library and may differ in the last digit from one machine to the next.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from chm.generate.arithmetic import logarithm

Key = TypeVar("Key")


def stream(*keys: object) -> Random:
    """Return the random stream of these keys: one that no other part of the data shares."""
    return Random("/".join(str(part) for part in keys))


def nearest(total: int, share: float) -> int:
    """Return the whole number nearest to this share of the total, halves upwards."""
    return int(total * share + 0.5)


def flags(rng: Random, total: int, share: float) -> list[bool]:
    """Return `total` booleans in random order of which exactly the nearest share is true."""
    true = nearest(total, share)
    values = [True] * true + [False] * (total - true)
    rng.shuffle(values)
    return values


def apportion(total: int, weights: Mapping[Key, int]) -> dict[Key, int]:
    """Split a total by weights; the largest remainders get the units left over."""
    whole = sum(weights.values())
    parts = {key: total * weight // whole for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: total * weights[key] % whole, reverse=True)
    for key in by_remainder[: total - sum(parts.values())]:
        parts[key] += 1
    return parts


def dealt(rng: Random, total: int, weights: Mapping[Key, int]) -> list[Key]:
    """Return `total` keys in random order, each as often as its weight asks."""
    keys = [key for key, count in apportion(total, weights).items() for _ in range(count)]
    rng.shuffle(keys)
    return keys


def between(rng: Random, first: datetime, last: datetime) -> datetime:
    """Return a whole second between two instants, both included."""
    return first + timedelta(seconds=rng.randint(0, int((last - first).total_seconds())))


def log_uniform(rng: Random, least: int, most: int) -> int:
    """Return a fixed-point logarithm to base 2 between those of two numbers."""
    return rng.randint(logarithm(least), logarithm(most))
