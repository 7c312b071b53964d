"""Local derivatives: the derivative of one line by one quantity that it reads, as a matrix.

For column vectors, dy/dx of an elementwise function is a diagonal matrix, and that of W x is W.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.derivation.cancelling import without_zeros
from tinygrad_rnn.bptt.derivation.equations import Equation
from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Options,
    Ref,
    matmul,
    negative,
    power,
    product,
    rebuilt,
    total,
    transpose,
    uncut,
    walk,
)
from tinygrad_rnn.bptt.derivation.reading import entry_by_entry
from tinygrad_rnn.core.recording import recording_under
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.core.tensor import leaf
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import is_function


class Definition(NamedTuple):
    """A quantity: the expression on its right, its name, and where it is a part of an array, which.

    part: (number, how many, ending of the name).
    """

    right: Expr
    target: Ref
    part: tuple[int, int, str] | None


class NoSlope(Exception):  # noqa: N818 - not an error: such a line is left out
    """The signal that a derivative is not a sum of products of matrices."""


def diagonal(v: Expr) -> Expr:
    """Return diag(v); a number, or a parameter that is one, stays that number."""
    return v if isinstance(v, Num) or v.shape == () else Op("diag", (v,), (), (v.shape[0], v.shape[0]))


def eye(n: int) -> Op:
    """Return the identity matrix."""
    return Op("eye", (), (("n", n),), (n, n))


def times(a: Expr, b: Expr) -> Expr:
    """Return the product of two local derivatives."""
    if isinstance(a, Num):
        return product(a, b)
    if isinstance(a, Op) and a.name == "multiply" and isinstance(a.args[0], Num):
        return product(a.args[0], times(product(*a.args[1:]), b))
    if isinstance(b, Op) and b.name == "multiply" and isinstance(b.args[0], Num):
        return product(b.args[0], times(a, product(*b.args[1:])))
    if isinstance(a, Op) and a.name == "eye":
        return b
    if isinstance(b, Op) and b.name == "eye":
        return a
    if isinstance(b, Op) and b.name == "placed":
        return some_columns(a, dict(b.options)["start"], b.shape[1])
    if isinstance(b, Op) and b.name == "matmul" and isinstance(b.args[0], Op) and b.args[0].name == "placed":
        return times(times(a, b.args[0]), b.args[1])
    if isinstance(a, Op) and isinstance(b, Op):
        if a.name == "negative":
            return negative(times(a.args[0], b))
        if b.name == "negative":
            return negative(times(a, b.args[0]))
        if a.name == b.name == "diag":
            return diagonal(product(a.args[0], b.args[0]))
        if a.name == "diag" and b.name == "matmul" and isinstance(b.args[0], Op) and b.args[0].name == "diag":
            return matmul(times(a, b.args[0]), b.args[1])
    return matmul(a, b)


def of_function(name: str, x: Expr, y: Expr, options: Options = ()) -> Expr:
    """Return f'(x) for y = f(x), as a vector: the rule that the operation has, at the cotangent 1, as an expression."""
    op = PRIMITIVES[name]
    one, at, result = (leaf(np.ones(shape)) for shape in ((), x.shape, x.shape))
    with np.errstate(all="ignore"), Tape() as tape, recording_under(()):
        made = op.vjps[0](one, result, at, **dict(options))
    known: dict[int, Expr] = {id(one): Num(1), id(at): x, id(result): y}
    for op, args, kwargs, out, _ in tape.lines():
        if op.kind != "elementwise":
            raise NoSlope
        read = [known[id(a)] if id(a) in known else Num(np.asarray(a).item()) for a in args]
        known[id(out)] = entry_by_entry(op.name, read, x.shape, kwargs)
    return known[id(made)]


def slope(x: Expr, by: Ref, y: Expr | None = None) -> Expr | None:
    """Return dx/dby with all other quantities held, or None where x does not read `by`. `y` is the name of x.

    Raises NoSlope where the derivative is not a sum of products of matrices.
    """
    if len(by.shape) != 2:
        raise NoSlope  # one number for all examples
    if x == by:
        return eye(by.shape[0])
    if not isinstance(x, Op) or by not in walk(x):
        return None
    if len(x.shape) != 2:
        raise NoSlope
    spread = [a for a in x.args if a.shape[:1] not in ((), x.shape[:1])]  # one number for all units
    if (x.name in ("multiply", "divide") and spread) or (x.name == "add" and any(by in walk(a) for a in spread)):
        raise NoSlope
    if x.name == "add":
        return added([slope(a, by) for a in x.args])
    if x.name == "negative":
        return through(Num(-1), slope(x.args[0], by))
    if x.name == "multiply":
        terms = []
        for k, a in enumerate(x.args):
            terms.append(through(diagonal(product(*x.args[:k], *x.args[k + 1 :])), slope(a, by)))
        return added(terms)
    if x.name == "power" and isinstance(x.args[1], Num):
        base, n = x.args[0], x.args[1].value
        return through(diagonal(product(Num(n), power(base, n - 1))), slope(base, by))
    if x.name == "divide":
        a, b = x.args
        above = through(diagonal(Op("divide", (Num(1), b), (), b.shape)), slope(a, by))
        below = through(negative(diagonal(Op("divide", (a, power(b, 2)), (), x.shape))), slope(b, by))
        return added([above, below])
    if x.name == "matmul" and by not in walk(x.args[0]):
        return through(x.args[0], slope(x.args[1], by))
    if x.name == "concatenate" and x.options == (("axis", 0),):
        ends = np.cumsum([0, *(a.shape[0] for a in x.args)])
        parts = zip(ends, x.args, strict=False)
        return added([through(placed(x.shape[0], int(k), a.shape[0]), slope(a, by)) for k, a in parts])
    if x.name == "getitem":
        inner = slope(x.args[0], by)
        return None if inner is None else some_rows(inner, dict(x.options)["index"], x.shape[0])
    if x.name == "detach":
        return None
    if is_function(x.name):
        return through(diagonal(of_function(x.name, x.args[0], x if y is None else y, x.options)), slope(x.args[0], by))
    raise NoSlope


def through(outer: Expr, inner: Expr | None) -> Expr | None:
    """Return the product of two local derivatives; None, which is zero, where the second is."""
    if inner is None:
        return None
    return product(outer, inner) if outer.shape == () and inner.shape != () else times(outer, inner)


def placed(n: int, start: int, width: int) -> Op:
    """Return the matrix that places a vector among `n` entries, from `start` on; the others are zero."""
    return Op("placed", (), (("n", n), ("start", start), ("width", width)), (n, width))


def some_columns(m: Expr, start: int, width: int) -> Expr:
    """Return `width` columns of a matrix, from `start` on."""
    if isinstance(m, Op) and m.name == "matmul":
        return matmul(m.args[0], some_columns(m.args[1], start, width))
    if isinstance(m, Op) and m.name == "negative":
        return negative(some_columns(m.args[0], start, width))
    index = ((None, None, None), (start, start + width, None))
    return Op("getitem", (m,), (("index", index),), (m.shape[0], width))


def some_rows(m: Expr, index: tuple[object, ...], length: int) -> Expr:
    """Return rows of a matrix by an index of its first axis. Raises NoSlope for any other index."""
    if not isinstance(index[0], tuple) or any(part != (None, None, None) for part in index[1:]):
        raise NoSlope
    if isinstance(m, Op) and m.name == "matmul":
        return matmul(some_rows(m.args[0], index, length), m.args[1])
    if isinstance(m, Op) and m.name == "add":
        return total(*(some_rows(a, index, length) for a in m.args))
    if isinstance(m, Op) and m.name == "negative":
        return negative(some_rows(m.args[0], index, length))
    rest: tuple[object, ...] = ((None, None, None),)
    return Op("getitem", (m,), (("index", (index[0], *rest)),), (length, *m.shape[1:]))


def rows(m: Expr, part: int, parts: int, label: str) -> Expr:
    """Return the rows of a matrix that make one of the equal parts of a vector."""
    if isinstance(m, Ref):
        options = (("part", part), ("parts", parts), ("label", label), ("axis", 0))
        return Op("rows", (m,), options, (m.shape[0] // parts, *m.shape[1:]))
    if isinstance(m, Op) and m.name == "transpose" and isinstance(m.args[0], Ref):
        options = (("part", part), ("parts", parts), ("label", label), ("axis", 1))
        return transpose(Op("rows", m.args, options, (m.shape[1], m.shape[0] // parts)))
    if isinstance(m, Op) and m.name == "matmul":
        return matmul(rows(m.args[0], part, parts, label), m.args[1])
    if isinstance(m, Op) and m.name == "getitem" and dict(m.options)["index"][0] == (None, None, None):
        inner = rows(m.args[0], part, parts, label)
        return Op("getitem", (inner,), m.options, (inner.shape[0], m.shape[1]))
    if isinstance(m, Op) and m.name == "add":
        return total(*(rows(a, part, parts, label) for a in m.args))
    raise NoSlope


def by_line(equations: list[Equation]) -> dict[str, Definition]:
    """Return the line of each quantity, by its name."""
    found: dict[str, Definition] = {}
    for e in equations:
        parts = len(e.targets)
        for k, target in enumerate(e.targets):
            label = target.name.rpartition("_")[2]
            right = e.right.args[0] if parts > 1 and isinstance(e.right, Op) else e.right
            found[target.name] = Definition(right, target, (k, parts, label) if parts > 1 else None)
    return found


def line_slope(line: Definition, by: Ref) -> Expr | None:
    """Return the local derivative of a line, or None where it does not read `by`."""
    right, target, part = line
    found = slope(right, by, None if part else target)
    if part and right == by:
        raise NoSlope
    found = None if found is None else rebuilt(found, uncut)
    return found if found is None or part is None else rows(found, *part)


def added(terms: list[Expr | None]) -> Expr | None:
    """Return the sum of local derivatives, or None where nothing is left of it."""
    found = [term for term in terms if term is not None]
    insides = [_inside(term) for term in found]
    if len(found) > 1 and all(inside is not None for inside in insides):
        size = found[0].shape[0]
        inside = without_zeros(total(*(inside for inside in insides if inside is not None)))
        if isinstance(inside, Num):
            return product(inside, eye(size)) if inside.value else None
        return diagonal(inside)
    made = without_zeros(total(*found)) if found else Num(0)
    return None if made == Num(0) else made


def _inside(x: Expr) -> Expr | None:
    """Return v for diag(v) and -v for -diag(v), else None."""
    if isinstance(x, Op) and x.name == "diag":
        return x.args[0]
    if isinstance(x, Op) and x.name == "negative" and isinstance(x.args[0], Op) and x.args[0].name == "diag":
        return negative(x.args[0].args[0])
    return None
