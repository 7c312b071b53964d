"""What a step does to the influence of the parameters on the state, for each example, read off the tape of the step.

The influence M_t = ds_t/dtheta, (S, P) for an example, obeys M_t = I_t + J_t M_{t-1}: I_t is the immediate derivative
of s_t by theta, the state before held, and J_t = ds_t/ds_{t-1}. All methods forward in time begin from these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.dense_jacobian import batch_of, rows_meet, side_by_side
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss, Run, State
from tinygrad_rnn.core.backward import Products, dependent, pull_arrays, walk
from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.tape import finished
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.by_place import SUMS, between, is_affine, stays_in_place
from tinygrad_rnn.tape.full_tape import Tape


class NotDefinedError(ValueError):
    """The error for a method that is not defined for a cell."""


@dataclass(frozen=True)
class StepInfluence:
    """One step, for each of B examples.

    J (B, S, S): ds_t/ds_{t-1}. within (B, S, S): its part that stays within a unit, along elementwise operations alone.
    I (B, S, P): the immediate derivative of s_t by the parameters, laid side by side. dL (B, S): dL_t/ds_t. direct
    (P,): what the loss of the step adds to the gradient by reading parameters itself. leak: whether the part within a
    unit is a constant factor. eps: the rounding of the step's numbers, which are all float64 here.
    """

    J: Array
    within: Array
    I: Array
    dL: Array  # noqa: N815 - as it is written
    direct: Array
    leak: bool
    eps: float


class Influences:
    """The steps of a run, one after another. Arguments as for `rtrl`. `value` is the loss so far.

    Examples whose states meet, as under batch normalization, are one example with all of their numbers.
    """

    def __init__(self, what: str, cell: Cell, params: Mapping[str, Tensor], xs: Any, loss: Loss, state: Any) -> None:
        self.run = Run(what, cell, params, xs, loss, state)
        self.shapes = {name: p.shape for name, p in params.items()}
        self.value = 0.0
        self._params = [*params.values()]

    def unpacked(self, g: Array) -> dict[str, Array]:
        """Return a vector (P,) as gradients by name, each of its parameter's dtype."""
        sizes = [p.size for p in self._params]
        parts = np.split(g, np.cumsum(sizes)[:-1])
        pairs = zip(self.run.params.items(), parts, strict=True)
        return {name: part.reshape(p.shape).astype(p.dtype) for (name, p), part in pairs}

    def __iter__(self) -> Iterator[StepInfluence]:
        run, before, losses = self.run, self.run.state, 0
        carried, batch = self._carried()
        for t in range(run.T):
            with not_recording():
                step, inputs, after = self._recorded(t, before)
                h = Tensor(after[0].data, name=run.names[0])
                with Tape() as readout:
                    one, number = run.step_loss(readout, t, h)
                run.seen(readout)
                losses += one is not None
                self.value += number
                dh = np.zeros(h.shape, h.dtype) if one is None else readout.gradient(one, h)
                own = [np.zeros(p.shape) for p in self._params] if one is None else readout.gradient(one, self._params)
                kept = tuple(after[k] for k in carried)
                arrived, more = _read_off(step, after[0], dh, kept, self._params)
                inputs = tuple(inputs[k] for k in carried)
                self._require_apart(t, step, inputs, kept, batch)
                J, I = _rows(step, kept, inputs, self._params, batch)
                within, leak = _within(step, inputs, kept, batch)
                direct = np.concatenate([np.ravel(a + b) for a, b in zip(own, more, strict=True)])
                dL = side_by_side(arrived, batch)
                J, within, I, dL, direct = (a.astype(np.float64) for a in (J, within, I, dL, direct))
                yield StepInfluence(J, within, I, dL, direct, leak, float(np.finfo(after[0].dtype).eps))
            before = tuple(s.data for s in after)
        run.require_losses(losses)

    def _recorded(self, t: int, before: State) -> tuple[Tape, State, State]:
        """Return the tape of a step, the states that it begins with, and those that it makes."""
        inputs = tuple(Tensor(s, name=f"{name}0") for name, s in zip(self.run.names, before, strict=False))
        with Tape() as step:
            after = self.run.step(self.run.params, t, self.run.xs[t], inputs)
        self.run.seen(step)
        # A cell that begins by itself has no states before: none of its lines reads these.
        return step, inputs or tuple(Tensor(np.zeros(s.shape, s.dtype)) for s in after), after

    def _carried(self) -> tuple[list[int], int]:
        """Return the numbers of the states of floats that a step reads, and the number of examples.

        The first state is among them, unless it is made of these.
        """
        with not_recording():
            first = self._recorded(0, self.run.state)[2]
            step, inputs, after = self._recorded(min(1, self.run.T - 1), tuple(s.data for s in first))
            made = {id(s) for s in after}
            floats = [(k, x) for k, x in enumerate(inputs) if x.dtype.kind == "f"]
            read = [k for k, x in floats if made & dependent(step.lines(), [x])]
            kept = {id(after[k]) for k in read}
            past = dependent([line for line in step.lines() if id(line[3]) not in kept], [x for _, x in floats])
            found = read if read and (0 in read or id(after[0]) not in past) else [0, *read]
            before, states = tuple(inputs[k] for k in found), tuple(after[k] for k in found)
            batch = batch_of(states)
            return found, batch if _rows_apart(step, before, states, batch) else 1

    def _require_apart(self, t: int, step: Tape, before: State, after: State, batch: int) -> None:
        if not _rows_apart(step, before, after, batch):
            raise ValueError(
                f"{self.run.what}: at t={t} a row of the state depends on another row of the state before, and at the "
                "first steps none does\nlet the examples meet at all steps, or at none; or give one, B = 1"
            )


def _rows_apart(step: Tape, before: State, after: State, batch: int) -> bool:
    lines = {id(out) for _, _, _, out, _ in step.lines()}
    made = tuple(s for s in after if id(s) in lines)
    return not made or not rows_meet(step, before, made, batch)


def _read_off(
    step: Tape, h: Tensor, dh: Array, kept: State, params: Sequence[Tensor]
) -> tuple[list[Array], list[Array]]:
    """Return what the cotangent of the first state brings to the states that are kept, and past these to parameters."""
    arrived = {s: np.zeros(s.shape, s.dtype) for s in kept}
    if h in arrived:
        return list((arrived | {h: dh}).values()), [np.zeros(p.shape, p.dtype) for p in params]

    def send(line: Line, g: Cotangent, needed: set[int] | None) -> Products:
        return [] if line[3] in arrived else pull_arrays(line, g, needed)

    pending: dict[Tensor, Any] = {h: dh}
    deque(walk(step.lines(), len(step) - 1, pending, [*kept, *params], send=send), maxlen=0)
    found = [finished(pending.get(x), x) for x in (*kept, *params)]
    return found[: len(kept)], found[len(kept) :]


def _rows(step: Tape, after: State, inputs: State, params: Sequence[Tensor], batch: int) -> tuple[Array, Array]:
    """Return J and I, by one walk back for each entry of the state of each example."""
    made = {id(out) for _, _, _, out, _ in step.lines()}
    J, I = [], []
    for s in after:
        for k in range(s.size):
            seed = np.zeros(s.size, s.dtype)
            seed[k] = 1
            cotangent = seed.reshape(s.shape)
            if id(s) in made:
                of_inputs, of_params = step.gradient({s: cotangent}, (inputs, tuple(params)))
            else:  # a state that is handed on as it is
                of_inputs = [cotangent if x is s else np.zeros(x.shape, x.dtype) for x in inputs]
                of_params = [np.zeros(p.shape, p.dtype) for p in params]
            J.append(side_by_side(of_inputs, batch)[k * batch // s.size])
            I.append(np.concatenate([np.ravel(g) for g in of_params]))
    sizes = [s.size for s in after]
    return _by_example(J, sizes, batch), _by_example(I, sizes, batch)


def _by_example(rows: Sequence[Array], sizes: Sequence[int], batch: int) -> Array:
    """Return rows, which stand state by state and in each example by example, as (B, S, ...)."""
    of_states = np.split(np.array(rows), np.cumsum(sizes)[:-1])
    return np.concatenate([part.reshape(batch, len(part) // batch, -1) for part in of_states], axis=1)


def _within(step: Tape, inputs: State, after: State, batch: int) -> tuple[Array, bool]:
    """Return the part of J along elementwise operations alone, and whether it is a constant factor."""
    lines = step.lines()
    starts = np.cumsum([0, *(s.size // batch for s in after)])
    found = np.zeros((batch, starts[-1], starts[-1]), after[0].dtype)
    constant = True
    for j, s in enumerate(after):
        alike = [x for x in inputs if x.shape == s.shape]
        steps = [(line, read) for line, read in between(lines, alike, [s]) if stays_in_place(line, (), s.shape)]
        kept = {id(line[3]) for line, _ in steps}

        def send(
            line: Line, g: Cotangent, needed: set[int] | None, kept: set[int] = kept, like: Tensor = s
        ) -> Products:
            products = pull_arrays(line, g, needed) if id(line[3]) in kept else []
            return [(x, p) for x, p in products if x.shape == like.shape]

        pending: dict[Tensor, Any] = {s: np.ones(s.shape, s.dtype)}
        deque(walk(lines, len(lines) - 1, pending, [*inputs], send=send), maxlen=0)
        for i, x in enumerate(inputs):
            if x in pending and x.shape == s.shape:
                place = np.arange(s.size // batch)
                found[:, starts[j] + place, starts[i] + place] = side_by_side([pending[x]], batch)
        constant &= all(_is_leak(line, read) for line, read in steps if any(line[1][k] in pending for k in read))
    return found, constant and bool(found.any())


def _is_leak(line: Line, read: Sequence[int]) -> bool:
    """Is a line a sum, or a state times a constant?"""
    factors = [a for k, a in enumerate(line[1]) if k not in read]
    return is_affine(line, read) and (line[0].name in SUMS or not any(type(a) is Tensor for a in factors))
