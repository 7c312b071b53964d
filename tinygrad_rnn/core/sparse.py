"""`Sparse`: the cotangent of `x[index]`, which is zero elsewhere, as an index and a small array; and `scatter`.

All that comes back to one x is put together once, when the walk reaches x: T steps that read x[t] cost O(T), not
O(T^2).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_rnn.core.recording import current
from tinygrad_rnn.core.table import Args, primitive

Cotangent = Any
"""dL/dx: an array; where the walk back is recorded, a Tensor; of an x that was indexed, a `Sparse`."""

Shape = tuple[int, ...]
Parts = list[tuple[Args, Cotangent]]
"""Pairs (index, g), each of which means: g at x[index], and zero elsewhere."""


class Sparse:
    """A cotangent of x, of x's shape: the sum of `parts`, and of `whole`, an array, where it is not None."""

    __slots__ = ("dtype", "parts", "shape", "whole")

    def __init__(self, shape: Shape, dtype: Any, parts: Parts, whole: Cotangent = None) -> None:
        self.shape, self.dtype, self.parts, self.whole = shape, dtype, parts, whole

    def astype(self, dtype: Any) -> Sparse:
        """Return the same in another dtype."""
        return Sparse(self.shape, dtype, [(index, g.astype(dtype)) for index, g in self.parts], self.whole)

    def __iadd__(self, other: Cotangent) -> Self:
        if type(other) is Sparse:
            self.parts += other.parts
            other = other.whole
        if other is not None:
            self.whole = other if self.whole is None else self.whole + other
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, how: str, *inputs: object, out: Any = (None,)) -> Any:
        """Add the parts in place: `array += sparse`."""
        if ufunc is not np.add or type(out[0]) is not np.ndarray:
            return NotImplemented
        return add_parts(out[0], self.parts[::-1])  # in the order of the tape

    def dense(self) -> Cotangent:
        """Return the array; where a tape is open, the Tensor, made by one operation for all parts."""
        parts = self.parts[::-1]  # in the order of the tape: the walk back found them in reverse
        if current()[0] or any(hasattr(g, "__apply__") for _, g in parts):
            flat = [value for index, g in parts for value in (g, *index)]
            lengths = tuple(len(index) for index, _ in parts)
            total = scatter(*flat, lengths=lengths, shape=self.shape, dtype=self.dtype)
            return total if self.whole is None else total + self.whole
        return add_parts(np.zeros(self.shape, self.dtype) if self.whole is None else np.array(self.whole), parts)


def add_cotangents(a: Cotangent, b: Cotangent) -> Cotangent:
    """Return the sum of two cotangents of any kind, neither of which changes."""
    if type(a) is not Sparse and type(b) is not Sparse:
        return a + b
    total = Sparse(a.shape, a.dtype, [])
    total += a
    total += b
    return total


def scatter_arrays(*args: Any, lengths: Shape, shape: Shape, dtype: Any) -> Any:
    """Compute `scatter`: complex inside a complex step, else of the given dtype."""
    zeros = np.zeros(shape, complex if any(map(np.iscomplexobj, args)) else dtype)
    return add_parts(zeros, parts_of(args, lengths))


scatter = primitive(
    scatter_arrays,
    lambda g, y, *args, lengths, shape, dtype: [
        product for index, _ in parts_of(args, lengths) for product in (g[index], *[None] * len(index))
    ],
    name="scatter",
    variadic=True,
)
"""The array that parts add up to. The arguments are flat, g, *index, g, *index, ..., so that a Tensor in an index is an
input like any other; `lengths` says how long each index is."""


def parts_of(args: Args, lengths: Shape) -> Parts:
    """Return the parts that the flat arguments of `scatter` list."""
    parts, start = [], 0
    for length in lengths:
        parts.append((args[start + 1 : start + 1 + length], args[start]))
        start += 1 + length
    return parts


def add_parts(array: Any, parts: Parts) -> Any:
    """Add each part to an array in its place, and return the array; an entry that an index names twice gets both."""
    for index, g in parts:
        if not BASIC_INDICES.issuperset(map(type, index)):
            np.add.at(array, tuple([getattr(k, "_data", k) for k in index]), g)  # type: ignore[arg-type]  # any index
        elif type(view := array[index]) is np.ndarray:
            view += g
        else:  # one entry, which NumPy gives as a number
            array[index] = view + g
    return array


BASIC_INDICES = frozenset({slice, int, type(None), type(Ellipsis)})
"""The types in an index that gives a view (NumPy's basic indexing), in which no entry comes twice."""
