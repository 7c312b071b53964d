"""The recurrence of one example as NumPy for a batch: a column is (B, n), a matrix (B, m, n), a number (B, 1).

W x is x @ W.T, M v is an einsum, a b^T and diag(a) M are products that NumPy broadcasts, and a^T b is a sum over the
units of a * b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinygrad_rnn.bptt.derivation.equations import LOSS, Equation, Recurrence, X
from tinygrad_rnn.bptt.derivation.expressions import (
    Expr,
    Num,
    Op,
    Ref,
    Shape,
    is_negative,
    negative,
    one_hot,
    product,
    total,
    transpose,
)
from tinygrad_rnn.bptt.derivation.expressions import made as made_of
from tinygrad_rnn.bptt.derivation.matrix_algebra import (
    is_diagonal,
    is_number,
    is_ones,
    is_outer,
    numbers_apart,
    of_parameters,
    scaled,
    transposed,
)
from tinygrad_rnn.bptt.derivation.reading import Unwritable
from tinygrad_rnn.bptt.derivation.shared_products import computed_once

WHOLE = (None, None, None)
LAST, MIDDLE = (Ellipsis, None), (Ellipsis, None, WHOLE)
"""The indices that make of (B, n) an array of columns (B, n, 1) and of rows (B, 1, n)."""


def with_batch(rec: Recurrence, like: Recurrence, batch: int) -> Recurrence:
    """Return the recurrence of one example as code for `batch` examples. `like` has the shapes of the parameters.

    Raises Unwritable for an operation that has no line of NumPy.
    """
    return computed_once(_WithBatch(rec, like, batch).made())


class _WithBatch:
    def __init__(self, rec: Recurrence, like: Recurrence, batch: int) -> None:
        self.rec, self.like, self.batch = rec, like, batch
        self.outside = {*rec.params.values(), *(t.name for e in rec.setup for t in e.targets)}

    def made(self) -> Recurrence:
        rec = self.rec
        return replace(
            rec,
            columns=False,
            by_example=False,
            shapes={name: self._shape_of(name, shape) for name, shape in rec.shapes.items()},
            setup=[self._equation(e) for e in rec.setup],
            forward=[self._equation(e) for e in rec.forward],
            backward=[self._equation(e) for e in rec.backward],
            handed={k: self._some(x, rec.shapes[k]) for k, x in rec.handed.items()},
            terms={
                k: None if x is None else self._term(x, self.like.shapes[rec.params[k]]) for k, x in rec.terms.items()
            },
            dx=self._some(rec.dx, rec.shapes["x"]),
        )

    def _some(self, x: Expr | None, shape: Shape) -> Expr | None:
        return x if x is None or isinstance(x, Num) else self._of_shape(x, shape)

    def _shape_of(self, name: str, shape: Shape) -> Shape:
        return self.like.shapes[name] if name in self.outside else self._shape(shape)

    def _shape(self, shape: Shape) -> Shape:
        return (self.batch, *(shape[:1] if shape[1:] == (1,) else shape))

    def _equation(self, e: Equation) -> Equation:
        targets = tuple(Ref(t.name, t.step, self._shape_of(t.name, t.shape)) for t in e.targets)
        if e.target.step is None:
            return replace(e, targets=targets, right=self.outer_shape(e.right, targets[0].shape))
        if e.target.name == LOSS:
            return replace(e, targets=(e.target,), right=self._term(e.right, ()))
        return replace(e, targets=targets, right=self._of_shape(e.right, e.target.shape))

    def _of_shape(self, x: Expr, shape: Shape) -> Expr:
        """Return a vector or a matrix of all examples; what NumPy would broadcast later is spread."""
        found = self.vector(x) if shape[1:] == (1,) else self.matrix(x)
        full = self._shape(shape)
        if found.shape != full and not isinstance(found, Num):
            return Op("broadcast_to", (found,), (("shape", (-1, *full[1:])),), full)
        return found

    def outer_shape(self, x: Expr, shape: Shape) -> Expr:
        """Return a quantity of parameters alone, in its shape in the code."""
        return self.vector(x) if len(shape) == 1 else self.matrix(x)

    # -------------------------------------------------------------------------------------------------- vectors

    def vector(self, x: Expr) -> Expr:
        """Return a column, a row or a number of each example, as (B, n); of parameters alone it is (n,)."""
        if isinstance(x, Num):
            return x
        if isinstance(x, Ref):
            return self._named(x)
        rule: Callable[[Op], Expr] = getattr(self, f"_vector_{x.name}", self._vector_elementwise)
        return rule(x)

    def _named(self, x: Ref) -> Expr:
        if x.step is not None:
            return Ref(x.name, x.step, self._shape(x.shape))
        shape = self.like.shapes[x.name]
        ref = Ref(x.name, None, shape)
        return transpose(ref) if len(shape) == 2 and shape[1] == 1 < shape[0] else ref

    def _flat(self, x: Expr) -> Expr:
        """Return a vector of parameters with one axis."""
        found = self.vector(x)
        return found if len(found.shape) < 2 else Op("getitem", (found,), (("index", (0,)),), found.shape[1:])

    def _vector_elementwise(self, x: Op) -> Expr:
        args = [self.vector(a) for a in x.args]
        return made_of(x, args, _broadcast(args))

    def _vector_ones(self, x: Op) -> Expr:
        return Num(1, (self.batch, x.shape[0]))

    def _vector_transpose(self, x: Op) -> Expr:
        return self.vector(x.args[0])

    def _vector_broadcast_to(self, x: Op) -> Expr:
        shape = (self.batch, max(x.shape))
        return Op("broadcast_to", (self.vector(x.args[0]),), (("shape", (-1, shape[1])),), shape)

    def _vector_sum(self, x: Op) -> Expr:
        inner = x.args[0]
        if dict(x.options)["axis"] == (0,):
            return self._over_units(self.vector(inner), x.name)
        sums = Op(x.name, (self.matrix(inner),), (("axis", (1, 2)),), (self.batch,))
        return Op("getitem", (sums,), (("index", (WHOLE, None)),), (self.batch, 1))

    _vector_mean = _vector_sum

    def _over_units(self, x: Expr, name: str = "sum") -> Expr:
        return Op(name, (x,), (("axis", (1,)), ("keepdims", True)), (self.batch, 1))

    def _vector_getitem(self, x: Op) -> Expr:
        part, _ = dict(x.options)["index"]
        return Op("getitem", (self.vector(x.args[0]),), (("index", (WHOLE, part)),), (self.batch, x.shape[0]))

    def _vector_one_hot(self, x: Op) -> Expr:
        """Return the rows of indices; an index is one entry of x, or x itself."""
        at, n = x.args[0], x.shape[0]
        part = dict(at.options)["index"][0][0] if isinstance(at, Op) and at.name == "getitem" else 0
        ref = at.args[0] if isinstance(at, Op) else at
        if not isinstance(ref, Ref) or ref.name != X:
            return self._refuse(x)
        shape = self.like.shapes[X]
        given: Expr = Ref(X, 0, shape)
        if len(shape) > 1:
            given = Op("getitem", (given,), (("index", (WHOLE, part)),), (self.batch,))
        return one_hot(given, n)

    def _vector_along(self, x: Op) -> Expr:
        args = tuple(self.vector(a) for a in x.args)
        options = tuple((key, 1 if key == "axis" else value) for key, value in x.options)
        return Op(x.name, args, options, (self.batch, x.shape[0]))

    _vector_concatenate = _vector_split = _vector_softmax = _vector_log_softmax = _vector_along

    def _vector_matmul(self, x: Op) -> Expr:
        a, b = x.args
        if a.shape[0] == 1 and b.shape[1] > 1:  # a row
            return self.vector(transposed(x))
        if of_parameters(a) and not is_ones(b) and not is_number(a):
            if of_parameters(b):
                return made_of(x, [self.matrix(a), self.vector(b)])
            return made_of(x, [self.vector(b), transpose(self.matrix(a))])
        if a.shape[0] == 1:  # a^T b
            pair = [self.vector(a), self.vector(b)]
            return self._over_units(product(*pair))
        m, letters = (a.args[0], "bji") if isinstance(a, Op) and a.name == "transpose" else (a, "bij")
        if is_ones(b):
            axis = 2 if letters == "bij" else 1
            return Op("sum", (self.matrix(m),), (("axis", (axis,)),), (self.batch, x.shape[0]))
        if of_parameters(b):
            return Op(
                "einsum", (self.matrix(m), self._flat(b)), (("subscripts", f"{letters},j->bi"),), self._shape(x.shape)
            )
        if letters == "bji":
            return Op("einsum", (self.matrix(m), self.vector(b)), (("subscripts", "bij,bi->bj"),), self._shape(x.shape))
        return Op("einsum", (self.matrix(m), self.vector(b)), (("subscripts", "bij,bj->bi"),), self._shape(x.shape))

    # ------------------------------------------------------------------------------------------------- matrices

    def matrix(self, x: Expr) -> Expr:
        """Return an expression that NumPy broadcasts with (B, m, n): a matrix, or a column as (B, m, 1)."""
        if isinstance(x, Num):
            return x
        if of_parameters(x):
            return self._of_parameters(x)
        if is_number(x) or x.shape[1] == 1:
            found = self.vector(x)
            return Op("getitem", (found,), (("index", LAST),), (*found.shape, 1))
        if x.shape[0] == 1:
            found = self.vector(x)
            return Op("getitem", (found,), (("index", MIDDLE),), (self.batch, 1, x.shape[1]))
        if isinstance(x, Ref):
            return Ref(x.name, x.step, self._shape(x.shape))
        rule: Callable[[Op], Expr] = getattr(self, f"_matrix_{x.name}", self._matrix_elementwise)
        return rule(x)

    def _of_parameters(self, x: Expr) -> Expr:
        """Return a matrix of parameters, or one that is made of them."""
        if isinstance(x, Num):
            return x
        if isinstance(x, Ref):
            ref = Ref(x.name, None, self.like.shapes[x.name])
            if len(ref.shape) == 1 < x.shape[0]:
                return Op("getitem", (ref,), (("index", (WHOLE, None)),), x.shape)
            return ref
        if x.name == "transpose":
            inner = x.args[0]
            if isinstance(inner, Ref) and len(self.like.shapes[inner.name]) == 1:
                return Ref(inner.name, None, self.like.shapes[inner.name])
            return transpose(self._of_parameters(inner))
        if x.name == "ones":
            return Num(1)
        if x.name == "matmul" and any(is_ones(a) or is_ones(transposed(a)) or is_diagonal(a) for a in x.args):
            return self._matrix_matmul(x)
        return made_of(x, [self._of_parameters(a) for a in x.args], x.shape)

    def _matrix_elementwise(self, x: Op) -> Expr:
        numbers, rest = numbers_apart(x)
        if x.name != "negative" and numbers and is_outer(rest) and isinstance(rest, Op):
            return self._matrix_matmul(Op("matmul", (scaled(numbers, rest.args[0]), rest.args[1]), (), rest.shape))
        args = [self.matrix(a) for a in x.args]
        return made_of(x, args, _broadcast(args))

    def _matrix_transpose(self, x: Op) -> Expr:
        return Op("axes", (self.matrix(x.args[0]),), (("axes", (0, 2, 1)),), self._shape(x.shape))

    def _matrix_broadcast_to(self, x: Op) -> Expr:
        return self.matrix(x.args[0])

    def _matrix_matmul(self, x: Op) -> Expr:
        a, b = (arg.args[0] if is_diagonal(arg) and isinstance(arg, Op) else arg for arg in x.args)
        if is_diagonal(x.args[1]):
            b = transposed(b)
        if is_diagonal(x.args[0]) or is_diagonal(x.args[1]) or a.shape[1] == 1:
            return product(self.matrix(a), self.matrix(b))
        left, right = self.matrix(a), self.matrix(b)
        return Op("matmul", (left, right), (), self._shape(x.shape))

    def _refuse(self, x: Op) -> Expr:
        raise Unwritable(
            f"derive: there is no line of NumPy for {x.name} of matrices {x.args[0].shape} of each example\n"
            "take products of matrices, outer products, elementwise functions and sums"
        )

    _matrix_diag = _matrix_sum = _matrix_getitem = _matrix_concatenate = _matrix_split = _refuse

    # ---------------------------------------------------------------------------------- the gradients of parameters

    def _term(self, x: Expr, shape: Shape) -> Expr:
        """Return the term that a step adds to the gradient of a parameter of this shape: a sum over the examples."""
        if is_negative(x):
            return negative(self._term(negative(x), shape))
        if isinstance(x, Op) and x.name == "add":
            return total(*(self._term(a, shape) for a in x.args))
        if isinstance(x, Op) and x.name in ("multiply", "divide"):
            apart = self._parameters_apart(x, shape)
            if apart is not None:
                return apart
        if isinstance(x, Op) and x.name == "matmul" and len(shape) == 2 and x.args[0].shape[1] == 1:
            a, b = x.args
            if not of_parameters(a) and not of_parameters(b):
                return Op("matmul", (transpose(self.vector(a)), self.vector(b)), (), shape)
        if len(shape) == 2 and 1 not in shape:
            return Op("sum", (self.matrix(x),), (("axis", (0,)),), shape)
        found = self.vector(x)
        if not shape:
            return self._sum_of_all(x)
        if len(shape) == 1:
            return Op("sum", (found,), (("axis", (0,)),), shape)
        kept = Op("sum", (found,), (("axis", (0,)), ("keepdims", True)), (1, *found.shape[1:]))
        return kept if shape[0] == 1 else transpose(kept)

    def _sum_of_all(self, x: Expr) -> Expr:
        """Return the sum of a number over the examples; that of a sum over units is one over all entries."""
        found = self.vector(x)
        if isinstance(found, Op) and found.name == "sum" and dict(found.options).get("axis") == (1,):
            found = found.args[0]
        return Op("sum", (found,), (("axis", (0, 1)),), ())

    def _parameters_apart(self, x: Op, shape: Shape) -> Expr | None:
        """Return a product with its factors that are parameters outside of the sum over the examples, or None."""
        if x.name != "multiply":
            return None
        fixed = [a for a in x.args if of_parameters(a)]
        rest = [a for a in x.args if not of_parameters(a)]
        if not fixed or not rest:
            return None
        inner = self._term(product(*rest), shape)
        plain = [self.vector(a) if len(shape) < 2 else self.matrix(a) for a in fixed]
        return product(*[p for p in plain if isinstance(p, Num)], inner, *[p for p in plain if not isinstance(p, Num)])


def _broadcast(args: list[Expr]) -> Shape:
    return tuple(np.broadcast_shapes(*(a.shape for a in args)))
