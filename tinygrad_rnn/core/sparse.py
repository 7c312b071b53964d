"""`Sparse`: the cotangent of `x[index]`, which is zero elsewhere, as an index and a small array; and `scatter`.

All that comes back to one x is put together once, when the walk reaches x: T steps that read x[t] cost O(T), not
O(T^2).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_rnn.core.recording import current
from tinygrad_rnn.core.table import primitive


class Sparse:
    """A cotangent of x, of x's shape: `whole`, an array or nothing, and at each index of `parts`, (index, g), g."""

    __slots__ = ("dtype", "parts", "shape", "whole")

    def __init__(self, shape: tuple[int, ...], dtype: Any, parts: list[tuple[Any, Any]], whole: Any = None) -> None:
        self.shape, self.dtype, self.parts, self.whole = shape, dtype, parts, whole

    def astype(self, dtype: Any) -> Sparse:
        """Return the same in another dtype."""
        return Sparse(self.shape, dtype, [(index, g.astype(dtype)) for index, g in self.parts], self.whole)

    def __iadd__(self, other: Any) -> Self:
        if type(other) is Sparse:
            self.parts += other.parts
            other = other.whole
        if other is not None:
            self.whole = other if self.whole is None else self.whole + other
        return self

    def __array_ufunc__(self, ufunc: Any, how: str, *inputs: Any, out: Any = (None,)) -> Any:
        """`array += sparse`."""
        if ufunc is not np.add or type(out[0]) is not np.ndarray:
            return NotImplemented
        return scattered(self.parts[::-1], out[0])

    def dense(self) -> Any:
        """Return the array; where a tape is open, the Tensor, made by one operation for all parts."""
        parts = self.parts[::-1]
        if current()[0] or any(hasattr(g, "__apply__") for _, g in parts):
            flat = [value for index, g in parts for value in (g, *index)]
            lengths = tuple(len(index) for index, _ in parts)
            total = scatter(*flat, lengths=lengths, shape=self.shape, dtype=self.dtype)
            return total if self.whole is None else total + self.whole
        return scattered(parts, np.zeros(self.shape, self.dtype) if self.whole is None else np.array(self.whole))


def added(a: Any, b: Any) -> Any:
    """Return the sum of two cotangents of any kind."""
    if type(a) is not Sparse and type(b) is not Sparse:
        return a + b
    total = Sparse(a.shape, a.dtype, [])
    total += a
    total += b
    return total


scatter = primitive(
    lambda *args, lengths, shape, dtype: scattered(pairs(args, lengths), zeros(args, shape, dtype)),
    lambda g, y, *args, lengths, shape, dtype: [
        product for index, _ in pairs(args, lengths) for product in (g[index], *[None] * len(index))
    ],
    name="scatter",
    variadic=True,
)
"""The array that parts make up. The arguments are flat, g, *index, g, *index, ..., so that a Tensor in an index is an
input like any other; `lengths` says how long each index is."""


def pairs(args: Any, lengths: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Return the parts again: (index, g)."""
    found, start = [], 0
    for length in lengths:
        found.append((tuple(args[start + 1 : start + 1 + length]), args[start]))
        start += 1 + length
    return found


def zeros(args: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return zeros of that dtype; complex ones inside a complex step."""
    return np.zeros(shape, complex if any(map(np.iscomplexobj, args)) else dtype)


def scattered(parts: list[tuple[Any, Any]], out: Any) -> Any:
    """Add each part to an array in its place, and return the array; an entry that an index names twice gets both."""
    for index, g in parts:
        if any(type(part) not in VIEWS for part in index):
            np.add.at(out, tuple(getattr(part, "_data", part) for part in index), g)
        elif type(view := out[index]) is np.ndarray:
            view += g
        else:  # one entry, which NumPy gives as a number
            out[index] = view + g
    return out


VIEWS = frozenset({slice, int, type(None), type(Ellipsis)})
"""The parts of an index that read a view, in which no entry comes twice."""
