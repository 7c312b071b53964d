"""Parts of an array. The cotangent of `x[index]` is zero elsewhere, so it travels as a `Part`, not as a dense array.

All the parts of one x are put together once, by `scatter`, when the walk back reaches x: T steps that read x[t] cost
O(T), not O(T^2).
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import TABLE, primitive


class Part(NamedTuple):
    """A cotangent of x, of x's shape, that is `g` at `x[place]` and zero elsewhere; `place` is a tuple."""

    place: tuple[Any, ...]
    g: Any
    shape: tuple[int, ...]
    dtype: Any


getitem = primitive(
    lambda x, *index: x[index],
    lambda g, y, x, *index: Part(index, g, x.shape, g.dtype),
    name="getitem",
)


def _scattered(*args: Any, lengths: tuple[int, ...], shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros of that shape, with each g added at its index. The arguments are g, *index, g, *index, ...

    Flat, so that a Tensor in an index is an input like any other; `lengths` says how long each index is.
    """
    out = np.zeros(shape, dtype)
    for index, g in _parts(args, lengths):
        add_part(out, index, g)
    return out


def add_part(out: Any, place: tuple[Any, ...], g: Any) -> None:
    """`out[place] += g`, in place, where entries that `place` names twice get both."""
    for part in place:
        if isinstance(part, np.ndarray | list | tuple):
            np.add.at(out, place, g)
            return
    out[place] += g


def _parts(args: Any, lengths: tuple[int, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    """The index and the cotangent of each part."""
    parts, start = [], 0
    for length in lengths:
        parts.append((tuple(args[start + 1 : start + 1 + length]), args[start]))
        start += 1 + length
    return parts


def _scatter_vjp(g: Any, y: Any, *args: Any, lengths: tuple[int, ...], shape: Any, dtype: Any) -> list[Any]:
    products: list[Any] = []
    for index, _ in _parts(args, lengths):
        products += [g[index]] + [None] * len(index)
    return products


_scatter = primitive(_scattered, _scatter_vjp, name="scatter", variadic=True, analytic=False)


def scatter(parts: list[Part], shape: tuple[int, ...], dtype: Any) -> Any:
    """The dense array that the parts make up together."""
    flat = [value for part in parts for value in (part.g, *part.place)]
    return _scatter(*flat, lengths=tuple(len(part.place) for part in parts), shape=shape, dtype=dtype)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts of x along an axis: so many equal ones, or between the given positions, as np.split."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"split: {x.describe()} has no axis {axis}\ngive an axis from {-x.ndim} to {x.ndim - 1}")
    length = x.shape[axis]
    if isinstance(indices_or_sections, int | np.integer):
        count = int(indices_or_sections)
        if count < 1 or length % count:
            raise ValueError(
                f"split: {x.describe()} has length {length} on axis {axis}, which is not {count} equal parts\n"
                "give the positions at which to cut: np.split(x, [3, 5], axis)"
            )
        cuts = [length // count * k for k in range(count + 1)]
    else:
        cuts = [0, *indices_or_sections, length]
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, slice(start, stop))] for start, stop in itertools.pairwise(cuts)]


TABLE[np.split] = split
