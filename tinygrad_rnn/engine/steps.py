"""A tape read by time: which entries make a step, and what one step hands to another.

The label `t` of an entry's scope is its step. Everything that speaks of steps stands on this file.

>>> import numpy as np
>>> from tinygrad_rnn.engine.recording import scope
>>> from tinygrad_rnn.engine.tape import Tape
>>> from tinygrad_rnn.engine.tensor import Tensor
>>> h = Tensor([0.5])
>>> with Tape() as tape:
...     for t in range(3):
...         with scope(t=t):
...             h = np.tanh(2 * h)
>>> steps(tape)
{0: [0, 1], 1: [2, 3], 2: [4, 5]}
>>> carried(tape)
[(1, 2), (3, 4)]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_rnn.engine.recording import Entry, Scope
from tinygrad_rnn.engine.tape import Tape
from tinygrad_rnn.engine.tensor import Tensor


def time_of(labels: Scope) -> Any:
    """The step that a scope belongs to, or None outside of time."""
    return dict(labels).get("t")  # of nested scopes the inner one counts


def steps(tape: Iterable[Entry]) -> dict[Any, list[int]]:
    """The numbers of the entries of each step, the steps in the order in which they were first recorded."""
    found: dict[Any, list[int]] = {}
    for number, entry in enumerate(tape):
        t = time_of(entry.scope)
        if t is not None:
            found.setdefault(t, []).append(number)
    return found


def carried(tape: Tape) -> list[tuple[int, int]]:
    """The recurrence: pairs (i, j) where entry j, in another step than entry i, reads what i made."""
    made: dict[Tensor, tuple[int, Any]] = {}
    pairs = []
    for number, entry in enumerate(tape):
        t = time_of(entry.scope)
        for a in entry.args:
            if isinstance(a, Tensor) and a in made:
                maker, made_at = made[a]
                if t is not None and made_at is not None and made_at != t:
                    pairs.append((maker, number))
        made[entry.out] = (number, t)
    return pairs
