"""Truncated BPTT on the tape of the full network: the paths of a gradient, cut or scaled where they go through time.

Nothing is run again and no network is written anew: a truncation is a rule for the edges between the steps of an
ordinary tape, so it holds for every cell, every number of states and layers, and stands beside the full gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.ways import AnyWay, Full, Scaled, drawn
from tinygrad_rnn.engine.recording import Scope
from tinygrad_rnn.engine.split import split_gradient, total
from tinygrad_rnn.engine.steps import time_of
from tinygrad_rnn.engine.tape import Tape, listed, require_differentiable
from tinygrad_rnn.engine.tensor import Tensor

_SUMS = {"add", "subtract", "negative", "positive", "sum", "mean", "stack", "concatenate", "reshape", "getitem"}
_SCALES = {"multiply", "divide"}


def truncated_gradient(tape: Tape, loss: Any, wrt: Any, how: AnyWay, *, rng: np.random.Generator | None = None) -> Any:
    """The gradient of `loss` by `wrt`, of those paths alone that `how` leaves, times the factors that it gives them.

    wrt: a Tensor, a sequence or a dict of Tensors; the answer is alike, arrays, as of `tape.gradient`; hooks are not
    asked, and nothing is recorded. `rng` is what a random way draws from; others do without.

    loss: a scalar of this tape; a sequence of scalars, whose sum is meant; or a mapping from steps to the scalars that
    are these steps' losses. A step is the label `t` of the scope, which `unroll` sets; for `how`, steps count from the
    lowest on the tape, and T is their number up to the highest.

    A path starts at the step through which it first enters time, coming from the loss; in a mapping, at its loss's
    step. From there on each edge that leads to an entry of another step is left, cut or scaled, entries outside of all
    steps lying between or not. Distance in time counts alike in both directions: in a bidirectional layer a path of the
    reverse direction is cut where it goes forward.

    Raises ValueError for a loss that was added up inside the steps (`L = L + loss_t` under `scope(t=t)`): all its paths
    would enter at the last step, and a cut would take the earlier losses with it. Raises ValueError too where a path
    that is scaled goes back and forth in time (two bidirectional layers): it would meet a factor twice.
    """
    names, tensors = listed(wrt)
    for name, x in zip(names, tensors, strict=True):
        require_differentiable(name, x)
    first, T = _steps(tape)
    way = drawn(how, rng, T)
    seeds, of_step = _losses(loss)
    _require_own_steps(tape, of_step, first, T)
    start = {x: (way.group(t - first), t - first, 0) for x, t in of_step.items()}
    if not isinstance(way, Full) and not start:
        _refuse_accumulated(tape.lines(), seeds)
    once = isinstance(way, Scaled) and not set(way.factors) <= {0.0, 1.0}

    def tag(path: Any, labels: Scope) -> Any:
        t = time_of(labels)
        if t is None:
            return path
        t -= first
        if path is None:
            return way.group(t), t, 0
        group, here, direction = path
        if once and t != here:
            turned = 1 if t > here else -1
            if direction == -turned:
                _refuse_turn(here + first, t + first)
            direction = turned
        return group, t, direction

    def edge(path: Any, reader: Scope, maker: Scope) -> float:
        there = time_of(maker)
        if path is None or there is None or there - first == path[1]:
            return 1.0
        return way.factor(path[0], path[1], there - first, T)

    parts = split_gradient(tape, seeds, tensors, tag, edge, start=start, at_leaf=lambda path: None)
    gradients = [total(found, x) for found, x in zip(parts, tensors, strict=True)]
    if isinstance(wrt, Tensor):
        return gradients[0]
    return dict(zip(names, gradients, strict=True)) if isinstance(wrt, Mapping) else gradients


def number_of_steps(tape: Tape) -> int:
    """T, from the lowest to the highest step on a tape. Raises ValueError where steps are no integers, or none."""
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


def _losses(loss: Any) -> tuple[dict[Tensor, Any], dict[Tensor, int]]:
    """The losses with their cotangents, and the steps that were given for them."""
    given = isinstance(loss, Mapping)
    several = list(loss.items()) if given else list(enumerate(loss if isinstance(loss, Sequence) else [loss]))
    if not several:
        raise ValueError("truncated_gradient: no losses\ngive a scalar, a sequence of them, or {step: loss}")
    seeds: dict[Tensor, Any] = {}
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
    made = {id(line[3]): time_of(line[4]) for line in tape.lines()}
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


def _refuse_accumulated(lines: list[tuple[Any, ...]], losses: Mapping[Tensor, Any]) -> None:
    """Raise ValueError where a loss is a sum that is carried from step to step.

    That is: within the steps by sums alone, the loss leads back to a value that another step made, and that nothing
    else has read on the way to the loss. (A state that is carried by sums is read by its cell as well.)
    """
    read_at: dict[int, set[Any]] = {id(x): set() for x in losses}  # sums of the loss, and the steps that add them
    leads, elsewhere = set(read_at), set()
    for op, args, _, out, labels in reversed(lines):
        if id(out) not in leads:
            continue
        t = time_of(labels)
        inputs = [a for a in args if type(a) is Tensor]
        summed = id(out) in read_at and id(out) not in elsewhere
        later = sorted(s for s in read_at.get(id(out), ()) if t is not None and s != t)
        if summed and later:
            raise ValueError(
                f"truncated_gradient: the loss is added up inside the steps: step {later[0]} adds to what step {t} "
                "made, and a cut between them would lose the losses before it\n"
                "give the losses of the steps: a list of them, or {step: loss}; or add them up outside of scope(t=...)"
            )
        scales = op.name in _SCALES and len(inputs) == 1
        for a in inputs:
            leads.add(id(a))
            if summed and (t is None or scales or op.name in _SUMS):
                read_at.setdefault(id(a), set()).update(read_at[id(out)] if t is None else {t})
            else:
                elsewhere.add(id(a))


def _refuse_turn(here: int, there: int) -> None:
    raise ValueError(
        f"truncated_gradient: a path goes back and forth in time, here from step {here} to step {there}: it would meet "
        "a factor twice, and the estimate would not be unbiased\n"
        "scale networks whose paths keep one direction, or cut with factors of 0 and 1 alone"
    )
