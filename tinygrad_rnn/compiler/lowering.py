"""One call in the form that NumPy runs fastest: the function, the arrays, and the array of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygrad_rnn.graph.graph import Argument, Array, DType, Node, Value
from tinygrad_rnn.operations.basics import sigmoid

Function = Callable[..., Any]
Bound = tuple[Function, tuple[Argument, ...]]
"""A function and its arguments."""


@dataclass(frozen=True, slots=True)
class Call:
    """`function(*operands, out)`, or, for a function that cannot write into an array, `out[...] = function(*operands)`.

    Operands are arrays; `function` holds all other arguments itself.
    """

    function: Function
    operands: tuple[Argument, ...]
    out: Array
    writes: bool  # does the function take `out`?
    name: str
    method: bool = False  # is it the first operand's method, as a.dot(b, out) is?

    def bound(self) -> Bound:
        """Return the function and the arguments that run it."""
        if self.method:
            return getattr(self.operands[0], self.name), (*self.operands[1:], self.out)
        if self.function is np.copyto:
            return np.copyto, (self.out, self.operands[0])
        if self.writes:
            return self.function, (*self.operands, self.out)
        return _store, (self.out, self.function, self.operands)

    def allocating(self) -> Bound | None:
        """Return the function and the arguments that give the result as a new array; None where there is none."""
        if not self.out.ndim or not self.out.flags.c_contiguous:
            return None
        if self.method:
            return getattr(self.operands[0], self.name), self.operands[1:]
        return (self.function, self.operands) if isinstance(self.function, np.ufunc) else None


def _store(out: Array, function: Function, operands: tuple[Argument, ...]) -> None:
    out[...] = function(*operands)


def lowered(node: Node, operands: Sequence[Argument], out: Array, into: bool, in_steps: bool = False) -> Call:
    """Return the call for a node on these arrays (other arguments as they stand). `into`: may it write into its result?

    `in_steps`: the arrays are those of one step and decide the form for all, so the operands stay as they are.
    """
    name, function = node.op.name, node.op.function
    if isinstance(function, np.ufunc) and function.signature is None and into:
        runs = _KEYWORD.get(function, function)
        return Call(runs, _typed(node, operands), out, True, function.__name__)
    if name == "matmul" and into:
        return _product(operands[0], operands[1], out, in_steps)
    if name == "complex_multiply" and into:
        a, b, product = (as_complex(array) for array in (*operands, out))
        if a is not None and b is not None and product is not None:
            return complex_product(a, b, product)
    if name == "sum" and into:
        return _sum(node, operands, out, in_steps)
    if function is sigmoid.function and into:
        return Call(_logistic, (operands[0],), out, True, "sigmoid")
    if name == "detach":
        return copied(operands[0], out)
    if name == "astype":
        return Call(_cast, (operands[0],), out, True, "cast")
    return Call(_with(function, node, operands), _arrays(operands), out, False, name)


def _maximum(a: Array, b: Array, out: Array) -> None:
    np.maximum(a, b, out=out)


def _minimum(a: Array, b: Array, out: Array) -> None:
    np.minimum(a, b, out=out)


_KEYWORD: dict[Function, Function] = {np.maximum: _maximum, np.minimum: _minimum}
"""By functions that take `out` by keyword alone, functions that take it in its place."""


def copied(source: Array, out: Array) -> Call:
    """Return the call that copies one array into another."""
    return Call(np.copyto, (source,), out, True, "copyto")


def complex_product(a: Array, b: Array, out: Array) -> Call:
    """Return the product of complex numbers."""
    return Call(np.multiply, (a, b), out, True, "multiply")


def as_complex(pairs: Array) -> Array | None:
    """Return pairs of reals, which lie on the last axis, as complex numbers in the same memory; None where they cannot.

    NumPy reads them so if the two numbers of a pair lie side by side.
    """
    kind = {"f": np.complex64, "d": np.complex128}.get(pairs.dtype.char)
    if kind is None or not pairs.size or pairs.strides[-1] != pairs.itemsize:
        return None
    numbers: Array = pairs.view(kind)[..., 0]
    return numbers


def as_pairs(numbers: Array) -> Array:
    """Return complex numbers as pairs of reals, on one axis more, in the same memory."""
    return numbers[..., None].view(numbers.real.dtype)


def _logistic(x: Array, out: Array) -> None:
    """Compute 1 / (1 + exp(-x)) as `logistic` does, in place."""
    np.negative(x, out)
    with np.errstate(over="ignore"):
        np.exp(out, out)
    np.add(out, 1, out)
    np.reciprocal(out, out)


def _cast(source: Array, out: Array) -> None:
    np.copyto(out, source, casting="unsafe")


def _arrays(operands: Sequence[Argument]) -> tuple[Argument, ...]:
    return tuple(a for a in operands if isinstance(a, np.ndarray))


def _with(function: Function, node: Node, operands: Sequence[Argument]) -> Function:
    """Return the function of the arrays alone, which holds all other arguments of the call."""
    if all(isinstance(a, np.ndarray) for a in operands) and not node.kwargs:
        return function
    given = list(operands)
    places = [k for k, a in enumerate(given) if isinstance(a, np.ndarray)]
    for k in places:
        given[k] = None
    options = dict(node.kwargs)

    def call(*arrays: Array) -> Argument:
        arguments = given[:]
        for k, a in zip(places, arrays, strict=True):
            arguments[k] = a
        return function(*arguments, **options)

    return call


def _typed(node: Node, operands: Sequence[Argument]) -> tuple[Argument, ...]:
    """Return numbers as arrays without axes, which NumPy need not convert at each call."""
    kinds = [a.dtype for a in node.args if isinstance(a, Value)]
    dtype = np.result_type(*kinds) if kinds else node.out.dtype
    if dtype.kind != "f":  # a number among integers may be of another kind: NumPy decides
        return tuple(operands)
    return tuple(a if isinstance(a, np.ndarray) else _number(a, dtype) for a in operands)


def _number(a: Argument, dtype: DType) -> Argument:
    """Return a Python number in the dtype that it takes among floats; a number of NumPy keeps its own."""
    if not isinstance(a, int | float | np.generic) or isinstance(a, bool):
        return a
    array = np.asarray(a, None if isinstance(a, np.generic) else dtype)
    array.setflags(write=False)
    return array


def _product(a: Array, b: Array, out: Array, in_steps: bool) -> Call:
    """Return a matrix product: `dot` where both are matrices or can be read as such, which costs less than `matmul`."""
    if a.ndim > 2 and b.ndim == 2 and not in_steps:
        rows, result = _rows(a), _rows(out)
        if rows is not None and result is not None:
            a, out = rows, result
    if a.ndim <= 2 and b.ndim == 2 and a.dtype == b.dtype == out.dtype and out.flags.c_contiguous:
        return Call(np.dot, (a, b), out, True, "dot", method=True)
    return Call(np.matmul, (a, b), out, True, "matmul")


def _rows(a: Array, leading: int = -1) -> Array | None:
    """Return an array as a matrix, with the leading axes as its rows; None where that needs a copy."""
    rows = a.reshape(prod(a.shape[:leading]), -1) if a.size else a
    return rows if a.size and np.may_share_memory(rows, a) else None


def _sum(node: Node, operands: Sequence[Argument], out: Array, in_steps: bool) -> Call:
    given = dict(zip(("axis", "keepdims"), operands[1:], strict=False)) | dict(node.kwargs)
    axis, keepdims = given.get("axis"), bool(given.get("keepdims", False))
    x = operands[0]
    axes = [] if axis is None else sorted(np.atleast_1d(axis) % max(x.ndim, 1))
    leading = 0 < len(axes) < x.ndim and axes == list(range(len(axes)))
    if leading and not keepdims and not in_steps:
        rows = _rows(x, len(axes))
        if rows is not None and out.flags.c_contiguous and x.dtype == out.dtype and x.dtype.kind == "f":
            ones = np.ones(len(rows), x.dtype)
            return Call(np.dot, (ones, rows), out.reshape(-1), True, "dot", method=True)

    def total(x: Array, out: Array) -> None:
        np.add.reduce(x, axis=axis, out=out, keepdims=keepdims)

    return Call(total, (x,), out, True, "sum")
