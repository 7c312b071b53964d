"""What is timed, and when its numbers count as right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bench.problem import Leaves

TOLERANCE = {"float64": 1e-9, "float32": 1e-3}
"""The largest error that is rounding, relative to the largest entry: thousands of terms are added up."""


@dataclass(frozen=True)
class Competitor:
    """A way to make one training step.

    step(): forward, loss, backward, finished when it returns; it is timed. read(what step returned): the loss and the
    gradients by the names and shapes of the problem's leaves; it is not timed.
    """

    step: Callable[[], Any]
    read: Callable[[Any], tuple[float, Mapping[str, Any]]]


def what_is_wrong(found: tuple[float, Mapping[str, Any]], answer: tuple[float, Leaves], dtype: Any) -> str:
    """The worst of what differs from the answer, in words; nothing where all is right up to rounding.

    found, answer: the loss and the gradients of all leaves. dtype: of the problem; the gradients must have it.
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


def _error(found: Any, right: Any) -> float:
    """The largest difference over the largest entry; infinite where anything is NaN, which no comparison would find."""
    difference = float(np.max(np.abs(np.asarray(found, np.float64) - right)))
    largest = max(float(np.max(np.abs(right))), np.finfo(np.float64).tiny)
    return math.inf if math.isnan(difference) else difference / largest
