"""What the steps of any tape hand on, and which of its leaves are parameters: read off the tape, with no cell given."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import carried, steps, time_of

Key = tuple[Hashable, ...]
"""What a value is called in its step: its name, or its place, and its labels but for the step."""


def states_of(tape: Tape, who: str = "flow") -> dict[str, dict[Any, Tensor]]:
    """Return the states by name, each by step, in the order of the run: floats that most steps hand on to another.

    The last step hands on nothing: its states are the values of the same names. A running total of the loss, which
    steps only add to, is no state where there are others. Raises ValueError for a tape without steps, with a single
    step, and for steps that hand on nothing.
    """
    times = steps(tape)
    if not times:
        raise ValueError(
            f"{who}: the tape has no steps\nlabel each: with scope(t=t): ..., or record the loop with nn.unroll"
        )
    lines, place = tape.lines(), {k: n for numbers in times.values() for n, k in enumerate(numbers)}
    handed: dict[Key, dict[Any, Tensor]] = {}
    for k, _ in carried(tape):
        out, labels = lines[k][3], lines[k][4]
        if out.dtype.kind == "f" and "grad" not in dict(labels):  # of a recorded walk back: cotangents
            handed.setdefault(_key(lines[k], place[k]), {})[time_of(labels)] = out
    usual = {key: found for key, found in handed.items() if 2 * len(found) >= len(times) - 1}
    if not usual or len(times) == 1:
        what = "a single step" if len(times) == 1 else "steps that hand nothing on to one another"
        raise ValueError(
            f"{who}: the tape has {what}, so no gradient flows through time\n"
            "record several steps, of which each reads a state of the one before"
        )
    given = {key: set(found) for key, found in usual.items()}
    shapes = {key: {x.shape for x in found.values()} for key, found in usual.items()}
    for k, n in place.items():
        key, t = _key(lines[k], n), time_of(lines[k][4])
        out = lines[k][3]
        # A place alone says little: a step with one line more has another value there.
        if key in usual and t not in given[key] and out.dtype.kind == "f" and (out.name or out.shape in shapes[key]):
            usual[key][t] = out
    made = {id(line[3]): k for k, line in enumerate(lines)}
    usual = {key: dict(sorted(found.items(), key=lambda each: made[id(each[1])])) for key, found in usual.items()}
    totals = _running_totals(usual, lines)
    return _named({key: found for key, found in usual.items() if key not in totals} or usual)


def parameters_of(tape: Tape) -> dict[str, Tensor]:
    """Return the leaves of floats that several steps, or lines outside of the steps, read as a whole, by name.

    An initial state, which one step reads, is none, and neither is a sequence of inputs, of which each step reads a
    part, nor what a recorded walk back alone reads.
    """
    readers: dict[Tensor, set[Any]] = {}
    made = {id(out) for _, _, _, out, _ in tape.lines()}
    for op, args, _, _, labels in tape.lines():
        if op.name == "getitem" or "grad" in dict(labels):
            continue
        for a in args:
            if type(a) is Tensor and id(a) not in made and a.dtype.kind == "f":
                readers.setdefault(a, set()).add(time_of(labels))
    return unique({x: x.name or "leaf" for x, times in readers.items() if len(times) > 1 or None in times})


def prepared_from(tape: Tape, params: dict[str, Tensor]) -> dict[Tensor, int]:
    """Return what lines outside of the steps make of parameters and leaves alone, as W.T, with its line's number."""
    lines = tape.lines()
    made = {id(out) for _, _, _, out, _ in lines}
    roots, found = {id(x) for x in params.values()}, dict[Tensor, int]()
    for k, (_, args, _, out, labels) in enumerate(lines):
        read = [a for a in args if type(a) is Tensor]
        from_leaves = time_of(labels) is None and all(id(a) not in made or a in found for a in read)
        if from_leaves and out.dtype.kind == "f" and any(id(a) in roots or a in found for a in read):
            found[out] = k
    return found


def unique(names: dict[Tensor, str]) -> dict[str, Tensor]:
    """Return Tensors by name; a name that several have gets a number."""
    found: dict[str, Tensor] = {}
    for x, name in names.items():
        number, free = 1, name
        while free in found:
            number, free = number + 1, f"{name} ({number + 1})"
        found[free] = x
    return found


def _key(line: Line, place: int) -> Key:
    _, _, _, out, labels = line
    return out.name or place, tuple(pair for pair in labels if pair[0] not in ("t", "gate"))


def _running_totals(states: dict[Key, dict[Any, Tensor]], lines: list[Line]) -> set[Key]:
    """Return the scalars that steps read for sums alone, and these sums for sums alone."""
    read: set[int] = set()  # what a step reads for anything else than a total
    for op, args, _, out, labels in reversed(lines):
        if time_of(labels) is not None and not (op.name == "add" and out.shape == () and id(out) not in read):
            read |= {id(a) for a in args if type(a) is Tensor}
    return {key for key, found in states.items() if all(x.shape == () and id(x) not in read for x in found.values())}


def _named(states: dict[Key, dict[Any, Tensor]]) -> dict[str, dict[Any, Tensor]]:
    """Return the states by name; with the labels where a name alone is not enough."""
    names = [str(key[0]) if isinstance(key[0], str) else f"#{key[0]}" for key in states]
    found = {}
    for name, (key, values) in zip(names, states.items(), strict=True):
        labels = scope_text(key[1]) if names.count(name) > 1 else ""  # type: ignore[arg-type]
        found[f"{name} {labels}".strip()] = values
    return found
