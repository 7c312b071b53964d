"""The cell in a person's code of any shape, with problems of any size: what `derive` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.problems import Example
from tinygrad_rnn.bptt.homework.called import ExamineValueError
from tinygrad_rnn.bptt.homework.examine import tried
from tinygrad_rnn.bptt.homework.explained import handed_in
from tinygrad_rnn.bptt.homework.step_cell import StepCell
from tinygrad_rnn.bptt.homework.unrolled_steps import Steps


def own_cell(subject: Any, arguments: Sequence[Any]) -> tuple[StepCell, Example, str]:
    """Return the cell of code that `examine` takes, an example for it, and its layout: "columns" or "rows".

    One sequence, x (I,) and h (H,), becomes a batch: columns where the code has W @ x, else rows.

    Raises ValueError where the code has no loop over time that the tape shows, or one whose steps read indices.
    """
    code = tried(subject, arguments)
    name = code.form.name
    trials = [code.trial(code.axes.steps, None, 0)] if code.axes.steps > 1 else []
    found = [*handed_in(trials, code.paths, []).values()]
    if not found:
        raise ExamineValueError(
            f"derive: no steps of {name} were found\ngive two steps of data or more, and write the forward pass as one "
            "loop over time; or give a cell(params, x, *state), with example="
        )
    steps = found[0].steps
    if steps.xs.dtype.kind != "f" or steps.xs.ndim > 3 or any(not 1 <= s.ndim <= 2 for s in steps.state):
        raise ExamineValueError(
            f"derive: a step of {name} reads x {steps.xs.shape[1:]} {steps.xs.dtype}, and states of shape "
            f"{', '.join(str(s.shape) for s in steps.state)}\nderive takes vectors of floats: a one-hot x for an index"
        )
    columns = steps.cell.multiplies_from_the_left
    steps.cell.__name__ = name
    return steps.cell, _example(steps, columns), "columns" if columns else "rows"


def _example(steps: Steps, columns: bool) -> Example:
    def size(shape: tuple[int, ...]) -> int:
        return shape[0] if columns or len(shape) == 1 else shape[-1]

    inputs, units = size(steps.xs.shape[1:]), [size(s.shape) for s in steps.state]

    def example(rng: np.random.Generator, T: int, B: int) -> tuple[Any, Any, Any]:
        params = {}
        for name, p in steps.params.items():
            shape = (*p.shape, 1) if columns and p.ndim == 1 else p.shape
            params[name] = rng.normal(0, 0.5, shape)
        xs = rng.standard_normal((inputs, B, T) if columns else (T, B, inputs))
        return params, xs, tuple(rng.standard_normal((n, B) if columns else (B, n)) for n in units)

    return example
