"""The calls of a loop, found on the tape without scopes: a run of calls that repeats, once a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Line, Tensor


def leading_to(lines: Iterable[Line], loss: Tensor) -> list[Line]:
    """Return the lines that the loss depends on."""
    needed, kept = {id(loss)}, []
    for line in reversed(list(lines)):
        _, args, _, out, _ = line
        if id(out) in needed:
            kept.append(line)
            needed |= {id(a) for a in args if type(a) is Tensor}
    return kept[::-1]


def labelled(lines: list[Line], steps: int, names: Mapping[int, str]) -> list[Line] | None:
    """Return the lines with the label t on those of the loop; None where no run of calls repeats so often.

    Each step's values get the names of those to which the person's variables still point at the end: of the last step
    mostly, or of the first, which backward came to last.
    """
    calls = [
        (op.name, out.shape, tuple((k, str(v)) for k, v in sorted(kwargs.items()))) for op, _, kwargs, out, _ in lines
    ]
    best: tuple[int, int, int] | None = None
    for period in range(1, len(calls) // steps + 1) if steps > 1 else ():
        start, length = _longest([a == b for a, b in zip(calls, calls[period:], strict=False)])
        if length >= (steps - 1) * period and (best is None or period > best[0]):
            best = (period, start, length)
    if best is None:
        return None
    period, start, _ = best
    in_loop = {id(out) for _, _, _, out, _ in lines[start : start + steps * period]}
    made: list[Line] = []
    for k, (op, args, kwargs, out, _) in enumerate(lines):
        t, place = divmod(k - start, period)
        inside = 0 <= t < steps
        if inside:
            every = [lines[start + s * period + place][1] for s in range(steps)]
            across = zip(*every, strict=False)
            args = tuple(_alike(a, list(each), in_loop, args) for a, each in zip(args, across, strict=False))
            each = [lines[start + s * period + place][3] for s in reversed(range(steps))]
            out.name = next((names[id(o)] for o in each if id(o) in names), out.name)
        made.append((op, args, kwargs, out, (("t", t),) if inside else ()))
    return made


def _alike(argument: Any, every: list[Any], in_loop: set[int], args: tuple[Any, ...]) -> Any:
    """Return an argument as all steps can have it: an array, for a number in whose place others have something else.

    A sum begins at the number 0, which is a value on the tape later. The number of a word or of a target, E[x_t] or
    p[y_t], is another one at each step; the number of the step itself, xs[t], stays.
    """
    argument, *every = [int(a) if isinstance(a, np.integer | np.bool_ | bool) else a for a in (argument, *every)]
    if type(argument) not in (int, float):
        return argument
    if any(type(a) is Tensor for a in every):
        return np.asarray(float(argument))
    of_step = every == list(range(len(every))) and id(args[0]) not in in_loop and len(every) in np.shape(args[0])
    return np.asarray(argument) if any(a != argument for a in every) and not of_step else argument


def _longest(same: list[bool]) -> tuple[int, int]:
    """Return the start and the length of the longest run of True."""
    best, start = (0, 0), 0
    for k, value in enumerate([*same, False]):
        if not value:
            best = max(best, (start, k - start), key=lambda run: run[1])
            start = k + 1
    return best
