"""The project itself as a competitor: the same forward code, recorded at every step, and compiled once."""

from __future__ import annotations

from tinygrad_rnn.bench.competitor import Competitor
from tinygrad_rnn.bench.problem import Array, Leaves, Problem
from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.transforms.transforms import value_and_grad

Answer = tuple[Array, Leaves]


def eager(problem: Problem, threads: int) -> Competitor[Answer]:
    """Return a step that records a tape and walks back over it."""
    step = value_and_grad(problem.loss)
    return Competitor(lambda: step(problem.leaves), _read)


def compiled(problem: Problem, threads: int) -> Competitor[Answer]:
    """Return a step that records a tape the first time, and runs the compiled program from then on."""
    step = compile(problem.loss)
    return Competitor(lambda: step(problem.leaves), _read)


def _read(made: Answer) -> tuple[float, Leaves]:
    loss, gradients = made
    return float(loss), gradients
