"""The function `backward`: the loop from the last step to the first."""

from __future__ import annotations

import json

from tinygrad_rnn.bptt.derivation.code_lines import FIRST, SECOND, Lines, in_place, now, quantities
from tinygrad_rnn.bptt.derivation.equations import LOSS, UPSTREAM, Equation, X, following
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, is_negative, negative, refs, total, transpose
from tinygrad_rnn.bptt.derivation.wording import python, row_index


class Backward(Lines):
    """The lines of the function `backward`."""

    def backward(self) -> list[str]:
        """Return the function `backward`."""
        rec, columns = self.rec, self.rec.columns
        sums = self._sums()
        needed = set(sums)
        reads = {name for name, _ in self.read_back}
        setup = [e for e in rec.setup if any(t.name in reads for t in e.targets)]
        reads |= {name for name, _ in quantities(e.right for e in setup)}
        lines = [f"def backward({'dhs, ' * (not rec.target)}cache, dlast=None):"]
        doc = f"Return the gradients of {rec.title}, from the last step to the first."
        short = "Return the gradients, from the last step to the first."
        lines.append(f'    """{doc if len(doc) + 10 <= self.width else short}"""')
        lines.append(f"    {self.cache()} = cache")
        lines += self.parameters(rec.params, reads | needed)
        for equation in setup:
            lines += self.equation(equation, now, FIRST, reads)
        zeroed = [(f"d{name}", f"np.zeros_like({name})") for name in rec.params.values() if name in needed]
        zeroed += [("dxs", "np.zeros_like(xs)")] * (rec.dx is not None)
        lines += self.assignments([a for a, _ in zeroed], [b for _, b in zeroed], FIRST)
        lines += self.units([*(e.right for e in rec.backward), *rec.handed.values(), *rec.terms.values(), rec.dx])
        lines += self._starts()
        before = lines
        lines = []
        if self.kept:
            lines += self._unpacked([now(ref) for ref in self.kept])
        for equation in rec.backward:
            target = equation.target.name
            lines += self._line(target, f"{target} =", equation.right, self.comment(equation))
        for called, right in sums.values():
            lines += self._added(called, right)
        if rec.dx is not None:
            lines += self._line("dx", f"{'dxs[:, :, t]' if columns else 'dxs[t]'} =", rec.dx)
        lines += self._hand_on()
        counted = "t" if any("[t]" in line or ", t]" in line for line in lines) else "_"
        length = "xs.shape[2]" if columns else "len(xs)"
        lines = [*before, f"    for {counted} in reversed(range({length})):", *lines]
        return [*lines, *self._answer()]

    def _unpacked(self, names: list[str]) -> list[str]:
        """Return the lines that read the values that forward kept of a step."""
        line = f"        {', '.join(names)} = "
        if len(line) + len("kept[t]") <= self.width:
            return [f"{line}kept[t]"]
        if len(line) + 1 <= self.width:
            return [f"{line}(", "            kept[t]", "        )"]
        return ["        (", *(f"            {name}," for name in names), "        ) = kept[t]"]

    def _sums(self) -> dict[str, tuple[str, Expr]]:
        """Return the name of each gradient and the term that a step adds; equal gradients appear once."""
        found: dict[Expr, tuple[str, tuple[str, Expr]]] = {}
        for key, right in self.rec.terms.items():
            if right is not None:
                name = self.rec.params[key]
                found.setdefault(right, (name, (f"d{name}", right)))
        return dict(found.values())

    def _added(self, called: str, right: Expr) -> list[str]:
        """Return the lines that add the term of a step: those that add to some rows alone, and then the others."""
        if called in self.blanks:
            return self._line(called, f"{called} +=", right)
        rest: list[Expr] = []
        lines = []
        for term in right.args if isinstance(right, Op) and right.name == "add" else [right]:
            inner = negative(term) if is_negative(term) else term
            rows = isinstance(inner, Op) and inner.name == "matmul" and row_index(transpose(inner.args[0]))
            columns = isinstance(inner, Op) and inner.name == "matmul" and row_index(inner.args[1])
            at = rows or columns
            if not at or not isinstance(inner, Op):
                rest.append(term)
                continue
            g = inner.args[1] if rows else transpose(inner.args[0])
            place = python(at, self._then)
            values = python(negative(g) if is_negative(term) else g, self._then)
            lines += self.statement("", f"np.add.at({called}{'' if rows else '.T'}, {place}, {values})", SECOND)
        return [*lines, *(self._line(called, f"{called} +=", total(*rest)) if rest else [])]

    def _line(self, called: str, left: str, right: Expr, comment: str = "") -> list[str]:
        """Return a line of the walk back, or a blank."""
        text = f'blank("{called}")' if called in self.blanks else python(right, self._then)
        return self.statement(left, text, SECOND, comment)

    def can_be_blank(self) -> list[str]:
        """Return the names of the lines of the walk back."""
        rec = self.rec
        found = [e.target.name for e in rec.backward]
        found += [name for name, _ in self._sums().values()]
        found += ["dx"] * (rec.dx is not None)
        return [*found, *(following(s) for s in rec.states if rec.handed[s] not in (None, Num(0)))]

    def comment(self, equation: Equation) -> str:
        """Return the forward line that a cotangent comes back through, or "" for several."""
        of = self.rec.cotangents.get(equation.target.name, "")
        readers = [e for e in self.rec.forward if any(ref.name == of and ref.step == 0 for ref in refs(e.right))]
        if len(readers) != 1 or len(readers[0].targets) > 1 or isinstance(equation.right, Ref):
            return ""
        if readers[0].target.name == LOSS or readers[0].target.name in self.inlined():
            return ""
        return f"{readers[0].target.name} = {python(in_place(readers[0].right, self.inlined()), now)}"

    def _starts(self) -> list[str]:
        """Return the lines that set the cotangents beyond the last step."""
        carries = [following(s) for s in self.rec.states]
        if len(carries) == 1:
            return self.statement(f"{carries[0]} =", "np.zeros_like(state[0]) if dlast is None else dlast[0]", FIRST)
        return [
            "    if dlast is None:",
            "        dlast = [np.zeros_like(s) for s in state]",
            f"    {', '.join(carries)} = dlast",
        ]

    def _hand_on(self) -> list[str]:
        """Return the lines that hand cotangents to the step before; one line, where one target is read by another."""
        rec, name = self.rec, self._then
        pairs = []
        for state in rec.states:
            right = rec.handed[state]
            zero = right is None or isinstance(right, Num)
            pairs.append((following(state), Num(0) if zero or right is None else right))
        made: set[str] = set()
        clash = False
        for target, right in pairs:
            clash = clash or bool(made & {ref.name for ref in refs(right)})
            made.add(target)
        texts = [f"np.zeros_like({t})" if right == Num(0) else python(right, name) for t, right in pairs]
        texts = [f'blank("{t}")' if t in self.blanks else text for (t, _), text in zip(pairs, texts, strict=True)]
        if clash:
            return self.statement(f"{', '.join(t for t, _ in pairs)} =", ", ".join(texts), SECOND)
        lines = []
        for (target, right), text in zip(pairs, texts, strict=True):
            whole = right == Num(0) or target in self.blanks
            lines += self.statement(f"{target} =", text if whole else python(right, name), SECOND)
        return lines

    def _answer(self) -> list[str]:
        rec = self.rec
        pairs, seen = [], set()
        by_term = {right: called for called, right in self._sums().values()}
        for key in rec.params:
            term = rec.terms[key]
            found = f"np.zeros_like(params[{json.dumps(key, ensure_ascii=False)}])" if term is None else by_term[term]
            pairs.append((key, f"{found}.copy()" if found in seen else found))
            seen.add(found)
        if not rec.indices:
            pairs.append(("x", "dxs" if rec.dx is not None else "np.zeros_like(xs)"))
        pairs += [(f"{rec.keys[s]}0", following(s)) for s in rec.states]
        one = (
            "    return {" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {value}" for key, value in pairs) + "}"
        )
        if len(one) <= self.width:
            return [one]
        return [
            "    return {",
            *(f"        {json.dumps(key, ensure_ascii=False)}: {value}," for key, value in pairs),
            "    }",
        ]

    def _then(self, ref: Ref) -> str:
        if ref.name == UPSTREAM:
            return "dhs[:, :, t]" if self.rec.columns else "dhs[t]"
        if ref.name == self.rec.target:
            return "targets[:, :, t]" if self.rec.columns else "targets[t]"
        if ref.name == X:
            return "xs[:, :, t]" if self.rec.columns else "xs[t]"
        return now(ref)
