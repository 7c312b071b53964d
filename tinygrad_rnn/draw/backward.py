"""What comes back: the cotangent of every value, and what passes along each arrow, in one walk over the tape.

The engine's own products are used, line by line; a cut between two steps lets nothing pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.draw.numbers import log10_norm
from tinygrad_rnn.engine.steps import time_of
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.engine.walk import products_of


@dataclass
class Backward:
    """Cotangents by Tensor; and, where they are known, what entry number k sends back to a Tensor: log10 of its norm.

    `products[k, x]` of a parameter x is what this one use contributes to its gradient.
    """

    cotangents: dict[Tensor, Any]
    products: dict[tuple[int, Tensor], float] = field(default_factory=dict)


def backward(tape: Tape, loss: Any, cuts: Iterable[Any] = ()) -> Backward:
    """The walk back from `loss`: a Tensor of the tape, or a mapping from Tensors to arrays that holds its result.

    cuts: steps t before which the gradient is cut: nothing passes between t - 1 and t.
    Raises what `Tape.gradient` raises for its loss, and TypeError for what is neither.
    """
    if isinstance(loss, Mapping):
        wrong = [a for a in loss if not isinstance(a, Tensor)]
        if wrong:
            raise TypeError(
                f"draw: gradients by {type(wrong[0]).__name__}, {wrong[0]!r}\n"
                "give the loss, or a mapping from Tensors of the tape to arrays"
            )
        return Backward(dict(loss))
    cut = set(cuts)
    lines = tape.lines()
    made = {line[3]: time_of(line[4]) for line in lines}
    found = Backward({x: np.asarray(g) for x, g in tape.seeds(loss).items()})
    for k in reversed(range(len(lines))):
        out, t = lines[k][3], time_of(lines[k][4])
        g = found.cotangents.get(out)
        if g is None or (lines[k][0].name == "getitem" and lines[k][1][0] not in made):
            continue  # x[t] is drawn as an input of its own; the gradient of all x at each step would cost T squared
        sums: dict[Tensor, Any] = {}
        for x, product in products_of(lines[k], g):
            sums[x] = sums[x] + product if x in sums else product
        for x, product in sums.items():
            if crosses(cut, made.get(x), t):
                continue
            found.products[k, x] = log10_norm(product)
            held = found.cotangents.get(x)
            found.cotangents[x] = product if held is None else held + product
    return found


def crosses(cuts: set[Any], s: Any, t: Any) -> bool:
    """Whether a cut lies between two steps: before any step from the earlier one, exclusive, to the later."""
    if s is None or t is None or s == t or not cuts:
        return False
    early, late = min(s, t), max(s, t)
    return any(early < cut <= late for cut in cuts)
