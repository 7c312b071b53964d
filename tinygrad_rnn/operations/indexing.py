"""Parts of an array. The cotangent of `x[index]` is zero elsewhere, so it travels as a `Part`, not as a dense array.

All the parts of one x are put together once, by `scatter`, when the walk back reaches x: T steps that read x[t] cost
O(T), not O(T^2).
"""

import itertools
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_rnn.core.constants import as_index
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.table import TABLE, Primitive, primitive
from tinygrad_rnn.core.tensor import apply
from tinygrad_rnn.operations.basics import getitem
from tinygrad_rnn.operations.comparisons import argsort


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
    return [apply(getitem, (x, *before, slice(start, stop))) for start, stop in itertools.pairwise(cuts)]


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The entries at these places of an axis (of the flat array by default), as np.take; repeated ones add up."""
    indices = as_index(indices) if isinstance(indices, list | tuple | range) else indices
    if axis is None:
        return x.reshape((-1,))[indices]
    return x[(*(slice(None),) * normalize_axis_index(axis, x.ndim), indices)]


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Entry by entry, the one at the place that `indices` gives on an axis, as np.take_along_axis."""
    if axis is None:
        return x.reshape((-1,))[indices]
    axis = normalize_axis_index(axis, x.ndim)
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    places[axis] = indices
    return x[tuple(places)]


def sort(x: Any, axis: int | None = -1) -> Any:
    """The entries of an axis in order, as np.sort. Ties: equal entries keep their order, and so do their cotangents."""
    x, axis = (x.reshape((-1,)), 0) if axis is None else (x, axis)
    return take_along_axis(x, argsort(x, axis=axis), axis)


_set_at: Primitive = primitive(
    lambda x, value, *index: _written(x, value, index),
    lambda g, y, x, value, *index: _set_at(g, np.zeros((), g.dtype), *index),
    lambda g, y, x, value, *index: g[index],
    name="set_at",
    kind="linear",
)


def set_at(x: Any, index: Any, value: Any) -> Any:
    """A copy of x with `value` (broadcast) at `x[index]`: what `x[index] = value` is on an array.

    Raises ValueError where the index names an entry twice: which of two values stays there is not for a tape to guess.
    """
    place = _as_parts(index)
    return _set_at(x, _without_leading_ones(value, np.shape(x[place])), *place)


def add_at(x: Any, index: Any, value: Any) -> Any:
    """A copy of x with `value` (broadcast) added at `x[index]`; an entry named twice gets both, as with np.add.at."""
    place = _as_parts(index)
    dtype = np.result_type(x.dtype, getattr(value, "dtype", value))
    value = np.broadcast_to(_without_leading_ones(value, np.shape(x[place])), np.shape(x[place]))
    return x + Sparse(x.shape, dtype, [(place, value)]).dense()


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    """X in the middle of a constant frame, as np.pad with its mode "constant"."""
    if mode != "constant":
        raise ValueError(f"pad: mode={mode!r} has no derivative rule\nthere is mode='constant'")
    widths = np.broadcast_to(pad_width, (x.ndim, 2)).tolist()
    frame = np.pad(np.zeros(x.shape, x.dtype), widths, constant_values=constant_values)
    return set_at(frame, tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True)), x)


def _as_parts(index: Any) -> tuple[Any, ...]:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(as_index(part) if isinstance(part, list | range) else part for part in parts)


def _without_leading_ones(value: Any, shape: tuple[int, ...]) -> Any:
    """A value with more axes than the place it goes to, which NumPy allows where these have length 1."""
    extra = np.ndim(value) - len(shape)
    if extra > 0 and all(n == 1 for n in np.shape(value)[:extra]):
        return np.reshape(value, np.shape(value)[extra:])
    return value


def _written(x: Any, value: Any, index: tuple[Any, ...]) -> Any:
    marks = np.zeros(np.shape(x), bool)
    marks[index] = True
    if marks.sum() != np.size(x[index]):
        raise ValueError("the index names an entry twice\nuse add_at, or set each entry once")
    out = np.array(x, dtype=np.result_type(x, value))
    out[index] = value
    return out


for ours in (split, take, take_along_axis, sort, pad):
    TABLE[getattr(np, ours.__name__)] = ours
