"""A tape as the drawings read it: the entries shown, the values from outside and their readers, the place of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.single_step import initial_states, parameters
from tinygrad_rnn.draw.views.unstacked import unstacked
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.printing import index_text
from tinygrad_rnn.tape.steps import carried, steps, time_of

Time = Hashable
"""The label `t` of a step; None outside of time."""

Band = tuple[Any, ...]
"""The place of a step's entry in the network: its scope without step and gate, as (("layer", 1),)."""

_VIEWS = ("getitem", "transpose", "swapaxes")
"""The views that a copy's label can write: a part, `[2]`, and a transpose, `ᵀ`. Other views are boxes."""


class Initial(NamedTuple):
    """The state that a step reads from outside: the name of the state, and the step in whose place it stands.

    `time` is None where the labels of the steps do not tell it.
    """

    name: str
    time: Time

    def title(self, when: Callable[[Time], str]) -> str:
        """Return the name of the state with its step, `h₋₁`."""
        return self.name + when(self.time) if self.time is not None else f"initial {self.name}"

    def is_called(self, name: str | None) -> bool:
        """Say whether code calls the state by that name, which could be taken for the first state: h0."""
        return name in (self.name, f"{self.name}0", f"{self.name}_0")


class Reading:
    """The entries of a tape as they are shown, numbered as on the tape."""

    def __init__(self, tape: Tape) -> None:
        recorded = list(tape)
        self.entries, silent, self.joins = unstacked(recorded)
        self.time = [time_of(entry.scope) for entry in self.entries]
        self.by_time = steps(self.entries)
        self.number = {entry.out: k for k, entry in enumerate(self.entries)}
        self.views = self._views() | silent
        """Numbers of the entries that are part of a copy's label, or say nothing."""
        self.makers = {self.entries[maker].out for maker, _ in carried(recorded)}
        """The values that one step makes and another reads."""
        self.states = {a.name for a in self.makers} - {None}
        self.users = self._steps_that_use()
        self.fixed: set[tuple[int, Tensor]] = set()
        """(entry, value that it reads): values of one fixed step, not of a number of steps before the reader."""
        self.begins: dict[Tensor, list[Initial]] = {}
        """Values made outside of time that stand for such a state, by name: an h0 that is a part of an array."""
        self.initial = self._initial()
        """By (entry, argument): a step reads from outside what another step reads of its neighbour."""
        self.shared: set[Tensor] = set()
        """The parameters that a single step reads."""
        self._read_single_steps()
        self._all_uses_of_initial_states()

    def maker(self, a: Tensor) -> int | None:
        """Return the number of the shown entry that made a value; None for a value from outside."""
        k = self.number.get(a)
        return None if k is None or k in self.views else k

    def outside(self, k: int) -> list[tuple[int, Any]]:
        """Return (argument, value) of what an entry reads from outside, without the numbers of an index."""
        found: list[tuple[int, Any]] = []
        for position, a in enumerate(self.entries[k].args):
            if isinstance(a, Tensor):
                if self.maker(a) is None:
                    found.append((position, a))
            elif isinstance(a, np.ndarray) or (isinstance(a, float | int) and self.entries[k].op.name != "getitem"):
                found.append((position, a))
        return found

    def outer(self, a: object) -> tuple[str, str, Tensor | None]:
        """Return the kind and the title of a value from outside, and the leaf behind it."""
        if isinstance(a, Tensor):
            leaf, title = self.leaf(a)
            shared = leaf in self.shared or len(self.users.get((leaf, title), ())) > 1
            return "parameter" if shared else "input", title, leaf
        return "constant", "array" if isinstance(a, np.ndarray) else f"{a:.4g}", None

    def is_parameter(self, leaf: Tensor) -> bool:
        """Say whether a leaf is a parameter: several steps read it, or the same view of it, and none initially."""
        if any(self.leaf(self.entries[k].args[position])[0] is leaf for k, position in self.initial):
            return False
        return leaf in self.shared or any(a is leaf and len(times) > 1 for (a, _), times in self.users.items())

    def leaf(self, a: Tensor) -> tuple[Tensor, str]:
        """Return the leaf behind a view, and the name of the view: `weight_hhᵀ`, `x[2]`."""
        suffix = ""
        while (maker := self.number.get(a)) is not None:
            op, args = self.entries[maker].op.name, self.entries[maker].args
            suffix = (index_text(args[1:]) if op == "getitem" else "ᵀ") + suffix
            a = args[0]
        return a, (a.name or "leaf") + suffix

    def band(self, k: int) -> Band:
        """Return the labels of an entry's place in the network. An entry that joins layers has a place of its own."""
        if k in self.joins:
            return ("joined", self.number[self.joins[k].whole])
        return tuple(pair for pair in self.entries[k].scope if pair[0] not in ("t", "gate"))

    def in_gate(self, k: int) -> Hashable:
        """Return the gate under whose scope an entry was made, or None."""
        return dict(self.entries[k].scope).get("gate")

    def _views(self) -> set[int]:
        """Return the numbers of the entries without a name that only take a part or the transpose of a leaf.

        One without a reader is among them, unless it is all that is made of its leaf.
        """
        leaves: dict[Tensor, Tensor] = {}
        views: set[int] = set()
        for k, entry in enumerate(self.entries):
            if entry.op.name in _VIEWS and entry.out.name is None:
                source = entry.args[0]
                plain = all(not isinstance(part, Tensor | np.ndarray) for part in entry.args[1:])
                if plain and (source not in self.number or source in leaves):
                    leaves[entry.out] = leaves.get(source, source)
                    views.add(k)
        read = {a for entry in self.entries for a in entry.args if isinstance(a, Tensor)}
        used = {
            leaves.get(a, a)
            for k, entry in enumerate(self.entries)
            if k not in views
            for a in entry.args
            if isinstance(a, Tensor)
        }
        outs = {k: self.entries[k].out for k in views}
        return {k for k, out in outs.items() if out in read or leaves[out] in used}

    def initial_title(self, k: int, position: int, when: Callable[[Time], str]) -> tuple[str, str]:
        """Return the name of an initial state, `h₋₁`, and that of its Tensor where this one says more, else nothing."""
        state = self.initial[k, position]
        given = self.leaf(self.entries[k].args[position])[1]
        return state.title(when), "" if given == "leaf" or state.is_called(given) else given

    def _initial(self) -> dict[tuple[int, int], Initial]:
        handed: dict[Hashable, Counter[tuple[str | None, int | None]]] = {}
        outside: list[tuple[int, int, Hashable, Hashable]] = []
        for numbers in self.by_time.values():
            count: dict[Hashable, int] = {}
            for place, k in enumerate(numbers):
                entry = self.entries[k]
                # A first step may have more entries, a mask for one: then the place among those of its kind counts.
                kind = self.band(k), entry.op.name
                count[kind] = count.get(kind, 0) + 1
                for position, a in enumerate(entry.args):
                    if isinstance(a, Tensor):
                        maker = self.maker(a)
                        what = (place, position, entry.op.name, a.shape)
                        also = (*kind, count[kind], position, a.shape)
                        if maker is None or self.time[maker] is None:
                            outside.append((k, position, what, also))
                        elif self.time[maker] != self.time[k]:
                            from_where = a.name, _distance(self.time[maker], self.time[k])
                            handed.setdefault(what, Counter())[from_where] += 1
                            handed.setdefault(also, Counter())[from_where] += 1
        found: dict[tuple[int, int], Initial] = {}
        for k, position, by_place, by_kind in outside:
            by = handed.get(by_place) or handed.get(by_kind)
            if by is not None:
                ((name, distance), _), *_ = by.most_common(1)
                state, a = self._as_initial(k, position, name, distance), self.entries[k].args[position]
                if self.maker(a) is None:
                    found[k, position] = state
                elif state.is_called(a.name) and state not in self.begins.setdefault(a, []):
                    self.begins[a].append(state)
        return found

    def _as_initial(self, k: int, position: int, name: str | None, distance: int | None) -> Initial:
        """Return an initial state that stands as many steps from its reader as other steps' states do from theirs."""
        given = self.leaf(self.entries[k].args[position])[0].name or ""
        name = name or (given.removesuffix("0").removesuffix("_") if given.endswith("0") else "") or "state"
        t = self.time[k]
        return Initial(name, None if distance is None or not isinstance(t, int | np.integer) else int(t) + distance)

    def _read_single_steps(self) -> None:
        """Add the initial states and parameters of each layer and direction that has one step."""
        bands: dict[Band, dict[Time, list[int]]] = {}
        for t, numbers in self.by_time.items():
            for k in numbers:
                if k not in self.views and k not in self.joins:
                    bands.setdefault(self.band(k), {}).setdefault(t, []).append(k)
        for times in bands.values():
            if len(times) > 1:
                continue
            ((t, numbers),) = times.items()
            outer = {(k, n): self.leaf(a) for k in numbers for n, a in self.outside(k) if isinstance(a, Tensor)}
            initial = initial_states(outer, {self.entries[k].out.name for k in numbers})
            for (k, n), name in initial.items():
                backward = dict(self.entries[k].scope).get("direction") == "reverse"
                self.initial[k, n] = self._as_initial(k, n, name, 1 if backward else -1)
            self.states |= set(initial.values())
            self.shared |= parameters(self.entries, outer, initial, t)
        if self.by_time:  # a readout of all steps at once: hs @ V
            numbers = [k for k, t in enumerate(self.time) if t is None and k not in self.views]
            outer = {(k, n): self.leaf(a) for k in numbers for n, a in self.outside(k) if isinstance(a, Tensor)}
            self.shared |= parameters(self.entries, outer, self.initial, None)

    def _all_uses_of_initial_states(self) -> None:
        """Add the other uses of an initial state in its step: the derivative of h_0 @ U reads h_0 as well."""
        known = {(self.entries[k].args[n], self.time[k]): state for (k, n), state in self.initial.items()}
        for k in set(range(len(self.entries))) - self.views:
            for position, a in self.outside(k):
                if isinstance(a, Tensor) and (state := known.get((self.leaf(a)[0], self.time[k]))) is not None:
                    self.initial.setdefault((k, position), state)

    def _steps_that_use(self) -> dict[tuple[Tensor, str], set[Time]]:
        """Return the steps that read each leaf, or each view of it. A leaf that several steps share is a parameter.

        A view counts by itself: x is read in all steps, but each of its rows in one.
        """
        users: dict[tuple[Tensor, str], set[Time]] = {}
        for k, entry in enumerate(self.entries):
            for a in entry.args:
                if isinstance(a, Tensor) and self.maker(a) is None and k not in self.views:
                    users.setdefault(self.leaf(a), set()).add(self.time[k])
        return users


def _distance(of: Time, reader: Time) -> int | None:
    """Return how many steps a value was made after its reader, negative where it was made before."""
    if isinstance(of, int | np.integer) and isinstance(reader, int | np.integer):
        return int(of) - int(reader)
    return None
