"""A tape read by time: the entries of each step, and the values that one step hands to another.

The label `t` of an entry's scope is its step. All code about steps uses this file.

>>> import numpy as np
>>> from tinygrad_rnn.core.recording import scope
>>> from tinygrad_rnn.tape.full_tape import Tape
>>> from tinygrad_rnn.core.tensor import Tensor
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
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.compare_steps import Reading, first_difference


def time_of(labels: Scope) -> Any:
    """Return the step to which a scope belongs, or None outside of time."""
    for name, value in reversed(labels):  # of nested scopes the inner one counts
        if name == "t":
            return value
    return None


def steps(tape: Iterable[Entry]) -> dict[Any, list[int]]:
    """Return the numbers of the entries of each step, the steps in the order in which they were first recorded."""
    found: dict[Any, list[int]] = {}
    for number, entry in enumerate(tape):
        t = time_of(entry.scope)
        if t is not None:
            found.setdefault(t, []).append(number)
    return found


def carried(tape: Iterable[Entry]) -> list[tuple[int, int]]:
    """Return the recurrence: pairs (i, j) where entry j, in another step than entry i, reads what i made."""
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


@dataclass(frozen=True)
class Likeness:
    """The steps of a tape that make other calls than the step `reference`, each with the first difference."""

    reference: Any
    differences: dict[Any, str]

    def __str__(self) -> str:
        if not self.differences:
            return f"all steps are alike step {self.reference}"
        return "\n".join(f"step {t}: {words}" for t, words in self.differences.items())


def likeness(tape: Iterable[Entry]) -> Likeness:
    """Compare every step with the middle one (the second of two), entry by entry, in time linear in the tape.

    Two steps are alike where they make the same calls under the same labels on alike arguments. Alike are: results of
    the same place in their own step, or of the same place equally many steps away; the same Tensor from outside of
    time; Tensors of one shape and dtype that no other step reads (x_t); equal numbers, or, in an index, numbers as far
    from t; constant arrays of one shape and dtype, whatever their values (a dropout mask).

    A recurrence is read off such steps: the first commonly differs, since it reads the initial state, and a step at
    which a sequence of the batch ends may. Without steps, the reference is None and nothing differs.
    """
    entries = list(tape)
    by_time = steps(entries)
    if not by_time:
        return Likeness(None, {})
    times = list(by_time)
    reference = times[len(times) // 2]
    reading = Reading(entries, [time_of(entry.scope) for entry in entries])
    differences = {t: first_difference(reading, by_time[t], by_time[reference]) for t in times if t != reference}
    return Likeness(reference, {t: words for t, words in differences.items() if words})
