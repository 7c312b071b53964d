"""The cotangent of every value, by the engine's own walk. A cut between two steps stops its products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.core.backward import Products, pull_arrays, walk
from tinygrad_rnn.core.tensor import Array, Line, Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.products import dense
from tinygrad_rnn.tape.steps import time_of


def backward(tape: Tape, loss: Any, cuts: Iterable[float] = ()) -> dict[Tensor, Array]:
    """Return the cotangent of every value that `loss` depends on.

    loss: a Tensor of the tape, or a mapping from Tensors to their cotangents, which is checked and returned.
    cuts: steps t before which the gradient is cut: no entry sends a cotangent to a value on the other side of a cut.
    Paths over entries outside of time are not cut. Raises what `Tape.gradient` raises for its loss, and TypeError for a
    mapping from anything else than Tensors.
    """
    if isinstance(loss, Mapping):
        wrong = [a for a in loss if not isinstance(a, Tensor)]
        if wrong:
            raise TypeError(
                f"draw: gradients by {type(wrong[0]).__name__}, {wrong[0]!r}\n"
                "give the loss, or a mapping from Tensors of the tape to arrays"
            )
        return {x: _checked(tape, x, g) for x, g in loss.items()}
    cut = frozenset(cuts)
    lines = tape.lines()
    made = {out: time_of(labels) for _, _, _, out, labels in lines}

    def send(line: Line, g: Array, needed: set[int] | None) -> Products:
        op, args, _, _, labels = line
        if op.name == "getitem" and args[0] not in made:
            return []  # x[t] is drawn as an input of its own; the gradient of all x at each step would cost T squared
        here = time_of(labels)
        return [(x, sent) for x, sent in pull_arrays(line, g, needed) if not crosses(cut, made.get(x), here)]

    with not_recording():
        pending = tape.seeds(loss)
        passed = {lines[k][3]: g for k, g, _ in walk(lines, len(lines) - 1, pending, send=send)}
        return passed | {x: dense(g) for x, g in pending.items()}


def _checked(tape: Tape, x: Tensor, g: object) -> Array:
    """Return a gradient that was given for a Tensor of the tape, if it has its shape."""
    if not any(entry.out is x or any(a is x for a in entry.args) for entry in tape):
        raise ValueError(
            f"draw: a gradient of {x.describe()}, which is not on this tape\ngive those of its own Tensors"
        )
    g = g.data if isinstance(g, Tensor) else np.asarray(g)
    if g.dtype.kind not in "fiu" or g.shape != x.shape:
        raise ValueError(
            f"draw: a gradient of shape {g.shape} and dtype {g.dtype} for {x.describe()} {x.shape}\n"
            "a gradient is numbers of the shape of its Tensor"
        )
    return g


def crosses(cuts: frozenset[float], s: float | None, t: float | None) -> bool:
    """Say whether a cut lies between two steps: before a step after the earlier one, up to the later one."""
    if s is None or t is None or s == t or not cuts:
        return False
    early, late = min(s, t), max(s, t)
    return any(early < cut <= late for cut in cuts)
