"""The arrays that a person's code reads: found in arguments, objects and globals, and exchanged for others."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Path = tuple[object, ...]
"""The way to an array: "object", "arguments" or "globals", then attributes, keys and places."""

PLAIN = (str, bytes, bool, int, float, complex, type(None), type, ModuleType, FunctionType, MethodType, np.generic)
DEPTH = 5
"""How deep objects, dicts and lists within each other are looked through."""


@dataclass
class World:
    """All that one call reads: the object whose methods are called, the arguments, the arrays among the globals."""

    arguments: list[Any]
    object: Any = None
    globals: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> World:
        """Return a copy that shares nothing with this one: a call may write into all of it."""
        memo: dict[int, Any] = {}
        return World(
            copy.deepcopy(self.arguments, memo), copy.deepcopy(self.object, memo), copy.deepcopy(self.globals, memo)
        )

    def get(self, path: Path) -> Any:
        """Return what stands at a path."""
        value: Any = getattr(self, str(path[0]))
        for step in path[1:]:
            value = _inside(value, step)
        return value

    def put(self, path: Path, value: Any) -> None:
        """Exchange what stands at a path."""
        root, *steps = path
        setattr(self, str(root), _exchanged(getattr(self, str(root)), steps, value))

    def arrays(self) -> dict[Path, Array]:
        """Return the arrays of floats, by their paths. An array that stands in two places is one."""
        found: dict[Path, Array] = {}
        seen: set[int] = set()
        for root in ("arguments", "globals", "object"):
            for path, array in arrays_in(getattr(self, root), (root,), seen):
                found[path] = array
        return found


def arrays_in(value: Any, path: Path = (), seen: set[int] | None = None) -> Iterator[tuple[Path, Array]]:
    """Yield the arrays of floats within a value, with their paths, each once."""
    seen = set() if seen is None else seen
    pending = [(path, value)]
    while pending:
        path, value = pending.pop(0)
        if isinstance(value, PLAIN) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f" and value.size:
                yield path, value
        elif len(path) <= DEPTH:
            pending += [((*path, step), inner) for step, inner in contents(value)]


def contents(value: Any) -> list[tuple[object, Any]]:
    """Return what a dict, a list, a tuple or an object holds, with keys, places or names."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        held |= {s: getattr(value, s) for s in ((slots,) if isinstance(slots, str) else slots) if hasattr(value, s)}
    return list(held.items())


def _inside(value: Any, step: object) -> Any:
    if isinstance(value, Mapping | list | tuple):
        return value[step]  # type: ignore[call-overload]
    return getattr(value, str(step))


def _exchanged(value: Any, steps: list[object], new: Any) -> Any:
    """Return a value with what stands at the end of the steps exchanged: in place, but for tuples."""
    if not steps:
        return new
    step, *rest = steps
    inner = _exchanged(_inside(value, step), rest, new)
    if isinstance(value, tuple):
        parts = list(value)
        parts[step] = inner  # type: ignore[call-overload]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, Mapping | list):
        value[step] = inner  # type: ignore[call-overload, index]
    else:
        setattr(value, str(step), inner)
    return value
