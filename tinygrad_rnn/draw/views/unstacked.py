"""Stacked states between two layers, perhaps joined or masked, from which each step of the next layer takes its own.

A textbook draws an arrow from h_t of one layer to the next. The drawings do the same: an operation on all steps at once
is shown in each step, as if it had been done there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.notation import is_arithmetic

MOST_TERMS = 32
"""The maximum number of operations and operands that are shown as one in each step."""


class Argument(NamedTuple):
    """The argument of that place."""

    position: int


class Operation(NamedTuple):
    """An operation on the terms before it, as many as `arity`."""

    name: str
    arity: int


Term = Argument | Operation | int | float


class Join(NamedTuple):
    """The result `whole` of operations on all steps at once, the step that is shown, and the stacks that they read.

    `stacks` has one item for each argument that is shown: None for a mask or a number. `terms` says how several
    operations make the result, each after its operands; it is empty for one operation, on all arguments.
    """

    whole: Tensor
    step: int
    stacks: list[Tensor | None]
    terms: tuple[Term, ...]


def unstacked(entries: Sequence[Entry]) -> tuple[list[Entry], set[int], dict[int, Join]]:
    """Return the entries as they are shown, the numbers of those that are left out, and those that join two layers.

    `np.stack(hs)[t]` is hs[t] itself; `np.concatenate([stack, stack], axis=-1)[t]`, or such a stack times a mask, is
    the same operation on the states of step t, in the place of the entry that takes step t out. Several operations
    are one such entry, which is written as a formula.
    """
    made = {entry.out: entry for entry in entries}
    itself: dict[Tensor, Tensor] = {}
    shown: list[Entry] = []
    joins: dict[int, Join] = {}
    silent: set[int] = set()
    taken: dict[tuple[Tensor, int], Tensor] = {}
    for k, entry in enumerate(entries):
        of_step = _of_step(entry, made)
        if of_step is not None:
            parts, terms = of_step
            source, index = entry.args
            whole = made[source]
            if whole.op.name == "stack":
                itself[entry.out] = parts[0][0]
            elif (source, index) in taken:
                itself[entry.out] = taken[source, index]
            else:
                taken[source, index] = entry.out
                joins[k] = Join(source, index, [stack for _, stack in parts], terms)
                entry = replace(entry, op=whole.op, args=tuple(part for part, _ in parts), kwargs={})
        if entry.out in itself:
            itself[entry.out] = itself.get(itself[entry.out], itself[entry.out])
            silent.add(k)
        if any(isinstance(a, Tensor) and a in itself for a in entry.args):
            entry = replace(entry, args=tuple(itself.get(a, a) if isinstance(a, Tensor) else a for a in entry.args))
        shown.append(entry)
    if not itself and not taken:
        return list(entries), set(), {}
    # A stack, or a value made of stacks, is left out where only its single steps are read.
    used = {source for source, _ in taken} | {entries[k].args[0] for k in silent}
    read: set[Tensor] = set()
    for k in reversed(range(len(shown))):
        entry = shown[k]
        if k in silent:
            continue
        if entry.out in used and entry.out not in read and (entry.op.kind == "join" or _by_entry(entry)):
            silent.add(k)
            used.update(a for a in entry.args if isinstance(a, Tensor))
        else:
            read.update(a for a in entry.args if isinstance(a, Tensor))
    return shown, silent, joins


def _of_step(
    entry: Entry, made: dict[Tensor, Entry]
) -> tuple[list[tuple[Any, Tensor | None]], tuple[Term, ...]] | None:
    """Return the arguments, at one step, of operations on all steps, as pairs (argument, its stack), and the terms.

    `entry` takes that step out of the result. Returns None for any other entry.
    """
    if entry.op.name != "getitem" or len(entry.args) != 2 or type(entry.args[1]) is not int:
        return None
    whole, index = made.get(entry.args[0]), entry.args[1]
    read: list[Operation | tuple[Any, Tensor | None]] = []  # from right to left, each operation before its operands
    todo: list[Any] = [whole]
    while todo:
        part = todo.pop()
        if isinstance(part, Entry) and part.op.name == "stack" and part.kwargs["axis"] == 0:
            read.append((part.args[index], part.out))
        elif isinstance(part, Entry) and _by_step(part):
            read.append(Operation(part.op.name, len(part.args)))
            todo += [made.get(a, a) if isinstance(a, Tensor) else a for a in part.args]
        elif isinstance(part, np.ndarray) and whole is not None and part.shape == whole.out.shape:
            read.append((part[index], None))
        elif isinstance(part, int | float):
            read.append((part, None))
        else:
            return None
        if len(read) > MOST_TERMS:
            return None
    several = sum(isinstance(part, Operation) for part in read) > 1
    found: list[tuple[Any, Tensor | None]] = []
    terms: list[Term] = []
    for part in reversed(read):
        if isinstance(part, Operation):
            terms.append(part)
        elif several and isinstance(part[0], int | float):
            terms.append(part[0])  # written in the formula
        else:
            terms.append(Argument(len(found)))
            found.append(part)
    return found, tuple(terms) if several else ()


def _by_step(entry: Entry) -> bool:
    """Say whether an operation on all steps is the same operation at each: joining features, or elementwise."""
    if entry.op.name == "concatenate":
        return bool(entry.kwargs["axis"] not in (0, -entry.out.ndim))
    return _by_entry(entry)


def _by_entry(entry: Entry) -> bool:
    """Say whether an operation is +, -, * or /. Other elementwise operations, which may have keywords, are boxes."""
    return entry.op.kind == "elementwise" and is_arithmetic(entry.op.name)
