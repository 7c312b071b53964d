"""Expressions, evaluated on numbers by the operations of the engine."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Ref
from tinygrad_rnn.core.table import PRIMITIVES


def evaluate(x: Expr, value: Callable[[Ref], Array]) -> Any:
    """Return the value of an expression; `value` gives the number of each quantity."""
    if isinstance(x, Ref):
        return value(x)
    if isinstance(x, Num):
        return x.value
    args, options = [evaluate(a, value) for a in x.args], dict(x.options)
    examples = np.shape(args[0])[:-2] if args else ()  # an axis of examples before the two of a matrix
    if x.name == "broadcast_to":
        return np.broadcast_to(args[0], (*examples, *x.shape))
    if examples and "axis" in options:
        axis = options["axis"]
        options["axis"] = tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1
    if examples and "index" in options:
        options["index"] = ((None, None, None), *options["index"])
    return OPERATIONS.get(x.name, _by_engine(x.name))(*args, **options)


def _by_engine(name: str) -> Callable[..., Any]:
    return lambda *args, **options: PRIMITIVES[name].function(*args, **options)


def _one_hot(at: Array, n: int, axis: int, axes: int) -> Array:
    """Return rows or columns that are 1 at an index; with an axis of examples in front, a column for each."""
    found: Array = np.eye(n)[at]
    if axes == 3:
        return found[:, :, None]
    return found if axis else found.T


def index_of(parts: tuple[object, ...]) -> tuple[object, ...]:
    """Return an index in the form of NumPy."""
    return tuple(slice(*part) if isinstance(part, tuple) else part for part in parts)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda *args: functools.reduce(operator.add, args),
    "multiply": lambda *args: functools.reduce(operator.mul, args),
    "getitem": lambda x, index: x[index_of(index)],
    "concatenate": lambda *parts, axis: np.concatenate(parts, axis=axis),
    "stack": lambda *parts, axis: np.stack(parts, axis=axis),
    "sum": lambda x, axis, keepdims=False: np.sum(x, axis=axis, keepdims=keepdims),
    "mean": lambda x, axis, keepdims=False: np.mean(x, axis=axis, keepdims=keepdims),
    "transpose": lambda x: np.swapaxes(x, -1, -2),
    "size": lambda n, name: n,
    "ones": lambda n: np.ones((n, 1)),
    "later": lambda x, state: x,
    "scaled": lambda v, x: v * x,
    "prime": lambda x, of, **rest: PRIMITIVES[of].vjps[0](
        np.ones_like(x), PRIMITIVES[of].function(x, **rest), x, **rest
    ),
    "diag": lambda v: v * np.eye(v.shape[-2]) if np.ndim(v) == 3 else np.diagflat(v),
    "eye": lambda n: np.eye(n),
    "one_hot": lambda at, n, axis: _one_hot(np.ravel(at), n, axis, np.ndim(at)),
    "placed": lambda n, start, width: np.eye(n)[:, start : start + width],
    "block": lambda above, below, value: value,
    "rows": lambda x, part, parts, label, axis: np.split(x, parts, axis)[part],
    "split": lambda x, parts, axis: np.split(x, parts, axis=axis),
}
