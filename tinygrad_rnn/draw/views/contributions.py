"""What each use of a value adds to its gradient, and the sum over the uses of a shared parameter.

The copy of a parameter at step t stands for this one use, U⁽ᵗ⁾; its gradient dL/dU⁽ᵗ⁾ is what the use adds to
dL/dU, the sum over t (Goodfellow, Bengio and Courville, Deep Learning, section 10.2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tinygrad_rnn.core.backward import Products
from tinygrad_rnn.core.tensor import Array, Line, Tensor
from tinygrad_rnn.draw.views.boxes import Sum
from tinygrad_rnn.draw.views.cotangents import crosses
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.array_text import norm, number
from tinygrad_rnn.tape.products import products_of

Use = tuple[int, int]
"""The number of an entry, and the place of an argument."""


@dataclass
class Contributions:
    """What entries send back, given the cotangents `back` of all values and the steps before which a cut lies."""

    reading: Reading
    lines: list[Line]
    back: dict[Tensor, Array]
    cuts: frozenset[float] = frozenset()
    _last: tuple[int, Products] = field(default=(-1, []), repr=False)

    def of(self, use: Use) -> Array | None:
        """Return the cotangent that an entry sends back to its argument of that place, or None where it sends none."""
        k, position = use
        reading, back = self.reading, self.back
        a = reading.entries[k].args[position]
        if not isinstance(a, Tensor):
            return None
        maker = reading.maker(a)
        if maker is not None and crosses(self.cuts, reading.time[maker], reading.time[k]):
            return None
        if k in reading.joins:
            join = reading.joins[k]
            stack = join.stacks[position]
            if any(other is stack for other in join.stacks[:position]):
                return None  # the gradient of a stack is that of all its uses
            return back[stack][join.step] if stack in back else None
        if self._last[0] != k:
            line = self.lines[k]
            g = back.get(line[3])
            self._last = k, [] if g is None else products_of(line, g)
        args = self.lines[k][1]  # as recorded: a shown entry may have other arguments
        a = args[position]
        mine = [product for x, product in self._last[1] if x is a]
        number_of_use = sum(other is a for other in args[:position])  # d * d reads d twice
        return mine[number_of_use] if number_of_use < len(mine) else None

    def to_leaf(self, use: Use, sent: Array) -> Array:
        """Return what a use adds to the gradient of the leaf behind a view, in its shape, given what the use sends."""
        k, position = use
        a = self.reading.entries[k].args[position]
        while (maker := self.reading.number.get(a)) is not None:
            source = self.lines[maker][1][0]
            ((_, sent),), a = products_of(self.lines[maker], sent), source
        return sent

    def sums(self, columns: dict[Time, Time], of: str, called: Callable[[Tensor], str]) -> list[Sum]:
        """Return the sum over the uses of each parameter, and of each leaf that is read twice.

        columns: for each step of the tape, the column in which it is drawn. `of` is the name of the loss,
        and `called` names a leaf.
        """
        found = []
        for leaf, uses in sorted(self.uses.items(), key=lambda item: -item[0].ndim):  # matrices first
            terms: dict[Time, Array] = {}
            several = 0
            for use in uses:
                if (sent := self.of(use)) is not None:
                    sent = self.to_leaf(use, sent)
                    several += 1
                    t = self.reading.time[use[0]]
                    column = columns.get(t, OTHERS) if t is not None else OUTSIDE
                    terms[column] = terms[column] + sent if column in terms else sent
            total = sum(terms.values(), np.zeros(leaf.shape)) if terms else self.back.get(leaf)
            if total is None:
                continue
            shown = {column: size_text(terms.get(column, np.zeros(leaf.shape))) for column in [*columns.values()]}
            others = " + ".join(
                f"{size_text(terms[column])} ({words})"
                for column, words in ((OTHERS, say("the other steps")), (OUTSIDE, say("outside of the steps")))
                if column in terms and columns
            )
            name = called(leaf)
            found.append(
                Sum(f"d{of}/d{name}", shown if terms else {}, others, size_text(total), leaf.size == 1, several)
            )
        return found

    @cached_property
    def uses(self) -> dict[Tensor, list[Use]]:
        """Return the uses of each parameter, in order, and of each other leaf that two entries read as a whole."""
        reading = self.reading
        uses: dict[Tensor, list[Use]] = {}
        shared: set[Tensor] = set()
        for k in range(len(reading.entries)):
            if k in reading.views:
                continue
            for position, a in reading.outside(k):
                kind, title, leaf = reading.outer(a)
                if leaf is None or (k, position) in reading.initial:
                    continue
                whole = title == (leaf.name or "leaf")
                if kind == "parameter" or (leaf in uses and whole):
                    shared.add(leaf)
                uses.setdefault(leaf, []).append((k, position))
        return {leaf: found for leaf, found in uses.items() if leaf in shared}


OTHERS, OUTSIDE = "others", "outside"


def size_text(term: Array) -> str:
    """Return a single number as it is, and of an array the Euclidean norm."""
    return number(float(term.reshape(()))) if term.size == 1 else number(norm(term))
