"""Is the code right? It is run, and set against the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.numbers import Numbers
from tinygrad_rnn.bptt.diagnosis.problems import Problems
from tinygrad_rnn.bptt.diagnosis.search import same
from tinygrad_rnn.bptt.diagnosis.student import Student

LENGTHS, BATCHES = (1, 2, 3, 7), (1, 3)
CLOSE = 1e-9
"""Of the largest number in a formula: what is still rounding."""


def run(source: str, title: str) -> dict[str, Any]:
    """The functions of some source, by name."""
    found: dict[str, Any] = {"__name__": f"bptt_of_{title}"}
    exec(compile(source, f"<BPTT of {title}>", "exec"), found)
    return found


def require_right(gradients: Callable[..., Mapping[str, Any]], problems: Problems, layout: str, title: str) -> None:
    """Raise ArithmeticError where the code's gradients are not the tape's: T = 1, 2, 3 and 7, batch 1 and 3."""
    student = Student(gradients, None, layout, cell_in_columns=layout == "columns")
    for T in LENGTHS:
        for B in BATCHES:
            problem = problems.problem(T, B, seed=1)
            answer, _ = student(problem.case)
            for name, true in problem.true.items():
                if name not in answer or not same(answer[name], true, problem.floor):
                    raise ArithmeticError(
                        f"derive: the code written for {title} gives another d{name} than the tape, at T={T}, B={B}\n"
                        "this is a fault of tinygrad_rnn, not of the cell: please report it, with the cell"
                    )


def require_equal(formulas: Formulas, numbers: Numbers, title: str) -> None:
    """Raise ArithmeticError where the sides of a formula are not the same numbers, at any step."""
    for f in formulas.all:
        if f.section in ("slopes", "steps"):
            continue
        for t in range(numbers.T):
            first, *others = numbers.sides(f, t)
            size = np.max(np.abs(first), initial=0)
            for other in others:
                if (
                    np.shape(other) != np.shape(first)
                    or not np.max(np.abs(other - first), initial=0) <= CLOSE * size + CLOSE
                ):
                    raise ArithmeticError(
                        f"derive: the formula {f.name} of {title} does not hold at t={t + 1}\n"
                        "this is a fault of tinygrad_rnn, not of the cell: please report it, with the cell"
                    )
