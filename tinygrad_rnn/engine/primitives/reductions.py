"""Sums and the like over one axis, several, or all. Ties: `max` and `min` share the cotangent equally."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives.comparisons import detach
from tinygrad_rnn.engine.tensor import TABLE, primitive


def _spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """A cotangent of a reduction, repeated along the axes that were reduced away."""
    return np.broadcast_to(_kept(g, x, axis, keepdims), x.shape)


def _kept(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """The same with reduced axes kept at length 1."""
    if keepdims or not x.ndim:
        return g
    reduced = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return g.reshape(tuple(1 if k in reduced else n for k, n in enumerate(x.shape)))


sum = primitive(
    lambda x, axis=None, keepdims=False: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: _spread(g, x, axis, keepdims),
    name="sum",
    numpy=np.sum,
)
mean = primitive(
    lambda x, axis=None, keepdims=False: np.mean(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis=None, keepdims=False: _spread(g / (x.size // y.size), x, axis, keepdims),
    name="mean",
    numpy=np.mean,
)
cumsum = primitive(
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda g, y, x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis),
    name="cumsum",
    numpy=np.cumsum,
)


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


def _shared(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    at_max = detach(x == _kept(y, x, axis, keepdims)) * np.ones((), x.dtype)
    return _kept(g, x, axis, keepdims) * at_max / at_max.sum(axis=axis, keepdims=True)


def _stable_logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty sum is -inf, and meant
        total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)
