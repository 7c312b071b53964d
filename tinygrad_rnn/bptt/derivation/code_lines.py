"""What the code's two loops share: names, lines, what is kept, and what stands in the place of its name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import LOSS, Equation, Recurrence
from tinygrad_rnn.bptt.derivation.expressions import Expr, Op, Ref, is_negative, negative, rebuilt, refs, walk
from tinygrad_rnn.bptt.derivation.formatting import WIDTH, assignments, statement
from tinygrad_rnn.bptt.derivation.sizing import sized
from tinygrad_rnn.bptt.derivation.wording import Name, python

FIRST, SECOND = 4, 8
"""How far the lines of a function and of its loop stand from the edge."""


class Lines:
    """The lines of code of a recurrence. `blanks` names lines of the walk back whose right side is left out."""

    def __init__(self, rec: Recurrence, blanks: Collection[str] = (), width: int = WIDTH) -> None:
        self.blanks, self.width = blanks, width
        self.rec = rec = sized(rec)
        self.read_back = quantities(
            [*(e.right for e in rec.backward), *rec.handed.values(), *rec.terms.values(), rec.dx]
        )
        self.kept = self._kept()

    def _kept(self) -> list[Ref]:
        """What backward reads of forward: states before the step first, then in the order in which it is made."""
        read = self.read_back
        made = {t.name for e in self.rec.forward for t in e.targets}
        found = [Ref(s, -1) for s in self.rec.states if (s, -1) in read]
        ordered = [t for e in self.rec.forward for t in e.targets if t.name in made]
        return found + [Ref(t.name, 0) for t in ordered if (t.name, 0) in read]

    def statement(self, left: str, right: str, indent: int, comment: str = "") -> list[str]:
        """A line, broken where it is too long."""
        return statement(left, right, indent, comment, self.width)

    def assignments(self, names: Sequence[str], values: Sequence[str], indent: int) -> list[str]:
        """Several names and their values, in as few lines as they take."""
        return assignments(names, values, indent, self.width)

    def parameters(self, chosen: dict[str, str], used: set[str]) -> list[str]:
        """The parameters that are used, by the names that they have here."""
        pairs = [
            (name, f"params[{json.dumps(key, ensure_ascii=False)}]") for key, name in chosen.items() if name in used
        ]
        return self.assignments([a for a, _ in pairs], [b for _, b in pairs], FIRST)

    def equation(self, e: Equation, name: Name, indent: int, used: set[str] | None, comment: str = "") -> list[str]:
        """An equation as a line; of several targets those that are `used`."""
        if e.target.name == LOSS:
            sign, right = ("-", negative(e.right)) if is_negative(e.right) else ("+", e.right)
            return self.statement(f"loss {sign}=", python(right, name), indent)
        targets = ", ".join(name(t) if used is None or t.name in used else "_" for t in e.targets)
        return self.statement(f"{targets} =", python(e.right, name), indent, comment)

    def units(self, rights: Iterable[Expr | None]) -> list[str]:
        """The number of units, where it is spoken of."""
        ends = [str(part) for right in rights if right is not None for part in walk(right) if isinstance(part, Op)]
        return (
            [f"    H = state[0].shape[{0 if self.rec.columns else 1}]"]
            if any("'H'" in e or "* H'" in e for e in ends)
            else []
        )

    def cache(self) -> str:
        """What forward hands to backward."""
        targets = (self.rec.target, 0) in self.read_back
        return f"params, xs, state{', targets' * targets}{', kept' * bool(self.kept)}"

    def inlined(self) -> dict[str, Expr]:
        """Values without a name of their own that one line reads: they stand in that line, where there is room."""
        found: dict[str, Expr] = {}
        kept = {ref.name for ref in self.kept}
        for equation in self.rec.forward:
            name = equation.target.name
            if not equation.invented or name in kept:
                continue
            readers = [e for e in self.rec.forward if any(ref.name == name for ref in refs(e.right))]
            if len(readers) != 1 or sum(part == equation.target for part in walk(readers[0].right)) > 1:
                continue
            written = replace(readers[0], right=in_place(readers[0].right, found | {name: equation.right}))
            line = self.equation(written, now, SECOND, None)
            if len(line) == 1 and len(line[0]) <= self.width:
                found[name] = equation.right
        return found


def in_place(right: Expr, inlined: Mapping[str, Expr]) -> Expr:
    """An expression with some quantities replaced by the expressions that they are."""

    def change(x: Expr) -> Expr | None:
        return in_place(inlined[x.name], inlined) if isinstance(x, Ref) and x.name in inlined else None

    return rebuilt(right, change)


def now(ref: Ref) -> str:
    """A quantity as the loop forward calls it."""
    return f"{ref.name}_prev" if ref.step == -1 else ref.name


def quantities(rights: Iterable[Expr | None]) -> set[tuple[str, int | None]]:
    """The quantities that expressions read: their names and steps."""
    return {(ref.name, ref.step) for right in rights if right is not None for ref in refs(right)}
