"""How far apart two right gradients of one problem can be: what was asked for, or what rounding makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.tape import Tape
from tinygrad_rnn.transforms.rounding import Moved, rounding

JUDGED = 0.01
"""A gradient can be judged where rounding is less than this part of its largest entry."""


@dataclass(frozen=True)
class Tolerance:
    """What rounding does to one gradient.

    `rounding`: how far apart two right gradients can be, at the entry where that is most. `largest`: the largest entry.
    `deviations` (samples, *shape): how far the gradient was moved by each run (see `transforms/rounding.py`).
    """

    rounding: float
    largest: float
    deviations: Array = field(repr=False)

    @classmethod
    def of(cls, gradient: Array, deviations: Array) -> Tolerance:
        """From a gradient and its deviations."""
        return cls(
            float(np.max(rounding(deviations), initial=0)), float(np.max(np.abs(gradient), initial=0)), deviations
        )

    def absolute(self, rtol: float) -> float:
        """The largest difference that still agrees: `rtol` of the largest entry, or rounding, whichever is more."""
        return max(rtol * self.largest, self.rounding)

    @property
    def judged(self) -> bool:
        """Is the gradient larger than what rounding does to it, so that a wrong term can be told from rounding?"""
        return self.rounding <= JUDGED * self.largest

    def along(self, direction: Array) -> float:
        """How far apart sum(gradient * direction) can be."""
        axes = tuple(range(1, self.deviations.ndim))
        return float(rounding(np.sum(self.deviations * direction, axis=axes)))


class Judged(NamedTuple):
    """Gradients by the name of the input, the tolerance of each, and how far apart two right values of the loss are."""

    gradients: Gradients
    tolerances: dict[str, Tolerance]
    loss_rounding: float


class Judge:
    """The gradients of a case for any upstream gradients, and the tolerance of each. One tape serves them all."""

    def __init__(self, case: Case) -> None:
        self._tensors = case.tensors()
        with Tape() as self.tape:
            hs, last = case.forward_of(self._tensors)
        self.results = (hs, *last)
        self.inputs = {name: self._tensors[name] for name in case.differentiable()}
        self._made = {id(line[3]) for line in self.tape.lines()}
        self._moved = Moved(self.tape, list(self.inputs.values()))

    def gradients(self, dhs: Array, dlast: tuple[Array, ...]) -> Judged:
        """What the tape says of sum(dhs * hs) + sum(dlast * last state)."""
        seeds: dict[Tensor, Any] = {}
        handed_on: dict[int, Any] = {}  # inputs that are a last state, unchanged: no line of the tape made them
        for y, g in zip(self.results, (dhs, *dlast), strict=True):
            if isinstance(y, Tensor) and y.dtype.kind == "f":
                if id(y) in self._made:
                    seeds[y] = seeds.get(y, 0) + g
                else:
                    handed_on[id(y)] = handed_on.get(id(y), 0) + g
        found = self.tape.gradient(seeds, self.inputs)
        gradients = {name: found[name] + handed_on.get(id(x), 0) for name, x in self.inputs.items()}
        moved = self._moved.spread(seeds)
        tolerances = {
            name: Tolerance.of(gradient, deviations)
            for (name, gradient), deviations in zip(gradients.items(), moved.gradients, strict=True)
        }
        of_loss = sum(
            np.sum(deviations * seed, axis=tuple(range(1, deviations.ndim)))
            for deviations, seed in zip(moved.results, seeds.values(), strict=True)
        )
        return Judged(gradients, tolerances, float(rounding(np.asarray(of_loss))))


def tolerances(case: Case) -> dict[str, Tolerance]:
    """The tolerance of each gradient of a case, by name, for the case's own upstream gradients."""
    return Judge(case).gradients(case.dhs, case.dlast).tolerances
