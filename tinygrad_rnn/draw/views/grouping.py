"""The entries of each box: one entry, one gate, or one cell."""

from __future__ import annotations

from collections.abc import Hashable

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.drawn_tape import Reading
from tinygrad_rnn.tape.full_tape import Tape

LEVELS = ("ops", "gates", "cells")

TEXTBOOK = "textbook"
"""The level of a textbook's figure: a cell is what leads to the states of a step, and not what is made of them."""


def groups(reading: Reading, level: str) -> dict[int, list[int]]:
    """Return the entries of each box, in the order of the tape, by the number of the last of them.

    gates: a gate is all that was recorded under its scope. Each state, each other named value, and each value that
    several boxes read, has a box of its own. Any other entry belongs to the only box that reads it.
    cells: a cell is a step of one layer and direction. An entry that joins two layers has a box of its own.
    Outside of time, at both levels, a named value, or one without readers, is a box with all that it alone reads.
    """
    shown = [k for k in range(len(reading.entries)) if k not in reading.views]
    if level == "ops":
        return {k: [k] for k in shown}
    leading = _leading(reading, shown) if level == TEXTBOOK else set()
    readers: dict[Tensor, set[Hashable]] = {}
    read_by_gates: dict[Tensor, bool] = {}
    members: dict[Hashable, list[int]] = {}
    for k in reversed(shown):
        entry = reading.entries[k]
        key = _own_box(reading, k, level)
        if level == TEXTBOOK and reading.time[k] is not None and k not in reading.joins:
            key = ("cell", _place(reading, k)) if k in leading else ("named", k) if entry.out.name is not None else None
        by = readers.get(entry.out, set())
        only = next(iter(by)) if len(by) == 1 else None
        if key is None or (key == ("named", k) and read_by_gates.get(entry.out, False)):
            near = only is not None and _place(reading, members[only][0]) == _place(reading, k)
            key = only if near and only is not None else ("entry", k)
        members.setdefault(key, []).append(k)
        in_gate = isinstance(key, tuple) and key[0] == "gate"
        for a in entry.args:
            if isinstance(a, Tensor):
                readers.setdefault(a, set()).add(key)
                read_by_gates[a] = in_gate and read_by_gates.get(a, True)
    found = {numbers[0]: numbers[::-1] for numbers in members.values()}
    return {last: found[last] for last in sorted(found) if not _last_states(reading, last, readers)}


def boxes(tape: Tape, level: str = "gates") -> list[int]:
    """Return, for each entry of a tape, the last entry of its box; that of its first reader where it is not drawn."""
    reading = Reading(tape)
    last_of = {k: last for last, members in groups(reading, level).items() for k in members}
    readers: dict[Tensor, int] = {}
    for k in reversed(range(len(reading.entries))):
        last_of.setdefault(k, last_of[readers[out]] if (out := tape[k].out) in readers else k)
        readers |= {a: k for a in tape[k].args if isinstance(a, Tensor)}
    return [last_of[k] for k in range(len(reading.entries))]


def _leading(reading: Reading, shown: list[int]) -> set[int]:
    """Return the entries from which a state of the same step, layer and direction is made, and those of the states."""
    found: set[int] = set()
    wanted: set[tuple[Tensor, Hashable]] = set()
    for k in reversed(shown):
        entry, place = reading.entries[k], _place(reading, k)
        is_state = entry.out in reading.makers or entry.out.name in reading.states
        if reading.time[k] is not None and (is_state or (entry.out, place) in wanted):
            found.add(k)
            wanted.update((a, place) for a in entry.args if isinstance(a, Tensor))
    return found


def _own_box(reading: Reading, k: int, level: str) -> Hashable:
    """Return the box that an entry belongs to by itself, or None if its readers decide."""
    entry, place = reading.entries[k], _place(reading, k)
    if reading.time[k] is not None:
        if k in reading.joins:
            return "joined", k
        if level == "cells":
            return "cell", place
        if entry.out in reading.makers or entry.out.name in reading.states:
            return "state", k
        if (gate := reading.in_gate(k)) is not None:
            return "gate", gate, place
    return ("named", k) if entry.out.name is not None else None


def _place(reading: Reading, k: int) -> Hashable:
    return reading.time[k], reading.band(k) if reading.time[k] is not None else None


def _last_states(reading: Reading, k: int, readers: dict[Tensor, set[Hashable]]) -> bool:
    """Say whether a box only returns the last states, stacked and unnamed, as a layer does: it is not drawn."""
    entry = reading.entries[k]
    outside = reading.time[k] is None and bool(reading.by_time)
    return outside and entry.op.name == "stack" and entry.out.name is None and entry.out not in readers
