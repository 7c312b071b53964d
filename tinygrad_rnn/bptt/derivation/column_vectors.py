"""A recurrence in the form of a book: one example is a column vector, and a matrix stands on its left.

For a cell whose examples are rows, x W^T in the code is W x in the formulas. Every quantity with a batch is transposed.
A vector of parameters is a column. A matrix of parameters stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import Equation, Recurrence
from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Ref,
    Shape,
    made,
    matmul,
    one_hot,
    reduced,
    refs,
    transpose,
)
from tinygrad_rnn.bptt.derivation.reading import Unwritable


def in_columns(rec: Recurrence) -> Recurrence:
    """Return the recurrence in column vectors; that of a cell with columns is returned unchanged.

    Raises Unwritable for an operation that has no formula in column vectors.
    """
    if rec.columns:
        return rec
    outside = {*rec.params.values(), *(t.name for e in rec.setup for t in e.targets)}
    shapes = {name: _own(s) if name in outside else _turned(s) for name, s in rec.shapes.items()}

    def of_step(e: Equation) -> Equation:
        return replace(e, targets=tuple(_column(t) for t in e.targets), right=column(e.right))

    def of_parameters(e: Equation) -> Equation:
        return replace(e, targets=tuple(_column(t) for t in e.targets), right=plain(e.right))

    return replace(
        rec,
        columns=True,
        shapes=shapes,
        setup=[of_parameters(e) for e in rec.setup],
        forward=[of_step(e) for e in rec.forward],
        backward=[of_step(e) for e in rec.backward],
        handed={k: None if x is None else column(x) for k, x in rec.handed.items()},
        terms={k: None if x is None else plain(x) for k, x in rec.terms.items()},
        dx=None if rec.dx is None else column(rec.dx),
    )


def _column(ref: Ref) -> Ref:
    return Ref(ref.name, ref.step, _own(ref.shape) if ref.step is None else _turned(ref.shape))


def _turned(shape: Shape) -> Shape:
    """Return the transposed shape of a quantity with a batch: (B, n) becomes (n, B), and (B,) becomes (1, B)."""
    return (1, *shape) if len(shape) == 1 else shape[::-1]


def _own(shape: Shape) -> Shape:
    """Return the shape of a parameter: (n,) becomes a column, (n, 1)."""
    return (*shape, 1) if len(shape) == 1 else shape


def column(x: Expr) -> Expr:
    """Return the transpose of an expression, written in transposed quantities."""
    if isinstance(x, Num):
        return x
    if isinstance(x, Ref):
        return _column(x) if x.step is not None or len(x.shape) < 2 else transpose(_column(x))
    return RULES.get(x.name, _entry_by_entry)(x)


# ------------------------------------------------------------------------------------------------------- the rules


def _matmul(x: Op) -> Expr:
    """Turn a product of matrices around."""
    a, b = x.args
    if len(b.shape) == 1 and any(ref.step is not None for ref in refs(b)):  # a sum over the examples
        return matmul(transpose(column(a)), transpose(column(b)))
    if len(b.shape) == 1:
        return matmul(transpose(column(b)), column(a))
    return matmul(column(b), column(a))


def _transpose(x: Op) -> Expr:
    """Turn a transpose."""
    return transpose(column(x.args[0]))


def _reduction(x: Op) -> Expr:
    """Turn a sum or a mean over axes: the same axes, counted from the other end."""
    rank = len(x.args[0].shape)
    axes = tuple(sorted(rank - 1 - k for k in dict(x.options)["axis"]))
    inner = column(x.args[0])
    if len(axes) == rank:
        return reduced(x.name, inner, (("axis", axes),), ())
    shape = tuple(1 if k in axes else n for k, n in enumerate(inner.shape))
    return reduced(x.name, inner, (("axis", axes), ("keepdims", True)), shape)


def _along_an_axis(x: Op) -> Expr:
    """Turn an operation along one axis of a matrix: it goes along the other axis."""
    if len(x.args[0].shape) != 2:
        return _entry_by_entry(x) if x.name in ("softmax", "log_softmax") else _no_formula(x)
    args = tuple(column(a) for a in x.args)
    return Op(x.name, args, (*_without(x, "axis"), ("axis", 1 - dict(x.options)["axis"])), x.shape[::-1])


def _one_hot(x: Op) -> Expr:
    """Turn the rows that stand for indices."""
    options = dict(x.options)
    return one_hot(column(x.args[0]), options["n"], 1 - options["axis"])


def _getitem(x: Op) -> Expr:
    """Turn a part of an array: the parts of the index change places."""
    index = dict(x.options)["index"]
    if None in index:
        return column(x.args[0])
    whole = ((None, None, None),)
    index = (*index, *whole * (len(x.args[0].shape) - len(index)))
    index = tuple((part, part + 1, None) if isinstance(part, int) and part >= 0 else part for part in index)
    return Op(x.name, (column(x.args[0]),), (("index", index[::-1]),), _turned(x.shape))


def _broadcast_to(x: Op) -> Expr:
    """Turn an array that is broadcast."""
    return Op(x.name, (column(x.args[0]),), (), _turned(x.shape))


def _reshape(x: Op) -> Expr:
    """Turn the same entries in another shape, where only axes of length 1 differ."""
    return column(x.args[0]) if _full(x.shape) == _full(x.args[0].shape) else _no_formula(x)


def _no_formula(x: Op) -> Expr:
    raise Unwritable(
        f"derive: {x.name} has no formula in column vectors\nwrite the cell without it; numpy() gives its code"
    )


def _entry_by_entry(x: Op) -> Expr:
    """Turn any other operation by turning its arguments. What parameters alone make has their shape."""
    of_step = any(ref.step is not None for ref in refs(x))
    return made(x, [column(a) for a in x.args], _turned(x.shape) if of_step or len(x.shape) > 1 else _own(x.shape))


RULES: Mapping[str, Callable[[Op], Expr]] = {
    "matmul": _matmul,
    "transpose": _transpose,
    "sum": _reduction,
    "mean": _reduction,
    "concatenate": _along_an_axis,
    "split": _along_an_axis,
    "softmax": _along_an_axis,
    "log_softmax": _along_an_axis,
    "one_hot": _one_hot,
    "getitem": _getitem,
    "broadcast_to": _broadcast_to,
    "reshape": _reshape,
    "stack": _no_formula,
}
"""Operation -> its transpose. All others are turned entry by entry."""


def _full(shape: Shape) -> Shape:
    """Return a shape without its axes of length 1."""
    return tuple(n for n in shape if n != 1)


def _without(x: Op, key: str) -> tuple[tuple[str, object], ...]:
    return tuple(pair for pair in x.options if pair[0] != key)


def plain(x: Expr) -> Expr:
    """Return an expression of the shape of a parameter, not transposed, written in transposed quantities."""
    if isinstance(x, Num):
        return x
    if isinstance(x, Ref):
        return _column(x)
    if x.name in ("getitem", "reshape") and _full(x.shape) == _full(x.args[0].shape):
        return plain(x.args[0])
    if x.name in ("concatenate", "split") or (x.name not in ("matmul", "transpose", "sum", "mean") and len(x.args) > 0):
        return made(x, [plain(a) for a in x.args], _own(x.shape))
    return transpose(column(x)) if len(x.shape) == 2 else column(x)
