"""Parts of an array. The cotangent of `x[index]` is zero elsewhere, so it travels as a `Sparse`, not as a dense array.

All the parts of one x are put together once, by `scatter`, when the walk back reaches x: T steps that read x[t] cost
O(T), not O(T^2).
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_rnn.core.constants import as_index
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.table import TABLE, Args, Primitive, primitive
from tinygrad_rnn.core.tensor import apply
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import along, getitem
from tinygrad_rnn.operations.comparisons import argsort

Sections = int | Sequence[int]
"""A number of equal parts, or the positions between parts."""


def split(x: Value, indices_or_sections: Sections, axis: int = 0) -> list[Value]:
    """Return the parts of x along an axis: a number of equal ones, or those between positions, as np.split."""
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
        cuts = [0, *np.asarray(indices_or_sections, None if len(indices_or_sections) else int).tolist(), length]
    before = (slice(None),) * (axis % x.ndim)
    return [apply(getitem, (x, *before, slice(start, stop))) for start, stop in itertools.pairwise(cuts)]


def array_split(x: Value, indices_or_sections: Sections, axis: int = 0) -> list[Value]:
    """Return the parts of x along an axis, as np.split; where equal ones do not fit, some are longer by one entry."""
    if not isinstance(indices_or_sections, int | np.integer):
        return split(x, indices_or_sections, axis)
    count, length = int(indices_or_sections), x.shape[normalize_axis_index(axis, x.ndim)]
    if count < 1:
        raise ValueError(f"array_split: {x.describe()} in {counted(count, 'part')}\ngive a number of parts from 1 on")
    each, longer = divmod(length, count)
    return split(x, [each * k + min(k, longer) for k in range(1, count)], axis)


def hsplit(x: Value, indices_or_sections: Sections) -> list[Value]:
    """Return the parts of x along its second axis, of a vector along its only one, as np.hsplit."""
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(x: Value, indices_or_sections: Sections) -> list[Value]:
    """Return the parts of a matrix along its first axis, as np.vsplit."""
    return split(_with_axes(x, 2, "vsplit"), indices_or_sections, 0)


def dsplit(x: Value, indices_or_sections: Sections) -> list[Value]:
    """Return the parts of x along its third axis, as np.dsplit."""
    return split(_with_axes(x, 3, "dsplit"), indices_or_sections, 2)


def _with_axes(x: Value, count: int, name: str) -> Value:
    if x.ndim < count:
        raise ValueError(
            f"{name}: {x.describe()} has {counted(x.ndim, 'axis', 'axes')}\n"
            f"it takes {count} or more; np.split takes any axis"
        )
    return x


def take(x: Value, indices: Value, axis: int | None = None) -> Value:
    """Return the entries at places of an axis (flat by default), as np.take; cotangents of repeated ones are added."""
    indices = as_index(indices) if isinstance(indices, list | tuple | range) else indices
    x = x if hasattr(x, "__apply__") else np.asarray(x)  # a table that is no Tensor, at places that are one
    x, axis = along(x, axis)
    return getitem(x, *(slice(None),) * axis, indices)


def take_along_axis(x: Value, indices: Value, axis: int | None = -1) -> Value:
    """Return, entry by entry, the one at the place that `indices` gives on an axis, as np.take_along_axis."""
    x = x if hasattr(x, "__apply__") else np.asarray(x)
    x, axis = (np.reshape(x, (-1,)), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))
    places: list[Value] = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    places[axis] = indices
    return getitem(x, *places)


def sort(x: Value, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Value:
    """Return the entries of an axis in order, as np.sort. Equal entries keep their order, and so do their cotangents.

    Any `kind` gives the same values, so none is told from another.
    """
    x, axis = (x.reshape((-1,)), 0) if axis is None else (x, axis)
    return take_along_axis(x, argsort(x, axis=axis), axis)


_set_at: Primitive = primitive(
    lambda x, value, *index: _written(x, value, index),
    lambda g, y, x, value, *index: _set_at(g, np.zeros((), g.dtype), *index),
    lambda g, y, x, value, *index: g[index],
    name="set_at",
    kind="linear",
)


def set_at(x: Value, index: object, value: Value) -> Value:
    """Return a copy of x with `value` (broadcast) at `x[index]`, as `x[index] = value` makes of an array.

    A float x keeps its dtype; integers and booleans take one that holds `value` too.

    Raises ValueError where the index names an entry twice: a tape does not guess which of two values is meant.
    """
    place = _as_parts(index)
    return _set_at(x, _without_leading_ones(value, np.shape(x[place])), *place)


def add_at(x: Value, index: object, value: Value) -> Value:
    """Return a copy of x with `value` (broadcast) added at `x[index]`, as np.add.at: an entry named twice gets both."""
    place = _as_parts(index)
    value = np.asarray(value) if isinstance(value, list | tuple) else value
    dtype = np.result_type(x.dtype, getattr(value, "dtype", value))
    value = np.broadcast_to(_without_leading_ones(value, np.shape(x[place])), np.shape(x[place]))
    return x + Sparse(x.shape, dtype, [(place, value)]).dense()


def pad(
    x: Value,
    pad_width: Value,
    mode: str = "constant",
    constant_values: float = 0,
) -> Value:
    """Return x in the middle of a constant frame, as np.pad with its mode "constant"."""
    if mode != "constant":
        raise ValueError(f"pad: mode={mode!r} has no derivative rule\nthere is mode='constant'")
    widths = np.broadcast_to(pad_width, (x.ndim, 2))
    frame = np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=constant_values)
    places = zip(widths.tolist(), x.shape, strict=True)
    return set_at(frame, tuple([slice(before, before + n) for (before, _), n in places]), x)


def _as_parts(index: object) -> Args:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(as_index(part) if isinstance(part, list | range) else part for part in parts)


def _without_leading_ones(value: Value, shape: tuple[int, ...]) -> Value:
    """Return a value without the leading axes of length 1 that its place lacks, as NumPy allows."""
    extra = np.ndim(value) - len(shape)
    if extra > 0 and all(n == 1 for n in np.shape(value)[:extra]):
        return np.reshape(value, np.shape(value)[extra:])
    return value


def _written(x: Value, value: Value, index: Args) -> Value:
    marks = np.zeros(np.shape(x), bool)
    marks[index] = True
    if marks.sum() != np.size(x[index]):
        raise ValueError("the index names an entry twice\nuse add_at, or set each entry once")
    stays = np.asarray(x).dtype.kind == "f" and not np.iscomplexobj(value)
    out = np.array(x, dtype=None if stays else np.result_type(x, value))
    out[index] = value
    return out


for ours in (split, array_split, hsplit, vsplit, dsplit, take, take_along_axis, sort, pad):
    TABLE[getattr(np, ours.__name__)] = ours
