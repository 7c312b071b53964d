"""Hooks: functions that see the cotangents which a walk back passes, and may change them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_rnn.core.sparse import Cotangent
from tinygrad_rnn.core.tape import Entry, read_only
from tinygrad_rnn.core.tensor import Tensor

Hook = Callable[[Entry | None, Cotangent], Cotangent | None]


class Hooks:
    """The hooks of one tape, in the order in which they were added."""

    def __init__(self) -> None:
        self._hooks: list[tuple[Hook, str | None, dict[str, object]]] = []

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, function: Hook, name: str | None, labels: dict[str, object]) -> Callable[[], None]:
        """Add a hook; return a function that takes it away."""
        hook = (function, name, labels)
        self._hooks.append(hook)
        return lambda: self._hooks.remove(hook) if hook in self._hooks else None

    def at_entry(self, entry: Entry, g: Cotangent) -> Cotangent:
        """Return the cotangent of the entry's result, after every hook that it concerns."""
        for function, name, labels in self._hooks:
            if (name is None or name == entry.out.name) and (not labels or labels.items() <= dict(entry.scope).items()):
                g = _changed(function(entry, read_only(g)), g, entry.out)
        return g

    def at_leaf(self, x: Tensor, g: Cotangent) -> Cotangent:
        """Return the gradient of a leaf, after every hook on its name."""
        for function, name, labels in self._hooks:
            if name is not None and name == x.name and not labels:
                g = _changed(function(None, read_only(g)), g, x)
        return g


def _changed(new: Cotangent | None, g: Cotangent, x: Tensor) -> Cotangent:
    if new is None:
        return g
    if np.shape(new) != x.shape:
        raise ValueError(
            f"hook: returned shape {np.shape(new)} for the cotangent of {x.describe()}\n"
            "return the cotangent in its own shape, or None to leave it as it is"
        )
    if isinstance(g, Tensor):
        new = new if isinstance(new, Tensor) else Tensor(np.asarray(new, x.dtype))
        return new if new.dtype == x.dtype else new.astype(x.dtype)
    return np.array(new, x.dtype)
