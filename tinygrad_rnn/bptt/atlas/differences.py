"""Derivatives by differences: the evidence for a Jacobian and for a norm, without a derivative rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.tensor import Line, Tensor

STEP = 1e-6


def slope(of: Callable[..., Sequence[Any]], at: Sequence[Array], along: Sequence[Array]) -> list[Array]:
    """Return the derivatives of some results along a direction, by a central difference."""
    above, below = (of(*(a + sign * STEP * d for a, d in zip(at, along, strict=True))) for sign in (1, -1))
    return [(np.asarray(a) - np.asarray(b)) / (2 * STEP) for a, b in zip(above, below, strict=True)]


def with_shifts(lines: Sequence[Line], result: Tensor, shifts: Mapping[int, Array]) -> Array:
    """Run lines of a tape again, with something added to some results by their ids; return the value of `result`.

    No derivative rule is asked.
    """
    values: dict[int, Array] = {}
    for op, args, kwargs, out, _ in lines:
        given = [values.get(id(a), a.data) if isinstance(a, Tensor) else a for a in args]
        values[id(out)] = op.function(*given, **kwargs) + shifts.get(id(out), 0.0)
    return values[id(result)]


def require_jacobian(name: str, step: Callable[..., Sequence[Any]], before: Sequence[Any], jacobian: Array) -> None:
    """Compare the Jacobian of a step with a difference along a random direction.

    before: the states. jacobian: (S, S), the entries of all states one after the other. Raises ArithmeticError where
    they differ.
    """
    rng = np.random.default_rng(1)
    states = [np.asarray(s) for s in before]
    along = [rng.standard_normal(s.shape) for s in states]
    found = np.concatenate([np.ravel(v) for v in slope(step, states, along)])
    expected = jacobian @ np.concatenate([np.ravel(v) for v in along])
    edges = np.cumsum([0, *(s.size for s in states)])
    for place, (first, last) in enumerate(pairwise(edges)):
        if not np.allclose(found[first:last], expected[first:last], rtol=1e-5, atol=1e-6):
            raise ArithmeticError(f"atlas: the step Jacobian of {name} differs from a difference, in state {place}")
