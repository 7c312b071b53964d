"""Sums and the like over one axis, several, or all. Ties: `max` and `min` share the cotangent equally.

`prod` and `cumprod` divide by nothing, so their derivatives of every order are exact where entries are zero.
"""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_rnn.core.table import TABLE, Primitive, primitive
from tinygrad_rnn.operations.basics import detach, mean, sum
from tinygrad_rnn.operations.basics import kept as _kept

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


def _flat_unless(x: Any, axis: int | None) -> tuple[Any, int]:
    """What a cumulative function runs over: x and its axis, or, with None, all entries in one axis."""
    return (np.reshape(x, (-1,)), 0) if axis is None else (x, normalize_axis_index(axis, np.ndim(x)))


def cumsum(x: Any, axis: int | None = None) -> Any:
    """The sums of all entries up to each, along an axis or (None) over the flat array, as np.cumsum."""
    x, axis = _flat_unless(x, axis)
    return _cumsum(x, axis=axis)


def cumprod(x: Any, axis: int | None = None) -> Any:
    """The products of all entries up to each, along an axis or (None) over the flat array, as np.cumprod.

    By doubling: after k rounds each entry is the product of the 2^k before it. No division, so zeros are exact.
    """
    x, axis = _flat_unless(x, axis)
    before = (slice(None),) * axis
    shift = 1
    while shift < x.shape[axis]:
        head, late, early = (x[(*before, part)] for part in (slice(shift), slice(shift, None), slice(-shift)))
        x = np.concatenate([head, late * early], axis=axis)
        shift *= 2
    return x


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The root of the sum of squares over `axis` (all of them by default), as np.linalg.norm; gradient 0 at 0.

    `ord` 1 and infinity, over one axis, are the sum and the largest of the absolute values.
    """
    one_axis = isinstance(axis, int) or (axis is None and np.ndim(x) == 1)
    if ord is None or (ord == 2 and one_axis) or (ord == "fro" and not one_axis):
        return _norm(x, axis=axis, keepdims=keepdims)
    if one_axis and ord in (1, np.inf):
        return (sum if ord == 1 else max)(np.abs(x), axis=axis, keepdims=keepdims)
    raise ValueError(
        f"norm: ord={ord!r} over axis={axis} has no derivative rule\n"
        "there are: no ord (the root of the sum of squares), and 1, 2 and np.inf over one axis"
    )


def _inexact(x: Any) -> Any:
    """Integers as floats, whose squares do not wrap around."""
    return x if x.dtype.kind in "fc" else x.astype(float)


def _product_of_the_others(x: Any, axis: Any) -> Any:
    """For each entry the product of all others along the reduced axes: those before it times those after it."""
    if not x.size:
        return x
    reduced = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    order = [k for k in range(x.ndim) if k not in reduced] + list(reduced)
    moved = np.transpose(x, order)
    rows = np.reshape(moved, (*(x.shape[k] for k in order[: x.ndim - len(reduced)]), -1))
    one = np.ones((*rows.shape[:-1], 1), x.dtype)
    before = cumprod(np.concatenate([one, rows[..., :-1]], axis=-1), -1)
    after = np.flip(cumprod(np.concatenate([one, np.flip(rows[..., 1:], -1)], axis=-1), -1), -1)
    others = np.reshape(before * after, moved.shape)
    return np.transpose(others, tuple(order.index(k) for k in range(x.ndim)))


def _extreme(function: Any) -> Any:
    """np.max or np.min as a primitive: they differ in nothing but which entry they find."""
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
    lambda g, y, x, axis=None, keepdims=False: _kept(g, x, axis, keepdims) * np.exp(x - _kept(y, x, axis, keepdims)),
    name="logsumexp",
)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis` (all of them by default), without overflow. Shape as of a sum; dtype as of x."""
    return _logsumexp(x, axis=axis, keepdims=keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean, as np.var."""
    from_mean = x - mean(x, axis=axis, keepdims=True)
    return mean(from_mean * from_mean, axis=axis, keepdims=keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The root of `var`, as np.std."""
    return np.sqrt(var(x, axis, keepdims))


TABLE[np.var] = var
TABLE[np.std] = std
TABLE[np.cumsum] = cumsum
TABLE[np.cumprod] = cumprod
TABLE[np.linalg.norm] = norm


def _shared(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    tied = detach(x == _kept(y, x, axis, keepdims))
    return _kept(g, x, axis, keepdims) * (tied / tied.sum(axis=axis, keepdims=True))


def _stable_logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty sum is -inf, and meant
        total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)
