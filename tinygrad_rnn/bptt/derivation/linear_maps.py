"""The derivative of a matrix, or by a matrix, as a linear map: M -> a M k k^T says what a small change M becomes.

As an array of numbers it has an axis for each axis of both quantities, and is no matrix.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Ref,
    negative,
    power,
    product,
    rebuilt,
    refs,
    total,
    uncut,
    walk,
)
from tinygrad_rnn.bptt.derivation.matrix_algebra import diagonal, entry_sum, ones, times, times_all, transposed
from tinygrad_rnn.bptt.derivation.slopes import Definition, NoSlope, of_function
from tinygrad_rnn.bptt.derivation.step_blocks import LONGEST
from tinygrad_rnn.tape.notation import LETTERS, is_function

FOR_MATRICES = ("M", "N", "X", "Y", "Z", "A", "B", "C", "D", "E")


def is_map(x: Expr) -> bool:
    """Return whether an expression is a linear map."""
    return isinstance(x, Op) and x.name == "map"


def is_of_matrices(above: Ref, below: Ref) -> bool:
    """Return whether a derivative is no matrix: one of the two quantities is one."""
    return any(len(x.shape) == 2 and x.shape[1] > 1 for x in (above, below))


class Maps:
    """The linear maps of the lines of a step. `taken` holds the names of all quantities."""

    def __init__(self, lines: Mapping[str, Definition], taken: Mapping[str, object]) -> None:
        self._lines = lines
        self._matrix = next((a for a in FOR_MATRICES if a not in taken), "M'")
        self._vector = next((a for a in LETTERS if a not in taken), "v'")

    def of_line(self, line: Definition, by: Ref) -> Expr | None:
        """Return the map of one line, or None where it does not depend on `by`. Raises NoSlope where it has none."""
        right, target, part = line
        if part:
            raise NoSlope
        change = self._change(by)
        return _map(change, _tangent(right, {by: change}, target))

    def of_step(self, above: Ref, below: Ref) -> Expr | None:
        """Return the map along all ways within a step. Raises NoSlope where it has none."""
        change = self._change(below)
        moved: dict[Expr, Expr] = {below: change}
        unknown = set[Expr]()
        for right, target, part in self._lines.values():
            read = {*refs(right)}
            if read.isdisjoint(moved) and read.isdisjoint(unknown):
                continue
            try:
                found = None if part or not read.isdisjoint(unknown) else _tangent(right, moved, target)
            except NoSlope:
                part = (0, 0, "")
            if part or not read.isdisjoint(unknown):
                unknown.add(target)
            elif found is not None:
                moved[target] = found
        if above in unknown:
            raise NoSlope
        return _map(change, moved.get(above))

    def _change(self, by: Ref) -> Ref:
        return Ref(self._vector if 1 in by.shape[1:] else self._matrix, None, by.shape)


def _map(change: Ref, found: Expr | None) -> Expr | None:
    if found is None:
        return None
    found = rebuilt(found, uncut)
    if sum(1 for _ in walk(found)) > LONGEST:
        raise NoSlope
    return Op("map", (change, found), (), found.shape)


def _tangent(x: Expr, moved: Mapping[Expr, Expr], y: Expr | None = None) -> Expr | None:
    """Return what small changes of some quantities make of x, or None for nothing. `y` is the name of x."""
    if not isinstance(x, Op):
        return moved.get(x)
    if x.name == "detach":
        return None
    inner = [_tangent(a, moved) for a in x.args]
    if all(d is None for d in inner):
        return None
    if x.name == "add":
        spread = [d if d is None or d.shape == x.shape else times(ones(x.shape[0]), d) for d in inner]
        if any(d is not None and d.shape != x.shape for d in spread):
            raise NoSlope
        return total(*(d for d in spread if d is not None))
    if x.name == "multiply":
        return _sum(
            [None if d is None else times_all([*x.args[:k], d, *x.args[k + 1 :]], x.shape) for k, d in enumerate(inner)]
        )
    if x.name == "matmul":
        a, b = x.args
        left, right = inner
        return _sum([None if left is None else times(left, b), None if right is None else times(a, right)])
    if x.name == "divide":
        a, b = x.args
        over = Op("divide", (Num(1), b), (), b.shape)
        above = None if inner[0] is None else times_all([inner[0], over], x.shape)
        square = Op("divide", (Num(1), power(b, 2)), (), b.shape)
        below = None if inner[1] is None else negative(times_all([a, inner[1], square], x.shape))
        return _sum([above, below])
    (d, *others), (a, *_) = inner, x.args
    if d is None or any(other is not None for other in others):
        raise NoSlope
    if x.name == "negative":
        return negative(d)
    if x.name == "power" and isinstance(x.args[1], Num):
        return times_all([product(Num(x.args[1].value), power(a, x.args[1].value - 1)), d], x.shape)
    if x.name == "transpose":
        return transposed(d)
    if x.name == "diag":
        return diagonal(d)
    if x.name == "sum" and x.shape == (1, 1) and d.shape == a.shape:
        return entry_sum(d)
    if is_function(x.name):
        return times_all([of_function(x.name, a, x if y is None else y, x.options), d], x.shape)
    raise NoSlope


def _sum(terms: list[Expr | None]) -> Expr:
    return total(*(term for term in terms if term is not None))
