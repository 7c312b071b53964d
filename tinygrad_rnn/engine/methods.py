"""The methods that a Tensor has because an array has them: each is NumPy's function of that name, called on it."""

from __future__ import annotations

from typing import Any

import numpy

np: Any = numpy  # its stubs do not know that functions take whatever has __array_function__


class ArrayMethods:
    """What `np.sum(x, ...)` and its like are as `x.sum(...)`. Arguments and results are as of the functions."""

    __slots__ = ()

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order; reversed by default."""
        axes = _spread(axes)
        return np.transpose(self) if axes in ((), (None,)) else np.transpose(self, axes)

    def reshape(self, *shape: Any) -> Any:
        """The same entries in another shape."""
        return np.reshape(self, _spread(shape))

    def ravel(self) -> Any:
        """All entries in one axis."""
        return np.ravel(self)

    def flatten(self) -> Any:
        """All entries in one axis."""
        return np.ravel(self)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        """The axes of length 1 left out."""
        return np.squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Each entry so many times."""
        return np.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """The entries at these places of an axis."""
        return np.take(self, indices, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The entries on a diagonal of two axes, as a last axis."""
        return np.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The sum over a diagonal."""
        return np.trace(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Any:
        """The product with a vector, a matrix or a number."""
        return np.dot(self, other)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over `axis` (all of them by default)."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean over `axis` (all of them by default)."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The product over `axis` (all of them by default)."""
        return np.prod(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean squared distance from the mean over `axis`."""
        return np.var(self, axis=axis, keepdims=keepdims)

    def std(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The root of the variance over `axis`."""
        return np.std(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The maximum over `axis` (all of them by default)."""
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The minimum over `axis` (all of them by default)."""
        return np.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Any:
        """Where the maximum is."""
        return np.argmax(self, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Where the minimum is."""
        return np.argmin(self, axis=axis)

    def argsort(self, axis: int = -1) -> Any:
        """The order that sorts an axis."""
        return np.argsort(self, axis=axis)

    def cumsum(self, axis: int | None = None) -> Any:
        """The sums of all entries up to each."""
        return np.cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Any:
        """The products of all entries up to each."""
        return np.cumprod(self, axis=axis)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Each entry kept between two bounds."""
        return np.clip(self, min, max)

    def round(self, decimals: int = 0) -> Any:
        """Each entry rounded to so many decimals; gradient zero."""
        return np.round(self, decimals)


def _spread(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """`x.reshape(2, 3)` and `x.reshape((2, 3))` say the same."""
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], tuple | list) else values
