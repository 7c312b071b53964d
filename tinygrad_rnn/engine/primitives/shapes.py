"""The same entries in another shape, order, dtype or company. All linear."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import TABLE, Primitive, primitive

astype: Primitive = primitive(
    lambda x, dtype: x.astype(dtype),
    lambda g, y, x, dtype: astype(g, dtype=x.dtype),
    name="astype",
    analytic=False,  # a cast to a real dtype drops the imaginary part
)
reshape = primitive(
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: g.reshape(x.shape),
    name="reshape",
    numpy=np.reshape,
)
transpose = primitive(
    lambda x, axes=None: x.transpose(axes),
    lambda g, y, x, axes=None: g.transpose(axes if axes is None else _inverse(axes)),
    name="transpose",
    numpy=np.transpose,
)
swapaxes: Primitive = primitive(
    lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
    lambda g, y, x, axis1, axis2: swapaxes(g, axis1, axis2),
    name="swapaxes",
    numpy=np.swapaxes,
)
broadcast_to = primitive(
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, y, x, shape: g,  # the walk back sums over the broadcast axes
    name="broadcast_to",
    numpy=np.broadcast_to,
)
expand_dims = primitive(
    lambda x, axis: np.expand_dims(x, axis),
    lambda g, y, x, axis: g.reshape(x.shape),
    name="expand_dims",
    numpy=np.expand_dims,
)
squeeze = primitive(
    lambda x, axis=None: np.squeeze(x, axis),
    lambda g, y, x, axis=None: g.reshape(x.shape),
    name="squeeze",
    numpy=np.squeeze,
)
_stack = primitive(
    lambda *xs, axis: np.stack(xs, axis=axis),
    lambda g, y, *xs, axis: [g[_at(axis, y.ndim, k)] for k in range(len(xs))],
    name="stack",
    variadic=True,
)
_concatenate = primitive(
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    lambda g, y, *xs, axis: [g[_at(axis, y.ndim, part)] for part in _consecutive(xs, axis)],
    name="concatenate",
    variadic=True,
)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    order = [axis % len(axes) for axis in axes]
    return tuple(order.index(k) for k in range(len(axes)))


def _at(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of one axis and all of the others."""
    return (slice(None),) * (axis % ndim) + (part,)


def _consecutive(xs: tuple[Any, ...], axis: int) -> list[slice]:
    """Where each of the concatenated arrays lies on the axis."""
    parts, start = [], 0
    for x in xs:
        parts.append(slice(start, start + x.shape[axis]))
        start += x.shape[axis]
    return parts


def stack(arrays: Any, axis: int = 0, **options: Any) -> Any:
    """Arrays of one shape, joined along a new axis, as np.stack."""
    return _stack(*arrays, axis=axis, **options)


def concatenate(arrays: Any, axis: int | None = 0, **options: Any) -> Any:
    """Arrays joined along an axis that they have, or flat with axis None, as np.concatenate."""
    if axis is None:
        return _concatenate(*(reshape(x, -1) for x in arrays), axis=0, **options)
    return _concatenate(*arrays, axis=axis, **options)


def ravel(x: Any) -> Any:
    """All entries in one axis, as np.ravel."""
    return reshape(x, (-1,))


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """One axis at another place, the others in their order, as np.moveaxis."""
    order = [k for k in range(x.ndim) if k != source % x.ndim]
    order.insert(destination % x.ndim, source % x.ndim)
    return transpose(x, tuple(order))


def flip(x: Any, axis: Any = None) -> Any:
    """The entries of an axis, several, or all axes in reverse, as np.flip."""
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


def roll(x: Any, shift: int, axis: int) -> Any:
    """The entries of an axis moved on by `shift`, and round its end, as np.roll."""
    places = (np.arange(x.shape[axis]) - shift) % x.shape[axis]
    return x[_at(axis, x.ndim, places)]


def repeat(x: Any, repeats: int, axis: int) -> Any:
    """Each entry of an axis so many times, as np.repeat."""
    return x[_at(axis, x.ndim, np.repeat(np.arange(x.shape[axis]), repeats))]


def hstack(arrays: Any) -> Any:
    """Arrays joined along their second axis, vectors along their only one, as np.hstack."""
    return concatenate(arrays, axis=0 if np.ndim(arrays[0]) == 1 else 1)


def vstack(arrays: Any) -> Any:
    """Arrays joined along their first axis, vectors as rows, as np.vstack."""
    return concatenate([x if np.ndim(x) > 1 else reshape(x, (1, -1)) for x in arrays], axis=0)


for name, ours in (("ravel", ravel), ("moveaxis", moveaxis), ("flip", flip), ("roll", roll), ("repeat", repeat)):
    TABLE[getattr(np, name)] = ours
TABLE[np.hstack] = hstack
TABLE[np.vstack] = vstack
TABLE[np.stack] = stack
TABLE[np.concatenate] = concatenate
for plain in (np.shape, np.ndim, np.size):
    # What these say of a Tensor is a plain number, the same at every replay of the same shapes.
    TABLE[plain] = lambda x, *args, _plain=plain: _plain(x.data, *args)
for filled in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    TABLE[filled] = lambda x, *args, _filled=filled, **options: _filled(x.data, *args, **options)
