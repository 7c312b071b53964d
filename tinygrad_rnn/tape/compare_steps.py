"""The first difference between two steps of a tape, found entry by entry and put into words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Tensor

Time = Hashable
"""The value of the label `t` of a scope."""


class Reading:
    """A tape as steps: the result of each entry by its step and place, and the steps that read each outer value."""

    def __init__(self, entries: Sequence[Entry], times: Sequence[Time]) -> None:
        self.entries, self.times = entries, times
        order: dict[Time, int] = {}
        self.made: dict[Tensor, tuple[Time, Hashable]] = {}  # (step, place in it)
        self.readers: dict[Tensor, set[Time]] = {}
        places: dict[Time, dict[Hashable, int]] = {}
        for entry, t in zip(entries, times, strict=True):
            if t is None:
                continue
            order.setdefault(t, len(order))
            # A place by name is better than one by number: a step with one more entry has the same state.
            kind = (labels(entry.scope), entry.out.name)
            here = places.setdefault(t, {})
            here[kind] = here.get(kind, -1) + 1
            self.made[entry.out] = (t, (*kind, here[kind]))
            for a in entry.args:
                if isinstance(a, Tensor) and a not in self.made:
                    self.readers.setdefault(a, set()).add(t)
        self.order = order

    def distance(self, t: Time, s: Time) -> int:
        """Return the number of steps from s to t: by their numbers, or by the order of recording if they have none."""
        if isinstance(t, int | np.integer) and isinstance(s, int | np.integer):
            return int(t - s)
        return self.order[t] - self.order[s]

    def source(self, a: Tensor, t: Time) -> Hashable:
        """Return the origin of an argument in step t, in a form that can be compared between steps."""
        if a in self.made:
            s, place = self.made[a]
            return "made", self.distance(t, s), place
        if len(self.readers.get(a, ())) == 1:
            return "of this step", a.shape, a.dtype
        return "outside", id(a)

    def words(self, a: object, t: Time) -> str:
        """Return an argument in words."""
        if not isinstance(a, Tensor):
            return f"an array {a.shape} {a.dtype}" if isinstance(a, np.ndarray) else repr(a)
        name = a.name or f"a value {a.shape}"
        if a not in self.made:
            return f"{name}, which no step made"
        s, _ = self.made[a]
        return f"{name} of its own step" if s == t else f"{name} of step {s}"


def labels(scope: Scope) -> Scope:
    """Return a scope without its step."""
    return tuple(pair for pair in scope if pair[0] != "t")


def first_difference(reading: Reading, these: Sequence[int], those: Sequence[int]) -> str:
    """Return the first difference between two steps, given by the numbers of their entries, in words; "" for none."""
    for place, (i, j) in enumerate(zip(these, those, strict=False)):
        words = _difference(reading, i, j)
        if words:
            return f"entry {place}, {reading.entries[i].op.name}, {words}"
    if len(these) != len(those):
        return f"{counted(len(these), 'entry', 'entries')}, where step {reading.times[those[0]]} has {len(those)}"
    return ""


def _difference(reading: Reading, i: int, j: int) -> str:
    """Return the difference of two entries, in words that follow upon the name of the first one's operation."""
    a, b, t, s = reading.entries[i], reading.entries[j], reading.times[i], reading.times[j]
    if a.op.name != b.op.name:
        return f"is where step {s} has {b.op.name}"
    facts = [
        ("stands under", labels(a.scope), labels(b.scope)),
        ("makes the name", a.out.name, b.out.name),
        ("makes the shape", a.out.shape, b.out.shape),
        ("makes the dtype", a.out.dtype, b.out.dtype),
        ("has arguments:", len(a.args), len(b.args)),
        ("has the options", tuple(a.kwargs), tuple(b.kwargs)),
    ]
    for verb, mine, other in facts:
        if mine != other:
            return f"{verb} {mine}, where step {s} has {other}"
    indexed = a.op.name in ("getitem", "set_at", "scatter")
    for x, y in zip((*a.args, *a.kwargs.values()), (*b.args, *b.kwargs.values()), strict=True):
        if not _alike(reading, x, t, y, s, indexed):
            return f"reads {reading.words(x, t)}, where step {s} reads {reading.words(y, s)}"
    return ""


def _alike(reading: Reading, x: Any, t: Any, y: Any, s: Any, indexed: bool) -> bool:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return x is y or bool(reading.source(x, t) == reading.source(y, s))
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray):
        return bool(x.shape == y.shape and x.dtype == y.dtype)
    if isinstance(x, slice):
        ends = zip((x.start, x.stop, x.step), (y.start, y.stop, y.step), strict=True)
        return all(_same_number(p, t, q, s, indexed) for p, q in ends)
    if isinstance(x, tuple | list):
        return len(x) == len(y) and all(_same_number(p, t, q, s, indexed) for p, q in zip(x, y, strict=True))
    return _same_number(x, t, y, s, indexed)


def _same_number(x: Any, t: Any, y: Any, s: Any, indexed: bool) -> bool:
    """Are two numbers equal, or, in an index, equally far from their steps?"""
    if x is y or bool(np.all(x == y)):
        return True
    numbers = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in (x, t, y, s))
    return indexed and numbers and bool(x - t == y - s)
