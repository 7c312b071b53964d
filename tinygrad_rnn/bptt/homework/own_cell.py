"""The cell in a person's code of any shape, with problems of any size: what `derive` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.problems import Example
from tinygrad_rnn.bptt.homework.called import ExamineValueError
from tinygrad_rnn.bptt.homework.examine import tried
from tinygrad_rnn.bptt.homework.explained import handed_in
from tinygrad_rnn.bptt.homework.step_cell import StepCell
from tinygrad_rnn.bptt.homework.unrolled_steps import Steps
from tinygrad_rnn.graph.graph import Node


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
    columns, indices = steps.cell.multiplies_from_the_left, steps.xs.dtype.kind in "iu"
    batch = {s.shape[1:] if columns else s.shape[:-1] for s in steps.state}
    alike = steps.xs.ndim <= 3 if steps.xs.dtype.kind == "f" else indices and batch == {steps.xs.shape[1:]}
    if not alike or any(not 1 <= s.ndim <= 2 for s in steps.state):
        raise ExamineValueError(
            f"derive: a step of {name} reads x {steps.xs.shape[1:]} {steps.xs.dtype}, and states of shape "
            f"{', '.join(str(s.shape) for s in steps.state)}\n"
            "derive takes vectors of floats, and one index for each example: a one-hot x for several"
        )
    steps.cell.__name__ = name
    cell = IndexCell(steps.cell, columns) if indices else steps.cell
    return (
        cell,
        _example(steps, columns, cell.rows if isinstance(cell, IndexCell) else 0),
        "columns" if columns else "rows",
    )


class IndexCell(StepCell):
    """A step that reads an index of each example. x is (B, 1) or, in columns, (1, B); a row is read as a column."""

    def __init__(self, cell: StepCell, columns: bool) -> None:
        vars(self).update(vars(cell))
        self._columns = columns
        tables = [node for node in cell._nodes if node.op.name == "getitem" and set(node.reads()) & set(cell._xs)]
        self._turned = [node for node in tables if columns and node.args[1] in cell._xs and node.out.shape != ()]
        self.rows = min(node.args[0].shape[len(node.args) - 2] for node in tables) if tables else 1

    def __call__(self, params: Mapping[str, Any], x: Any, *state: Any) -> tuple[Any, ...]:
        """Return the next states."""
        return super().__call__(params, x[0] if self._columns else x[:, 0], *state)

    def made(self, node: Node, arguments: list[Any]) -> Any:
        """Return what a call makes: rows of a table for all examples are columns where states are."""
        found = super().made(node, arguments)
        return found.T if node in self._turned else found


def _example(steps: Steps, columns: bool, rows: int) -> Example:
    def size(shape: tuple[int, ...]) -> int:
        return shape[0] if columns or len(shape) == 1 else shape[-1]

    inputs, units = 1 if rows else size(steps.xs.shape[1:]), [size(s.shape) for s in steps.state]

    def example(rng: np.random.Generator, T: int, B: int) -> tuple[Any, Any, Any]:
        params = {}
        for name, p in steps.params.items():
            shape = (*p.shape, 1) if columns and p.ndim == 1 else p.shape
            params[name] = rng.normal(0, 0.5, shape)
        whole = (inputs, B, T) if columns else (T, B, inputs)
        xs = rng.integers(0, rows, whole) if rows else rng.standard_normal(whole)
        return params, xs, tuple(rng.standard_normal((n, B) if columns else (B, n)) for n in units)

    return example
