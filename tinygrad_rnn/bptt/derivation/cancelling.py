"""Terms that cancel: n - n is 0, and 1 - u + u is 1."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, is_negative, made, negative, rebuilt, total

ZERO_BY_FIRST = ("negative", "divide", "transpose", "sum", "mean", "getitem", "reshape", "diag")
ZERO_BY_ANY = ("multiply", "matmul")


def cancelled(rec: Recurrence) -> Recurrence:
    """Return the recurrence with a walk back in which no terms cancel, without cotangents that are zero."""
    instead: dict[Expr, Expr] = {}

    def found(x: Expr | None) -> Expr | None:
        made = None if x is None else without_zeros(rebuilt(x, instead.get))
        return None if made == Num(0) else made

    backward = []
    for e in rec.backward:
        right = found(e.right)
        if right is None:
            instead[e.target] = Num(0)
        else:
            backward.append(replace(e, right=right))
    return replace(
        rec,
        backward=backward,
        handed={state: found(x) for state, x in rec.handed.items()},
        terms={key: found(x) for key, x in rec.terms.items()},
        dx=found(rec.dx),
    )


def without_zeros(x: Expr) -> Expr:
    """Return an expression without terms that cancel. What is zero everywhere becomes the number 0."""
    if not isinstance(x, Op):
        return x
    args = [without_zeros(a) for a in x.args]
    zero = [a == Num(0) for a in args]
    if x.name == "add":
        return _sum(args)
    if (x.name in ZERO_BY_FIRST and zero[0]) or (x.name in ZERO_BY_ANY and any(zero)):
        return Num(0)
    if all(a is b for a, b in zip(args, x.args, strict=True)):
        return x
    if x.name in ("concatenate", "stack"):  # a part that is zero keeps its shape
        args = [
            Op("broadcast_to", (a,), (), old.shape) if z else a for a, old, z in zip(args, x.args, zero, strict=True)
        ]
    return made(x, args)


def _sum(terms: list[Expr]) -> Expr:
    left: list[Expr] = []
    for term in terms:
        opposite = _key(negative(term))
        match = next((k for k, other in enumerate(left) if _key(other) == opposite), None)
        if match is None:
            left.append(term)
        else:
            del left[match]
    return total(*left)


def _key(x: Expr) -> Hashable:
    """Return what terms that are equal share: products have it in any order."""
    positive = negative(x) if is_negative(x) else x
    factors = frozenset(positive.args) if isinstance(positive, Op) and positive.name == "multiply" else positive
    return is_negative(x), factors
