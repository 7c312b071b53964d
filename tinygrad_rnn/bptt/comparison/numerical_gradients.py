"""The tape against a numerical derivative: the column that depends on no derivation at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case
from tinygrad_rnn.bptt.comparison.report import Numeric
from tinygrad_rnn.bptt.comparison.tolerance import Tolerance
from tinygrad_rnn.transforms.continuation import Lines
from tinygrad_rnn.transforms.numerical import Derivative, random_direction
from tinygrad_rnn.transforms.witness import Witness, same

RTOL = {"complex step": 1e-10, "differences": 1e-7}
FLOAT32_RTOL = 1e-5  # of a gradient computed in float32, against its value in double precision


class Numerical:
    """Numerical derivatives of a case's loss, in double precision whatever the dtype of the case."""

    def __init__(self, case: Case, exhaustive: bool, loss_rounding: float) -> None:
        self._case = case
        self._values = {
            name: value.astype(np.float64) if value.dtype.kind == "f" else value
            for name, value in case.inputs().items()
        }
        self._rng = np.random.default_rng(0)
        self._exhaustive = exhaustive
        self._noise = loss_rounding * (np.finfo(np.float64).eps / np.finfo(case.dtype).eps)
        tape, loss, self._tensors = case.tape(self._values)
        self._rerun = Lines(tape, [loss])
        self._continued = self._rerun.continued and self._rerun_is_the_case()

    def against(self, name: str, gradient: Array, tolerance: Tolerance) -> Numeric:
        """Compare the tape's gradient by one input with the numerical one."""
        x, exact = self._values[name], gradient.astype(np.float64)
        if self._exhaustive:
            directions = list(np.eye(x.size).reshape(x.size, *x.shape))
        else:
            directions = [random_direction(self._rng, x.shape)]
        witness = self._witness(name, x)
        worst: Numeric | None = None
        for direction in directions:
            numeric = self._one(witness, exact, direction, tolerance)
            if worst is None or numeric.excess > worst.excess or math.isnan(numeric.relative):
                worst = numeric
        return worst or Numeric(0.0, "complex step", 0.0, 0.0)

    def _one(self, witness: Witness, gradient: Array, direction: Array, tolerance: Tolerance) -> Numeric:
        size = tolerance.largest if self._exhaustive else float(np.sum(np.abs(gradient * direction)))
        rounding = tolerance.along(direction)

        def allowed(numeric: Derivative) -> float:
            asked = max(RTOL[numeric.method], 0.0 if self._case.dtype == np.float64 else FLOAT32_RTOL)
            return max(asked * size, rounding) + 10 * numeric.error

        found = float(np.sum(gradient * direction))
        numeric = witness.about(direction, found, allowed)
        unit = size or 1.0
        return Numeric(
            abs(found - numeric.value) / unit,
            numeric.method,
            numeric.error / unit,
            allowed(numeric) / unit,
            numeric.corner,
        )

    def _witness(self, name: str, x: Array) -> Witness:
        def by_lines(value: Array) -> Any:
            return self._by_lines({**self._values, name: value})

        def by_cell(value: Array) -> Any:
            return self._case.loss({**self._values, name: value})

        return Witness(by_lines, by_cell, x, self._continued, self._rerun.smooth, self._noise)

    def _by_lines(self, values: dict[str, Array]) -> Any:
        return self._rerun.run({self._tensors[name]: value for name, value in values.items()})[0]

    def _rerun_is_the_case(self) -> bool:
        """Do the lines of the tape give what the cell gives at other values? Not where it takes values off the tape."""
        near = {
            name: value + 1e-3 * random_direction(self._rng, value.shape) if value.dtype.kind == "f" else value
            for name, value in self._values.items()
        }
        return same(self._by_lines(near), self._case.loss(near), self._noise)
