"""The arrays that a person's code reads: found in arguments, objects and globals, and exchanged for others."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.homework.called import ExamineTypeError

Array = NDArray[Any]
Path = tuple[object, ...]
"""The way to an array: one of ROOTS, then attributes, keys and places."""

ROOTS = ("arguments", "options", "closure", "globals", "object")
PLAIN = (str, bytes, bool, int, float, complex, type(None), type, ModuleType, FunctionType, MethodType, np.generic)
DEPTH = 6
"""How deep objects, dicts and lists within each other are looked through."""


@dataclass
class World:
    """All that one call reads.

    object: whose methods are called. arguments, options: by place, and by name. closure, globals: the variables of the
    enclosing functions and of the module, by name. places: every way to an array that has more than one.
    """

    arguments: list[Any]
    object: Any = None
    globals: dict[str, Any] = field(default_factory=dict)
    closure: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, list[Path]] = field(default_factory=dict)

    def copy(self) -> World:
        """Return a copy that shares nothing with this one: a call may write into all of it."""
        memo: dict[int, Any] = {}
        return World(**{root: copy.deepcopy(getattr(self, root), memo) for root in ROOTS}, places=self.places)

    def get(self, path: Path) -> Any:
        """Return what stands at a path."""
        value: Any = getattr(self, str(path[0]))
        for step in path[1:]:
            value = _inside(value, step)
        return value

    def put(self, path: Path, value: Any) -> None:
        """Exchange what stands at a path, in all places where it stands."""
        for root, *steps in self.places.get(path, [path]):
            setattr(self, str(root), _exchanged(getattr(self, str(root)), steps, value))

    def arrays(self) -> dict[Path, Array]:
        """Return the arrays of floats, by their paths. An array that stands in two places is one."""
        ways: dict[int, list[Path]] = {}
        kept: list[Any] = []
        arrays: dict[Path, Array] = {}
        for root in ROOTS:
            for path, array, identity in _walk(getattr(self, root), (root,), repeated=True):
                kept.append(array)
                if identity not in ways:
                    arrays[path] = array
                ways.setdefault(identity, []).append(path)
        self.places = {paths[0]: paths for paths in ways.values() if len(paths) > 1}
        return arrays


def separate(values: list[Any]) -> list[Any]:
    """Return arguments with copies of arrays that are given twice: each place has a gradient of its own."""
    seen: set[int] = set()

    def parted(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            again = id(value) in seen
            seen.add(id(value))
            return value.copy() if again else value
        if type(value) is dict:
            return {key: parted(inner) for key, inner in value.items()}
        return type(value)(map(parted, value)) if type(value) in (list, tuple) else value

    return [parted(value) for value in values]


def arrays_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Array]]:
    """Yield the arrays of floats within a value, with their paths, each once."""
    for where, array, _ in _walk(value, path):
        yield where, array


def _walk(value: Any, path: Path, repeated: bool = False) -> Iterator[tuple[Path, Array, int]]:
    """Yield paths, arrays and identities; an array that stands in two places each time, if `repeated`."""
    seen: set[int] = set()
    pending = [(path, value)]
    while pending:
        path, value = pending.pop(0)
        if isinstance(value, PLAIN) or (id(value) in seen and not (repeated and isinstance(value, np.ndarray))):
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if is_floating(value.dtype) and value.size:
                yield path, value, id(value)
        elif (numbers := numbers_of(value)) is not None:
            yield path, numbers, id(value)
        elif len(path) <= DEPTH:
            pending += [((*path, step), inner) for step, inner in contents(value)]


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is one of floats, NumPy's or the bfloat16 of another package."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def numbers_of(value: Any) -> Array | None:
    """Return a list of Python's floats, or a list of such lists of one length, as an array; None for anything else."""
    if not isinstance(value, list) or not value:
        return None
    rows = value if isinstance(value[0], list) else [value]
    if not all(isinstance(row, list) and row and len(row) == len(rows[0]) for row in rows):
        return None
    return np.array(value) if all(type(x) is float for row in rows for x in row) else None


def contents(value: Any) -> list[tuple[object, Any]]:
    """Return what a dict, a list, a tuple or an object holds, with keys, places or names."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(zip(getattr(value, "_fields", range(len(value))), value, strict=True))
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        held |= {s: getattr(value, s) for s in ((slots,) if isinstance(slots, str) else slots) if hasattr(value, s)}
    return list(held.items())


def _inside(value: Any, step: object) -> Any:
    if isinstance(value, Mapping) or (isinstance(value, list | tuple) and not isinstance(step, str)):
        return value[step]  # type: ignore[call-overload]
    return getattr(value, str(step))


def _exchanged(value: Any, steps: list[object], new: Any) -> Any:
    """Return a value with what stands at the end of the steps exchanged: in place, but for tuples."""
    if not steps:
        return _like(value, new)
    step, *rest = steps
    inner = _exchanged(_inside(value, step), rest, new)
    if isinstance(value, tuple):
        if isinstance(step, str):
            return value._replace(**{step: inner})  # type: ignore[attr-defined]
        parts = list(value)
        parts[step] = inner  # type: ignore[call-overload]
        return tuple(parts)
    if isinstance(value, Mapping | list):
        value[step] = inner  # type: ignore[call-overload, index]
    else:
        object.__setattr__(value, str(step), inner)  # a dataclass may be frozen
    return value


def _like(old: Any, new: Any) -> Any:
    """Return a new value in the form of the old one: numbers in lists, a matrix as a matrix."""
    if numbers_of(old) is not None and not isinstance(new, list):
        if not isinstance(new, np.ndarray):
            raise ExamineTypeError("examine: a list of Python's floats takes no Tensors\ngive arrays")
        return new.tolist()
    return new.view(np.matrix) if isinstance(old, np.matrix) and type(new) is np.ndarray else new
