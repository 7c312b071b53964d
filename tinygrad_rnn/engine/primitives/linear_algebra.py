"""Products of matrices, vectors and batches of matrices."""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import TABLE, primitive


def _left(g: Any, a: Any, b: Any) -> Any:
    """dL/da = g bᵀ, for a @ b."""
    if a.ndim == b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:  # (..., n, k) @ (k,) -> (..., n)
        return g[..., None] * b
    if a.ndim == 1:  # (k,) @ (..., k, m) -> (..., m)
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


def _right(g: Any, a: Any, b: Any) -> Any:
    """dL/db = aᵀ g, for a @ b."""
    if a.ndim == b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:  # (k,) @ (..., k, m) -> (..., m)
        return a[:, None] * g[..., None, :] if b.ndim > 1 else g * a
    if b.ndim == 1:  # (..., n, k) @ (k,) -> (..., n)
        return (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    if b.ndim == 2 and a.ndim > 2:  # one product over all the rows, in place of a batch that is summed afterwards
        return a.reshape((-1, a.shape[-1])).T @ g.reshape((-1, g.shape[-1]))
    return a.swapaxes(-1, -2) @ g


def outer(a: Any, b: Any) -> Any:
    """All products of the entries of two vectors, as np.outer."""
    return a.reshape((-1, 1)) * b.reshape((1, -1))


def dot(a: Any, b: Any) -> Any:
    """The product a @ b of vectors and matrices, or a * b where one is a number: np.dot with at most two axes."""
    if np.ndim(a) > 2 or np.ndim(b) > 2:
        raise ValueError("dot: more than two axes\nuse a @ b, whose rule for batches is another")
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else a @ b


TABLE[np.outer] = outer
TABLE[np.dot] = dot
matmul = primitive(np.matmul, lambda g, y, a, b: _left(g, a, b), lambda g, y, a, b: _right(g, a, b))
