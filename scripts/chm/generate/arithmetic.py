"""Randomness and curves in whole numbers, so that every machine draws the same bytes.

Random numbers are addressed, not consumed: a draw is a function of its key and its number.
So no draw depends on another, on the order in which runs are made or on who makes them.
Curves are tables of fixed-point numbers: the C library's exp and log may differ in the last
digit from one machine to the next.
"""

import math
from bisect import bisect_right
from statistics import NormalDist

import numpy as np

from chm.compiled import inlined

# A share s of all draws lies below s * CERTAIN.
CERTAIN = 1 << 32
# Logarithms to base 2 are fixed-point numbers with 16 binary places: 1 << 16 is one doubling.
DOUBLING = 1 << 16

_STEPS = 4096
_ONE = 1 << 30
# splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def share_bound(share: float) -> int:
    """Return the bound below which this share of all draws lies."""
    return round(share * CERTAIN)


def _powers_of_two() -> list[int]:
    """2 ** (i / 4096) in units of 2 ** -30, for i from 0 to 4096."""
    places = 192
    root = 2 << places
    for _ in range(_STEPS.bit_length() - 1):
        root = math.isqrt(root << places)
    powers = [1 << places]
    for _ in range(_STEPS):
        powers.append(powers[-1] * root >> places)
    return [(power >> (places - 31)) + 1 >> 1 for power in powers]


def _normal_quantiles() -> list[int]:
    """The middle quantile of each 4096th of the standard normal distribution, times 65536."""
    normal = NormalDist()
    return [round(normal.inv_cdf((i + 0.5) / _STEPS) * DOUBLING) for i in range(_STEPS)]


_POWERS_OF_TWO = _powers_of_two()
_POWERS = np.array(_POWERS_OF_TWO, np.int64)
_QUANTILES = np.array(_normal_quantiles(), np.int64)


@inlined
def mixed(key: np.uint64) -> np.uint64:
    """Return the 64 bits that splitmix64 makes of a key; no two keys share them."""
    bits = (key ^ (key >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


@inlined
def bits(key: np.uint64, number: int) -> np.uint64:
    """Return the 64 random bits with this number under this key."""
    return mixed(key + np.uint64(number + 1) * _GOLDEN)


@inlined
def draw(key: np.uint64, number: int) -> int:
    """Return a random whole number from 0 up to CERTAIN, excluded."""
    return np.int64(bits(key, number) >> np.uint64(32))


@inlined
def draw_between(key: np.uint64, number: int, least: int, most: int) -> int:
    """Return a random whole number between two, both included; most - least < 2 ** 31."""
    return least + ((draw(key, number) * (most - least + 1)) >> 32)


@inlined
def draw_normal(key: np.uint64, number: int) -> int:
    """Return a standard normal number times 65536, between -3.7 and 3.7."""
    return _QUANTILES[draw(key, number) >> 20]


@inlined
def power_of_two(exponent: int) -> int:
    """Return 2 to the power of a fixed-point exponent from 0 up to 32, rounded down."""
    part = exponent & 0xFFFF
    step = part >> 4
    low = _POWERS[step]
    mantissa = low + (((_POWERS[step + 1] - low) * (part & 15)) >> 4)
    return (mantissa << (exponent >> 16)) >> 30


def logarithm(value: int) -> int:
    """Return the fixed-point logarithm to base 2 of a whole number >= 1, rounded down."""
    whole = value.bit_length() - 1
    mantissa = (value << 30) >> whole
    step = bisect_right(_POWERS_OF_TWO, mantissa) - 1
    if step == _STEPS:
        return (whole + 1) << 16
    low, high = _POWERS_OF_TWO[step], _POWERS_OF_TWO[step + 1]
    return (whole << 16) + (step << 4) + ((mantissa - low) << 4) // (high - low)
