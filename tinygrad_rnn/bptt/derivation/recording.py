"""A cell, run on a small problem in which no two sizes are equal, and what its author calls things."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.case import Case
from tinygrad_rnn.bptt.diagnosis.problems import Example, Problems
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.unroll import as_tuple, unroll

STEPS, BATCHES = (4, 5, 3, 7, 11), (2, 3, 5, 7, 11, 13)


@dataclass(frozen=True)
class Recorded:
    """A cell on a tape: the tape, its loss, and its inputs as Tensors.

    The loss is sum(dhs * hs) + sum(dlast * last state) for upstream gradients dhs and dlast that are anything.
    """

    cell: Callable[..., Any]
    columns: bool
    case: Case
    tape: Tape
    loss: Tensor
    upstream_loss: Tensor  # without the last state
    params: dict[str, Tensor]
    xs: Tensor
    states: dict[str, Tensor]  # by the cell's name for each: h, c
    dhs: Tensor
    dlast: dict[str, Tensor]

    @property
    def batch(self) -> int:
        """The number of examples, which is the size of nothing else."""
        return int(self.case.batch)


def record(cell: Callable[..., Any], example: Example | None, columns: bool, bias: bool) -> Recorded:
    """Run the cell through `unroll` on a small problem, with what its author calls each value.

    Raises ValueError for a cell that cannot be run, or that has no problems of its own.
    """
    problems = Problems(cell, example, columns, True, bias, who="derive")
    sizes: set[int] = set()
    for batch in (2, 3):
        known = problems.problem(2, batch, 0).case
        sizes |= {n for p in (*known.params.values(), *known.state, known.xs[0]) for n in p.shape if n != batch}
    T = next(n for n in STEPS if n not in sizes)
    B = next(n for n in BATCHES if n not in sizes and n != T)
    case = problems.problem(T, B, 0).case
    params = {name: Tensor(p, name=name) for name, p in case.params.items()}
    names = [name[:-1] for name in case.state_names]
    xs = Tensor(case.xs, name="xs")
    states = {name: Tensor(s, name=f"{name}0") for name, s in zip(names, case.state, strict=True)}
    dhs = Tensor(case.dhs, name="dhs")
    dlast = {name: Tensor(d) for name, d in zip(names, case.dlast, strict=True)}
    with Tape() as tape, local_names(cell) as called:
        hs, last = unroll(_making_its_states(cell), params, xs, tuple(states.values()))
        upstream_loss = (hs * dhs).sum()
        loss = upstream_loss + sum((s * d).sum() for s, d in zip(as_tuple(last), dlast.values(), strict=True))
    for line in tape.lines():
        out = line[3]
        if out.name is None and id(out) in called:
            out.name = called[id(out)]
    return Recorded(cell, columns, case, tape, loss, upstream_loss, params, xs, states, dhs, dlast)


def _making_its_states(cell: Callable[..., Any]) -> Callable[..., Any]:
    """The cell, with each state read at every step, and each new state a value of its own.

    A state that the cell does not read, or that it only hands on, is written down as an identity.
    """

    @functools.wraps(cell)
    def making(params: Any, x: Any, *state: Any) -> Any:
        state = tuple(np.positive(s) for s in state)
        seen = {id(s) for s in (x, *state, *params.values())}
        after = []
        for s in as_tuple(cell(params, x, *state)):
            after.append(np.positive(s) if id(s) in seen else s)
            seen.add(id(s))
        return tuple(after)

    return making


@contextmanager
def local_names(function: Callable[..., Any]) -> Iterator[dict[int, str]]:
    """What the function calls its values: its local variables when it returns, by the id of the Tensor."""
    codes = set(_codes(function))
    found: dict[int, str] = {}
    kept: list[Tensor] = []  # ids are only theirs while they live

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code in codes:
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor) and not name.startswith("_"):
                    found.setdefault(id(value), name)
                    kept.append(value)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _codes(function: Callable[..., Any]) -> Iterator[CodeType]:
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    found = getattr(function, "__code__", None) or getattr(getattr(type(function), "__call__", None), "__code__", None)  # noqa: B004
    if found is not None:
        yield found
