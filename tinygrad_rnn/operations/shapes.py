"""Operations that move entries: another shape or order, copies, arrays joined. All are linear."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_rnn.core import errors
from tinygrad_rnn.core.table import TABLE, Args, Function, Primitive, primitive
from tinygrad_rnn.core.values import Value, bare
from tinygrad_rnn.operations.basics import Axes, along, broadcast_to, concatenate, detach, positive, reshape, transpose
from tinygrad_rnn.operations.basics import at as _at

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


def ravel(x: Value) -> Value:
    """Return all entries in one axis, as np.ravel."""
    return reshape(x, (-1,))


def moveaxis(x: Value, source: int | Sequence[int], destination: int | Sequence[int]) -> Value:
    """Return x with axes at other places, the rest in their order, as np.moveaxis."""
    moved, places = normalize_axis_tuple(source, x.ndim), normalize_axis_tuple(destination, x.ndim)
    order = [k for k in range(x.ndim) if k not in moved]
    for to, axis in sorted(zip(places, moved, strict=True)):
        order.insert(to, axis)
    return transpose(x, tuple(order))


def flip(x: Value, axis: Axes = None) -> Value:
    """Return the entries of an axis, several, or all axes in reverse, as np.flip."""
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


def roll(x: Value, shift: int | Sequence[int], axis: Axes = None) -> Value:
    """Return the entries of an axis, or several, moved on by `shift` round the end (flat by default), as np.roll."""
    rolled, axis = (x.reshape((-1,)), 0) if axis is None else (x, axis)
    for by, a in np.broadcast(shift, normalize_axis_tuple(axis, rolled.ndim, allow_duplicate=True)):
        length = rolled.shape[a]
        rolled = rolled[_at(int(a), rolled.ndim, (np.arange(length) - by) % max(length, 1))]
    return rolled.reshape(x.shape)


def repeat(x: Value, repeats: int | Sequence[int], axis: int | None = None) -> Value:
    """Return each entry of an axis (of the flat array by default) `repeats` times, as np.repeat."""
    x, axis = along(x, axis)
    return x[_at(axis, x.ndim, np.repeat(np.arange(x.shape[axis]), repeats))]


def tile(x: Value, reps: int | Sequence[int]) -> Value:
    """Return the whole array, repeated `reps` times along each axis, as np.tile."""
    reps = tuple(np.asarray(reps).reshape(-1).tolist())
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    between = x.reshape(tuple(n for length in shape for n in (1, length)))
    copies = broadcast_to(between, tuple(n for pair in zip(reps, shape, strict=True) for n in pair))
    return copies.reshape(tuple(r * n for r, n in zip(reps, shape, strict=True)))


def rot90(x: Value, k: int = 1, axes: Sequence[int] = (0, 1)) -> Value:
    """Return x with the plane of two axes turned k times by 90 degrees, from the first to the second, as np.rot90."""
    first, second = normalize_axis_tuple(axes, x.ndim)
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 0:
        return copy(x)
    return swapaxes(flip(x, second), first, second) if k % 4 == 1 else flip(swapaxes(x, first, second), second)


def flipud(x: Value) -> Value:
    """Return the entries of the first axis in reverse, as np.flipud."""
    return flip(x, 0)


def fliplr(x: Value) -> Value:
    """Return the entries of the second axis in reverse, as np.fliplr."""
    return flip(x, 1)


def copy(x: Value, order: str = "K") -> Value:
    """Return a Tensor of the same values, as np.copy: an entry of its own on the tape, through which gradients flow."""
    if order not in ("C", "A", "K"):
        raise errors.unknown_keyword("copy", (x,), "order", order)
    return detach(x) if x.dtype == bool else positive(x)  # booleans have no sign, and no gradient


# ------------------------------------------------------------------------------------------ more axes


def atleast_1d(*arrays: Value) -> Value:
    """Return each array with an axis, if it has none, as np.atleast_1d: a tuple where there are several."""
    return _each(arrays, lambda x: x if np.ndim(x) else np.reshape(x, (1,)))


def atleast_2d(*arrays: Value) -> Value:
    """Return each array with two axes, if it has fewer, a vector as a row, as np.atleast_2d."""
    return _each(arrays, lambda x: x if np.ndim(x) > 1 else np.reshape(x, (1, -1)))


def atleast_3d(*arrays: Value) -> Value:
    """Return each array with three axes, if it has fewer, a vector in the second one, as np.atleast_3d."""
    shapes = {0: (1, 1, 1), 1: (1, -1, 1)}
    return _each(arrays, lambda x: x if np.ndim(x) > 2 else np.reshape(x, shapes.get(np.ndim(x), (*np.shape(x), 1))))


def _each(arrays: Args, change: Function) -> Value:
    changed = tuple([change(x) for x in arrays])
    return changed[0] if len(changed) == 1 else changed


# ------------------------------------------------------------------------------------------ several arrays


def hstack(arrays: Iterable[Value]) -> Value:
    """Return arrays joined along their second axis, vectors and numbers along their only one, as np.hstack."""
    arrays = [atleast_1d(x) for x in arrays]
    return concatenate(arrays, axis=0 if arrays and np.ndim(arrays[0]) == 1 else 1)


def vstack(arrays: Iterable[Value]) -> Value:
    """Return arrays joined along their first axis, vectors and numbers as rows, as np.vstack."""
    return concatenate([atleast_2d(x) for x in arrays], axis=0)


def dstack(arrays: Iterable[Value]) -> Value:
    """Return arrays joined along their third axis, matrices and vectors with one added, as np.dstack."""
    return concatenate([atleast_3d(x) for x in arrays], axis=2)


def column_stack(arrays: Iterable[Value]) -> Value:
    """Return arrays joined along their second axis, vectors and numbers as columns, as np.column_stack."""
    return concatenate([x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in arrays], axis=1)


def append(x: Value, values: Value, axis: int | None = None) -> Value:
    """Return x with values after it on an axis (flat by default), as np.append: a new array each time."""
    return concatenate([x, values], axis=axis)


def diff(x: Value, n: int = 1, axis: int = -1, prepend: Value = None, append: Value = None) -> Value:
    """Return the differences of neighbours on an axis, n times over, as np.diff."""
    x = x if hasattr(x, "__apply__") else np.asarray(x)
    if n == 0:
        return x
    if n < 0 or not x.ndim:
        raise ValueError(f"diff: n={n} for shape {x.shape}\nthe differences of an array with axes, n >= 0 times over")
    axis = normalize_axis_index(axis, x.ndim)
    edges = [None if edge is None else _edge(edge, x.shape, axis) for edge in (prepend, append)]
    if any(edge is not None for edge in edges):
        x = concatenate([part for part in (edges[0], x, edges[1]) if part is not None], axis=axis)
    for _ in range(n):
        late, early = x[_at(axis, x.ndim, slice(1, None))], x[_at(axis, x.ndim, slice(-1))]
        x = late != early if x.dtype == bool else late - early
    return x


def _edge(edge: Value, shape: tuple[int, ...], axis: int) -> Value:
    return np.broadcast_to(edge, (*shape[:axis], 1, *shape[axis + 1 :])) if np.ndim(edge) == 0 else edge


for of_one in (ravel, moveaxis, flip, roll, repeat, tile, rot90, flipud, fliplr, copy, diff):
    TABLE[getattr(np, of_one.__name__)] = of_one
for ours in (atleast_1d, atleast_2d, atleast_3d, hstack, vstack, dstack, column_stack, append):
    TABLE[getattr(np, ours.__name__)] = ours
for plain in (np.shape, np.ndim, np.size):
    # A shape or a size is a plain number, the same at every rerun with the same shapes.
    TABLE[plain] = lambda x, *args, _plain=plain: _plain(bare(x), *args)
for filled in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    TABLE[filled] = lambda x, *args, _filled=filled, **options: _filled(bare(x), *args, **options)
