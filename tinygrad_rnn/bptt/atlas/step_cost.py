"""What a step costs: multiply-adds and other operations, counted off the tape of one step of one example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.symbolic_sizes import Size, fitted
from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.nn.time_loop import as_tuple, state_names
from tinygrad_rnn.tape.by_place import between
from tinygrad_rnn.tape.full_tape import Tape


@dataclass(frozen=True)
class StepCost:
    """The cost of a step of one example. Lines that read parameters alone are left out: they run once for all steps.

    products: multiply-adds of matrix products. others: results of all other operations that compute. `waiting` is the
    part of both on paths from the old state to the new one: it runs step after step. All else can run for all steps at
    once.
    """

    products: Size
    others: Size
    waiting_products: Size
    waiting_others: Size


def cost_of_step(facts: Facts) -> StepCost:
    """Count the cost of a step, as formulas in I and H."""
    counted = cache(lambda inputs, hidden: _counted(facts, inputs, hidden))
    return StepCost(*(fitted(lambda i, h, k=k: counted(i, h)[k]) for k in range(4)))  # type: ignore[misc]


class Recorded(NamedTuple):
    """A step of one example on a tape: parameters, x, and the states before and after."""

    tape: Tape
    params: dict[str, Tensor]
    x: Tensor
    before: list[Tensor]
    after: list[Tensor]


def recorded_step(facts: Facts, inputs: int, hidden: int, warm: int = 0) -> Recorded:
    """Record a step of one example, after `warm` steps of a random sequence that are not recorded."""
    rng = np.random.default_rng(0)
    params, xs = facts.init(rng, inputs, hidden), rng.standard_normal((warm + 1, 1, inputs))
    state = zeros(facts, params, xs[0])
    for x in xs[:-1]:
        state = [np.asarray(s) for s in as_tuple(facts.cell({k: p.data for k, p in params.items()}, x, *state))]
    x = Tensor(xs[-1], name="x")
    before = [Tensor(s, name=name) for name, s in zip(state_names(facts.cell), state, strict=True)]
    with Tape() as tape:
        after = as_tuple(facts.cell(params, x, *before))
    return Recorded(tape, params, x, before, list(after))


def zeros(facts: Facts, params: dict[str, Tensor], x: Array) -> list[Array]:
    """Return initial states of zero for a batch of inputs (B, I)."""
    return [np.zeros(s.shape) for s in as_tuple(facts.cell({k: p.data for k, p in params.items()}, x))]


def read_states(tape: Tape, before: Sequence[Tensor], after: Sequence[Tensor]) -> list[int]:
    """Return the places of the states that a step reads: the output of a linear recurrence is none."""
    lines, new = tape.lines(), {id(s) for s in after}
    return [k for k, s in enumerate(before) if new & dependent(lines, [s])]


def _counted(facts: Facts, inputs: int, hidden: int) -> tuple[int, int, int, int]:
    tape, _, x, before, after = recorded_step(facts, inputs, hidden)
    lines, read = tape.lines(), read_states(tape, before, after)
    of_step = dependent(lines, [x, *before])
    waiting = [line for line, _ in between(lines, [before[k] for k in read], [after[k] for k in read])]
    return *_cost([line for line in lines if id(line[3]) in of_step]), *_cost(waiting)


def _cost(lines: Sequence[Line]) -> tuple[int, int]:
    """Return the multiply-adds in products, and the results of other operations."""
    products = others = 0
    for op, args, _, out, _ in lines:
        if op.name == "matmul":
            products += math.prod(out.shape) * int(args[0].shape[-1])
        elif op.kind == "reduction":
            others += math.prod(args[0].shape)
        elif op.kind == "product":
            raise ArithmeticError(f"atlas: the multiply-adds of {op.name} are not counted")
        elif op.kind not in ("view", "join"):
            others += math.prod(out.shape)
    return products, others
