"""The gradients as code gives them: what it returns, and what it leaves in objects, dicts and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.homework.array_places import Array, Path, World, arrays_in, is_floating, numbers_of
from tinygrad_rnn.core.tensor import Tensor


@dataclass(frozen=True)
class Given:
    """A gradient as the code gives it. name: its name there. path: where it was left. moved: it is old - new.

    within: the keys of the dicts in which it was returned.
    """

    name: str | None
    array: Array
    path: Path = ()
    moved: bool = False
    within: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The keys that lead to it, and its name; none without a name."""
        return () if self.name is None else (*self.within, *self.name.split("."))


def returned_in(names: Any, value: Any) -> list[Given]:
    """Return the arrays in what a function returned, each with its name: its key, or its name in the text."""
    if isinstance(value, Mapping):
        held = [(str(key), g) for key, inner in value.items() for g in returned_in(str(key), inner)]
        return [g if g.name == key and not g.within else replace(g, within=(key, *g.within)) for key, g in held]
    if (numbers := numbers_of(value)) is not None:
        value = numbers
    if isinstance(value, list | tuple) and not (isinstance(names, str) and _steps(value)):
        labels = names_for(getattr(value, "_fields", names), list(value))
        return [g for label, inner in zip(labels, value, strict=True) for g in returned_in(label, inner)]
    if isinstance(value, list | tuple):
        value = np.stack([np.asarray(v) for v in value])
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.ndarray | np.generic | float):
        array = np.asarray(value)
        kept = array.dtype.kind in "iu" or is_floating(array.dtype)
        return [Given(names if isinstance(names, str) else None, np.array(array))] if kept else []
    if value is None or isinstance(value, str | bool | int):
        return []
    return [Given(str(path[-1]), np.array(a)) for path, a in arrays_in(value)]


def left_in(before: World, after: World) -> list[Given]:
    """Return the gradients that a call left in its arguments, its object or its globals: all arrays there.

    Parameters that the call changed are gradients too: old - new, for a learning rate of 1.
    """
    old = before.arrays()
    left: list[Given] = []
    moved: list[Given] = []
    for path, array in after.arrays().items():
        name = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
        left.append(Given(name, np.array(array), path))
        if path in old and old[path].shape == array.shape:
            moved.append(Given(name, old[path] - array, path, moved=True))
    return left + moved


def holds_gradients(name: str) -> bool:
    """Return whether a name is one of a dict, a list or an object that holds gradients, or of a gradient itself."""
    return bool(re.fullmatch(r"_?(d|g|grads?|gradients?|derivatives?|deltas?|d_?params?|d_?weights?)", name.lower()))


def names_for(names: Any, parts: list[Any]) -> list[Any]:
    """Return names for so many parts; none where their number is another."""
    fits = isinstance(names, list | tuple) and len(names) == len(parts)
    return list(names) if fits else [None] * len(parts)


def _steps(value: Any) -> bool:
    """Return whether a list is one value for each step: arrays of one shape."""
    return all(isinstance(v, np.ndarray) for v in value) and len({v.shape for v in value}) == 1
