"""Local derivatives of vectors of one example, beside matrices: the Jacobian of a column or a number.

A number times a vector has slopes of both: that of s v by v is s I, and by s it is v.
"""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Ref,
    negative,
    power,
    product,
    rebuilt,
    total,
    uncut,
    walk,
)
from tinygrad_rnn.bptt.derivation.matrix_algebra import diagonal, is_number, ones, scaled, times, transposed
from tinygrad_rnn.bptt.derivation.slopes import Definition, NoSlope, eye, of_function, placed, rows, some_rows
from tinygrad_rnn.tape.notation import is_function


def slope_of_one(line: Definition, by: Ref) -> Expr | None:
    """Return the local derivative of a line, or None where it does not read `by`.

    Raises NoSlope where one of the two is a matrix, and where the derivative is no sum of products of matrices.
    """
    right, target, part = line
    if 1 not in by.shape[1:] or 1 not in target.shape[1:] or (part and right == by):
        raise NoSlope
    found = _slope(right, by, None if part else target)
    found = None if found is None else rebuilt(found, uncut)
    return found if found is None or part is None else rows(found, *part)


def _slope(x: Expr, by: Ref, y: Expr | None = None) -> Expr | None:
    if x == by:
        return eye(by.shape[0]) if by.shape[0] > 1 else Num(1, (1, 1))
    if not isinstance(x, Op) or by not in walk(x) or x.name == "detach":
        return None
    if x.shape[1:] != (1,):
        raise NoSlope
    if x.name == "add":
        return _added([_fitted(_slope(a, by), x) for a in x.args])
    if x.name == "negative":
        inner = _slope(x.args[0], by)
        return None if inner is None else negative(inner)
    if x.name == "multiply":
        return _added([_times(product(*x.args[:k], *x.args[k + 1 :]), _slope(a, by)) for k, a in enumerate(x.args)])
    if x.name == "power" and isinstance(x.args[1], Num):
        base, n = x.args[0], x.args[1].value
        return _times(product(Num(n), power(base, n - 1)), _slope(base, by))
    if x.name == "divide":
        a, b = x.args
        above = _times(Op("divide", (Num(1), b), (), b.shape), _slope(a, by))
        return _added([above, _times(negative(Op("divide", (a, power(b, 2)), (), x.shape)), _slope(b, by))])
    if x.name == "matmul":
        return _of_matmul(x, by)
    if x.name == "concatenate":
        starts, found = 0, list[Expr | None]()
        for a in x.args:
            inner = _slope(a, by)
            found.append(None if inner is None else times(placed(x.shape[0], starts, a.shape[0]), inner))
            starts += a.shape[0]
        return _added(found)
    if x.name == "getitem":
        inner = _slope(x.args[0], by)
        return None if inner is None else some_rows(inner, dict(x.options)["index"], x.shape[0])
    if is_function(x.name):
        return _times(of_function(x.name, x.args[0], x if y is None else y, x.options), _slope(x.args[0], by))
    raise NoSlope


def _of_matmul(x: Op, by: Ref) -> Expr | None:
    a, b = x.args
    inner = _slope(b, by)
    terms = [None if inner is None else _through(a, inner)]
    if by in walk(a):
        if not is_number(x):
            raise NoSlope
        first = _slope(transposed(a), by)  # a^T b is b^T a
        terms.append(None if first is None else _through(transposed(b), first))
    if len(terms) == 2 and terms[0] == terms[1] and terms[0] is not None:
        return product(Num(2), terms[0])
    return _added(terms)


def through_of_one(outer: Expr, inner: Expr | None) -> Expr | None:
    """Return the product of two local derivatives; None, which is zero, where the second is."""
    return None if inner is None else _through(outer, inner)


def _through(outer: Expr, inner: Expr) -> Expr:
    if _is_eye(inner) and not is_number(outer):
        return outer
    if _is_eye(outer):
        return inner
    if isinstance(inner, Num):
        return product(inner, outer)
    return product(outer, inner) if isinstance(outer, Num) else times(outer, inner)


def _times(factor: Expr, inner: Expr | None) -> Expr | None:
    """Return the Jacobian of a product by its one factor: diag(v) J, or s J for a number s."""
    if inner is None:
        return None
    if isinstance(inner, Num):
        return product(inner, factor)
    if is_number(factor):
        return scaled([factor], inner)
    if inner.shape[0] == 1:
        return _through(factor, inner)
    return diagonal(factor) if _is_eye(inner) else times(diagonal(factor), inner)


def _fitted(inner: Expr | None, x: Expr) -> Expr | None:
    """Return the Jacobian of a number that is added to every entry of a vector."""
    if inner is None or x.shape[0] == 1 or inner.shape[:1] == x.shape[:1]:
        return inner
    return _through(ones(x.shape[0]), inner)


def _added(terms: list[Expr | None]) -> Expr | None:
    found = [term for term in terms if term is not None]
    made = total(*found) if found else Num(0)
    return None if made == Num(0) else made


def _is_eye(x: Expr) -> bool:
    return isinstance(x, Op) and x.name == "eye"
