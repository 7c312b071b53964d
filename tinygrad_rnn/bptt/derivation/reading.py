"""Calls of a graph as expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Options,
    joined,
    matmul,
    negative,
    power,
    product,
    reduced,
    total,
    transpose,
)
from tinygrad_rnn.graph.batching import elementwise, option
from tinygrad_rnn.graph.graph import Node, Value


class Unwritable(ValueError):  # noqa: N818 - a ValueError by another name, so that it can be told apart
    """A cell that cannot be written down as formulas."""


REDUCING = frozenset({"sum", "mean", "getitem", "softmax", "log_softmax"})
Find = Callable[[Value], Expr]


def read(node: Node, find: Find, batch: int) -> Expr:
    """What a call makes, as an expression of what `find` says of its arguments; `batch` is the number of examples."""
    name, shape = node.op.name, node.out.shape
    args = [find(a) if isinstance(a, Value) else a for a in node.args]
    if name in ("positive", "astype", "detach"):
        return args[0]
    if elementwise(node):
        found = entry_by_entry(name, [_plain(a, shape) for a in args], shape, dict(node.kwargs))
        return _spread(found, shape, batch)
    arrays = args if name in ("matmul", "concatenate", "stack") else args[: name in REDUCING]
    if Num(0) in arrays and name in ("matmul", "sum", "mean", "getitem"):
        return Num(0)
    if any(isinstance(a, Num) for a in arrays):
        raise Unwritable(
            f"derive: the cell makes an array of one number, and {name} of it\n"
            "give that array among the parameters: a column of ones on x is a bias of its own"
        )
    if name == "matmul":
        return matmul(args[0], args[1])
    if name in ("transpose", "swapaxes") and len(shape) == 2:
        return transpose(args[0])
    if name in ("sum", "mean"):
        return reduced(name, args[0], _reduction(node), shape)
    if name in ("concatenate", "stack"):
        axis = int(option(node, "axis", 0)) % len(shape)
        return joined(args, axis, shape) if name == "concatenate" else Op(name, tuple(args), (("axis", axis),), shape)
    if name == "getitem":
        return Op(name, (args[0],), (("index", _index(args[1:])),), shape)
    if name in ("reshape", "expand_dims", "squeeze"):
        return _reshaped(args[0], shape, batch)
    if name == "broadcast_to":
        return _spread(args[0], shape, batch)
    if name in ("softmax", "log_softmax"):
        return Op(name, (args[0],), (("axis", int(option(node, "axis", 1)) % len(shape)),), shape)
    raise Unwritable(
        f"derive: the cell uses {name}, for which there is no formula\n"
        "write the cell with arithmetic, matrix products, elementwise functions, sums and parts of arrays"
    )


def _spread(x: Expr, shape: tuple[int, ...], batch: int) -> Expr:
    """X in a larger shape: what is the same for all rows, or all columns."""
    if x.shape == shape or isinstance(x, Num):
        return x
    return Op("broadcast_to", (x,), (("shape", _open(shape, batch)),), shape)


def entry_by_entry(name: str, args: list[Expr], shape: tuple[int, ...], options: dict[str, Any]) -> Expr:
    """Return an elementwise operation of expressions, in the form that a person would write."""
    if name == "add":
        return total(*args)
    if name == "subtract":
        return total(args[0], negative(args[1]))
    if name == "multiply":
        return product(*args)
    if name == "negative":
        return negative(args[0])
    if name == "divide":
        return product(args[0], Op(name, (Num(1), args[1]), (), shape))
    if name == "square":
        return power(args[0], 2)
    if name == "power" and isinstance(args[1], Num):
        return power(args[0], args[1].value)
    return Op(name, tuple(args), tuple(options.items()), shape)


def _plain(a: Any, shape: tuple[int, ...]) -> Expr:
    """An argument of an elementwise call, without what only spreads it: the call does so by itself."""
    if not isinstance(a, Num | Op) and isinstance(a, int | float | np.number | bool):
        return Num(a.item() if isinstance(a, np.number) else a)
    while isinstance(a, Op) and a.name == "broadcast_to" and len(a.args[0].shape) <= len(shape):
        a = a.args[0]
    found: Expr = a
    return found


def _reduction(node: Node) -> Options:
    first = node.args[0]
    axis = option(node, "axis", 1)
    axes = tuple(range(first.ndim)) if axis is None else tuple(int(a) % first.ndim for a in np.atleast_1d(axis))
    kept = bool(option(node, "keepdims", 2, False))
    return (("axis", axes), ("keepdims", True)) if kept else (("axis", axes),)


def _reshaped(x: Expr, shape: tuple[int, ...], batch: int) -> Expr:
    """In another shape: after a sum, with the axes that were summed; otherwise with -1 for the batch."""
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


def _open(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """A shape that is right for any number of examples."""
    if shape.count(batch) > 1:
        raise Unwritable(
            "derive: the cell reshapes an array over two axes of the batch\nwrite a cell of which each example is a row"
        )
    return tuple(-1 if n == batch else n for n in shape)


def _index(parts: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for part in parts:
        if isinstance(part, slice):
            found.append((part.start, part.stop, part.step))
        elif part is None or part is Ellipsis or isinstance(part, int):
            found.append(part)
        else:
            raise Unwritable(
                "derive: the cell reads an array at places that are an array themselves\n"
                "give x as vectors (one-hot rows times a matrix); read parts of arrays by slices"
            )
    return tuple(found)
