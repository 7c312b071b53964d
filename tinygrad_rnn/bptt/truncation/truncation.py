"""Truncated BPTT on the tape of the full network: the paths of a gradient, cut or scaled where they go through time.

No cell is run again and no network is rewritten: a truncation is a rule for the edges between the steps of an
ordinary tape, so it holds for every cell, every number of states and layers, and stands beside the full gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.terms import require_tape
from tinygrad_rnn.bptt.truncation.refusals import refuse_carried_losses, refuse_prepared
from tinygrad_rnn.bptt.truncation.ways import AnyWay, Full, Scaled, Way, drawn
from tinygrad_rnn.core.errors import require_differentiable
from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.paths import split_gradient, total
from tinygrad_rnn.tape.steps import time_of


def truncated_gradient(tape: Tape, loss: Any, wrt: Any, how: AnyWay, *, rng: np.random.Generator | None = None) -> Any:
    """Return the gradient of `loss` by `wrt` along the paths that `how` leaves, times the factors that it gives them.

    wrt: a Tensor, or a tree of them; the answer is built alike, of arrays, as of `tape.gradient`; hooks are not
    asked, and nothing is recorded. `rng` is what a random way draws from; others do without.

    loss: a scalar of this tape; a sequence of scalars, whose sum is meant; or a mapping from steps to the scalars that
    are these steps' losses. A step is the label `t` of the scope, which `unroll` sets; for `how`, steps count from the
    lowest on the tape, and T is their number up to the highest.

    A path starts at the step through which it first enters time, coming from the loss; in a mapping, at its loss's
    step. From there on each edge that leads to an entry of another step is left, cut or scaled, entries outside of all
    steps lying between or not. Distance in time counts alike in both directions: in a bidirectional layer a path of the
    reverse direction is cut where it goes forward.

    A state that a step hands on as it is is the Tensor of the step that made it: a loss outside of the steps that reads
    it enters there. `{step: loss}` says what is meant, and is what `truncated_bptt` gives.

    Raises ValueError for a loss that was added up inside the steps (`L = L + loss_t` under `scope(t=t)`): all its paths
    would enter at the last step, and a cut would take the earlier losses with it. (Such a sum is told from a state by
    what reads it: see docs/truncation.md for what cannot be told.) Raises ValueError too where several steps read a
    weight that one of them made, and where a path that is scaled goes back and forth in time (two bidirectional
    layers): it would meet a factor twice.
    """
    require_tape("truncated_gradient", tape)
    leaves, rebuild = flattened(wrt)
    for path, x in leaves:
        require_differentiable(path, x)
    tensors = [x for _, x in leaves]
    first, T = _steps(tape)
    way = drawn(how, rng, T)
    seeds, of_step = _losses(loss)
    with not_recording():
        if not isinstance(way, Full):
            lines = tape.lines()
            refuse_prepared(lines, tensors)
            refuse_carried_losses(lines, seeds, tensors, bool(of_step) or len(seeds) > 1)
        gradients = along(tape, seeds, of_step, tensors, way, first, T)
        return rebuild([np.asarray(g) for g in gradients])  # NumPy gives a sum of numbers as a number


def along(
    tape: Tape,
    seeds: Mapping[Tensor, Array],
    of_step: Mapping[Tensor, int],
    wrt: Sequence[Tensor],
    way: Way,
    first: int,
    T: int,
) -> list[Array]:
    """Return the gradients of `truncated_gradient` on a tape of the steps first, ..., first + T - 1.

    seeds: the losses and their cotangents; of_step: the steps that were given for them.
    """
    _require_own_steps(tape, of_step, first, T)
    scaled = isinstance(way, Scaled)  # then a factor depends on where a path is, and else on where it started alone
    start = {x: (way.group(t - first), t - first if scaled else None, 0) for x, t in of_step.items()}
    once = isinstance(way, Scaled) and not set(way.factors) <= {0.0, 1.0}

    def tag(path: Any, labels: Scope) -> Any:
        t = time_of(labels)
        if t is None:
            return path
        t -= first
        if path is None:
            return way.group(t), t if scaled else None, 0
        group, here, direction = path
        if not scaled:
            return path
        if once and t != here:
            turned = 1 if t > here else -1
            if direction == -turned:
                _refuse_turn(here + first, t + first)
            direction = turned
        return group, t, direction

    def edge(path: Any, reader: Scope, maker: Scope) -> float:
        there = time_of(maker)
        if path is None or there is None or there == time_of(reader):
            return 1.0
        return way.factor(path[0], path[1], there - first, T)

    parts = split_gradient(tape, seeds, wrt, tag, edge, start=start, at_leaf=lambda path: None)
    return [total(found, x) for found, x in zip(parts, wrt, strict=True)]


def number_of_steps(tape: Tape) -> int:
    """Return T, from the lowest to the highest step on a tape. Raise ValueError unless steps are integers."""
    return _steps(tape)[1]


def _steps(tape: Tape) -> tuple[int, int]:
    found = {time_of(labels) for *_, labels in tape.lines()} - {None}
    wrong = [t for t in found if isinstance(t, bool) or not isinstance(t, int | np.integer)]
    if wrong or not found:
        what = f"the steps {wrong[:3]}" if wrong else "no steps"
        raise ValueError(
            f"truncated_gradient: {what} on this tape\nrecord each step under scope(t=...), an integer, as unroll does"
        )
    return int(min(found)), int(max(found) - min(found) + 1)


def _losses(loss: Any) -> tuple[dict[Tensor, Array], dict[Tensor, int]]:
    """Return the losses with their cotangents, and the steps that were given for them."""
    given = isinstance(loss, Mapping)
    several = list(loss.items()) if given else list(enumerate(loss if isinstance(loss, Sequence) else [loss]))
    if not several:
        raise ValueError("truncated_gradient: no losses\ngive a scalar, a sequence of them, or {step: loss}")
    seeds: dict[Tensor, Array] = {}
    steps: dict[Tensor, int] = {}
    for step, one in several:
        if not isinstance(one, Tensor):
            raise TypeError(
                f"truncated_gradient: the loss is a {type(one).__name__}, not a Tensor\n"
                "compute it from Tensors, inside `with Tape() as tape:`"
            )
        if one.size != 1:
            raise ValueError(
                f"truncated_gradient: the loss {one.describe()} is not a scalar\nreduce it: loss.sum(), loss.mean()"
            )
        if given and one in steps:
            raise ValueError(f"truncated_gradient: the loss of step {step} is that of another step too\ngive it once")
        if given:
            steps[one] = step
        seeds[one] = seeds.get(one, 0) + np.ones(one.shape, one.dtype)
    return seeds, steps


def _require_own_steps(tape: Tape, steps: Mapping[Tensor, Any], first: int, T: int) -> None:
    """Raise ValueError where a loss is said to be of a step that is not on the tape, or was made in another one."""
    if not steps:
        return
    made = {id(out): time_of(labels) for _, _, _, out, labels in tape.lines()}
    for x, step in steps.items():
        if isinstance(step, bool) or not isinstance(step, int | np.integer) or not first <= step < first + T:
            raise ValueError(
                f"truncated_gradient: a loss of step {step!r}, and the tape has the steps {first} to {first + T - 1}\n"
                "give {step: loss}"
            )
        if made.get(id(x)) not in (None, step):
            raise ValueError(
                f"truncated_gradient: {x.describe()} is given as the loss of step {step}, and step {made[id(x)]} made "
                "it\ngive {step: loss} with the steps under whose scope the losses were made"
            )


def _refuse_turn(here: int, there: int) -> None:
    raise ValueError(
        f"truncated_gradient: a path goes back and forth in time, here from step {here} to step {there}: it would meet "
        "a factor twice, and the estimate would not be unbiased\n"
        "scale networks whose paths keep one direction, or cut with factors of 0 and 1 alone"
    )
