"""Arrays that keep the Tensors put into them: `hs = np.zeros((T, H))`, `hs[t] = h` on the tape.

While a person's code is recorded, the NumPy that its file sees makes such arrays. What is read at the place where a
Tensor was written is that Tensor; what is read otherwise is put together on the tape, by `set_at`. Zeros that nobody
wrote into are a state to begin with: they go onto the tape as a constant, so that the first step is like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.operations.indexing import set_at

MAKERS = ("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like", "full_like")


class Board(np.ndarray):
    """An array of floats with Tensors in some places. `written`: these places, in the order of writing.

    untouched: the Tensor that stands for it, while it is as it was made.
    """

    written: list[tuple[Any, Tensor]]
    untouched: Tensor | None

    def __array_finalize__(self, made_from: object) -> None:
        """Begin without Tensors: a view or a result of arithmetic has none."""
        self.written, self.untouched = [], None

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write a value; keep it, if it is a Tensor."""
        self.untouched = None
        if isinstance(value, Tensor):
            self.view(np.ndarray)[key] = value.data  # NumPy would ask __getitem__ for the place
            place = self._place(key)
            self.written = [pair for pair in self.written if place is None or self._place(pair[0]) != place]
            self.written.append((key, value))
        else:
            place = self._place(key)
            for written, _ in self.written:
                other = self._place(written)
                if place is None or other is None or not _apart(place, other):
                    raise TypeError("a number is written over a Tensor")  # the tape would not know what is left of it
            self.view(np.ndarray)[key] = value

    def __getitem__(self, key: Any) -> Any:
        """Read the Tensor that was written there, or a part of the whole."""
        if not self.written:
            return super().__getitem__(key)
        place = self._place(key)
        for written, value in reversed(self.written):
            other = self._place(written)
            if place is not None and other is not None and (rest := _within(place, other)) is not None:
                return value[rest] if rest else value
            if place is None or other is None or not _apart(place, other):
                return self.whole()[key]
        return self.view(np.ndarray)[key]

    def _place(self, key: Any) -> list[int | slice] | None:
        """Return an index as a number or a slice for each axis; None for another kind."""
        parts = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in parts):
            at = next(k for k, part in enumerate(parts) if part is Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        if not all(isinstance(part, int | np.integer | slice) for part in parts):
            return None
        parts += [slice(None)] * (self.ndim - len(parts))
        sizes = zip(parts, self.shape, strict=True)
        return [part if isinstance(part, slice) else int(part) % size for part, size in sizes]

    def whole(self) -> Any:
        """Return the array as a Tensor; as it is, where it has numbers alone."""
        value: Any = self.view(np.ndarray) if self.untouched is None else self.untouched
        for key, part in self.written:
            value = set_at(value, key, part)
        return value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Calculate with what was written; results are plain arrays or Tensors."""
        into = options.pop("out", ())
        added = (
            bool(into) and into[0] is inputs[0] and method == "__call__"
        )  # y += v, after which y is what is returned
        inputs = tuple(x.whole() if isinstance(x, Board) else x for x in inputs)
        if any(isinstance(x, Tensor) for x in inputs) and into and not added:
            raise TypeError("a Tensor is written into an array by out=")
        if into and not any(isinstance(x, Tensor) and x is not into[0].untouched for x in inputs):
            inputs = tuple(x.data if isinstance(x, Tensor) else x for x in inputs)
            into[0].untouched = None
            getattr(ufunc, method)(*inputs, out=tuple(x.view(np.ndarray) for x in into), **options)
            return into[0]
        return getattr(ufunc, method)(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """Call a function of NumPy with what was written."""
        return function(*map(_whole, arguments), **{name: _whole(a) for name, a in options.items()})


@contextmanager
def boards(there: dict[str, Any]) -> Iterator[None]:
    """Let the code of a module make boards."""

    def board(maker: Any, array: Any) -> Any:
        if not array.ndim:
            return array
        made = array.view(Board)
        made.untouched = Tensor(array.copy()) if maker in (np.zeros, np.zeros_like) else None
        return made

    with new_arrays(there, board, {"array": _gathered, "asarray": _gathered}):
        yield


@contextmanager
def new_arrays(
    there: dict[str, Any], changed: Callable[[Any, Any], Any], others: Mapping[str, Callable[..., Any]] | None = None
) -> Iterator[None]:
    """Let the code of a module find changed(maker, array) where NumPy makes new arrays of floats, under any name.

    others: functions in the place of NumPy's, by these names.
    """

    def making(maker: Any) -> Any:
        def make(*arguments: Any, **options: Any) -> Any:
            arguments = tuple(a.data if isinstance(a, Tensor) else a for a in arguments)
            made = maker(*arguments, **options)
            return changed(maker, made) if made.dtype.kind == "f" else made

        return make

    instead = {**{name: making(getattr(np, name)) for name in MAKERS}, **(others or {})}
    numpy = ModuleType("numpy")
    numpy.__getattr__ = lambda name: instead[name] if name in instead else getattr(np, name)  # type: ignore[method-assign]
    own: dict[str, Any] = {name: numpy for name, value in there.items() if value is np}
    own |= {name: make for name, value in there.items() for n, make in instead.items() if value is getattr(np, n)}
    before = {name: there[name] for name in own}
    try:
        there.update(own)
        yield
    finally:
        there.update(before)


def _gathered(value: Any, *arguments: Any, **options: Any) -> Any:
    """Return np.array(value), on the tape where value is a Tensor, or a list of some."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Board):
        return value.copy() if not value.written and value.untouched is None else value.whole()
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor | Board) for v in value):
        return np.stack([_gathered(v) for v in value])
    if isinstance(value, list | tuple) and any(isinstance(v, list | tuple) for v in value):
        rows = [_gathered(v) if isinstance(v, list | tuple) else v for v in value]
        if any(isinstance(v, Tensor) for v in rows):
            return np.stack(rows)
    return np.array(value, *arguments, **options)


def _whole(value: Any) -> Any:
    if isinstance(value, Board):
        return value.whole()
    return type(value)(map(_whole, value)) if type(value) in (list, tuple) else value


def _within(inner: list[int | slice], outer: list[int | slice]) -> tuple[int | slice, ...] | None:
    """Return where a place lies in a larger one, as an index into it: () for the whole; None where it is not within."""
    rest: list[int | slice] = []
    for a, b in zip(inner, outer, strict=True):
        if b == slice(None):
            rest.append(a)
        elif a != b:
            return None
        elif isinstance(b, slice):
            rest.append(slice(None))
    return () if all(part == slice(None) for part in rest) else tuple(rest)


def _apart(one: list[int | slice], other: list[int | slice]) -> bool:
    """Return whether two places have no entry in common: numbers on one axis that differ."""
    return any(a != b for a, b in zip(one, other, strict=True) if not isinstance(a, slice) and not isinstance(b, slice))
