"""Tapes that a truncation refuses: losses carried from step to step, and weights made in one step.

On a tape such values look like states: one step makes them, another one reads them. A cut between the two would take
the earlier losses with it, or all that the weight does in later steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.kinds import LINEAR
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.tape.steps import time_of

Lines = list[Line]

_SUMS = {"astype", "add", "subtract", "negative", "positive", "where"}
_SCALES = {"multiply", "divide"}


def refuse_carried_losses(lines: Lines, losses: Mapping[Tensor, object], wrt: Sequence[Tensor], by_step: bool) -> None:
    """Raise ValueError where a loss is a sum that is carried from step to step.

    That is: the loss leads back to a value that another step made, by sums, linear functions of one value, and any
    function of single numbers without a weight in it; and nothing else has read that value on the way to the loss. (A
    state that is carried in such a way is read by its cell as well, or its loss is no sum of its entries.)

    `by_step`: a loss was given for each step, so that what is carried is a sum of losses only if it is a single number.
    """
    weights, made = _weights(lines, wrt), {id(out) for _, _, _, out, _ in lines}
    arrays = _carries_arrays(lines)  # else a single number may be the state itself
    read_at: dict[int, set[Any]] = {id(x): set() for x in losses}  # sums of the loss, and the steps that add them
    leads, elsewhere = set(read_at), set()
    for op, args, _, out, labels in reversed(lines):
        if id(out) not in leads:
            continue
        t = time_of(labels)
        inputs = [a for a in args if type(a) is Tensor]
        summed = id(out) in read_at and id(out) not in elsewhere
        later = sorted(s for s in read_at.get(id(out), ()) if t is not None and s != t)
        if summed and later and (out.size == 1 or not by_step):
            raise ValueError(
                f"truncated_gradient: the loss is added up inside the steps: step {later[0]} adds to what step {t} "
                "made, and a cut between them would lose the losses before it\n"
                "give each step's own loss, {step: loss}, or add them up outside of scope(t=...); a state that is "
                "carried by sums alone needs {step: loss} too, and more than one entry"
            )
        factors = [a for a in inputs if id(a) in made or id(a) in weights]
        linear = op.name in _SUMS or op.kind in LINEAR
        linear = linear or (len(factors) == 1 and (op.name in _SCALES or op.kind == "product"))
        scalar = out.size == 1 and (arrays or (t is None and not by_step)) and not any(id(a) in weights for a in inputs)
        for a in inputs:
            leads.add(id(a))
            if summed and (linear or (scalar and a.size == 1)):
                read_at.setdefault(id(a), set()).update(read_at[id(out)] if t is None else {t})
            else:
                elsewhere.add(id(a))


def refuse_prepared(lines: Lines, wrt: Sequence[Tensor]) -> None:
    """Raise ValueError where one step makes a value from parameters alone that several other steps read.

    That is a weight, prepared within a step by mistake: it would be cut as if it were that step's state.
    """
    known = {id(x) for x in wrt} - {id(out) for _, _, _, out, _ in lines}
    readers: dict[int, tuple[Tensor, Any, set[Any]]] = {}  # each prepared value, its step, and the others that read it
    for _, args, _, out, labels in lines:
        t = time_of(labels)
        inputs = [a for a in args if type(a) is Tensor]
        for a in inputs:
            if id(a) in readers and t is not None and t != readers[id(a)][1]:
                readers[id(a)][2].add(t)
        if inputs and _of_numbers(args) and all(id(a) in known for a in inputs):
            known.add(id(out))
            if t is not None:
                readers[id(out)] = out, t, set()
    for value, t, steps in readers.values():
        if len(steps) > 1:
            raise ValueError(
                f"truncated_gradient: {value.describe()}, made in step {t} from parameters alone, is read in "
                f"{len(steps)} other steps: it would be cut like a state\n"
                "prepare weights outside of scope(t=...), or in each step again"
            )


def _weights(lines: Lines, wrt: Sequence[Tensor]) -> set[int]:
    """Return the ids of parameters, of arrays from outside, and of values made of parameters alone in one step.

    A value that one step hands to another is no weight, whatever it was made of.
    """
    step_of = {id(out): time_of(labels) for _, _, _, out, labels in lines}
    found = {id(x) for x in wrt if id(x) not in step_of}
    arrays: set[int] = set()
    for op, args, _, out, labels in lines:
        inputs = [a for a in args if type(a) is Tensor]
        arrays.update(id(a) for a in inputs if a.ndim and id(a) not in step_of)
        if op.kind in LINEAR and not op.variadic and id(args[0]) in arrays:  # transposed, a block of it
            arrays.add(id(out))
        own = all(id(a) in found and step_of.get(id(a)) in (None, time_of(labels)) for a in inputs)
        if inputs and own and _of_numbers(args):
            found.add(id(out))
    return found | arrays


def _of_numbers(args: Sequence[object]) -> bool:
    """Return whether the constants among the arguments are single numbers: an array may be an input of the step."""
    return all(np.size(a) <= 1 for a in args if isinstance(a, np.ndarray))


def _carries_arrays(lines: Lines) -> bool:
    """Return whether some step reads an array of more than one number that another step made."""
    made: dict[int, object] = {}
    for _, args, _, out, labels in lines:
        t = time_of(labels)
        arrays = (a for a in args if type(a) is Tensor and a.size > 1)
        if t is not None and any(made.get(id(a)) not in (None, t) for a in arrays):
            return True
        made[id(out)] = t
    return False
