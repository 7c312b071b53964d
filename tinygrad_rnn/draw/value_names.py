"""Which values of a tape have a name on a page, and which are written as the expression that made them.

A value with a name of its own, `z_2`, begins a statement, `z_2 = x[2] @ W + h_1 @ U`. A value without one that a single
operation reads is a term of that operation's statement. A value without one that is read more often gets a letter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from tinygrad_rnn.core.recording import Scope, scope_text
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.draw.views.drawn_tape import Initial, Reading
from tinygrad_rnn.draw.views.step_numbers import LABELS, StepNumbers, is_whole, plain
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import LETTERS
from tinygrad_rnn.tape.steps import time_of

LONGEST_NAME = 40
LONGEST_TERM = 80
"""The maximum number of characters of a value that is written as the expression that made it."""


class ValueNames:
    """The names of the values of a tape: one that its author gave, with its step, or a letter."""

    def __init__(self, tape: Tape, loss: object, numbers: StepNumbers = LABELS) -> None:
        self._lines, self._loss, self._numbers = tape.lines(), loss, numbers
        self.leaves = tape.leaves()
        self._outside = set(self.leaves)
        self._initial = initial_names(tape, numbers)
        self._count = Counter(map(self._outer, self.leaves))
        named = [(out.name, labels) for _, _, _, out, labels in self._lines if out.name is not None]
        self._count.update(self.in_time(name, labels) for name, labels in named)
        self._taken: Counter[str] = Counter()
        names = [x.name for x in self.leaves] + [out.name for _, _, _, out, _ in self._lines]
        self._names = {name for name in names if name}
        stems = {name.split("_")[0] for name in self._names}
        self._letters = [letter for letter in LETTERS if letter not in stems]
        self._given: Counter[Hashable] = Counter()  # the number of letters of each step and layer
        places = {_place(labels) for _, _, _, _, labels in self._lines if time_of(labels) is not None}
        self._layered = 2 if len(places) > 1 else 1
        self.readers: dict[int, list[int]] = {}
        """The numbers of the lines that read a value, by its id."""
        self.bare: dict[int, str] = {}
        """The names without steps, by the number of the line: those of authors, and those of arrays cut into parts."""
        for k, (_, args, _, _, _) in enumerate(self._lines):
            for a in {id(a) for a in args if type(a) is Tensor}:
                self.readers.setdefault(a, []).append(k)

    def of_leaf(self, x: Tensor) -> str:
        """Return the name of a value from outside."""
        name = self._once(self._outer(x), ())
        return name if self._count[self._outer(x)] == 1 else f"{name}#{self._taken[name]}"

    def _outer(self, x: Tensor) -> str:
        return self._initial.get(x) or short(x.name or "leaf")

    def of_line(self, k: int, text: str) -> str | None:
        """Return the name of the result of line k, or None where it is written as `text`, its expression."""
        _, _, _, out, labels = self._lines[k]
        if out.name is not None:
            self.bare[k] = out.name
            name = self._once(self.in_time(out.name, labels), labels)
            return name if self._taken[name] == 1 else f"{name}#{k}"
        if out is self._loss and "L" not in self._names:
            return "L"
        if len(text) <= LONGEST_TERM and (is_view(self._lines[k]) or self._is_term(k)):
            return None
        if part := self._part(out):
            self.bare[k] = stem = part.partition("_")[0]
            name = self.in_time(stem, labels)
            self._count[name] = self._count[self.in_time(part, labels)]
            return self._once(name, labels)
        place = time_of(labels), _place(labels)
        number = self._given[place]
        self._given[place] += 1
        if number >= len(self._letters):
            return f"v{k}"
        name = self.in_time(self._letters[number], labels)
        self._count[name] += self._layered  # with its layer
        return self._once(name, labels)

    def in_time(self, name: str, labels: Scope) -> str:
        """Return a name with the step of its scope: `h_2`."""
        t = time_of(labels)
        return short(name) if t is None else f"{short(name)}_{short(str(self._numbers.number(t)))}"

    def input_of_step(self, k: int) -> str:
        """Return `x_2` for line k if it takes x[2], the input of its own step; "" for others."""
        op, args, _, out, labels = self._lines[k]
        t = time_of(labels)
        if op.name != "getitem" or len(args) != 2 or out.name is not None or args[0] not in self._outside:
            return ""
        bare = self._outer(args[0])
        name = self.in_time(bare, labels)
        alone = self._count[bare] == 1 and not self._count[name]
        return name if alone and is_whole(args[1]) and is_whole(t) and args[1] == t else ""

    def _once(self, name: str, labels: Scope) -> str:
        """Return a name with its layer and direction, where the step alone does not tell it from others."""
        where = scope_text(_place(labels))
        if self._count[name] > 1 and where:
            name = f"{name}{{{short(where)}}}"
        self._taken[name] += 1
        return name

    def _is_term(self, k: int) -> bool:
        """Say whether a single line reads the result of line k, in the same step."""
        _, _, _, out, labels = self._lines[k]
        by = self.readers.get(id(out), [])
        return len(by) == 1 and time_of(self._lines[by[0]][4]) == time_of(labels)

    def _part(self, x: Tensor) -> str:
        """Return `z_i` for a value that is only cut into parts z_i, z_f, z_g, z_o, so that it can be called z."""
        by = [self._lines[k] for k in self.readers.get(id(x), ())]
        names = [out.name or "" for op, _, _, out, _ in by if op.name == "getitem"]
        stems = {name.partition("_")[0] for name in names}
        alike = 1 < len(names) == len(by) and len(stems) == 1 and all("_" in name for name in names)
        return names[0] if alike and not stems & self._names else ""


def initial_names(tape: Tape, numbers: StepNumbers) -> dict[Tensor, str]:
    """Return the names of the initial states that could be taken for first states, as drawings write them: `h_{-1}`."""
    reading = Reading(tape)
    found: dict[Tensor, set[Initial]] = {}
    for (k, position), state in reading.initial.items():
        a = reading.entries[k].args[position]
        if state.time is not None and state.is_called(a.name):
            found.setdefault(a, set()).add(state)
    return {a: plain(state.title(numbers.under)) for a, (state, *others) in found.items() if not others}


def _place(labels: Scope) -> Scope:
    """Return a scope without step and gate: its layer and direction."""
    return tuple(pair for pair in labels if pair[0] not in ("t", "gate"))


def is_view(line: Line) -> bool:
    """Say whether a line only looks at an array in another way, as `x[2]` or `W.T` do."""
    op, args, kwargs, _, _ = line
    return (op.name == "transpose" and len(args) == 1 and not any(kwargs.values())) or (
        op.name == "getitem" and type(args[0]) is Tensor
    )


def short(name: str) -> str:
    """Return a name without what is too long of it."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
