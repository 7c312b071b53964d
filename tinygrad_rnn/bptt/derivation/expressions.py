"""Expressions: the right sides of equations, in the form that a person would write.

>>> y, dy = Ref("y", 0, (3, 5)), Ref("dy", 0, (3, 5))
>>> product(dy, total(y, negative(product(y, y)))).args[1:] == (y, total(Num(1), negative(y)))
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Options = tuple[tuple[str, Any], ...]

STEP = 1000
"""The offset of steps that are counted from the first: STEP + 1 is t = 1, and STEP is the initial state."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A quantity by name, at a step: 0 is t, -1 is t-1; None is outside of time; STEP + k is step k itself."""

    name: str
    step: int | None = 0
    shape: Shape = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Num:
    """A number."""

    value: float
    shape: Shape = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Op:
    """An operation of the engine by name. `add` and `multiply` take any number of arguments; an index or an axis is
    among the options.
    """

    name: str
    args: tuple[Expr, ...]
    options: Options = ()
    shape: Shape = field(default=(), compare=False)


Expr = Ref | Num | Op

CHEAP = frozenset({"add", "multiply", "negative", "power", "detach", "greater", "greater_equal", "less", "less_equal"})
"""Operations that are computed again where their result is read, and not kept."""


def total(*terms: Expr) -> Expr:
    """Return a sum, in order; y - y^2 becomes y (1 - y)."""
    flat: list[Expr] = []
    for term in terms:
        flat += term.args if isinstance(term, Op) and term.name == "add" else [term]
    flat = [term for term in flat if term != Num(0)]
    if len(flat) == 2 and (squared := _square_taken_off(*flat)) is not None:
        return squared
    if len(flat) < 2:
        return flat[0] if flat else Num(0)
    return Op("add", tuple(flat), (), _broadcast(flat))


def _square_taken_off(y: Expr, other: Expr) -> Expr | None:
    if isinstance(other, Op) and other.name == "negative" and other.args[0] == product(y, y) and y != Num(1):
        return product(y, total(Num(1), negative(y)))
    return None


def negative(x: Expr) -> Expr:
    """Return an expression with the other sign; in a sum each term changes its sign."""
    if isinstance(x, Num):
        return Num(-x.value)
    if isinstance(x, Op) and x.name == "negative":
        return x.args[0]
    if isinstance(x, Op) and x.name == "add":
        signs = [negative(term) for term in x.args]
        return total(*sorted(signs, key=is_negative)) if len(signs) == 2 else total(*signs)
    return Op("negative", (x,), (), x.shape)


def is_negative(x: Expr) -> bool:
    """Return whether a term is written with a minus."""
    return (isinstance(x, Op) and x.name == "negative") or (isinstance(x, Num) and x.value < 0)


def product(*factors: Expr) -> Expr:
    """Return an elementwise product, numbers first; equal factors become a power, 1 / x a division."""
    number, powers, below = 1.0, dict[Expr, int](), list[Expr]()
    pending = list(factors)
    while pending:
        x = pending.pop(0)
        if isinstance(x, Num):
            number *= x.value
        elif isinstance(x, Op) and x.name in ("multiply", "negative"):
            pending = [*x.args, *pending]
            number = -number if x.name == "negative" else number
        elif isinstance(x, Op) and x.name == "divide":
            pending.insert(0, x.args[0])
            for divisor in (
                x.args[1].args if isinstance(x.args[1], Op) and x.args[1].name == "multiply" else [x.args[1]]
            ):
                if isinstance(divisor, Num) and divisor.value:
                    number /= divisor.value
                else:
                    below.append(divisor)
        else:
            base, exponent = _power(x)
            powers[base] = powers.get(base, 0) + exponent
    if not number:
        return Num(0)
    for part in list(powers):
        if (mean := _mean(part, number)) is not None and powers[part] == 1:
            powers = {mean if other == part else other: n for other, n in powers.items()}
            number = math.copysign(1, number)
            break
    found: list[Expr] = [power(base, n) for base, n in powers.items() if n]
    if abs(number) != 1 or not found:
        found = [Num(_whole(abs(number))), *found]
    made = found[0] if len(found) == 1 else Op("multiply", tuple(found), (), _broadcast(found))
    if below:
        made = Op("divide", (made, product(*below)), (), _broadcast([made, *below]))
    return negative(made) if number < 0 else made


def _mean(x: Expr, number: float) -> Expr | None:
    """Return the mean where x is a sum of n terms and the number 1/n, else None."""
    if not (isinstance(x, Op) and x.name == "sum"):
        return None
    n = math.prod(x.args[0].shape[k] for k in x.options[0][1])
    return Op("mean", x.args, x.options, x.shape) if n > 1 and math.isclose(abs(number) * n, 1) else None


def reduced(name: str, x: Expr, options: Options, shape: Shape) -> Expr:
    """Return a sum or a mean over axes; a minus stands outside of it."""
    if isinstance(x, Op) and x.name == "negative":
        return negative(Op(name, x.args, options, shape))
    return Op(name, (x,), options, shape)


def _power(x: Expr) -> tuple[Expr, int]:
    if isinstance(x, Op) and x.name == "power" and isinstance(x.args[1], Num) and float(x.args[1].value).is_integer():
        return x.args[0], int(x.args[1].value)
    return x, 1


def power(x: Expr, n: float) -> Expr:
    """Return x to the power of a number; the square of a square root is what stands under it."""
    if n == 2 and isinstance(x, Op) and x.name == "sqrt":
        return x.args[0]
    return x if n == 1 else Op("power", (x, Num(_whole(n))), (), x.shape)


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def transpose(x: Expr) -> Expr:
    """Return the transpose of a matrix; that of a product is the product of the transposes, the last first."""
    if len(x.shape) < 2:
        return x
    if isinstance(x, Op) and x.name == "transpose":
        return x.args[0]
    if isinstance(x, Op) and x.name == "one_hot":
        return one_hot(x.args[0], x.options[0][1], 1 - x.options[1][1])
    if isinstance(x, Op) and x.name == "matmul" and all(len(a.shape) == 2 for a in x.args):
        return matmul(transpose(x.args[1]), transpose(x.args[0]))
    if isinstance(x, Op) and x.name == "negative":
        return negative(transpose(x.args[0]))
    return Op("transpose", (x,), (), x.shape[::-1])


def one_hot(at: Expr, n: int, axis: int = 1) -> Expr:
    """Return what is 1 at an index along an axis and 0 elsewhere: E[x] is the product of such rows with E."""
    batch = max(at.shape, default=1)
    return Op("one_hot", (at,), (("n", n), ("axis", axis)), (batch, n) if axis else (n, batch))


def matmul(a: Expr, b: Expr) -> Expr:
    """Return a product of matrices; a minus stands outside of it."""
    shape = (*a.shape[:-1], *b.shape[:-2], *b.shape[-1:]) if len(b.shape) > 1 else a.shape[:-1]
    if min(len(a.shape), len(b.shape)) > 1 and max(len(a.shape), len(b.shape)) > 2:  # of each example
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    if is_negative(a) and isinstance(a, Op):
        return negative(matmul(a.args[0], b))
    if is_negative(b) and isinstance(b, Op):
        return negative(matmul(a, b.args[0]))
    return Op("matmul", (a, b), (), shape)


def joined(parts: list[Expr], axis: int, shape: Shape) -> Expr:
    """Return arrays joined along an axis; their sums over the other axis become one sum."""
    if all(isinstance(p, Op) and p.name == "sum" and p.options == (("axis", (0,)),) for p in parts) and axis == 0:
        inner = [p.args[0] for p in parts if isinstance(p, Op)]
        if all(len(p.shape) == 2 and p.shape[0] == inner[0].shape[0] for p in inner):
            whole = joined(inner, 1, (inner[0].shape[0], sum(p.shape[1] for p in inner)))
            return Op("sum", (whole,), (("axis", (0,)),), shape)
    return Op("concatenate", tuple(parts), (("axis", axis),), shape)


def _broadcast(terms: list[Expr]) -> Shape:
    return tuple(np.broadcast_shapes(*(term.shape for term in terms)))


# ------------------------------------------------------------------------------------------------- reading them


def walk(x: Expr) -> Iterator[Expr]:
    """Yield an expression and all of its parts."""
    pending: list[Expr] = [x]
    while pending:
        x = pending.pop()
        yield x
        if isinstance(x, Op):
            pending += x.args[::-1]


def refs(x: Expr) -> list[Ref]:
    """Return the quantities that an expression reads, each once, in order."""
    return list(dict.fromkeys(part for part in walk(x) if isinstance(part, Ref)))


def is_cheap(x: Expr) -> bool:
    """Return whether an expression is little arithmetic, entry by entry, to compute again and not to keep."""
    operations = [part for part in walk(x) if isinstance(part, Op)]
    return len(operations) <= 3 and all(part.name in CHEAP for part in operations)


def rebuilt(x: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """Return an expression with each part replaced for which `change` returns another, from the outside in."""
    found = change(x)
    if found is not None:
        return found
    if not isinstance(x, Op):
        return x
    args = [rebuilt(a, change) for a in x.args]
    return x if all(a is b for a, b in zip(args, x.args, strict=True)) else made(x, args)


def uncut(x: Expr) -> Expr | None:
    """Return the value of what the cell cuts: as a factor it is what it was."""
    return rebuilt(x.args[0], uncut) if isinstance(x, Op) and x.name == "detach" else None


def made(like: Op, args: list[Expr], shape: Shape | None = None) -> Expr:
    """Return the operation of `like` on other arguments, in the form that a person would write."""
    if like.name == "add":
        return total(*args)
    if like.name == "multiply":
        return product(*args)
    if like.name == "negative":
        return negative(args[0])
    if like.name == "power" and isinstance(args[1], Num):
        return power(args[0], args[1].value)
    if like.name == "transpose":
        return transpose(args[0])
    if like.name == "matmul":
        return matmul(*args)
    if like.name in ("sum", "mean"):
        return reduced(like.name, args[0], like.options, like.shape)
    return Op(like.name, tuple(args), like.options, like.shape if shape is None else shape)
