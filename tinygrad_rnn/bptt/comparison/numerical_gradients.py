"""The tape against a numerical derivative: the column that depends on no derivation at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case
from tinygrad_rnn.bptt.comparison.report import Numeric
from tinygrad_rnn.transforms.numerical import central_differences, complex_step, random_direction

RTOL = {"complex step": 1e-10, "differences": 1e-7}
FLOAT32_RTOL = 1e-5  # of a gradient computed in float32, against its value in double precision


class Numerical:
    """Numerical derivatives of a case's loss, in double precision whatever the dtype of the case."""

    def __init__(self, case: Case, exhaustive: bool) -> None:
        self._case = case
        self._inputs = {name: value.astype(np.float64) for name, value in case.inputs().items()}
        self._rng = np.random.default_rng(0)
        self._exhaustive = exhaustive
        tape, _, _ = case.tape()
        analytic = all(entry.op.analytic for entry in tape)
        self._derivative = complex_step if analytic else central_differences

    def against(self, name: str, gradient: Array) -> Numeric:
        """How far the tape's gradient by one input is from the numerical one."""

        def loss(value: Array) -> Any:
            return self._case.loss({**self._inputs, name: value})

        x = self._inputs[name]
        if self._exhaustive:
            directions = list(np.eye(x.size).reshape(x.size, *x.shape))
            scale = float(np.max(np.abs(gradient)))
        else:
            directions = [random_direction(self._rng, x.shape)]
            scale = float(np.sum(np.abs(gradient.astype(np.float64) * directions[0])))
        worst, error, method = 0.0, 0.0, ""
        for direction in directions:
            numeric = self._derivative(loss, x, direction)
            apart = abs(float(np.sum(gradient.astype(np.float64) * direction)) - numeric.value)
            worst, error, method = max(worst, apart), max(error, numeric.error), numeric.method
            if np.isnan(apart):
                worst = apart
                break
        unit = scale or 1.0
        tolerance = max(RTOL[method], 0.0 if self._case.dtype == np.float64 else FLOAT32_RTOL)
        return Numeric(worst / unit, method, error / unit, tolerance)
