"""When two gradients are the same to rounding, in the precision in which a derivation computes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array

Mask = NDArray[np.bool_]
"""Which entries of an array."""


@dataclass(frozen=True)
class Precision:
    """A precision: entries may differ by `relative` of the gradient's largest entry and `floor` of that of all.

    `floor` is needed since a gradient may be a difference of numbers as large as the other gradients.
    """

    relative: float
    floor: float
    unit: float = 1.0
    """The last place, in last places of float64."""

    def slack(self, true: Array, largest: float) -> float:
        """Return the allowed distance of an entry from the true one; none where that is infinite."""
        size = float(np.max(np.abs(true), initial=0))
        return self.relative * size + self.floor * largest if size < np.inf else 0.0

    def apart(self, hand: Array, true: Array, largest: float) -> Mask:
        """Return which entries differ by more than rounding; all, where the shapes differ."""
        if hand.shape != true.shape:
            return np.ones(np.shape(hand) or (1,), bool)
        close: Mask = np.abs(hand - true) <= self.slack(true, largest)
        return ~close

    def same(self, hand: Array, true: Array, largest: float) -> bool:
        """Return whether two gradients are the same. NaN and infinity never are."""
        if hand.shape != true.shape or not np.isfinite(hand).all():
            return False
        return not self.apart(hand, true, largest).any()


DOUBLE = Precision(1e-9, 1e-12)
SINGLE = Precision(1e-4, 1e-6, unit=2.0**29)


def largest_entry(arrays: Iterable[Array]) -> float:
    """Return the largest entry of all arrays."""
    return max((float(np.max(np.abs(a), initial=0)) for a in arrays), default=0.0)
