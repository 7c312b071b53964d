"""Formulas as text: names become symbols with an index, a step and a mark for gradients."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_rnn.bptt.derivation.equations import UPSTREAM
from tinygrad_rnn.bptt.derivation.expressions import STEP, Expr, Num, Op, Ref, is_negative, negative, product
from tinygrad_rnn.bptt.derivation.formula_line import Formula, Partial
from tinygrad_rnn.bptt.derivation.formula_style import Style
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.name_parts import apart, split_name
from tinygrad_rnn.bptt.derivation.wording import number
from tinygrad_rnn.tape.notation import BINDS, notation_of

SUM, TIMES, ATOM = 1, 2, 9
SHORTER = {"maximum": "max", "minimum": "min"}
"""Functions whose names in formulas are shorter than NumPy's."""
Text = tuple[str, int]


class Writer:
    """The writer of formulas in a style. Each `_name` method writes the operation of that name."""

    def __init__(self, formulas: Formulas, style: Style) -> None:
        self.style, self.formulas, self._net = style, formulas, formulas.net_inputs
        self._at = ""  # the place of the formula that is written: `Formula.at`
        self._cotangents, self._output = formulas.rec.cotangents, formulas.rec.states[0]
        self._units = formulas.rec.shapes[self._output][0]
        outside = {*formulas.rec.params.values(), *(t.name for e in formulas.rec.setup for t in e.targets)}
        names = [name for name in formulas.rec.shapes if name not in self._cotangents]
        symbols = {name: split_name(name, timed=name not in outside) for name in names}
        letter = "eta" if "g" in {base for base, _ in symbols.values()} else "g"
        nameless = {f"#{of}": (letter, of) for of in self._cotangents.values() if of.isdigit()}
        self._symbols = apart({**symbols, **nameless})
        net = [name for name in names if name in self._net and f"d{name}" in self._cotangents]
        deltas = {name: ("", name.partition("_")[2] or ("" if name == "z" else name)) for name in net}
        deltas = dict.fromkeys(net, ("", "")) if len(net) == 1 else deltas
        others = {sub for base, sub in self._symbols.values() if base == "delta"}  # a quantity that is delta itself
        deltas = {name: (base, name if sub in others else sub) for name, (base, sub) in deltas.items()}
        self._deltas = {name: sub.replace("_", ",") for name, (_, sub) in apart(deltas).items()}

    def with_blank(self, f: Formula, blank: str) -> str:
        """Return a formula with a blank in the place of its right side."""
        self._at = f.at
        return self.style.row(*self._joined([*self._lefts(f), blank]))

    def _lefts(self, f: Formula) -> list[str]:
        left = [self.left(side, f) for side in f.left]
        return [self.style.stacked(left)] if len(left) > 1 and isinstance(f.left[0], Ref) else left

    def formula(self, f: Formula) -> str:
        """Return the sides of a formula with signs of equality between them."""
        s, self._at = self.style, f.at
        if f.section == "forward" and isinstance(f.right[0], Op) and f.right[0].name == "split":
            rights = [self.text(f.right[0].args[0])]
        else:
            rights = [self.text(self._first(r) if f.at == "first" else r) for r in f.right]
        if f.summed:
            rights = [self._sum_over_steps(self._summand(r)) for r in f.right]
        return s.row(*self._joined([*self._lefts(f), *rights]))

    def _joined(self, sides: list[str]) -> list[str]:
        parts = [sides[0]]
        for side in sides[1:]:
            parts += [self.style.sign("="), side]
        return parts

    def _sum_over_steps(self, inner: str) -> str:
        """Return the sum over t, and for the terms of each loss over the steps k until t."""
        first, last = str(self.formulas.first_step), "T" if self.formulas.first_step else "T-1"
        if self._at == "k":
            inner = self.style.summed(inner, ("k", first, "t"))
        return self.style.summed(inner, ("t", first, last))

    def left(self, side: Ref | Partial, f: Formula | None = None) -> str:
        """Return a left side."""
        self._at = f.at if f is not None else ""
        if isinstance(side, Ref):
            return self.ref(side)
        s = self.style
        below = self._first(side.below) if f is not None and f.at == "first" else side.below
        d = s.sign("d" if side.kind == "total" else "partial")
        of_loss = self._when(STEP + side.of) if side.of else "t" if side.kind == "each" else ""
        above = s.symbol("L", of_loss) if side.above is None else self.ref(side.above)
        assert isinstance(below, Ref)
        over = s.raised(d, "+") if side.kind == "alone" else d
        return s.fraction(s.row(over, above), s.row(d, self.ref(below)))

    def _first(self, x: Expr) -> Expr:
        """Return an expression at the first step: t is 1, t - 1 is 0."""
        if isinstance(x, Ref) and x.step is not None:
            return Ref(x.name, STEP + 1 + x.step, x.shape)
        return Op(x.name, tuple(self._first(a) for a in x.args), x.options, x.shape) if isinstance(x, Op) else x

    def _summand(self, x: Expr) -> str:
        inner = x.args[0] if isinstance(x, Op) and x.name == "sum" else x
        text, binds = self.text_binding(inner)
        return self.style.bracketed(text) if binds <= SUM else text

    def text(self, x: Expr) -> str:
        """Return an expression as text."""
        return self.text_binding(x)[0]

    # ----------------------------------------------------------------------------------------------- quantities

    def ref(self, x: Ref) -> str:
        """Return a quantity with its step."""
        s = self.style
        when = self._when(x.step)
        if x.name == UPSTREAM:
            d = s.sign("partial")
            return s.fraction(s.row(d, s.symbol("L", when)), s.row(d, s.symbol(*self._parts(self._output, when))))
        if x.name in self._cotangents:
            of, when = self._cotangents[x.name], f"t,{when}" if self.formulas.printed_as.each_loss else when
            if of in self._net:
                return s.symbol("delta", ",".join(part for part in (self._deltas[of], when) if part))
            if of.isdigit():  # the cotangent of a value without a name
                return s.symbol(*self._parts(f"#{of}", when))
            return s.row(s.function("d"), s.symbol(*self._parts(of, when)))
        return s.symbol(*self._parts(x.name, when))

    def _parts(self, name: str, when: str) -> tuple[str, str]:
        base, sub = self._symbols.get(name) or split_name(name, timed=True)
        return base, ",".join(part for part in (sub, when) if part)

    # ---------------------------------------------------------------------------------------------- expressions

    def text_binding(self, x: Expr) -> Text:
        """Return an expression as text, and how tightly its outermost operation binds."""
        s = self.style
        if isinstance(x, Ref):
            text = self.ref(x)
            return text, TIMES + 1 if x.name in self._cotangents and self._cotangents[x.name] not in self._net else ATOM
        if isinstance(x, Num):
            return s.number(number(x.value)), ATOM if x.value >= 0 else SUM
        make: Callable[[Op], Text] | None = getattr(self, f"_{x.name}", None)
        if make is not None:
            return make(x)
        row = notation_of(x.name)
        if row.sign and not BINDS[row.sign]:
            sides = [self._within(a, TIMES) for a in x.args]
            return s.bracketed(s.row(sides[0], s.sign(row.sign), sides[1]), "["), ATOM
        *before, last = (self.text(a) for a in x.args)
        inner = s.row(*(f"{part}{s.sign(',')}" for part in before), last)
        return s.applied(self._function(x.name), inner), ATOM

    def _function(self, name: str) -> str:
        """Return the letter of a function, or its name."""
        letter = notation_of(name).letter
        return self.style.symbol(letter, "") if letter else self.style.function(SHORTER.get(name, name))

    def _within(self, x: Expr, binds: int) -> str:
        text, own = self.text_binding(x)
        return text if own >= binds else self.style.bracketed(text)

    def _add(self, x: Op) -> Text:
        args = list(x.args)
        first = next((a for a in args if not is_negative(a)), args[0])
        args.remove(first)
        parts = [self.text(first)]
        for a in args:
            sign = "-" if is_negative(a) else "+"
            parts += [self.style.sign(sign), self._within(negative(a) if sign == "-" else a, SUM + (sign == "-"))]
        return self.style.row(*parts), SUM

    def _multiply(self, x: Op) -> Text:
        if self.formulas.rec.by_example and (numbers := [a for a in x.args if a.shape in ((), (1, 1))]):
            return self._numbers_times(numbers, [a for a in x.args if a not in numbers])
        parts = [self._entrywise(x.args[0])]
        for before, a in zip(x.args, x.args[1:], strict=False):
            parts += [] if isinstance(before, Num) else [self.style.sign("odot")]
            parts.append(self._entrywise(a))
        return self.style.row(*parts), TIMES

    def _numbers_times(self, numbers: list[Expr], others: list[Expr]) -> Text:
        """Return numbers of each example before a vector or a matrix, without a sign between them."""
        parts = [self._entrywise(a) for a in numbers]
        if len(others) == 1 and isinstance(others[0], Op) and others[0].name == "matmul":
            return self.style.row(*parts, self.text(others[0])), TIMES
        return self.style.row(*parts, *([self._within(product(*others), TIMES)] if others else [])), TIMES

    def _entrywise(self, x: Expr) -> str:
        """Return a factor of an elementwise product; brackets show that a product of matrices comes first."""
        of_matrices = isinstance(x, Op) and x.name in ("matmul", "scaled")
        return self.style.bracketed(self.text(x)) if of_matrices else self._within(x, TIMES)

    def _matmul(self, x: Op) -> Text:
        factors: list[Expr] = []
        pending: list[Expr] = [x]
        while pending:
            a = pending.pop(0)
            if isinstance(a, Op) and a.name == "matmul":
                pending = [*a.args, *pending]
            elif isinstance(a, Op) and a.name == "scaled":
                pending = [Op("diag", a.args[:1]), a.args[1], *pending]
            elif isinstance(a, Op) and a.name == "later":
                pending = [*a.args, *pending]
            else:
                factors.append(a)
        return self.style.row(*(self._within(a, TIMES + 1) for a in factors)), TIMES

    _scaled = _matmul

    def _later(self, x: Op) -> Text:
        return self.text_binding(x.args[0])

    def _negative(self, x: Op) -> Text:
        return self.style.row(self.style.sign("-"), self._within(x.args[0], TIMES)), SUM

    def _divide(self, x: Op) -> Text:
        return self.style.fraction(self.text(x.args[0]), self.text(x.args[1])), TIMES + 1

    def _absolute(self, x: Op) -> Text:
        return self.style.bracketed(self.text(x.args[0]), "|"), ATOM

    def _sqrt(self, x: Op) -> Text:
        return self.style.root(self.text(x.args[0])), ATOM - 1

    def _power(self, x: Op) -> Text:
        base, exponent = x.args
        if exponent in (Num(0.5), Num(-0.5)):
            s, root = self.style, self.style.root(self.text(base))
            return (root, ATOM - 1) if exponent.value > 0 else (s.fraction(s.number("1"), root), TIMES + 1)
        if isinstance(base, Op) and base.name in ("tanh", "sin", "cos"):  # tanh^2(c)
            raised = self.style.raised(self.style.function(base.name), self.text(exponent))
            return self.style.applied(raised, self.text(base.args[0])), ATOM
        return self.style.raised(self._within(base, ATOM), self.text(exponent)), ATOM - 1

    def _transpose(self, x: Op) -> Text:
        return self.style.raised(self._within(x.args[0], ATOM), "T"), ATOM - 1

    def _concatenate(self, x: Op) -> Text:
        return self.style.stacked([self.text(a) for a in x.args]), ATOM

    def _getitem(self, x: Op) -> Text:
        whole = x.args[0].shape
        ends = []
        for k, part in enumerate(dict(x.options)["index"]):
            if isinstance(part, tuple) and part[1] == (part[0] or 0) + 1:
                ends.append(str(part[1]))
            elif isinstance(part, tuple) and part != (None, None, None):
                stop = "" if part[1] in (None, whole[k]) else self._in_units(part[1])
                start = self._in_units(part[0] or 0)
                ends.append(f"{int(start) + 1 if start.isdigit() else f'{start}+1'}:{stop}")
            elif isinstance(part, int):
                ends.append(str(part + 1))
        if len(ends) == 1 and dict(x.options)["index"][0] == (None, None, None):
            ends.insert(0, ":")
        text = self.text(x.args[0])
        return self.style.indexed(text, ",".join(ends)) if ends else text, ATOM

    def _in_units(self, n: int) -> str:
        """Return an end of a slice, in units: 2H."""
        if not n or n % self._units:
            return str(n)
        return "H" if n == self._units else f"{n // self._units}H"

    def _broadcast_to(self, x: Op) -> Text:
        if x.args[0] == Num(0):
            return self.text_binding(x.args[0])
        return self.style.row(self.style.symbol("1", ""), self._within(x.args[0], TIMES)), TIMES

    def _sum(self, x: Op) -> Text:
        if x.options[0] == ("axis", (1,)):  # over the examples: of one it is that
            return self.text_binding(x.args[0])
        return self.style.applied(self.style.function("sum"), self.text(x.args[0])), ATOM

    def _prime(self, x: Op) -> Text:
        prime = self.style.raised(self._function(str(dict(x.options)["of"])), "'")
        return self.style.applied(prime, self.text(x.args[0])), ATOM

    def _eye(self, x: Op) -> Text:
        del x
        return self.style.symbol("I", ""), ATOM

    def _map(self, x: Op) -> Text:
        change, becomes = x.args
        return self.style.row(self.text(change), self.style.sign("mapsto"), self.text(becomes)), SUM

    def _size(self, x: Op) -> Text:
        return self.style.symbol(str(dict(x.options)["name"]), ""), ATOM

    def _ones(self, x: Op) -> Text:
        del x
        return self.style.symbol("1", ""), ATOM

    def _one_hot(self, x: Op) -> Text:
        at, (_, (_, axis)) = x.args[0], x.options
        ref, place = at, ""
        if isinstance(at, Op) and isinstance(at.args[0], Ref):
            ref, (first, *_) = at.args[0], dict(at.options)["index"]
            place = f",{(first if isinstance(first, int) else first[0]) + 1}" if ref.shape[0] > 1 else ""
        assert isinstance(ref, Ref)
        when = self._when(ref.step)
        e = self.style.symbol("e", f"{ref.name}_{when if len(when) == 1 else f'{{{when}}}'}{place}")
        return (self.style.raised(e, "T"), ATOM - 1) if axis else (e, ATOM)

    def _placed(self, x: Op) -> Text:
        n, start = x.shape[0], dict(x.options)["start"]
        s, zero = self.style, self.style.number("0")
        parts = [zero] * (start > 0) + [s.symbol("I", "")] + [zero] * (start + x.shape[1] < n)
        return s.stacked(parts), ATOM

    def _block(self, x: Op) -> Text:
        above, below, _ = x.args
        assert isinstance(above, Ref)
        assert isinstance(below, Ref)
        return self.left(Partial(above, below)), TIMES + 1

    def _detach(self, x: Op) -> Text:
        return self.style.applied(self.style.function("sg"), self.text(x.args[0])), ATOM

    def _diag(self, x: Op) -> Text:
        return self.style.applied(self.style.function("diag"), self.text(x.args[0])), ATOM

    def _rows(self, x: Op) -> Text:
        assert isinstance(x.args[0], Ref)
        base, sub = self._parts(x.args[0].name, "")
        label = f"({dict(x.options)['label']})"
        return self.style.symbol(base, ",".join(part for part in (sub, label) if part)), ATOM

    def _when(self, step: int | None) -> str:
        now = "k" if self._at == "k" else "t"
        return {None: "", 0: now, -1: f"{now}-1", 1: f"{now}+1"}.get(
            step, str((step or 0) - STEP - 1 + self.formulas.first_step)
        )
