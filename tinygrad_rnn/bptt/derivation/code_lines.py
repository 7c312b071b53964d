"""The common parts of the two loops of the code: names, lines, kept values, and expressions put in place of names."""

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
"""The indents of the lines of a function and of its loop."""


class Lines:
    """The lines of code of a recurrence. `blanks` names the lines of the walk back that are left blank."""

    def __init__(self, rec: Recurrence, blanks: Collection[str] = (), width: int = WIDTH) -> None:
        self.blanks, self.width = blanks, width
        self.rec = rec = sized(rec)
        self.read_back = quantities(
            [*(e.right for e in rec.backward), *rec.handed.values(), *rec.terms.values(), rec.dx]
        )
        self.kept = self._kept()

    def _kept(self) -> list[Ref]:
        """Return the values of forward that backward reads: previous states, then the others in order."""
        read = self.read_back
        made = {t.name for e in self.rec.forward for t in e.targets}
        found = [Ref(s, -1) for s in self.rec.states if (s, -1) in read]
        ordered = [t for e in self.rec.forward for t in e.targets if t.name in made]
        return found + [Ref(t.name, 0) for t in ordered if (t.name, 0) in read]

    def statement(self, left: str, right: str, indent: int, comment: str = "") -> list[str]:
        """Return a statement, broken where it is too long."""
        return statement(left, right, indent, comment, self.width)

    def assignments(self, names: Sequence[str], values: Sequence[str], indent: int) -> list[str]:
        """Return the assignment of several names, on as few lines as they fit."""
        return assignments(names, values, indent, self.width)

    def parameters(self, chosen: dict[str, str], used: set[str]) -> list[str]:
        """Return the lines that read the parameters in use from `params`."""
        pairs = [
            (name, f"params[{json.dumps(key, ensure_ascii=False)}]") for key, name in chosen.items() if name in used
        ]
        return self.assignments([a for a, _ in pairs], [b for _, b in pairs], FIRST)

    def equation(self, e: Equation, name: Name, indent: int, used: set[str] | None, comment: str = "") -> list[str]:
        """Return an equation as a statement; of several targets, those that are `used` keep their names."""
        if e.target.name == LOSS:
            sign, right = ("-", negative(e.right)) if is_negative(e.right) else ("+", e.right)
            return self.statement(f"loss {sign}=", python(right, name), indent)
        targets = ", ".join(name(t) if used is None or t.name in used else "_" for t in e.targets)
        return self.statement(f"{targets} =", python(e.right, name), indent, comment)

    def units(self, rights: Iterable[Expr | None]) -> list[str]:
        """Return the line that sets the number of units H, where an expression reads it."""
        ends = [str(part) for right in rights if right is not None for part in walk(right) if isinstance(part, Op)]
        return (
            [f"    H = state[0].shape[{0 if self.rec.columns else 1}]"]
            if any("'H'" in e or "* H'" in e for e in ends)
            else []
        )

    def cache(self) -> str:
        """Return the cache that forward hands to backward."""
        targets = (self.rec.target, 0) in self.read_back
        return f"params, xs, state{', targets' * targets}{', kept' * bool(self.kept)}"

    def inlined(self) -> dict[str, Expr]:
        """Return the values without a name of their own that fit into the one line that reads them."""
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
    """Return an expression with the names of some quantities replaced by their expressions."""

    def change(x: Expr) -> Expr | None:
        return in_place(inlined[x.name], inlined) if isinstance(x, Ref) and x.name in inlined else None

    return rebuilt(right, change)


def now(ref: Ref) -> str:
    """Return the name of a quantity in the loop of forward."""
    return f"{ref.name}_prev" if ref.step == -1 else ref.name


def quantities(rights: Iterable[Expr | None]) -> set[tuple[str, int | None]]:
    """Return the names and the steps of the quantities that expressions read."""
    return {(ref.name, ref.step) for right in rights if right is not None for ref in refs(right)}
