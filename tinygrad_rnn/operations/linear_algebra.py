"""Products of matrices, vectors and batches of matrices."""

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Function, primitive
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import Axes
from tinygrad_rnn.operations.reductions import Norm, norm


def dot(a: Value, b: Value) -> Value:
    """Return the sum over the last axis of a and the last but one of b, as np.dot; with a number, the product."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) > 2:
        return tensordot(a, b, ((-1,), (-2,)))
    return a @ b


def inner(a: Value, b: Value) -> Value:
    """Return the sum over the last axes of both, as np.inner; the product where one is a number."""
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else tensordot(a, b, ((-1,), (-1,)))


def outer(a: Value, b: Value) -> Value:
    """Return all products of the entries of two arrays, each taken flat, as np.outer."""
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


def tensordot(a: Value, b: Value, axes: Any = 2) -> Value:
    """Return the sum over pairs of axes, or over a number of last axes of a and first axes of b, as np.tensordot."""
    if isinstance(axes, int | np.integer):
        axes = range(np.ndim(a) - axes, np.ndim(a)), range(axes)
    of_a, of_b = (normalize_axis_tuple(list_, np.ndim(x)) for x, list_ in zip((a, b), axes, strict=True))
    if [np.shape(a)[k] for k in of_a] != [np.shape(b)[k] for k in of_b]:
        raise ValueError(
            f"tensordot: axes {list(of_a)} of shape {np.shape(a)} and {list(of_b)} of shape {np.shape(b)} do not fit\n"
            "each pair of axes that is summed over must have equal lengths"
        )
    free_a, free_b = [k for k in range(np.ndim(a)) if k not in of_a], [k for k in range(np.ndim(b)) if k not in of_b]
    rows, columns = tuple(np.shape(a)[k] for k in free_a), tuple(np.shape(b)[k] for k in free_b)
    summed = int(np.prod([np.shape(a)[k] for k in of_a]))
    left = np.reshape(np.transpose(a, (*free_a, *of_a)), (int(np.prod(rows)), summed))
    right = np.reshape(np.transpose(b, (*of_b, *free_b)), (summed, int(np.prod(columns))))
    return np.reshape(left @ right, rows + columns)


def diagonal(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """Return the entries on a diagonal of two axes, as a last axis: np.diagonal."""
    last = np.moveaxis(x, (axis1, axis2), (-2, -1))
    return last[(..., *_on_diagonal(last.shape[-2], last.shape[-1], offset))]


def trace(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """Return the sum over a diagonal, as np.trace."""
    return diagonal(x, offset, axis1, axis2).sum(axis=-1)


def diag(x: Value, k: int = 0) -> Value:
    """Return the k-th diagonal of a matrix, or the matrix with that diagonal, as np.diag."""
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: {x.describe()} has {counted(x.ndim, 'axis', 'axes')}\ngive a vector or a matrix")
    shape = (x.shape[0] + abs(k),) * 2
    return Sparse(shape, x.dtype, [(_on_diagonal(*shape, k), x)]).dense()


def tril(x: Value, k: int = 0) -> Value:
    """Return the entries on and below the k-th diagonal of the last two axes, and zeros, as np.tril."""
    return np.where(np.tri(*_last_two(x, "tril"), k, dtype=bool), x, np.zeros((), x.dtype))


def triu(x: Value, k: int = 0) -> Value:
    """Return the entries on and above the k-th diagonal of the last two axes, and zeros, as np.triu."""
    return np.where(np.tri(*_last_two(x, "triu"), k - 1, dtype=bool), np.zeros((), x.dtype), x)


def _last_two(x: Value, name: str) -> tuple[int, int]:
    if not x.ndim:
        raise ValueError(f"{name}: {x.describe()} has no axes\ngive a matrix, or a batch of matrices")
    return x.shape[-1] if x.ndim == 1 else x.shape[-2], x.shape[-1]


def _on_diagonal(rows: int, columns: int, offset: int) -> tuple[Value, Value]:
    """Return the rows and the columns of the entries on a diagonal of a matrix."""
    k = np.arange(max(min(rows + min(offset, 0), columns - max(offset, 0)), 0))
    return k - min(offset, 0), k + max(offset, 0)


inv = primitive(
    lambda x: np.linalg.inv(x),
    lambda g, y, x: -(_transposed(y) @ g @ _transposed(y)),
    name="inv",
    numpy=np.linalg.inv,
)
solve = primitive(
    lambda a, b: np.linalg.solve(a, b),
    lambda g, y, a, b: -_outer_of_last(_solved_back(a, b, g), y, b),
    lambda g, y, a, b: _solved_back(a, b, g),
    name="solve",
    numpy=np.linalg.solve,
)
det = primitive(
    lambda x: np.linalg.det(x),
    lambda g, y, x: (g * y)[..., None, None] * _transposed(np.linalg.inv(x)),
    name="det",
    numpy=np.linalg.det,
)
_logabsdet = primitive(
    lambda x: np.linalg.slogdet(x)[1],
    lambda g, y, x: g[..., None, None] * _transposed(np.linalg.inv(x)),
    name="logabsdet",
    analytic=False,
)
_sign_of_det = primitive(lambda x: np.linalg.slogdet(x)[0], None, name="sign_of_det", analytic=False)


def slogdet(x: Value) -> Value:
    """Return the sign and the logarithm of the absolute value of the determinant, a pair, as np.linalg.slogdet."""
    return _SIGN_AND_LOG(_sign_of_det(x), _logabsdet(x))


_SIGN_AND_LOG: Function = type(np.linalg.slogdet(np.eye(1)))


def _transposed(x: Value) -> Value:
    return x.swapaxes(-1, -2)


def _solved_back(a: Value, b: Value, g: Value) -> Value:
    """Return the solution w of aᵀ w = g, where b, and so g for each matrix, is one vector or a matrix of columns."""
    if b.ndim == 1:
        return np.linalg.solve(_transposed(a), g[..., None])[..., 0]
    return np.linalg.solve(_transposed(a), g)


def _outer_of_last(w: Value, y: Value, b: Value) -> Value:
    """Return w yᵀ, for vectors or matrices, as b is."""
    return w[..., :, None] * y[..., None, :] if b.ndim == 1 else w @ _transposed(y)


# ------------------------------------------------------------------------------------------ the same in np.linalg


def _diagonal_of_last(x: Value, *, offset: int = 0) -> Value:
    """Return the entries on a diagonal of the last two axes, as np.linalg.diagonal."""
    return diagonal(x, offset, -2, -1)


def _trace_of_last(x: Value, *, offset: int = 0) -> Value:
    """Return the sum over a diagonal of the last two axes, as np.linalg.trace."""
    return trace(x, offset, -2, -1)


def vector_norm(x: Value, *, axis: Axes = None, keepdims: bool = False, ord: Norm = 2) -> Value:
    """Return the norm of the entries of some axes (all by default), taken as a vector, as np.linalg.vector_norm."""
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    shape = (math.prod(x.shape[k] for k in axes), *(x.shape[k] for k in rest))
    flat = np.reshape(np.transpose(x, (*axes, *rest)), shape)
    found = norm(flat, ord, axis=0)
    return np.reshape(found, tuple(1 if k in axes else n for k, n in enumerate(x.shape))) if keepdims else found


def matrix_norm(x: Value, *, keepdims: bool = False, ord: Norm = "fro") -> Value:
    """Return the norm of the last two axes, as np.linalg.matrix_norm: the root of the sum of squares."""
    return norm(x, ord, axis=(-2, -1), keepdims=keepdims)


def matrix_transpose(x: Value) -> Value:
    """Return the transpose of the last two axes, as np.matrix_transpose."""
    return np.swapaxes(x, -1, -2)


def vecdot(a: Value, b: Value, *, axis: int = -1) -> Value:
    """Return the sum of products over one axis, as np.vecdot."""
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    return (a[..., None, :] @ b[..., None])[..., 0, 0]


TABLE[np.linalg.diagonal], TABLE[np.linalg.trace] = _diagonal_of_last, _trace_of_last
TABLE[np.linalg.vector_norm], TABLE[np.linalg.matrix_norm] = vector_norm, matrix_norm
TABLE[np.linalg.matrix_transpose] = TABLE[np.matrix_transpose] = matrix_transpose
TABLE[np.linalg.vecdot] = TABLE[np.vecdot] = vecdot
TABLE[np.linalg.matmul], TABLE[np.linalg.tensordot], TABLE[np.linalg.outer] = PRIMITIVES["matmul"], tensordot, outer
for ours in (dot, inner, outer, tensordot, diagonal, trace, diag, tril, triu):
    TABLE[getattr(np, ours.__name__)] = ours
TABLE[np.linalg.slogdet] = slogdet
