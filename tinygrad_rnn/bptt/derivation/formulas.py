"""The derivation as formulas, in the order of the tape played backward."""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_rnn.bptt.derivation.column_vectors import in_columns
from tinygrad_rnn.bptt.derivation.each_loss import of_each_loss
from tinygrad_rnn.bptt.derivation.equations import UPSTREAM, Recurrence, X
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, product, refs, walk
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.linear_maps import Maps, is_map, is_of_matrices
from tinygrad_rnn.bptt.derivation.matrix_algebra import transposed
from tinygrad_rnn.bptt.derivation.printed_as import PrintedAs, turned
from tinygrad_rnn.bptt.derivation.readable import readable
from tinygrad_rnn.bptt.derivation.slopes import Definition, NoSlope, by_line, line_slope, of_function
from tinygrad_rnn.bptt.derivation.slopes_of_one import slope_of_one, through_of_one
from tinygrad_rnn.bptt.derivation.step_blocks import Block, Rules, step_blocks
from tinygrad_rnn.tape.notation import is_function

SECTIONS = ("forward", "slopes", "steps", "errors", "gradients", "chains")
"""The sections of a derivation, in order."""


class Formulas:
    """All formulas of a recurrence, in order, and its lines by name, for one way to print them."""

    def __init__(self, rec: Recurrence, printed_as: PrintedAs) -> None:
        self.printed_as, self.first_step = printed_as, printed_as.first_step
        self.rec = readable(rec if rec.by_example else in_columns(rec))
        self.lines = by_line(self.rec.forward)
        self.states = [Ref(state, 0, self.rec.shapes[state]) for state in self.rec.states]
        rules = Rules(slope_of_one, through_of_one) if rec.by_example else Rules()
        self.maps = Maps(self.lines, self.rec.shapes)
        self.blocks = [self._with_map(block) for block in step_blocks(self.lines, self.states, rules)]
        self.net_inputs = self._net_inputs()
        back = [*self._errors(), *self._gradients()]
        if printed_as.each_loss:
            back = of_each_loss(back)
        self.all = [*self._forward(), *self._slopes(), *self._steps(), *back]

    def section(self, name: str) -> list[Formula]:
        """Return the formulas of one section."""
        return [f for f in self.all if f.section == name]

    def slope(self, line: Definition, by: Ref) -> Expr | None:
        """Return the local derivative of a line. Raises NoSlope where it has no formula."""
        if not self.rec.by_example:
            return line_slope(line, by)
        return self.maps.of_line(line, by) if is_of_matrices(line.target, by) else slope_of_one(line, by)

    def _with_map(self, block: Block) -> Block:
        """Return a block of the step Jacobian with its linear map, where one of its two states is a matrix."""
        if not isinstance(block.right, str) or not self.rec.by_example or not is_of_matrices(block.above, block.below):
            return block
        try:
            return block._replace(right=self.maps.of_step(block.above, block.below))
        except NoSlope:
            return block

    def depends(self, above: Ref, below: Ref) -> bool:
        """Return whether a quantity depends on another of the same step, by a path that is not cut."""
        pending, seen = [above.name], {above.name}
        while pending:
            for ref in _uncut_parts(self.lines[pending.pop()].right):
                if isinstance(ref, Ref) and ref.step == 0 and ref.name in self.lines and ref.name not in seen:
                    pending.append(ref.name)
                    seen.add(ref.name)
        return below.name in seen - {above.name}

    def _net_inputs(self) -> set[str]:
        """Return the names of the net inputs: operands of nonlinear functions, and arrays that are cut into such."""
        found = set()
        for e in self.rec.forward:
            for part in walk(e.right):
                if isinstance(part, Op) and is_function(part.name) and isinstance(part.args[0], Ref):
                    found.add(part.args[0].name)
        found -= set(self.rec.states)
        for e in self.rec.forward:
            parts = len(e.targets) > 1 and all(t.name in found for t in e.targets)
            if parts and isinstance(e.right, Op) and isinstance(e.right.args[0], Ref):
                found.add(e.right.args[0].name)
        return found

    def _entries(self, name: str) -> tuple[int, ...]:
        return tuple(self.rec.entries.get(name, ()))

    def _forward(self) -> list[Formula]:
        found = []
        for e in [*self.rec.setup, *self.rec.forward]:
            name = "_".join(t.name for t in e.targets) if len(e.targets) > 1 else e.target.name
            found.append(Formula("forward", name, e.targets, (e.right,), entries=self._entries(e.target.name)))
        return found

    def _slopes(self) -> list[Formula]:
        found = []
        whole_numbers = {X} if self.rec.indices else set()
        for e in self.rec.forward:
            whole_numbers |= {t.name for t in e.targets} if {r.name for r in refs(e.right)} <= whole_numbers else set()
        for name in reversed(self.lines):
            right, target, _ = self.lines[name]
            for by in refs(right):
                if by.step is None or by.name in whole_numbers:
                    continue
                try:
                    slope = self.slope(self.lines[name], by)
                except NoSlope:
                    continue
                key = f"d{name}/d{by.name}{'_prev' if by.step else ''}"
                rights: tuple[Expr, ...] = (Num(0),) if slope is None else (*self._primed(slope), slope)
                rights = tuple(map(self._laid_out, rights))
                alone = any(b[:2] == (target, by) and b.right != slope for b in self.blocks)
                left = (Partial(target, by, "alone" if alone else ""),)
                found.append(Formula("slopes", key, left, rights, entries=self._entries(name)))
        return found

    def _steps(self) -> list[Formula]:
        found, zero = [], []
        for above, below, right in self.blocks:
            key = f"step_{above.name}" + f"/{below.name}" * (above.name != below.name)
            side = Partial(above, below)
            if right is None:
                zero.append((key, side))
            elif not isinstance(right, str):
                found.append(Formula("steps", key, (side,), (self._laid_out(right),)))
        if zero:
            found.append(Formula("steps", zero[0][0], tuple(side for _, side in zero), (Num(0),)))
        return found

    def _errors(self) -> list[Formula]:
        found = []
        for e in self.rec.backward:
            right = later_first(self.with_diagonal(e.right))
            name = self.rec.cotangents.get(e.target.name, "")
            later = [n for at in self._handed(name) for n in at[1:]]  # through the lines of the step after
            entries = tuple(sorted({*self._read_at(name), *later}))
            found.append(Formula("errors", e.target.name, e.targets, (*self._primed(right), right), entries=entries))
        return found

    def with_diagonal(self, right: Expr) -> Expr:
        """Return diag(v) (sum) for a sum that is multiplied entry by entry; with matrices, for a sum of vectors."""
        found = with_diagonal(right)
        if not self.rec.by_example or not isinstance(found, Op) or found.name != "scaled":
            return found
        vectors = found.args[0].shape == found.args[1].shape == right.shape and right.shape[1:] == (1,)
        return found if vectors and right.shape[0] > 1 else right

    def _laid_out(self, x: Expr) -> Expr:
        """Return the derivative of a vector by a vector in the layout that is asked for."""
        if not self.printed_as.denominator or is_map(x):
            return x
        return transposed(x) if self.rec.by_example else turned(x)

    def readers(self, name: str, step: int = 0) -> list[str]:
        """Return the lines that read a value of their own step, or (-1) of the step before."""
        return [
            n for n, (right, _, _) in self.lines.items() if any(r.name == name and r.step == step for r in refs(right))
        ]

    def _read_at(self, name: str, step: int = 0) -> tuple[int, ...]:
        """Return the entries of these lines on the tape, at each step."""
        return tuple(sorted(n for line in self.readers(name, step) for n in self._entries(line)))

    def _handed(self, name: str) -> list[tuple[int, ...]]:
        """Return the entries of each line that reads the value of the step before."""
        return [self._entries(line) for line in self.readers(name, -1)]

    def _primed(self, right: Expr) -> tuple[Expr, ...]:
        """Return the right side with f'(z) in the place of its formula, or nothing where it has none."""
        instead: dict[Expr, Expr] = {}
        for made, target, part in self.lines.values():
            if isinstance(made, Op) and part is None and is_function(made.name):
                try:
                    found = of_function(made.name, made.args[0], target, made.options)
                except NoSlope:
                    continue
                instead[found] = Op("prime", made.args, (("of", made.name), *made.options), target.shape)
        if not (isinstance(right, Op) and right.name in ("scaled", "diag") and right.args[0] in instead):
            return ()
        return (Op(right.name, (instead[right.args[0]], *right.args[1:]), right.options, right.shape),)

    def _gradients(self) -> list[Formula]:
        rec, found = self.rec, list[Formula]()
        together: dict[Expr | None, list[str]] = {}
        for key, right in rec.terms.items():
            together.setdefault(right, []).append(rec.params[key])
        for right, names in together.items():
            left = tuple(Partial(None, Ref(name, None, rec.shapes[name])) for name in names)
            lines = [n for n, (made, _, _) in self.lines.items() if {r.name for r in refs(made)} & set(names)]
            entries = tuple(sorted(n for line in lines for n in self._entries(line)))
            found.append(
                Formula("gradients", f"d{names[0]}", left, (right or Num(0),), right is not None, entries=entries)
            )
        if rec.dx is not None:
            left = (Partial(None, Ref(X, 0, rec.shapes[X])),)
            found.append(Formula("gradients", "dx", left, (rec.dx,), entries=self._read_at(X)))
        for state in rec.states:
            left = (Partial(None, Ref(state, -1, rec.shapes[state])),)
            first = tuple(sorted(n for at in self._handed(state) for n in at[:1]))
            right = rec.handed[state] or Num(0)
            found.append(Formula("gradients", f"d{state}0", left, (right,), at="first", entries=first))
        return found


def _uncut_parts(x: Expr) -> Iterator[Expr]:
    """Yield the parts of an expression that no cut stands before."""
    pending = [x]
    while pending:
        x = pending.pop()
        yield x
        if isinstance(x, Op) and x.name != "detach":
            pending += x.args


def with_diagonal(right: Expr) -> Expr:
    """Return diag(v) (sum), the form of textbooks, for a sum of cotangents that is multiplied entry by entry."""
    if not (isinstance(right, Op) and right.name == "multiply"):
        return right
    sums = [a for a in right.args if isinstance(a, Op) and a.name == "add" and _comes_back(a)]
    if len(sums) != 1:
        return right
    others = product(*(a for a in right.args if a is not sums[0]))
    return Op("scaled", (others, sums[0]), (), right.shape)


def _comes_back(x: Expr) -> bool:
    return any(
        (isinstance(part, Ref) and part.name == UPSTREAM) or (isinstance(part, Op) and part.name == "later")
        for part in walk(x)
    )


def later_first(x: Expr) -> Expr:
    """Return an expression whose sums begin with the terms of step t+1."""
    if not isinstance(x, Op):
        return x
    args = tuple(later_first(a) for a in x.args)
    if x.name == "add":
        args = tuple(sorted(args, key=lambda a: not (isinstance(a, Op) and a.name == "later")))
    return Op(x.name, args, x.options, x.shape)
