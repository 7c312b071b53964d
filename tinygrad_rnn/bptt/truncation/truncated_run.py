"""Truncated BPTT as it is run: a tape for each walk back, no longer than the walk reaches.

The gradient is that of `truncated_gradient` on one tape of all steps, with the losses as `{step: loss}`; here one sees
what truncation is for: the time and the memory that each way takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss, Run, State
from tinygrad_rnn.bptt.truncation.truncation import along
from tinygrad_rnn.bptt.truncation.ways import AnyWay, Scaled, Span, Way, drawn
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.full_tape import Tape


def truncated_bptt(
    cell: Cell,
    params: Mapping[str, Tensor],
    xs: Any,
    loss: Loss,
    how: AnyWay,
    state: Any = None,
    *,
    rng: np.random.Generator | None = None,
) -> tuple[float, dict[str, Array]]:
    """Return the loss sum_t loss(t, h_t) and its gradient, truncated as `how` says, in one run over xs.

    cell, params, xs, loss, state: as for `checkpointed`. Each span of `how` is recorded on a tape of its own, which
    begins with a constant state, walked back from its losses and dropped: `Chunked(k)` records every step once and
    holds k of them, `Window(k)` records every step k times. On an open tape nothing is recorded.
    """
    run = Run("truncated_bptt", cell, params, xs, loss, state)
    way = drawn(how, rng, run.T)
    gradients = {name: np.zeros(p.shape, p.dtype) for name, p in params.items()}
    value, losses = 0.0, 0
    kept: list[State] = [run.state]  # the states before the steps from `first` on
    first = 0
    for span in way.spans(run.T):
        kept, first = kept[span.start - first :], span.start
        after, found, part = _walked(run, way, span, kept[0], gradients)
        kept[1:] = after
        value, losses = value + part, losses + found
    run.require_losses(losses)
    return value, gradients


def _walked(
    run: Run, way: Way, span: Span, before: State, gradients: dict[str, Array]
) -> tuple[list[State], int, float]:
    """Record a span and add its gradients to `gradients`. Return its states, and the losses' number and sum."""
    start, earliest, stop = span
    with not_recording():
        with Tape() as tape:
            states, losses, value = run.recorded(tape, start, stop, before, losses=earliest)
        if isinstance(way, Scaled) and losses:
            within = Scaled(way.factors[start : stop - 1])
            seeds = {x: np.ones(x.shape, x.dtype) for x in losses.values()}
            of_step = {x: t for t, x in losses.items()}
            found = along(tape, seeds, of_step, list(run.params.values()), within, start, stop - start)
            parts = dict(zip(run.params, found, strict=True))
        elif losses:
            parts = tape.gradient({x: np.ones(x.shape, x.dtype) for x in losses.values()}, run.params)
        for name, g in gradients.items():
            g += parts[name] if losses else 0
    return [tuple(s.data for s in after) for after in states], len(losses), value
