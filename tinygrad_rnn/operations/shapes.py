"""The same entries in another shape, order, dtype or company. All linear."""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_rnn.core.table import TABLE, Primitive, primitive
from tinygrad_rnn.operations.basics import at as _at
from tinygrad_rnn.operations.basics import broadcast_to, concatenate, reshape, transpose

swapaxes: Primitive = primitive(
    lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    lambda g, y, x, axis1, axis2: swapaxes(g, axis1, axis2),
    name="swapaxes",
    numpy=np.swapaxes,
    kind="view",
)
expand_dims = primitive(
    lambda x, axis: np.expand_dims(x, axis),
    lambda g, y, x, axis: g.reshape(x.shape),
    name="expand_dims",
    numpy=np.expand_dims,
    kind="view",
)
squeeze = primitive(
    lambda x, axis=None: np.squeeze(x, axis),
    lambda g, y, x, axis=None: g.reshape(x.shape),
    name="squeeze",
    numpy=np.squeeze,
    kind="view",
)


def ravel(x: Any) -> Any:
    """All entries in one axis, as np.ravel."""
    return reshape(x, (-1,))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes at other places, the rest in their order, as np.moveaxis."""
    moved, places = normalize_axis_tuple(source, x.ndim), normalize_axis_tuple(destination, x.ndim)
    order = [k for k in range(x.ndim) if k not in moved]
    for to, axis in sorted(zip(places, moved, strict=True)):
        order.insert(to, axis)
    return transpose(x, tuple(order))


def flip(x: Any, axis: Any = None) -> Any:
    """The entries of an axis, several, or all axes in reverse, as np.flip."""
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """The entries of an axis, or several, moved on by `shift` and round the end (flat by default), as np.roll."""
    rolled, axis = (x.reshape((-1,)), 0) if axis is None else (x, axis)
    for by, a in np.broadcast(shift, normalize_axis_tuple(axis, rolled.ndim)):
        length = rolled.shape[a]
        rolled = rolled[_at(int(a), rolled.ndim, (np.arange(length) - by) % max(length, 1))]
    return rolled.reshape(x.shape)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each entry of an axis (of the flat array by default) so many times, as np.repeat."""
    x, axis = (x.reshape((-1,)), 0) if axis is None else (x, axis)
    axis = normalize_axis_index(axis, x.ndim)
    return x[_at(axis, x.ndim, np.repeat(np.arange(x.shape[axis]), repeats))]


def tile(x: Any, reps: Any) -> Any:
    """The whole array so many times along each axis, as np.tile."""
    reps = (reps,) if isinstance(reps, int | np.integer) else tuple(reps)
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    between = x.reshape(tuple(n for length in shape for n in (1, length)))
    copies = broadcast_to(between, tuple(n for pair in zip(reps, shape, strict=True) for n in pair))
    return copies.reshape(tuple(r * n for r, n in zip(reps, shape, strict=True)))


def atleast_1d(x: Any) -> Any:
    """X with an axis, if it has none, as np.atleast_1d of one array."""
    return x if x.ndim else x.reshape((1,))


def atleast_2d(x: Any) -> Any:
    """X with two axes, if it has fewer, a vector as a row, as np.atleast_2d of one array."""
    return x if x.ndim > 1 else x.reshape((1, -1))


def hstack(arrays: Any) -> Any:
    """Arrays joined along their second axis, vectors along their only one, as np.hstack."""
    return concatenate(arrays, axis=0 if np.ndim(arrays[0]) == 1 else 1)


def vstack(arrays: Any) -> Any:
    """Arrays joined along their first axis, vectors as rows, as np.vstack."""
    return concatenate([x if np.ndim(x) > 1 else reshape(x, (1, -1)) for x in arrays], axis=0)


for ours in (ravel, moveaxis, flip, roll, repeat, tile, atleast_1d, atleast_2d):
    TABLE[getattr(np, ours.__name__)] = ours
TABLE[np.hstack] = hstack
TABLE[np.vstack] = vstack
for plain in (np.shape, np.ndim, np.size):
    # What these say of a Tensor is a plain number, the same at every rerun with the same shapes.
    TABLE[plain] = lambda x, *args, _plain=plain: _plain(x._data, *args)
for filled in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    TABLE[filled] = lambda x, *args, _filled=filled, **options: _filled(x._data, *args, **options)
