"""Numbers whose size no dtype holds: norms as log10, and arrays with an exponent of their own.

A gradient through time is a product of many factors: 1e-300 is small for a number, and ordinary for such a product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LOG10_2 = math.log10(2)


def log10_norm(a: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Return log10 of the Euclidean norm over `axis` (all axes by default): float64, of the shape that is left.

    Right to rounding for entries of any size, subnormals too, where the sum of squares would be 0 or infinite:
    log10 m + log10(sum (a / m)^2) / 2, with m the largest entry. -inf for zeros, inf and NaN where an entry is.
    """
    a = np.abs(np.asarray(a, np.float64))
    with np.errstate(all="ignore"):
        largest = np.max(a, axis=axis, keepdims=True, initial=0)
        scale = np.where(np.isfinite(largest) & (largest > 0), largest, 1)
        rest = np.log10(np.sum((a / scale) ** 2, axis=axis, keepdims=True)) / 2
        return np.squeeze(np.log10(scale) + rest, axis=axis)[()]


class Scaled(NamedTuple):
    """Arrays, each to be multiplied by 2**exponent: an int, which has no limits."""

    values: list[Array]
    exponent: int

    @property
    def log10_norm(self) -> float:
        """log10 of the norm of all of them together."""
        return float(log10_norm(flat(self.values)) + self.exponent * LOG10_2)


def scaled(values: Sequence[Array], exponent: int = 0) -> Scaled:
    """Return the same numbers, the largest entry between 1/2 and 1. Only powers of two move, so no digit is lost."""
    largest = max((float(np.max(np.abs(v), initial=0)) for v in values), default=0.0)
    if not largest or not math.isfinite(largest):
        return Scaled(list(values), exponent)
    shift = math.frexp(largest)[1]
    return Scaled([np.ldexp(v, -shift) for v in values], exponent + shift)


def added(a: Scaled, b: Scaled) -> Scaled:
    """Return the sum. Digits below the last place of the larger one are lost, as in any sum."""
    exponent = max(a.exponent, b.exponent)
    down, by = max(a.exponent - exponent, -5000), max(b.exponent - exponent, -5000)  # NumPy's ldexp takes C integers
    values = [np.ldexp(x, down) + np.ldexp(y, by) for x, y in zip(a.values, b.values, strict=True)]
    return scaled(values, exponent)


def flat(values: Sequence[Any]) -> Array:
    """Return all entries of several arrays, in a row of float64."""
    return np.concatenate([np.zeros(0), *(np.ravel(v) for v in values)])


def power_text(log10: float) -> str:
    """Write a number, given by its log10, to two digits: `3.2e-1500`, `0`, `inf` or `nan`."""
    if math.isnan(log10):
        return "nan"
    if math.isinf(log10):
        return "0" if log10 < 0 else "inf"
    exponent = math.floor(log10)
    digits = f"{10 ** (log10 - exponent):.1f}"
    if digits == "10.0":
        digits, exponent = "1.0", exponent + 1
    return f"{digits}e{exponent:+03d}"
