"""The project itself as a competitor: the same forward code, recorded anew at every step, and compiled once."""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Problem
from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.transforms.transforms import value_and_grad


def eager(problem: Problem, threads: int) -> Competitor:
    """The tape, recorded and walked back at every step."""
    step = value_and_grad(problem.loss)
    return Competitor(lambda: step(problem.leaves), _read)


def compiled(problem: Problem, threads: int) -> Competitor:
    """The tape, recorded at the first step, and a compiled program after it."""
    step = compile(problem.loss)
    return Competitor(lambda: step(problem.leaves), _read)


def _read(made: Any) -> tuple[float, Any]:
    return float(made[0]), made[1]
