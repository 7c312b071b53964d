"""A derivative by numbers alone: by the method that fits, and by a second one before anything is called wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn.core.tensor import Array
from tinygrad_rnn.transforms.numerical import Derivative, Function, central_differences, complex_step, has_corner

Allowed = Callable[[Derivative], float]
"""How far from a numerical derivative a right one can be."""

NEARER = (1e-4, 1e-5, 1e-6)
"""Smaller steps for differences, which step over fewer corners."""


class Witness:
    """The numerical derivatives, at x, of a function that is known twice: as the lines of a tape, and as itself.

    by_lines(x): the number that the tape's lines give. `continued` says that they take complex arrays (see `Lines`),
    and that they are the function elsewhere too (see `same`); `smooth`, that no line has a corner. itself(x): what
    the function itself gives, for real arrays. `noise`: how far apart two right values of the function are.
    """

    def __init__(
        self,
        by_lines: Function,
        itself: Function,
        x: Array,
        continued: bool,
        smooth: bool,
        noise: float = 0.0,
    ) -> None:
        self._by_lines, self._itself, self._x = by_lines, itself, x
        self._continued, self._smooth = continued, smooth
        self._noise = noise

    def derivative(self, v: Array) -> Derivative:
        """Return the derivative along v: by a complex step where the lines take one, else by central differences."""
        exact = self._complex_step(v) if self._continued else None
        return exact or central_differences(self._itself, self._x, v, noise=self._noise)

    def about(self, v: Array, found: float, allowed: Allowed) -> Derivative:
        """Return the derivative along v by the method that agrees best with `found`; `corner` where two slopes meet.

        A complex step goes wrong for an operation that is called analytic and is not; differences, where they step over
        a corner. So each is asked again before it says that `found` is wrong.
        """
        first = self.derivative(v)
        if agree(found, first, allowed):
            return first
        if first.method == "complex step":
            if not self._smooth:
                back = self._complex_step(-v)
                if back is None or abs(back.value + first.value) > allowed(first):
                    return first._replace(corner=True)
            other = central_differences(self._itself, self._x, v, noise=self._noise)
            trusted = agree(found, other, allowed) and not agree(first.value, other, allowed)
            return other if trusted else first
        for step in NEARER:
            nearer = central_differences(self._itself, self._x, v, step, self._noise)
            if agree(found, nearer, allowed):
                return nearer
        least = abs(found - first.value) / 100
        return first._replace(corner=has_corner(self._itself, self._x, v, least, self._noise))

    def _complex_step(self, v: Array) -> Derivative | None:
        """Return None where an operation does not take complex numbers after all, or overflows there."""
        try:
            with np.errstate(all="ignore"):
                exact = complex_step(self._by_lines, self._x, v)
        except (TypeError, ValueError):
            return None
        return exact if math.isfinite(exact.value) else None


def same(ours: ArrayLike, theirs: ArrayLike, noise: float = 0.0) -> bool:
    """Are two values of one function the same, up to rounding?

    At values other than those of the recording, the lines of a tape and the function itself give the same, unless the
    function takes values off the tape.
    """
    return bool(np.allclose(ours, theirs, rtol=1e-12, atol=1e-12 + noise, equal_nan=True))


def agree(found: float, numeric: Derivative, allowed: Allowed) -> bool:
    """Is `found` as near to the numerical derivative as a right one can be? Never, where nothing is known of it."""
    most = allowed(numeric)
    return math.isfinite(most) and abs(found - numeric.value) <= most
