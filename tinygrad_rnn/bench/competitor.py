"""`Competitor`: a way to make one training step, and the check of its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_rnn.bench.problem import Array, Leaves

TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
"""The largest error that is rounding, relative to the largest entry: thousands of terms are added up."""


Made = TypeVar("Made")
Found = tuple[float, Mapping[str, Any]]
"""The loss, and the gradients of all leaves by name: arrays."""


@dataclass(frozen=True)
class Competitor(Generic[Made]):
    """A way to make one training step.

    step(): make it, forward and backward, and return when it is finished; this is timed. read(result of step): return
    the loss and the gradients by the names and shapes of the problem's leaves; this is not timed.
    """

    step: Callable[[], Made]
    read: Callable[[Made], Found]


def what_is_wrong(found: Found, answer: tuple[float, Leaves], dtype: DTypeLike) -> str:
    """Return the largest difference from the answer in words, or "" where all is right up to rounding.

    dtype: that of the problem; the gradients must have it.
    """
    dtype, (loss, gradients) = np.dtype(dtype), found
    worst, words = _error(loss, answer[0]), "the loss"
    for name, right in answer[1].items():
        if name not in gradients:
            return f"there is no gradient of {name}"
        gradient = np.asarray(gradients[name])
        if gradient.shape != right.shape or gradient.dtype != dtype:
            shapes = f"{gradient.shape} {gradient.dtype}, and {name} is {right.shape} {dtype}"
            return f"the gradient of {name} is {shapes}"
        error = _error(gradient, right)
        if error > worst:
            worst, words = error, f"the gradient of {name}"
    limit = TOLERANCE[dtype.name]
    return "" if worst <= limit else f"{words} is off by {worst:.1e} of its largest entry (rounding: up to {limit:.0e})"


def _error(found: ArrayLike, right: Array | float) -> float:
    """Return the largest difference over the largest entry; infinite where anything is NaN."""
    difference = float(np.max(np.abs(np.asarray(found, np.float64) - right)))
    largest = max(float(np.max(np.abs(right))), np.finfo(np.float64).tiny)
    return math.inf if math.isnan(difference) else difference / largest  # NaN > error is never true
