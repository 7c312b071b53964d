"""What the walk back over a tape does not come to, though what is differentiated leads there.

A step from which nothing comes back has no cotangent. A loop that walks back over all of its steps would give it the
cotangent 0, and 0 * NaN is NaN: what is in the padding of a batch would be in every gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_rnn.core.backward import dependent
from tinygrad_rnn.core.kinds import LINEAR
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.graph.batching import SELECTIVE

Line = tuple[Any, ...]
CHOOSING = SELECTIVE | {"add", "subtract", "negative", "positive", "detach"}
"""Operations that, like the linear kinds, hand a cotangent on or leave it out: of 0 they make 0, whatever they read."""


def passed_over(lines: Sequence[Line], loss: Tensor, wrt: Sequence[Tensor]) -> dict[int, bool]:
    """Does the walk back from `loss` leave it out? For the id of each floating-point Tensor that depends on `wrt`.

    What is made by CHOOSING or is linear is not among them: a cotangent of 0 does no harm there.
    """
    leads = dependent(lines, wrt)
    reached = {id(loss)}
    for operation, args, _, out, _ in reversed(lines):
        if id(out) not in reached:
            continue
        rules = operation.vjps
        for k, a in enumerate(args):
            if type(a) is Tensor and (operation.variadic or (k < len(rules) and rules[k] is not None)):
                reached.add(id(a))
    return {
        id(out): id(out) not in reached
        for operation, _, _, out, _ in lines
        if id(out) in leads
        and out._data.dtype.kind == "f"
        and not (operation.kind in LINEAR or operation.name in CHOOSING)
    }
