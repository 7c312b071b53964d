"""A recurrence with matrices as states, for one example: columns (n, 1), matrices (m, n) and numbers (1, 1).

An array of the code has the examples on its first axis. Without it, (B, n) is a column, and (B, m, n) a matrix. An
axis of length 1 that NumPy broadcasts says whether a vector is a column or a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.einsum_terms import contracted
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
    power,
    product,
    total,
    transpose,
    walk,
)
from tinygrad_rnn.bptt.derivation.matrix_algebra import (
    entry_sum,
    fitted,
    is_number,
    is_outer,
    numbers_apart,
    row_sums,
    size,
    times,
    times_all,
    transposed,
)
from tinygrad_rnn.bptt.derivation.reading import Unwritable
from tinygrad_rnn.tape.notation import LETTERS

WHOLE = (None, None, None)


def has_matrices(rec: Recurrence) -> bool:
    """Return whether a quantity is a matrix for each example, or a line is written by the indices of matrices."""
    return needs_matrices(rec) or any(len(shape) > 2 for shape in rec.shapes.values())


def needs_matrices(rec: Recurrence) -> bool:
    """Return whether a state is a matrix for each example, or a line is written by the indices of matrices."""
    lines = [*(e.right for e in (*rec.setup, *rec.forward)), *rec.coming_back()]
    written = any(isinstance(part, Op) and part.name in ("einsum", "axes") for x in lines for part in walk(x))
    return written or any(len(rec.shapes[state]) > 2 for state in rec.states)


def of_one_example(rec: Recurrence, batch: int) -> Recurrence:
    """Return the recurrence for one example. `batch` is the number of examples of the recorded problem.

    Names that are not the author's are left out where they stand for a multiple of another, or for a product a b^T.

    Raises Unwritable for an operation that has no formula for one example.
    """
    return _with_letters(_OneExample(rec, batch).made())


class _OneExample:
    def __init__(self, rec: Recurrence, batch: int) -> None:
        self.rec, self.batch = rec, batch
        self.short: dict[str, Expr] = {}  # the names that are left out, and what they stand for

    def made(self) -> Recurrence:
        rec = self.rec
        if rec.columns:
            raise Unwritable(
                "derive: states that are matrices need examples on the first axis\nleave out layout='columns'"
            )
        setup, forward, backward = (self._equations(es) for es in (rec.setup, rec.forward, rec.backward))
        return replace(
            rec,
            columns=True,
            by_example=True,
            shapes={name: self._of_name(shape) for name, shape in rec.shapes.items() if name not in self.short},
            setup=setup,
            forward=forward,
            backward=backward,
            handed={k: None if x is None else self.one(x) for k, x in rec.handed.items()},
            terms={k: None if x is None else self.one(x) for k, x in rec.terms.items()},
            dx=None if rec.dx is None else self.one(rec.dx),
            entries={name: at for name, at in rec.entries.items() if name not in self.short},
            repeats={name: at for name, at in rec.repeats.items() if name not in self.short},
            cotangents={d: of for d, of in rec.cotangents.items() if d not in self.short and of not in self.short},
        )

    def _equations(self, equations: list[Equation]) -> list[Equation]:
        found = []
        for e in equations:
            right = self.one(e.right)
            if self._tail(e.target.shape)[:-1] == (1,):
                right = transposed(right)
            if e.invented and len(e.targets) == 1 and _is_short(right):
                self.short[e.target.name] = right
                continue
            targets = tuple(Ref(t.name, t.step, self._of_name(t.shape)) for t in e.targets)
            found.append(replace(e, targets=targets, right=right))
        return found

    # --------------------------------------------------------------------------------------------------- shapes

    def _batched(self, shape: Shape) -> bool:
        return shape[:1] == (self.batch,)

    def _tail(self, shape: Shape) -> Shape:
        """Return a shape without the axis of the examples."""
        return shape[1:] if self._batched(shape) else shape

    def _shape(self, shape: Shape) -> Shape:
        """Return the shape for one example: (B, n) is (n, 1), and (B, m, n) is (m, n)."""
        tail = self._tail(shape)
        if len(tail) > 2:
            raise Unwritable(
                f"derive: the cell makes an array {shape}: derive takes numbers, vectors and matrices of each example\n"
                "give each axis beyond these a name of its own, or lay its entries side by side"
            )
        if not tail:
            return (1, 1) if self._batched(shape) else ()
        return (*tail, 1) if len(tail) == 1 else tail

    def _of_name(self, shape: Shape) -> Shape:
        """Return the shape of a named quantity of one example: a row is named as a column."""
        found = self._shape(shape)
        return found[::-1] if self._batched(shape) and found[:1] == (1,) else found

    # ---------------------------------------------------------------------------------------------- expressions

    def one(self, x: Expr) -> Expr:
        """Return an expression for one example."""
        if isinstance(x, Num):
            return self._number(x)
        if isinstance(x, Ref):
            ref = self.short.get(x.name) or Ref(x.name, x.step, self._of_name(x.shape))
            return ref if self._shape(x.shape) == ref.shape else transposed(ref)
        rule: Callable[[Op], Expr] = getattr(self, f"_{x.name}", self._entry_by_entry)
        return rule(x)

    def _number(self, x: Num) -> Expr:
        """Return a number, and 1 / sqrt(H) by the number of units: code is to be right for any H.

        Where sqrt(H) is a whole number, its inverse may be any constant.
        """
        H = self.rec.shapes[self.rec.states[0]][1]
        if H > 1 and math.isqrt(H) ** 2 != H and math.isclose(abs(x.value), H**-0.5, rel_tol=1e-15):
            return product(Num(math.copysign(1, x.value)), power(size(H), -0.5))
        return x

    def _aligned(self, a: Expr, tail: Shape) -> Expr:
        """Return an operand of an elementwise call; NumPy aligns a vector of parameters with rows of a matrix."""
        found = self.one(a)
        if is_number(found) or len(self._tail(a.shape)) == len(tail) or isinstance(a, Num):
            return found
        return transposed(found)

    def _entry_by_entry(self, x: Op) -> Expr:
        shape, tail = self._shape(x.shape), self._tail(x.shape)
        args = [self._aligned(a, tail) for a in x.args]
        if x.name == "multiply":
            return times_all(args, shape) if len(shape) == 2 else product(*args)
        if x.name == "divide":
            over = Op("divide", (Num(1), args[1]), (), args[1].shape)
            return times_all([args[0], over], shape) if len(shape) == 2 else product(args[0], over)
        if x.name == "negative":
            return made(x, args)
        if x.name == "add":
            return total(*(fitted(a, shape) for a in args))
        return made(x, [a if is_number(a) else fitted(a, shape) for a in args], shape)

    def _matmul(self, x: Op) -> Expr:
        a, b = x.args
        rows = [_rows_of(arg, self.batch) for arg in (transpose(a), b)]
        if rows[0] is not None and rows[1] is not None:  # a sum over the rows of the matrices of all examples
            return times(transposed(self.one(rows[0])), self.one(rows[1]))
        if a.shape[-1:] == b.shape[:1] == (self.batch,):  # a sum over the examples
            left = self.one(transpose(a))
            right = self.one(b)
            return matmul(left, transposed(right)) if right.shape[1] == 1 else self._refuse(x)
        left, right = self.one(a), self.one(b)
        if max(len(a.shape), len(b.shape)) > 2:
            if {len(self._tail(a.shape)), len(self._tail(b.shape))} == {1} or (self._rank_off(a) or self._rank_off(b)):
                return self._refuse(x)
            return times(left, right) if len(a.shape) > 1 else times(transposed(right), left)
        if len(b.shape) == 1 and len(a.shape) == 1:
            return times(transposed(left), right)
        if len(b.shape) == 1:
            return times(transposed(left) if self._batched(a.shape) else left, right)
        if self._batched(a.shape) or len(a.shape) == 1:
            return times(transposed(right), left)
        return times(left, right)

    def _rank_off(self, a: Expr) -> bool:
        """Return whether the examples of an operand stand where a product of matrices has no examples."""
        return self._batched(a.shape) and len(a.shape) < 3

    def _transpose(self, x: Op) -> Expr:
        return self._refuse(x) if self._batched(x.args[0].shape) else transposed(self.one(x.args[0]))

    def _axes(self, x: Op) -> Expr:
        axes = dict(x.options)["axes"]
        inner = self.one(x.args[0])
        if axes == tuple(range(len(axes))):
            return inner
        return transposed(inner) if axes == (0, 2, 1) and self._batched(x.shape) else self._refuse(x)

    def _sum(self, x: Op) -> Expr:
        options, shape = dict(x.options), x.args[0].shape
        found, batched = self.one(x.args[0]), self._batched(shape)
        axes = tuple(k - batched for k in options["axis"] if k - batched >= 0)
        if not axes or is_number(found):  # over the examples alone
            return found
        if len(axes) == len(self._tail(shape)):
            return entry_sum(found)
        found = row_sums(found) if axes == (1,) else row_sums(transposed(found))
        return transposed(found) if axes == (0,) and options.get("keepdims") else found

    def _mean(self, x: Op) -> Expr:
        n = math.prod(x.args[0].shape[k] for k in dict(x.options)["axis"])
        return product(Num(1 / n), self._sum(x))

    def _einsum(self, x: Op) -> Expr:
        inputs, result = dict(x.options)["subscripts"].split("->")
        terms = inputs.split(",")
        of_batch = {term[0] for term, a in zip(terms, x.args, strict=True) if self._batched(a.shape)}
        if len(of_batch) > 1 or any(letter in term[1:] for letter in of_batch for term in [*terms, result]):
            return self._refuse(x)
        tails = ["".join(letter for letter in term if letter not in of_batch) for term in terms]
        wanted = "".join(letter for letter in result if letter not in of_batch)
        found = contracted([(t, self.one(a)) for t, a in zip(tails, x.args, strict=True)], wanted)
        return self._refuse(x) if found is None else found

    def _getitem(self, x: Op) -> Expr:
        a = x.args[0]
        index = list(dict(x.options)["index"])
        missing = [WHOLE] * (len(a.shape) - sum(p is not None and p is not Ellipsis for p in index))
        place = index.index(Ellipsis) if Ellipsis in index else len(index)
        index = [*index[:place], *missing, *index[place + 1 :]]
        axis, cuts = 0, []
        for part in index:
            if part is not None:
                if part != WHOLE and a.shape[axis] > 1:
                    cuts.append((axis, part))
                axis += 1
        if not cuts:
            return self._same_entries(x)
        (axis, part), *more = cuts
        if more or None in index or axis != len(a.shape) - 1 or len(self._tail(a.shape)) != 1:
            return self._refuse(x)
        if isinstance(part, int):
            k = part % a.shape[axis]
            part = (k, k + 1, None)
        inner = self.one(a)
        length = len(range(*slice(*part).indices(inner.shape[0])))
        return Op("getitem", (inner,), (("index", (part, WHOLE)),), (length, 1))

    def _same_entries(self, x: Op) -> Expr:
        """Return the same entries, with other axes of length 1: a column, or a row."""
        found, shape = self.one(x.args[0]), self._shape(x.shape)
        if is_number(found) or found.shape == shape:
            return found
        return transposed(found) if found.shape[::-1] == shape and 1 in shape else self._refuse(x)

    def _reshape(self, x: Op) -> Expr:
        same = self._batched(x.shape) == self._batched(x.args[0].shape)
        return self._same_entries(x) if same else self._refuse(x)

    def _broadcast_to(self, x: Op) -> Expr:
        found = self._aligned(x.args[0], self._tail(x.shape))
        shape = self._shape(x.shape)
        return Op("broadcast_to", (found,), (), shape) if is_number(found) else fitted(found, shape)

    def _along_an_axis(self, x: Op) -> Expr:
        """Return an operation along the axis of the units."""
        args, axis = [self.one(a) for a in x.args], dict(x.options)["axis"]
        batched = self._batched(x.args[0].shape)
        if batched and (axis != 1 or any(len(a.shape) != 2 for a in x.args)):
            return self._refuse(x)
        others = tuple(pair for pair in x.options if pair[0] != "axis")
        return Op(x.name, tuple(args), (*others, ("axis", axis - batched)), self._shape(x.shape))

    _concatenate = _split = _softmax = _log_softmax = _along_an_axis

    def _one_hot(self, x: Op) -> Expr:
        return one_hot(self.one(x.args[0]), dict(x.options)["n"], 0)

    def _refuse(self, x: Op) -> Expr:
        subscripts = dict(x.options).get("subscripts")
        said = (
            f"einsum '{subscripts}'" if subscripts else {"axes": "transpose", "getitem": "a part"}.get(x.name, x.name)
        )
        shapes = ", ".join(str(a.shape) for a in x.args)
        raise Unwritable(
            f"derive: beside matrix states there is no formula for {said} of {shapes}, with B = {self.batch} examples\n"
            "take products of matrices, outer products, elementwise functions, sums, and parts of vectors"
        )

    _stack = _refuse


def _rows_of(x: Expr, batch: int) -> Expr | None:
    """Return the matrices (B, m, n) whose rows an array (B m, n) holds, or None for any other."""
    if not isinstance(x, Op) or x.name != "reshape" or len(x.shape) != 2 or len(x.args[0].shape) != 3:
        return None
    b, m, n = x.args[0].shape
    return x.args[0] if b == batch and x.shape == (b * m, n) else None


def _is_short(right: Expr) -> bool:
    """Return whether a line needs no name: it is a multiple of a quantity, or a product a b^T of two."""
    _, rest = numbers_apart(right)
    if isinstance(rest, Op) and rest.name == "transpose":
        rest = rest.args[0]
    if isinstance(rest, Ref):
        return not is_number(rest)
    return isinstance(rest, Op) and is_outer(rest) and all(_is_short(a) for a in rest.args)


def _with_letters(rec: Recurrence) -> Recurrence:
    """Return the recurrence with letters in the place of numbers, for cotangents without a name: dr, and not d5.

    Letters are free again where a name is left out.
    """
    numbered = [e.target for e in rec.backward if e.invented and e.target.name[1:].isdigit()]
    free = (a for a in LETTERS if a not in rec.shapes and f"d{a}" not in rec.shapes)
    instead: dict[Expr, Ref] = {
        old: Ref(f"d{letter}", 0, old.shape) for old, letter in zip(numbered, free, strict=False)
    }
    names = {old.name: instead[old].name for old in numbered if old in instead}
    turned = rec.rewritten(dict[Expr, Expr](instead.items()).get)
    return replace(
        turned,
        backward=[replace(e, targets=tuple(instead.get(t, t) for t in e.targets)) for e in turned.backward],
        shapes={names.get(name, name): shape for name, shape in rec.shapes.items()},
        cotangents={names.get(d, d): names.get(d, f"d{of}")[1:] for d, of in rec.cotangents.items()},
    )
