"""Sums and the like over one axis, several, or all. Ties: `max` and `min` share the cotangent equally.

`prod` and `cumprod` divide by nothing, so their derivatives of every order are exact where entries are zero.
"""

import builtins

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_rnn.core.table import TABLE, Function, Primitive, primitive
from tinygrad_rnn.core.values import Value, bare
from tinygrad_rnn.operations.activations import largest, softmax_over
from tinygrad_rnn.operations.basics import Axes, along, broadcast_to, detach, mean, sum
from tinygrad_rnn.operations.basics import kept as _kept

Norm = float | str | None
"""The `ord` of a norm, as NumPy has it."""

_cumsum: Primitive = primitive(
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda g, y, x, axis: np.flip(_cumsum(np.flip(g, axis), axis=axis), axis),
    name="cumsum",
    kind="linear",
)
prod = primitive(
    lambda x, axis=None, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: _kept(g, x, axis, keepdims) * _product_of_the_others(x, axis),
    name="prod",
    numpy=np.prod,
)
_norm = primitive(
    lambda x, axis, keepdims: np.sqrt(np.add.reduce(np.square(_inexact(x)), axis=axis, keepdims=keepdims)),
    lambda g, y, x, axis, keepdims: x * _kept(g / np.where(y == 0, 1, y), x, axis, keepdims),  # 0 at 0
    name="norm",
    analytic=False,
)


def cumsum(x: Value, axis: int | None = None) -> Value:
    """Return the sums of all entries up to each, along an axis or (None) over the flat array, as np.cumsum."""
    x, axis = along(x, axis)
    return _cumsum(x, axis=axis)


def cumprod(x: Value, axis: int | None = None) -> Value:
    """Return the products of all entries up to each, along an axis or (None) over the flat array, as np.cumprod.

    By doubling: after k rounds each entry is the product of the 2^k before it. No division, so zeros are exact.
    """
    x, axis = along(x, axis)
    if x.dtype.kind in "bui":
        x = x.astype(np.cumprod(np.ones(1, x.dtype)).dtype)  # short integers as long ones
    before = (slice(None),) * axis
    shift = 1
    while shift < x.shape[axis]:
        head, late, early = (x[(*before, part)] for part in (slice(shift), slice(shift, None), slice(-shift)))
        x = np.concatenate([head, late * early], axis=axis)
        shift *= 2
    return x


def norm(x: Value, ord: Norm = None, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the root of the sum of squares over `axis` (all of them by default), as np.linalg.norm; gradient 0 at 0.

    `ord` 1, infinity and -infinity, over one axis, are the sum, the largest and the smallest of the absolute values.
    """
    axes = None if axis is None else normalize_axis_tuple(axis, x.ndim)
    count = x.ndim if axes is None else len(axes)
    if ord is None or (ord == 2 and count == 1) or (ord == "fro" and count == 2):
        return _norm(x, axis=axes, keepdims=keepdims)
    if count == 1 and ord in (1, np.inf, -np.inf):
        nothing = ord == np.inf and 0 in x.shape  # the largest of no absolute values is 0, as their sum is
        reduced = sum if ord == 1 or nothing else max if ord > 0 else min
        return reduced(np.abs(_inexact(x)), axis=axes, keepdims=keepdims)
    raise ValueError(
        f"norm: ord={ord!r} over axis={axis} has no derivative rule\n"
        "there are: no ord (the root of the sum of squares), and 1, 2, np.inf and -np.inf over one axis"
    )


def _inexact(x: Value) -> Value:
    """Return integers as floats, whose squares do not wrap around."""
    return x if x.dtype.kind in "fc" else x.astype(float)


def _product_of_the_others(x: Value, axis: Axes) -> Value:
    """Return, for each entry, the product of all others along the reduced axes: those before and those after it."""
    if not x.size:
        return x
    if not x.ndim:  # NumPy reduces a number over axis 0 or -1 too
        return np.ones((), x.dtype)
    reduced = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    order = [k for k in range(x.ndim) if k not in reduced] + list(reduced)
    moved = np.transpose(x, order)
    rows = np.reshape(moved, (*(x.shape[k] for k in order[: x.ndim - len(reduced)]), -1))
    one = np.ones((*rows.shape[:-1], 1), x.dtype)
    before = cumprod(np.concatenate([one, rows[..., :-1]], axis=-1), -1)
    after = np.flip(cumprod(np.concatenate([one, np.flip(rows[..., 1:], -1)], axis=-1), -1), -1)
    others = np.reshape(before * after, moved.shape)
    return np.transpose(others, tuple(order.index(k) for k in range(x.ndim)))


def _extreme(function: Function) -> Value:
    """Return np.max or np.min as a primitive: the rule is the same for both."""
    return primitive(
        lambda x, axis=None, keepdims=False: function(x, axis=axis, keepdims=keepdims),
        lambda g, y, x, axis=None, keepdims=False: _shared(g, y, x, axis, keepdims),
        name=function.__name__,
        numpy=function,
        analytic=False,
    )


max = _extreme(np.max)
min = _extreme(np.min)
_logsumexp = primitive(
    lambda x, axis=None, keepdims=False: _stable_logsumexp(x, axis, keepdims),
    lambda g, y, x, axis=None, keepdims=False: _kept(g, x, axis, keepdims) * softmax_over(x, axis=axis),
    name="logsumexp",
)


def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return log(sum(exp(x))) over `axis` (all by default), without overflow: the shape of a sum, the dtype of x."""
    return _logsumexp(x, axis=axis, keepdims=keepdims)


def var(x: Value, axis: Axes = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Value:
    """Return the mean squared distance from the mean, as np.var: the sum over the number of entries less `ddof`."""
    ddof = ddof if correction is None else correction
    from_mean = x - mean(x, axis=axis, keepdims=True)
    squares = from_mean * from_mean
    if ddof == 0:
        return mean(squares, axis=axis, keepdims=keepdims)
    total = sum(squares, axis=axis, keepdims=keepdims)
    return total / builtins.max(squares.size / (total.size or 1) - ddof, 0)


def std(x: Value, axis: Axes = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Value:
    """Return the root of `var`, as np.std. Where all entries are equal its slope is 0, as that of a norm at 0."""
    variance = var(x, axis, ddof, keepdims, correction)
    equal = variance == 0
    return np.where(equal, 0, np.sqrt(np.where(equal, 1, variance)))


def average(
    x: Value, axis: Axes = None, weights: Value = None, *, returned: bool = False, keepdims: bool = False
) -> Value:
    """Return the mean, each entry counted by its weight, as np.average; with `returned`, and the sum of weights.

    `weights` has the shape of x, or that of its axes `axis`. Raises ZeroDivisionError where the weights sum to 0.
    """
    x = x if hasattr(x, "__apply__") else np.asarray(x)
    if weights is None:
        found = mean(x, axis=axis, keepdims=keepdims)
        return (found, np.full(found.shape, x.size / found.size, found.dtype)) if returned else found
    weights = _aligned(weights, x, axis)
    dtype = np.result_type(x.dtype, weights.dtype, *([] if x.dtype.kind == "f" else [float]))
    x, weights = x.astype(dtype), weights.astype(dtype)
    total = sum(weights, axis=axis, keepdims=keepdims)
    if np.any(bare(total) == 0):
        raise ZeroDivisionError(f"average: the weights sum to 0, over axis={axis}\ngive weights of another sum")
    found = sum(x * weights, axis=axis, keepdims=keepdims) / total
    return (found, broadcast_to(total, found.shape)) if returned else found


def _aligned(weights: Value, x: Value, axis: Axes) -> Value:
    """Return weights with the axes of x: those of its shape as they are, those of `axis` with length 1 elsewhere."""
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    weights = weights if hasattr(weights, "__apply__") else np.asarray(weights)
    if weights.shape == x.shape:
        return weights
    if axis is None:
        raise TypeError(
            f"average: weights of shape {weights.shape} for shape {x.shape}\ngive axis=, the axes that they are of"
        )
    if weights.shape != tuple(x.shape[k] for k in axes):
        raise ValueError(
            f"average: weights of shape {weights.shape} for shape {x.shape}, over axis={axis}\n"
            "give weights of the same shape, or of the axes that are averaged over"
        )
    in_order = np.transpose(weights, np.argsort(axes).tolist())
    return np.reshape(in_order, tuple(n if k in axes else 1 for k, n in enumerate(x.shape)))


def any(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return whether some entry is not 0, as np.any: booleans, without gradient."""
    return sum(x != 0, axis=axis, keepdims=keepdims) != 0


def all(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return whether no entry is 0, as np.all: booleans, without gradient."""
    return sum(x == 0, axis=axis, keepdims=keepdims) == 0


for ours in (var, std, average, any, all, cumsum, cumprod):
    TABLE[getattr(np, ours.__name__)] = ours
TABLE[np.amax], TABLE[np.amin] = max, min
TABLE[np.linalg.norm] = norm


def _shared(g: Value, y: Value, x: Value, axis: Axes, keepdims: bool) -> Value:
    tied = detach(x == _kept(y, x, axis, keepdims))
    return _kept(g, x, axis, keepdims) * (tied / tied.sum(axis=axis, keepdims=True))


def _stable_logsumexp(x: Value, axis: Axes, keepdims: bool) -> Value:
    top = largest(x, axis)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty sum is -inf, and meant
        total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)
