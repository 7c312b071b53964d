"""The parameters on the arrows: W multiplies what flows along x_t -> z_t, U what flows along h_{t-1} -> z_t.

They are found on the tape, whatever they are called. What an arrow carries is followed through the entries of the box
that it enters, up to the first product with a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.tape import Entry
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.boxes import Arrow, Picture, printable
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.language.saying import listed, say
from tinygrad_rnn.tape.notation import SHORT

FARTHEST = 64
"""The maximum number of entries through which a value is followed."""
_PASSING = ("elementwise", "view", "join", "linear")


def acting(reading: Reading, members: Sequence[int], k: int, position: int) -> list[Tensor]:
    """Return the parameters by which entry k, or an entry after it in the same box, multiplies that argument of k.

    A product with a parameter ends a way, and so does a state: what is made of it is another value.
    """
    flowing: set[Any] = {reading.entries[k].args[position]}
    found: dict[Tensor, None] = {}
    start = members.index(k)
    for m in members[start : start + FARTHEST]:
        entry = reading.entries[m]
        others = [a for a in entry.args if not _within(a, flowing)]
        if len(others) == len(entry.args):
            continue
        weights = [w for a in others for w in _weights(reading, a)] if _is_product(entry) else []
        if weights:
            found.update(dict.fromkeys(weights))
        elif (entry.op.kind in _PASSING or _is_product(entry)) and not _is_state(reading, entry.out):
            flowing.add(entry.out)
    return list(found)


def sign(leaf: Tensor) -> str:
    """Return a parameter's name on an arrow: its own, or, of PyTorch's names, W, U, b_ih, with the layer behind."""
    name = leaf.name or "leaf"
    for long, brief in SHORT.items():
        if name.startswith(long) and (name == long or name[len(long) :].startswith("_l")):
            return printable(brief + name[len(long) :])
    return printable(name)


def name_of(leaf: Tensor) -> str:
    """Return a parameter's own name."""
    return printable(leaf.name or "leaf")


def legend(reading: Reading, pic: Picture, sums: bool) -> list[str]:
    """Return the text that names the parameters of a drawing, once each.

    It says that all steps share them, and, where no `sums` are drawn, what that means for their gradients.
    """
    by_step = {name for arrow, names in pic.weights.items() if _in_step(pic, arrow) for name in names}
    once = {name for names in pic.weights.values() for name in names} - by_step
    times: dict[Tensor, set[Time]] = {}
    for (leaf, _), steps in reading.users.items():
        times.setdefault(leaf, set()).update(steps)
    shared: dict[str, str] = {}
    others: list[str] = []
    alone: list[str] = []
    for leaf, steps in times.items():
        if not reading.is_parameter(leaf):
            continue
        name = sign(leaf)
        words = name if name == leaf.name else f"{name} = {name_of(leaf)}"
        words += f" ({'×'.join(map(str, leaf.shape))})" if leaf.shape and not sums else ""
        if name in once or (not pic.weights and steps == {None} and leaf.ndim > 1):
            alone.append(words)
        elif name in by_step or (not pic.weights and leaf.ndim > 1):
            shared[name] = words
        elif steps != {None}:
            others.append(name)
    found = []
    if shared or others:
        found.append(say("The same at every step: {names}.", names=listed([*shared.values(), *others])))
        if shared and not sums:
            found.append(say("So dL/d{name} is the sum of what each step adds to it.", name=next(iter(shared))))
    if alone:
        found.append(say("{what}: {names}.", what=begun_once(), names=listed(alone)))
    return found


def begun_once() -> str:
    """Return the beginning of the line on parameters that are read outside of the steps alone."""
    return say("Once for all steps")


def _in_step(pic: Picture, arrow: Arrow) -> bool:
    return pic.boxes[arrow[1]].column is not None


def _is_state(reading: Reading, a: Tensor) -> bool:
    return a in reading.makers or (a.name is not None and a.name in reading.states)


def _is_product(entry: Entry) -> bool:
    return entry.op.kind == "product" or entry.op.name == "multiply"


def _within(a: object, flowing: set[Any]) -> bool:
    return isinstance(a, Tensor) and a in flowing


def _weights(reading: Reading, a: object) -> list[Tensor]:
    """Return the parameters of which a value is made, and nothing but they; [] for any other value."""
    found: dict[Tensor, None] = {}
    todo, seen = [a], 0
    while todo:
        a, seen = todo.pop(), seen + 1
        if seen > FARTHEST:
            return []
        if not isinstance(a, Tensor):
            if not isinstance(a, np.ndarray | int | float | str | slice | tuple | None):
                return []
            continue
        maker = reading.maker(a)
        if maker is not None:
            todo.extend(reversed(reading.entries[maker].args))
            continue
        kind, _, leaf = reading.outer(a)
        if kind != "parameter" or leaf is None:
            return []
        found[leaf] = None
    return list(found)
