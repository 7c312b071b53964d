"""Checkpointed BPTT: the full gradient in less memory. A few states are kept; the rest is run again.

Chen et al., "Training deep nets with sublinear memory cost", 2016; Gruslys et al., "Memory-efficient backpropagation
through time", 2016; Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
differentiation", 1992.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss, Run, State
from tinygrad_rnn.core.backward import walk
from tinygrad_rnn.core.errors import require_differentiable
from tinygrad_rnn.core.tape import finished
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.nn.time_loop import cell_name
from tinygrad_rnn.tape.full_tape import Tape

Segment = tuple[int, int, State, State | None]
"""First step, the step after the last one, the state before, and the state after, if it was kept."""


def checkpointed(
    cell: Cell,
    params: Mapping[str, Tensor],
    xs: Any,
    loss: Loss,
    state: Any = None,
    every: int | None = None,
    *,
    recursive: bool = False,
    also: Sequence[str] = (),
) -> tuple[float, dict[str, Array]]:
    """Return the loss sum_t loss(t, h_t) and its gradient by the parameters, without a tape of the whole sequence.

    cell: any `cell(params, x, *state)`. params: Tensors by name, those that `loss` reads among them. xs: (T, B, I).
    loss: `loss(t, h) -> scalar`, h the first state of step t; a plain number where a step has no loss. state: what to
    start from, as for `unroll`. also: other names to differentiate by: "x" (the answer is (T, B, I)), and "h0", "c0",
    ... where `state` is given. The gradients are those of one tape of all steps, to rounding.

    `xs` and `state` are constants: for a learned initial state or an embedding give the values (.data), ask for the
    gradient by them with `also`, and take it further. A Tensor that is a parameter or leads back to one is refused.

    The sequence is run once without recording, and the state kept at every `every`-th step; then, from the last segment
    to the first, each is recorded from its state, walked back, and dropped. Memory: T / every states and a tape of
    `every` steps, O(sqrt T) for the default, about sqrt(T). Time: one unrecorded run more than with one tape.

    `recursive`: the sequence is halved, the state in the middle kept while the second half is done, and so on down to
    segments of `every` steps (default: about log2(T)), on a stack of their bounds. Memory O(log T); time
    (1/2) log2(T / every) unrecorded runs more.

    The cell must give the same numbers again: draw dropout masks beforehand. Raises ValueError where a state that comes
    out of a segment is not the one that was kept. On an open tape nothing is recorded.
    """
    run = Run("checkpointed", cell, params, xs, loss, state)
    names = [f"{name}0" for name in run.names]
    if isinstance(also, str):
        raise TypeError(f"checkpointed: also is the string {also!r}\ngive a sequence of names: also=({also!r},)")
    for name in also:
        if name != "x" and (name not in names or not run.state):
            what = "without state=, there is none" if name in names else f"the names are x, {', '.join(names)}"
            raise ValueError(f"checkpointed: no gradient by {name!r}: {what}\ngive the initial state, and its name")
        if name in params:
            raise ValueError(f"checkpointed: {name!r} is a parameter and an input\nrename the parameter")
        values = list(run.xs) if name == "x" else [run.state[names.index(name)]]
        for value in values:
            require_differentiable(f"[{name!r}]", Tensor(value, name=name))
    if every is not None and (isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1):
        raise ValueError(f"checkpointed: every = {every!r}\nexpected a number of steps, 1 or more")
    length = every or math.ceil(math.log2(run.T + 1) if recursive else math.sqrt(run.T))
    back = _Back(run, "x" in also)
    for segment in (_halves if recursive else _pieces)(run, length):
        back.over(segment)
    run.require_losses(back.losses)
    with not_recording():
        gradients = {name: finished(back.sums.get(p), p) for name, p in params.items()}
        of_states = dict(zip(names, zip(back.carry, run.state, strict=False), strict=False))
        gradients |= {n: finished(g, Tensor(s)) for n, (g, s) in of_states.items() if n in also}
    if "x" in also:
        gradients["x"] = np.stack([back.dxs[t] for t in range(run.T)])
    return back.value, gradients


class _Back:
    """The walk back, segment by segment: the sums so far, and nothing of a segment that is done."""

    def __init__(self, run: Run, with_x: bool) -> None:
        self._run = run
        self._with_x = with_x
        self.value, self.losses = 0.0, 0
        self.sums: dict[Tensor, Array] = {}  # the gradients by the parameters
        self.carry: tuple[Array | None, ...] = (None,) * len(
            run.names
        )  # what came back to the states between two segments
        self.dxs: dict[int, Array] = {}

    def over(self, segment: Segment) -> None:
        """Record one segment from its state, walk back over it, and drop it."""
        start, stop, before, after = segment
        run = self._run
        inputs = tuple(Tensor(s, name=f"{name}0") for name, s in zip(run.names, before, strict=False))
        xs = [Tensor(run.xs[t], name="x") for t in range(start, stop)] if self._with_x else []
        with not_recording():
            with Tape() as tape:
                states, found, part = run.recorded(tape, start, stop, inputs, xs=xs or None)
            _require_same(run, stop, states[-1], after)
            # The walk adds to the sums that it begins with: one sum for all segments, in the order of one tape.
            pending = _seeds(found, states[-1], self.carry) | self.sums
            wanted = list(run.params.values())
            deque(walk(tape.lines(), len(tape) - 1, pending, [*wanted, *inputs, *xs]), maxlen=0)
            self.dxs |= {t: finished(pending.get(x), x) for t, x in enumerate(xs, start)}
        self.sums = {p: pending[p] for p in wanted if p in pending}
        self.carry = tuple(pending.get(s) for s in inputs)
        self.value, self.losses = self.value + part, self.losses + len(found)


def _seeds(losses: Mapping[int, Tensor], last: State, carry: tuple[Array | None, ...]) -> dict[Tensor, Array]:
    """Return the cotangents with which the walk over a segment begins: of its losses, and of its last states."""
    seeds: dict[Tensor, Array] = {}
    pairs = [(x, np.ones(x.shape, x.dtype)) for x in losses.values()]
    for x, g in [*zip(last, carry, strict=True), *pairs]:
        if g is not None:
            seeds[x] = seeds[x] + g if x in seeds else g
    return seeds


def _pieces(run: Run, length: int) -> Iterator[Segment]:
    """Yield segments of `length` steps, the last one first; the first state of each is kept from the beginning."""
    kept = [run.state]
    for start in range(0, run.T - length, length):
        kept.append(run.forward(start, start + length, kept[-1]))
    after = None
    while kept:
        before = kept.pop()
        start = len(kept) * length
        yield start, min(start + length, run.T), before, after
        after = before


def _halves(run: Run, length: int) -> Iterator[Segment]:
    """Yield segments of up to `length` steps, the last one first; longer ones are halved, on a stack."""
    stack: list[Segment] = [(0, run.T, run.state, None)]
    while stack:
        start, stop, before, after = stack.pop()
        if stop - start <= length:
            yield start, stop, before, after
            continue
        middle = (start + stop) // 2
        between = run.forward(start, middle, before)
        stack += [(start, middle, before, between), (middle, stop, between, after)]


def _require_same(run: Run, stop: int, states: State, kept: State | None) -> None:
    """Raise ValueError where a segment, run again, came to another state."""
    for name, again, first in zip(run.names, states, kept or (), strict=False):
        values = again.data if isinstance(again, Tensor) else again
        if not np.allclose(values, first, rtol=1e-4, atol=1e-6, equal_nan=True):
            raise ValueError(
                f"checkpointed: {cell_name(run.cell)} gave another {name} at t={stop - 1} when it was run again\n"
                "a cell must give the same numbers twice: draw its random masks beforehand"
            )
