"""The operations of a recurrent network: each one statement, with one line for each partial derivative.

Arguments broadcast; the walk back sums a cotangent over the axes that were broadcast. The rest of NumPy is in
`operations/`, written in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.table import TABLE, Args, Primitive, primitive
from tinygrad_rnn.core.values import Value

Axes = int | Sequence[int] | None
"""One axis, several, or (None) all of them."""

# ------------------------------------------------------------------------------------------ entry by entry

add = primitive(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
subtract = primitive(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
multiply = primitive(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
divide = primitive(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
negative = primitive(np.negative, lambda g, y, x: -g)
positive = primitive(np.positive, lambda g, y, x: g)
square = primitive(np.square, lambda g, y, x: g * (2 * x))
sqrt = primitive(np.sqrt, lambda g, y, x: g / (2 * y))
exp = primitive(np.exp, lambda g, y, x: g * y)
log = primitive(np.log, lambda g, y, x: g / x)
tanh = primitive(np.tanh, lambda g, y, x: g - g * (y * y))  # g (1 - y^2), without a number for NumPy to convert
sigmoid = primitive(lambda x: logistic(x), lambda g, y, x: g * (y - y * y), name="sigmoid", kind="elementwise")
"""Return 1 / (1 + exp(-x)), of the shape and float dtype of x, without overflow."""
relu = primitive(
    lambda x: np.maximum(x, 0),
    lambda g, y, x: g * (x > 0),  # slope 0 at 0
    name="relu",
    analytic=False,
    kind="elementwise",
)
"""Return max(x, 0), of the shape and dtype of x. At 0 its derivative is 0."""
power = primitive(
    np.power,
    lambda g, y, a, b: g * b * np.power(a, one_less(a, b)),
    lambda g, y, a, b: g * y * np.log(np.where(a == 0, 1, a)),
)
where = primitive(
    lambda condition, a, b: np.where(condition, a, b),
    None,
    lambda g, y, condition, a, b: np.where(condition, g, 0),
    lambda g, y, condition, a, b: np.where(condition, 0, g),
    name="where",
    numpy=np.where,
    kind="elementwise",
)


def logistic(x: Value) -> Value:
    """Return 1 / (1 + exp(-x)): to the last digits for negative x too, where tanh(x/2)/2 + 1/2 loses them all."""
    with np.errstate(over="ignore"):  # where exp(-x) is infinite the result is 0, to rounding
        y = np.asarray(np.exp(np.negative(x)))
    y += 1
    return np.reciprocal(y, y)


def one_less(a: Value, b: Value) -> Value:
    """Return b - 1, but 0 where b is 0: there the derivative b a**(b - 1) is 0 * a**0, and not 0 / 0 or 0 * inf.

    For a Tensor b only where a is 0 too: elsewhere the derivative has a slope in b, 1 / a.
    """
    if isinstance(b, int | float):
        return b - 1 if b else 0
    if b.dtype.kind != "f":
        b = b.astype(float)  # unsigned integers have no -1
    none = np.equal(b, 0)
    return np.where(np.logical_and(np.equal(a, 0), none) if hasattr(b, "__apply__") else none, 1, b) - 1


# Constant almost everywhere: recorded, so that `tape.rerun` computes them again, with no gradient.
CONSTANT = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.logical_and, np.logical_or)
for ufunc in (*CONSTANT, np.logical_xor, np.logical_not, np.sign, np.floor, np.ceil, np.rint, np.trunc, np.isfinite):
    primitive(ufunc, *[None] * ufunc.nin, analytic=False)
detach = primitive(lambda x: x, None, name="detach", analytic=False, kind="elementwise")

# ------------------------------------------------------------------------------------------ matrices and sums

matmul = primitive(np.matmul, lambda g, y, a, b: to_left(g, a, b), lambda g, y, a, b: to_right(g, a, b), kind="product")
sum = primitive(
    lambda x, axis=None, keepdims=False: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: spread(g, x, axis, keepdims),
    name="sum",
    numpy=np.sum,
    kind="reduction",
)
mean = primitive(
    lambda x, axis=None, keepdims=False: np.mean(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: spread(g * (y.size / (x.size or 1)), x, axis, keepdims),
    name="mean",
    numpy=np.mean,
    kind="reduction",
)


def to_left(g: Value, a: Value, b: Value) -> Value:
    """Return dL/da = g bᵀ, for a @ b."""
    if a.ndim == b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:  # (..., n, k) @ (k,) -> (..., n)
        return g[..., None] * b
    if a.ndim == 1:  # (k,) @ (..., k, m) -> (..., m)
        return b @ g if b.ndim == 2 else (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def to_right(g: Value, a: Value, b: Value) -> Value:
    """Return dL/db = aᵀ g, for a @ b."""
    if a.ndim == b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:  # (k,) @ (..., k, m) -> (..., m)
        return a[:, None] * g[..., None, :] if b.ndim > 1 else g * a
    if b.ndim == 1:  # (..., n, k) @ (k,) -> (..., n)
        return a.T @ g if a.ndim == 2 else (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    if b.ndim == 2 and a.ndim > 2:  # one product over all the rows, in place of a batch that is summed afterwards
        rows = math.prod(a.shape[:-1])
        return a.reshape((rows, a.shape[-1])).T @ g.reshape((rows, g.shape[-1]))
    return a.swapaxes(-1, -2) @ g


def spread(g: Value, x: Value, axis: Axes, keepdims: bool) -> Value:
    """Return the cotangent of a reduction, repeated along the axes that were reduced away."""
    return np.broadcast_to(kept(g, x, axis, keepdims), x.shape)


def kept(g: Value, x: Value, axis: Axes, keepdims: bool) -> Value:
    """Return the cotangent of a reduction with the reduced axes at length 1."""
    if keepdims or not x.ndim:
        return g
    reduced = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return g.reshape(tuple(1 if k in reduced else n for k, n in enumerate(x.shape)))


# ------------------------------------------------------------------------------------------ shapes

astype: Primitive = primitive(
    lambda x, dtype: x.astype(dtype),
    lambda g, y, x, dtype: astype(g, dtype=x.dtype),
    name="astype",
    analytic=False,  # a cast to a real dtype drops the imaginary part
    kind="elementwise",
)
reshape = primitive(
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: g.reshape(x.shape),
    name="reshape",
    numpy=np.reshape,
    kind="view",
)
transpose = primitive(
    lambda x, axes=None: x.transpose(axes),
    lambda g, y, x, axes=None: g.transpose(
        axes if axes is None else np.argsort([a % len(axes) for a in axes]).tolist()
    ),
    name="transpose",
    numpy=np.transpose,
    kind="view",
)
broadcast_to = primitive(
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, y, x, shape: g,
    name="broadcast_to",
    numpy=np.broadcast_to,
    kind="view",
)
_stack = primitive(
    lambda *xs, axis: np.stack(xs, axis=axis),
    lambda g, y, *xs, axis: [g[at(axis, y.ndim, k)] for k in range(len(xs))],
    name="stack",
    variadic=True,
    kind="join",
)
_concatenate = primitive(
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    lambda g, y, *xs, axis: [g[at(axis, y.ndim, part)] for part in consecutive(xs, axis)],
    name="concatenate",
    variadic=True,
    kind="join",
)


def stack(arrays: Iterable[Value], axis: int = 0) -> Value:
    """Return arrays of one shape joined along a new axis, as np.stack."""
    return _stack(*arrays, axis=axis)


def concatenate(arrays: Iterable[Value], axis: int | None = 0) -> Value:
    """Return arrays joined along an axis that they have, or flat with axis None, as np.concatenate."""
    if axis is None:
        return _concatenate(*(np.reshape(x, -1) for x in arrays), axis=0)
    return _concatenate(*arrays, axis=axis)


def at(axis: int, ndim: int, part: Value) -> Args:
    """Return the index that takes `part` of one axis and all of the others."""
    return (slice(None),) * (axis % ndim) + (part,)


def along(x: Value, axis: int | None) -> tuple[Value, int]:
    """Return x and the number of its axis `axis`. With None x is flat; a number has one axis, of length 1."""
    if axis is None or (np.ndim(x) == 0 and axis in (0, -1)):
        return np.reshape(x, (-1,)), 0
    return x, normalize_axis_index(axis, np.ndim(x))


def consecutive(xs: Args, axis: int) -> list[slice]:
    """Return, for each of the concatenated arrays, the slice of the axis that it fills."""
    ends = np.cumsum([0, *(x.shape[axis] for x in xs)]).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]


TABLE[np.stack], TABLE[np.concatenate] = stack, concatenate

# ------------------------------------------------------------------------------------------ indexing

getitem = primitive(
    lambda x, *index: x[index],
    lambda g, y, x, *index: Sparse(x.shape, g.dtype, [(index, g)]),
    name="getitem",
    kind="view",
)
