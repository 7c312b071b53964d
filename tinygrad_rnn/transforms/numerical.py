"""Derivatives by numbers alone, independent of the tape: the complex step, and central differences with their error.

Both take a function of one array to a number, and a direction: D f(x)[v] = d/de f(x + e v) at e = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.core.tensor import Array

Function = Callable[[Array], Any]


class Derivative(NamedTuple):
    """A directional derivative: its value, an estimate of the absolute error, and the method by which it was found.

    `corner`: two slopes meet here, or closer than a step reaches; the value is one of them or between them.
    """

    value: float
    error: float
    method: str
    corner: bool = False


def complex_step(f: Function, x: Array, v: Array, step: float = 1e-30) -> Derivative:
    """Return Im f(x + i h v) / h: exact to rounding, for a function of analytic operations (Squire and Trapp, 1998).

    Nothing is subtracted, so h can be tiny and its square drops out. Wrong without warning for abs, maximum and
    comparisons: ask only where every operation on the tape is `analytic`, or continued from the real axis (`Lines`).
    `f` must carry complex arrays through.
    """
    value = np.imag(f(x + 1j * step * v)) / step
    return Derivative(float(value), 4 * float(np.spacing(abs(value))), "complex step")


def central_differences(f: Function, x: Array, v: Array, step: float = 1e-2, noise: float = 0.0) -> Derivative:
    """Return (f(x + h v) - f(x - h v)) / 2h for h = step, step/2, ..., extrapolated to h = 0 (Ridders, 1982).

    The error is the estimate of the extrapolation: how much the last two columns of the tableau disagree, plus the
    rounding of f: `noise`, at least a unit in its last place. The best entry of the tableau is returned, so `step` need
    not suit the function.
    """
    previous: list[float] = []
    best = Derivative(float("nan"), float("inf"), "differences")
    for k in range(10):
        h = step / 2**k
        above, below = float(f(x + h * v)), float(f(x - h * v))
        rounding = max(noise, float(np.spacing(max(abs(above), abs(below))))) / h
        row = [(above - below) / (2 * h)]
        for order, before in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - before) / (4**order - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - before)) + rounding
            if error < best.error:
                best = Derivative(row[-1], error, "differences")
        previous = row
    return best


def has_corner(f: Function, x: Array, v: Array, least: float, noise: float = 0.0) -> bool:
    """Do the slopes to the two sides of x along v differ by more than `least`, however near x they are taken?

    The slopes of a smooth function, a hundred times nearer, differ a hundred times less. `noise`: the rounding of f.
    """
    at = float(f(x))
    gaps = []
    for h in (1e-4, 1e-6):
        above, below = float(f(x + h * v)), float(f(x - h * v))
        gaps.append(abs(above - 2 * at + below) / h)
        rounding = 4 * max(noise, float(np.spacing(max(abs(above), abs(below), abs(at))))) / h
    return bool(gaps[1] > max(least, rounding) and gaps[1] > 0.1 * gaps[0])


def random_direction(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return entries of random sign and size between 1/2 and 3/2: every entry counts, and no two alike."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))
