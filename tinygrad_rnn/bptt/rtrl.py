"""Real-time recurrent learning: the gradient of BPTT, carried forward in time (Williams and Zipser, 1989).

The sensitivity S_t = dh_t/dtheta goes from step to step by forward mode, S_t = dh_t/dtheta + (dh_t/dh_{t-1}) S_{t-1},
one tangent for each entry of each parameter; dL_t/dtheta follows at once, and nothing of the past is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.bptt.stepwise import Cell, Loss, Run
from tinygrad_rnn.engine.forward import pushforward
from tinygrad_rnn.engine.recording import not_recording
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor


@dataclass(frozen=True)
class Cost:
    """What RTRL took: `tangents`, one for each entry of the parameters; `operations`, the lines of all steps' tapes,
    each taken once for each tangent; `nbytes`, what is held from step to step, whatever T is; `seconds`.
    """

    tangents: int
    operations: int
    nbytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.tangents:,} tangents, {self.operations:,} operations, {self.nbytes:,} bytes held between steps, "
            f"{self.seconds:.3g} s"
        )


class Rtrl(NamedTuple):
    """The loss, its gradients by name, and the cost."""

    value: float
    gradients: dict[str, Any]
    cost: Cost


def rtrl(cell: Cell, params: Mapping[str, Tensor], xs: Any, loss: Loss, state: Any = None) -> Rtrl:
    """The loss sum_t loss(t, h_t) and its gradient by the parameters, in one pass forward over the sequence.

    Arguments as for `checkpointed`; the same numbers as BPTT, to rounding. With P parameter entries and a state of N
    numbers a step costs P tangents of the cell, and P * N numbers are held: for an LSTM of H units about 8 H^2 * 2 H,
    where BPTT holds about 10 H for each step of the sequence. On an open tape nothing is recorded.
    """
    began = time.perf_counter()
    run = Run("rtrl", cell, params, xs, loss, state)
    entries = [(p, k) for p in params.values() for k in range(p.size)]
    moved: list[tuple[Any, ...]] = [()] * len(entries)  # for each direction the tangents of the states
    gradient = [0.0] * len(entries)
    before: tuple[Any, ...] = run.state
    value, losses, operations = 0.0, 0, 0
    for t in range(run.T):
        with not_recording():
            inputs = tuple(Tensor(s, name=f"{name}0") for name, s in zip(run.names, before, strict=False))
            with Tape() as tape:
                (after,), found, part = run.recorded(t, t + 1, inputs)
            outputs = [*found.values(), *after]
            for k, (p, entry) in enumerate(entries):
                direction = np.zeros(p.shape, p.dtype)
                direction.flat[entry] = 1
                of_states = zip(inputs, moved[k], strict=False)
                tangents = pushforward(tape, {p: direction, **dict(of_states)}, outputs)
                if found:
                    gradient[k] += float(tangents.pop(0).item())
                moved[k] = tuple(tangents)
        before = tuple(s.data for s in after)
        operations += len(tape) * len(entries)
        value, losses = value + part, losses + len(found)
    run.require_losses(losses)
    rows = np.split(np.array(gradient), np.cumsum([p.size for p in params.values()])[:-1])
    gradients = {
        name: row.reshape(p.shape).astype(p.dtype) for (name, p), row in zip(params.items(), rows, strict=True)
    }
    held = sum(v.nbytes for of_entry in moved for v in of_entry)
    return Rtrl(value, gradients, Cost(len(entries), operations, held, time.perf_counter() - began))
