"""The algebra of one example with matrices: columns (n, 1), rows (1, n), matrices (m, n) and numbers (1, 1).

What NumPy does by broadcasting is a product of matrices here: a column times a row is a b^T, a column times a matrix
is diag(a) M, and a sum over the columns of M * b^T is M b.
"""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Shape,
    is_negative,
    matmul,
    negative,
    product,
    refs,
    total,
    transpose,
)


def is_number(x: Expr) -> bool:
    """Return whether an expression is one number for each example, or for all."""
    return all(n == 1 for n in x.shape)


def of_parameters(x: Expr) -> bool:
    """Return whether an expression is the same for all examples."""
    return all(ref.step is None for ref in refs(x))


def _is_weight(x: Expr) -> bool:
    """Return whether an expression is made of parameters: their products are W x, whatever size x is."""
    return of_parameters(x) and any(True for _ in refs(x))


def size(n: int) -> Op:
    """Return the number of units of the first state, H."""
    return Op("size", (), (("n", n), ("name", "H")), ())


def ones(n: int) -> Op:
    """Return the column of n ones."""
    return Op("ones", (), (("n", n),), (n, 1))


def is_ones(x: Expr) -> bool:
    """Return whether an expression is a column of ones."""
    return isinstance(x, Op) and x.name == "ones"


def is_diagonal(x: Expr) -> bool:
    """Return whether an expression is diag(v)."""
    return isinstance(x, Op) and x.name == "diag"


def is_outer(x: Expr) -> bool:
    """Return whether an expression is a b^T: a column times a row."""
    return isinstance(x, Op) and x.name == "matmul" and x.args[0].shape[1:] == (1,) and not is_number(x)


def numbers_apart(x: Expr) -> tuple[list[Expr], Expr]:
    """Return the factors of a product that are numbers, and the product of the others."""
    if not isinstance(x, Op) or is_number(x):
        return [], x
    if x.name == "negative":
        inside, rest = numbers_apart(x.args[0])
        return [Num(-1), *inside], rest
    if x.name == "divide" and is_number(x.args[1]):
        inside, rest = numbers_apart(x.args[0])
        return [*inside, Op("divide", (Num(1), x.args[1]), (), x.args[1].shape)], rest
    if x.name != "multiply":
        return [], x
    numbers = [a for a in x.args if is_number(a)]
    others = [a for a in x.args if not is_number(a)]
    return (numbers, product(*others)) if numbers else ([], x)


def scaled(numbers: list[Expr], x: Expr) -> Expr:
    """Return numbers times an expression, the numbers first."""
    if not numbers:
        return x
    more, rest = numbers_apart(x)
    found = product(*numbers, *more, rest)
    return Op(found.name, found.args, found.options, rest.shape) if isinstance(found, Op) else found


def times(a: Expr, b: Expr) -> Expr:
    """Return a product of matrices; numbers stand before it, and a column is multiplied first."""
    if Num(0) in (a, b):
        return Num(0)
    before, a = numbers_apart(a)
    more, b = numbers_apart(b)
    return scaled([*before, *more], _times(a, b))


def _times(a: Expr, b: Expr) -> Expr:
    if is_number(a) and not _is_weight(a) and not _is_weight(b):
        return scaled([a], b)
    if is_number(b) and not _is_weight(a) and not _is_weight(b):
        return scaled([b], a)
    if isinstance(a, Op) and a.name == "transpose" and is_ones(a.args[0]) and b.shape[1] > 1:
        return transposed(row_sums(transposed(b)))
    if is_diagonal(a) and b.shape[1] == 1 and isinstance(a, Op):
        return times_all([a.args[0], b], b.shape)
    if is_diagonal(b) and a.shape[0] == 1 and isinstance(b, Op):
        return transposed(times_all([b.args[0], transposed(a)], b.args[0].shape))
    if b.shape[1] == 1 and isinstance(a, Op) and a.name == "matmul" and a.shape[0] > 1:
        return times(a.args[0], times(a.args[1], b))
    if a.shape[0] == 1 and isinstance(b, Op) and b.name == "matmul" and b.shape[1] > 1:
        return times(times(a, b.args[0]), b.args[1])
    if a.shape[0] == 1 and b.shape[1] > 1 and not (isinstance(a, Op) and a.name == "transpose"):
        return transposed(times(transposed(b), transposed(a)))
    return matmul(a, b)


def transposed(x: Expr) -> Expr:
    """Return the transpose; a number is its own, and that of a product is the product of the transposes."""
    if is_number(x) or is_diagonal(x) or (isinstance(x, Op) and x.name == "eye"):
        return x
    numbers, rest = numbers_apart(x)
    if numbers:
        return scaled(numbers, transposed(rest))
    if isinstance(x, Op) and x.name in ("add", "multiply") and x.shape[0] == 1:  # rows: a column is a sum of columns
        parts = [transposed(a) for a in x.args]
        return total(*parts) if x.name == "add" else product(*parts)
    if isinstance(x, Op) and x.name == "matmul":
        return matmul(transposed(x.args[1]), transposed(x.args[0]))
    return transpose(x)


def times_all(factors: list[Expr], shape: Shape) -> Expr:
    """Return an elementwise product of factors that NumPy would broadcast to this shape."""
    m, n = shape
    numbers: list[Expr] = []
    others: list[Expr] = []
    for x in factors:
        more, rest = numbers_apart(x)
        numbers += more
        (numbers if is_number(rest) else others).append(rest)
    if m == 1 or n == 1:
        return scaled(numbers, product(*others)) if others else product(*numbers)
    columns = [x for x in others if x.shape == (m, 1)]
    rows = [transposed(x) for x in others if x.shape == (1, n)]
    matrices = [x for x in others if x.shape == (m, n)]
    if not matrices and columns and rows:
        return scaled(numbers, times(product(*columns), transposed(product(*rows))))
    if not matrices:
        return scaled(numbers, product(*columns) if columns else transposed(product(*rows)) if rows else Num(1))
    found = product(*matrices)
    if columns:
        found = times(diagonal(product(*columns)), found)
    if rows:
        found = times(found, diagonal(product(*rows)))
    return scaled(numbers, found)


def diagonal(v: Expr) -> Op:
    """Return diag(v) of a column."""
    return Op("diag", (v,), (), (v.shape[0], v.shape[0]))


def row_sums(x: Expr) -> Expr:
    """Return the column of the sums of each row of a matrix: M 1."""
    if x.shape[1] == 1:
        return x
    numbers, rest = numbers_apart(x)
    if numbers:
        return scaled(numbers, row_sums(rest))
    if isinstance(x, Op) and x.name == "add" and all(a.shape == x.shape for a in x.args):
        return total(*(row_sums(a) for a in x.args))
    if isinstance(x, Op) and x.name == "matmul":
        if is_diagonal(x.args[1]) and isinstance(x.args[1], Op):
            return times(x.args[0], x.args[1].args[0])
        return times(x.args[0], row_sums(x.args[1]))
    if isinstance(x, Op) and x.name == "multiply":
        outer = next((a for a in x.args if is_outer(a)), None)
        if isinstance(outer, Op):
            a, b = outer.args
            rest = product(*(other for other in x.args if other is not outer))
            return times_all([a, times(rest, transposed(b))], a.shape)
    return matmul(x, ones(x.shape[1]))


def entry_sum(x: Expr) -> Expr:
    """Return the sum of all entries: a^T b for a product of columns, a^T M b for that of M and a b^T."""
    if is_number(x):
        return x
    if is_negative(x):
        return negative(entry_sum(negative(x)))
    numbers, rest = numbers_apart(x)
    if numbers:
        return scaled(numbers, entry_sum(rest))
    if isinstance(x, Op) and x.name == "add" and all(a.shape == x.shape for a in x.args):
        return total(*(entry_sum(a) for a in x.args))
    if x.shape[1] > 1:
        columns = row_sums(x)
        if not (isinstance(columns, Op) and columns.name == "matmul" and is_ones(columns.args[1])):
            return entry_sum(columns)
    elif isinstance(x, Op) and x.name == "multiply":
        return times(transposed(x.args[0]), product(*x.args[1:]))
    elif isinstance(x, Op) and x.name == "power" and x.args[1] == Num(2):
        return times(transposed(x.args[0]), x.args[0])
    axes = (0,) if x.shape[1] == 1 else (0, 1)
    return Op("sum", (x,), (("axis", axes), ("keepdims", True)), (1, 1))


def fitted(x: Expr, shape: Shape) -> Expr:
    """Return a column or a row as a matrix with equal columns or rows, c 1^T or 1 r^T, and a number as s 1 1^T.

    A constant stays as it is.
    """
    if isinstance(x, Num) or x.shape == shape or len(shape) < 2 or (is_number(x) and shape[1] == 1):
        return x
    if is_number(x):
        return scaled([x], matmul(ones(shape[0]), transpose(ones(shape[1]))))
    if x.shape[1] == 1:
        return times(x, transpose(ones(shape[1])))
    return times(ones(shape[0]), x)
