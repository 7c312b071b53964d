"""Real-time recurrent learning: the gradient of BPTT, carried forward in time (Williams and Zipser, 1989).

The sensitivity S_t, the total derivative of the state by the parameters, goes from step to step by forward mode,

    S_t = (immediate derivative of h_t by theta) + (dh_t/dh_{t-1}) S_{t-1},

one tangent for each entry of each parameter. Then dL_t/dtheta = (dL_t/dh_t) S_t, and nothing of the past is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss, Run, State
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box, sentences
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.rich_values import tree_form
from tinygrad_rnn.transforms.forward import pushforward


@dataclass(frozen=True)
class Cost:
    """The cost of a run of RTRL.

    tangents: one for each entry of those parameters that the cell reads. operations: the lines of the steps' tapes,
    each counted once for each tangent. nbytes: what is held from step to step, whatever T is.
    """

    tangents: int
    operations: int
    nbytes: int
    seconds: float

    def __repr__(self) -> str:
        return f"<Cost: {self}>"

    def _repr_html_(self) -> str:
        return box(say("The cost of real-time recurrent learning"), sentences([str(self)]))

    def __str__(self) -> str:
        return say(
            "{tangents:,} tangents, {operations:,} operations, {nbytes:,} bytes held between steps, {seconds:.3g} s",
            **vars(self),
        )


class Rtrl(NamedTuple):
    """The loss, its gradients by name, and the cost."""

    value: float
    gradients: dict[str, Array]
    cost: Cost

    def __repr__(self) -> str:
        return f"<Rtrl: loss {self.value:.6g}, gradients of {', '.join(self.gradients)}; {self.cost}>"

    def _repr_html_(self) -> str:
        title = say("Real-time recurrent learning: the loss is {loss:.6g}", loss=self.value)
        return box(title, sentences([str(self.cost)]), tree_form(self.gradients, say("its gradients")))


def rtrl(cell: Cell, params: Mapping[str, Tensor], xs: Any, loss: Loss, state: Any = None) -> Rtrl:
    """Return the loss sum_t loss(t, h_t) and its gradient by the parameters, in one pass forward over the sequence.

    Arguments as for `checkpointed`; the same numbers as BPTT, to rounding. With P parameter entries and a state of N
    numbers a step costs P tangents of the cell, and P * N numbers are held: for an LSTM of H units about 8 H^2 * 2 H,
    where BPTT holds about 10 H for each step of the sequence. On an open tape nothing is recorded.
    """
    began = time.perf_counter()
    run = Run("rtrl", cell, params, xs, loss, state)
    gradients = {name: np.zeros(p.shape, p.dtype) for name, p in params.items()}
    moved: dict[str, list[State]] = {}  # for each entry of a parameter that the cell has read, the states' tangents
    before = run.state
    value, losses, operations = 0.0, 0, 0
    for t in range(run.T):
        with not_recording():
            inputs = tuple(Tensor(s, name=f"{name}0") for name, s in zip(run.names, before, strict=False))
            with Tape() as step:
                after = run.step(params, t, run.xs[t], inputs)
            read = set(step.leaves())
            run.seen(step)
            for name, p in params.items():
                if p in read or name in moved:
                    of_entries = moved.get(name) or [()] * p.size
                    moved[name] = [_pushed(step, p, k, inputs, v, after) for k, v in enumerate(of_entries)]
                    operations += len(step) * p.size
            h = Tensor(after[0].data, name=run.names[0])
            with Tape() as readout:
                one, number = run.step_loss(readout, t, h)
            run.seen(readout)
            if one is not None:
                dh = readout.gradient(one, h)
                for name, own in readout.gradient(one, params).items():  # of parameters that the loss reads itself
                    gradients[name] += own
                for name, tangents in moved.items():
                    along = np.array([np.sum(dh * of_entry[0]) for of_entry in tangents])
                    gradients[name] += along.reshape(gradients[name].shape)
                losses += 1
        before = tuple(s.data for s in after)
        value += number
    run.require_losses(losses)
    count = sum(len(of_entries) for of_entries in moved.values())
    held = sum(v.nbytes for of_entries in moved.values() for states in of_entries for v in states)
    return Rtrl(value, gradients, Cost(count, operations, held, time.perf_counter() - began))


def _pushed(step: Tape, p: Tensor, entry: int, inputs: State, moved: State, after: State) -> State:
    """Return the tangents of the states after a step, along one entry of one parameter."""
    direction = np.zeros(p.shape, p.dtype)
    direction.flat[entry] = 1
    return tuple(pushforward(step, {p: direction, **dict(zip(inputs, moved, strict=False))}, after))
