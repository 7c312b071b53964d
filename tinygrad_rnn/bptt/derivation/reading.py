"""Calls of a graph, read as expressions: one rule for each operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Options,
    Shape,
    joined,
    matmul,
    negative,
    one_hot,
    power,
    product,
    reduced,
    total,
    transpose,
)
from tinygrad_rnn.core.sparse import parts_of
from tinygrad_rnn.graph.batching import elementwise, option, swapped_axes, transposed_axes
from tinygrad_rnn.graph.graph import Node, Value


class Unwritable(ValueError):  # noqa: N818 - a ValueError by another name, so that it can be told apart
    """The error for a cell that cannot be written as formulas."""


Find = Callable[[Value], Expr]
Rule = Callable[[Node, list[Any], int], Expr]
"""A rule reads one call: the node, its arguments as expressions or as they stand, and the number of examples."""


def read(node: Node, find: Find, batch: int) -> Expr:
    """Return the result of a call as an expression. `find` gives that of an argument; `batch` counts the examples.

    Raises Unwritable for an operation that has no formula.
    """
    name = node.op.name
    args = [find(a) if isinstance(a, Value) else a for a in node.args]
    if name in RULES:
        return RULES[name](node, args, batch)
    if elementwise(node):
        shape = node.out.shape
        found = entry_by_entry(name, [_plain(a, shape) for a in args], shape, dict(node.kwargs))
        return _spread(found, shape, batch)
    raise _no_formula(node)


# ------------------------------------------------------------------------------------------------------- the rules


def _unchanged(node: Node, args: list[Any], batch: int) -> Expr:
    """Read an operation whose result is its argument."""
    found: Expr = args[0]
    return found


def _cut(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a value through which no gradient flows. A number and a comparison have none to stop."""
    if isinstance(args[0], Num) or node.out.dtype == bool:
        return _unchanged(node, args, batch)
    return Op("detach", (args[0],), (), node.out.shape)


def _matmul(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a product of matrices."""
    if Num(0) in args:
        return Num(0)
    _require_arrays(node, args)
    return matmul(args[0], args[1])


def _transpose(node: Node, args: list[Any], batch: int) -> Expr:
    """Read the transpose of a matrix, or axes in another order."""
    if len(node.out.shape) != 2:
        if args[0] == Num(0):
            return Num(0)
        axes = list(range(len(node.out.shape)))
        if node.op.name == "swapaxes":
            a, b = (axis - 1 for axis in swapped_axes(node))
            axes[a], axes[b] = axes[b], axes[a]
        else:
            axes = [axis - 1 for axis in transposed_axes(node)[1:]]
        return Op("axes", (args[0],), (("axes", tuple(axes)),), node.out.shape)
    return transpose(args[0])


def _einsum(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a sum of products, written by its indices."""
    if Num(0) in args:
        return Num(0)
    _require_arrays(node, args)
    return Op("einsum", tuple(args), (("subscripts", str(node.kwargs["subscripts"])),), node.out.shape)


def _reduction(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a sum or a mean over axes."""
    if args[0] == Num(0):
        return Num(0)
    _require_arrays(node, args[:1])
    first = node.args[0]
    axis = option(node, "axis", 1)
    axes = tuple(range(first.ndim)) if axis is None else tuple(int(a) % first.ndim for a in np.atleast_1d(axis))
    kept: Options = (("keepdims", True),) if option(node, "keepdims", 2, False) else ()
    return reduced(node.op.name, args[0], (("axis", axes), *kept), node.out.shape)


def _joining(node: Node, args: list[Any], batch: int) -> Expr:
    """Read arrays that are joined along an axis."""
    args = [
        Op("broadcast_to", (a,), (("shape", _open(v.shape, batch)),), v.shape) if a == Num(0) else a
        for a, v in zip(args, node.args, strict=False)
    ]  # a part that is zero, such as a gate's without a gradient
    _require_arrays(node, args)
    name, shape = node.op.name, node.out.shape
    axis = int(option(node, "axis", 0)) % len(shape)
    return joined(args, axis, shape) if name == "concatenate" else Op(name, tuple(args), (("axis", axis),), shape)


def _getitem(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a part of an array."""
    if args[0] == Num(0):
        return Num(0)
    _require_arrays(node, args[:1])
    *before, at = node.args[1:] or (None,)
    if _is_index(at) and len(args[0].shape) == 2 and before in ([], [slice(None)]):
        if before:  # E[:, x]
            return matmul(args[0], transpose(one_hot(args[-1], args[0].shape[1])))
        return matmul(one_hot(args[-1], args[0].shape[0]), args[0])
    return Op("getitem", (args[0],), (("index", _index(args[1:])),), node.out.shape)


def _has_same_entries(index: list[Any], shape: Shape, part: Shape) -> bool:
    """Return whether an index reads all of an array: it adds and leaves out axes of length 1 alone."""
    plain = all(at in (None, Ellipsis, 0, -1, slice(None)) for at in index if not isinstance(at, Value))
    return plain and not any(isinstance(at, Value) for at in index) and math.prod(shape) == math.prod(part)


def _is_index(at: object) -> bool:
    """Return whether a part of an index holds one integer for each example."""
    return isinstance(at, Value) and at.dtype.kind in "iu" and len(at.shape) == 1


def _scatter(node: Node, args: list[Any], batch: int) -> Expr:
    """Read the cotangent of a matrix of which a step reads rows, or columns, by index."""
    terms: list[Expr] = []
    for index, g in parts_of(tuple(zip(node.args, args, strict=True)), dict(node.kwargs)["lengths"]):
        *before, (at, found) = index
        shape = node.out.shape
        if _has_same_entries([a for a, _ in index], shape, g[1].shape):
            terms.append(_reshaped(g[1], shape, batch))
            continue
        if len(shape) > 2:
            raise Unwritable(
                f"derive: the cell reads a part of an array {shape}, for which there is no formula\n"
                "multiply by a vector of parameters that chooses the part, or keep it as a state of its own"
            )
        if not _is_index(at) or len(shape) != 2 or [a for a, _ in before] not in ([], [slice(None)]):
            raise _no_formula(node)
        turned = transpose(one_hot(found, shape[0]))
        terms.append(matmul(g[1], one_hot(found, shape[1])) if before else matmul(turned, g[1]))
    return total(*terms)


def _reshape(node: Node, args: list[Any], batch: int) -> Expr:
    """Read an array in another shape."""
    return _reshaped(args[0], node.out.shape, batch)


def _broadcast(node: Node, args: list[Any], batch: int) -> Expr:
    """Read an array that is repeated along an axis."""
    return _spread(args[0], node.out.shape, batch)


def _softmax(node: Node, args: list[Any], batch: int) -> Expr:
    """Read a softmax, or its logarithm."""
    _require_arrays(node, args[:1])
    shape = node.out.shape
    return Op(node.op.name, (args[0],), (("axis", int(option(node, "axis", 1)) % len(shape)),), shape)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("positive", "astype"), _unchanged),
    "detach": _cut,
    **dict.fromkeys(("transpose", "swapaxes"), _transpose),
    "einsum": _einsum,
    **dict.fromkeys(("sum", "mean"), _reduction),
    **dict.fromkeys(("concatenate", "stack"), _joining),
    **dict.fromkeys(("reshape", "expand_dims", "squeeze"), _reshape),
    **dict.fromkeys(("softmax", "log_softmax"), _softmax),
    "matmul": _matmul,
    "getitem": _getitem,
    "scatter": _scatter,
    "broadcast_to": _broadcast,
}
"""The rule of each operation by its name. An elementwise operation needs no rule: it is read entry by entry."""


def _require_arrays(node: Node, args: list[Any]) -> None:
    """Raise Unwritable where one of the arrays that a call reads is a number for every entry."""
    if any(isinstance(a, Num) for a in args):
        raise Unwritable(
            f"derive: the cell fills an array with one number, and applies {node.op.name} to it\n"
            "give that array among the parameters: a column of ones on x is a bias of its own"
        )


def _no_formula(node: Node) -> Unwritable:
    return Unwritable(
        f"derive: the cell uses {node.op.name}, for which there is no formula\n"
        "write the cell with arithmetic, matrix products, elementwise functions, sums and parts of arrays"
    )


# ---------------------------------------------------------------------------------------- elementwise, and shapes


def _spread(x: Expr, shape: Shape, batch: int) -> Expr:
    """Return x in a larger shape: the same for all rows, or for all columns."""
    if x.shape == shape or isinstance(x, Num):
        return x
    return Op("broadcast_to", (x,), (("shape", _open(shape, batch)),), shape)


def entry_by_entry(name: str, args: list[Expr], shape: Shape, options: Mapping[str, object]) -> Expr:
    """Return an elementwise operation of expressions, in the form that a person would write."""
    if name in ARITHMETIC:
        return ARITHMETIC[name](args, shape)
    if name == "power" and isinstance(args[1], Num):
        return power(args[0], args[1].value)
    return Op(name, tuple(args), tuple(options.items()), shape)


ARITHMETIC: Mapping[str, Callable[[list[Expr], Shape], Expr]] = {
    "add": lambda args, _: total(*args),
    "subtract": lambda args, _: total(args[0], negative(args[1])),
    "multiply": lambda args, _: product(*args),
    "negative": lambda args, _: negative(args[0]),
    "divide": lambda args, shape: product(args[0], Op("divide", (Num(1), args[1]), (), shape)),
    "square": lambda args, _: power(args[0], 2),
}
"""The operations that have a form of their own, by name: each of its operands and the shape of the result."""


def _plain(a: Any, shape: Shape) -> Expr:
    """Return an argument of an elementwise call without `broadcast_to`: the call broadcasts by itself."""
    if not isinstance(a, Num | Op) and isinstance(a, int | float | np.number | bool):
        return Num(a.item() if isinstance(a, np.number) else a)
    while isinstance(a, Op) and a.name == "broadcast_to" and len(a.args[0].shape) <= len(shape):
        a = a.args[0]
    found: Expr = a
    return found


def _reshaped(x: Expr, shape: Shape, batch: int) -> Expr:
    """Return x in another shape: a sum keeps the axes that were summed; otherwise -1 stands for the batch."""
    if x.shape == shape:
        return x
    if isinstance(x, Num):
        return Num(x.value)
    if isinstance(x, Op) and x.name in ("sum", "mean") and len(x.options) == 1:
        axes = x.options[0][1]
        if tuple(1 if k in axes else n for k, n in enumerate(x.args[0].shape)) == shape:
            return Op(x.name, x.args, (*x.options, ("keepdims", True)), shape)
    if isinstance(x, Op) and x.name == "negative":
        return negative(_reshaped(x.args[0], shape, batch))
    return Op("reshape", (x,), (("shape", _open(shape, batch)),), shape)


def _open(shape: Shape, batch: int) -> Shape:
    """Return a shape that is right for any number of examples.

    Raises Unwritable where two axes may be the batch.
    """
    if shape.count(batch) > 1:
        raise Unwritable(
            "derive: the cell reshapes an array over two axes of the batch\nwrite a cell of which each example is a row"
        )
    return tuple(-1 if n == batch else n for n in shape)


def _index(parts: Sequence[object]) -> tuple[object, ...]:
    """Return an index with each slice as (start, stop, step).

    Raises Unwritable for an index that is an array.
    """
    found: list[object] = []
    for part in parts:
        if isinstance(part, slice):
            found.append((part.start, part.stop, part.step))
        elif part is None or part is Ellipsis or isinstance(part, int):
            found.append(part)
        else:
            raise Unwritable(
                "derive: the cell indexes an array with an array\n"
                "give a vector of one index for each example, as in E[x[:, 0]]; read parts of arrays by slices"
            )
    return tuple(found)
