"""Is the code right? It is run, and set against the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_rnn.bptt.diagnosis.problems import Problems
from tinygrad_rnn.bptt.diagnosis.search import same
from tinygrad_rnn.bptt.diagnosis.student import Student

LENGTHS, BATCHES = (1, 2, 3, 7), (1, 3)


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
