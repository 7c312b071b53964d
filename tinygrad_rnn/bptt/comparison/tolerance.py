"""The distance that two right gradients of one problem may have: as asked for, or as rounding makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.transforms.rounding import Moved, rounding

JUDGED = 0.1
"""A gradient can be judged where rounding is less than this part of its largest entry."""


@dataclass(frozen=True)
class Tolerance:
    """The effect of rounding on one gradient.

    `rounding`: how far apart two right gradients can be, at the entry where that is most. `largest`: the largest entry.
    `usual`: the size of a gradient by which the loss would change as much as its terms are large, if the input changed
    as much as it is large. `deviations` (samples, *shape): how far the gradient was moved by each run, see `Moved`.
    `least`: the smallest normal number of its dtype; what is below has underflowed.
    """

    rounding: float
    largest: float
    usual: float
    deviations: Array = field(repr=False)
    least: float

    def absolute(self, rtol: float) -> float:
        """Return the largest difference that agrees: `rtol` of the largest entry, or rounding, if that is more."""
        return max(rtol * self.largest, self.rounding, self.least)

    @property
    def relative(self) -> float:
        """Rounding over the largest entry."""
        return self.rounding / self.largest if self.largest else float(self.rounding > 0) * float("inf")

    @property
    def judged(self) -> bool:
        """Is the gradient larger than what rounding does to it, so that a wrong term can be told from rounding?"""
        return self.rounding <= JUDGED * self.largest

    @property
    def zero(self) -> bool:
        """Is it zero as far as rounding lets one see: not judged, and far below the usual size?"""
        return not self.judged and max(self.largest, self.rounding) <= JUDGED * self.usual

    def along(self, direction: Array) -> float:
        """Return the distance between two right values of sum(gradient * direction)."""
        axes = tuple(range(1, self.deviations.ndim))
        return float(rounding(np.sum(self.deviations * direction, axis=axes)) + self.least * np.sum(np.abs(direction)))


class Judge:
    """The gradients of a case for any upstream gradients, and the tolerance of each. One tape serves them all.

    The loss is sum(dhs * hs) + sum(dlast * last state), as in `Case`.
    """

    def __init__(self, case: Case) -> None:
        tensors = case.tensors()
        with Tape() as self.tape:
            hs, last = case.forward_of(tensors)
        self._results = (hs, *last)
        self._inputs = {name: tensors[name] for name in case.differentiable()}
        self._made = {id(out) for _, _, _, out, _ in self.tape.lines()}

    @cached_property
    def _moved(self) -> Moved:
        return Moved(self.tape, list(self._inputs.values()))

    def gradients(self, dhs: Array, dlast: Sequence[Array]) -> Gradients:
        """Return the gradients of the tape, by the name of the input."""
        seeds, handed_on = self._seeds(dhs, dlast)
        found = self.tape.gradient(seeds, self._inputs) if seeds else {n: 0 * x.data for n, x in self._inputs.items()}
        return {name: found[name] + handed_on.get(id(x), 0) for name, x in self._inputs.items()}

    def tolerances(self, dhs: Array, dlast: Sequence[Array]) -> tuple[dict[str, Tolerance], float]:
        """Return the tolerance of each gradient, by name, and the distance between two right values of the loss."""
        seeds, _ = self._seeds(dhs, dlast)
        spread = self._moved.spread(seeds)
        size = float(sum(np.sum(np.abs(y.data * seed)) for y, seed in seeds.items()))
        tolerances = {}
        for (name, gradient), moved in zip(self.gradients(dhs, dlast).items(), spread.gradients, strict=True):
            largest = float(np.max(np.abs(gradient), initial=0))
            of_input = float(np.max(np.abs(self._inputs[name].data), initial=0)) or 1.0
            most = float(np.max(rounding(moved), initial=0))
            least = float(np.finfo(gradient.dtype).tiny)
            tolerances[name] = Tolerance(most, largest, size / of_input, moved, least)
        of_loss = [
            np.sum(moved * seed, axis=tuple(range(1, moved.ndim)))
            for moved, seed in zip(spread.results, seeds.values(), strict=True)
        ]
        return tolerances, float(rounding(np.sum(of_loss, axis=0))) if of_loss else 0.0

    def _seeds(self, dhs: Array, dlast: Sequence[Array]) -> tuple[dict[Tensor, Array], dict[int, Array]]:
        """Return the cotangents of the tape's results, and those of inputs that come out unchanged as a last state."""
        seeds: dict[Tensor, Array] = {}
        handed_on: dict[int, Array] = {}
        for y, g in zip(self._results, (dhs, *dlast), strict=True):
            if isinstance(y, Tensor) and y.dtype.kind == "f":
                if id(y) in self._made:
                    seeds[y] = seeds.get(y, 0) + g
                else:
                    handed_on[id(y)] = handed_on.get(id(y), 0) + g
        return seeds, handed_on


def tolerances(case: Case) -> dict[str, Tolerance]:
    """Return the tolerance of each gradient of a case, by name, for the case's own upstream gradients."""
    return Judge(case).tolerances(case.dhs, case.dlast)[0]
