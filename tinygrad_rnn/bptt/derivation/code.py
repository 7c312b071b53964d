"""The recurrence as NumPy: `forward`, `backward`, and the two as `gradients(params, xs, state, dhs, dlast=None)`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tinygrad_rnn.bptt.derivation.equations import LOSS, UPSTREAM, Equation, Recurrence, X, following
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, is_negative, negative, rebuilt, refs, walk
from tinygrad_rnn.bptt.derivation.formatting import WIDTH, Breakable, assignments, statement
from tinygrad_rnn.bptt.derivation.sizing import sized
from tinygrad_rnn.bptt.derivation.wording import HELPERS, Name, breakable, python

BLANK = [
    "def blank(name):",
    '    """What stands in the place of a line that is still to be written."""',
    '    raise NotImplementedError(f"{name} is still blank: write its formula here")',
]
FIRST, SECOND = 4, 8  # how far the lines of a function and of its loop stand from the edge


class Code:
    """The lines of code of a recurrence. `blanks` names lines of the walk back whose right side is left out."""

    def __init__(self, rec: Recurrence, blanks: Collection[str] = (), width: int = WIDTH) -> None:
        self.blanks, self.width = blanks, width
        self.rec = rec = sized(rec)
        self.read_back = _quantities(
            [*(e.right for e in rec.backward), *rec.handed.values(), *rec.terms.values(), rec.dx]
        )
        self.kept = self._kept()

    def source(self) -> str:
        """The whole file."""
        rec = self.rec
        everything = [e.right for e in (*rec.setup, *rec.forward, *rec.backward)]
        everything += [right for right in (*rec.handed.values(), *rec.terms.values(), rec.dx) if right is not None]
        used = {part.name for right in everything for part in walk(right) if isinstance(part, Op)}
        helpers = [HELPERS[name].split("\n") for name in HELPERS if name in used]
        helpers += [BLANK] if self.blanks else []
        blocks = [*helpers, self.forward(), self.backward(), self.gradients()]
        head = [*self.docstring(), "", "import numpy as np"]
        return "\n\n\n".join("\n".join(block) for block in [head, *blocks]) + "\n"

    def docstring(self) -> list[str]:
        """What the file is."""
        xs, dhs = ("(I, B, T)", "(H, B, T)") if self.rec.columns else ("(T, B, I)", "(T, B, H)")
        states = ", ".join(f"{s}_0" for s in self.rec.states)
        title = self.rec.title if len(self.rec.title) <= self.width - 30 else "a cell"
        if self.rec.target:
            return [
                f'"""BPTT of {title}, with its loss.',
                "",
                f"xs {xs}, state ({states}), targets like what the loss reads them with; dlast: what",
                "else comes to the last state. dv stands for dL/dv.",
                '"""',
            ]
        return [
            f'"""BPTT of {title}.',
            "",
            f"xs {xs}, state ({states}), dhs {dhs}: the gradient that the loss",
            "gives to each hidden state; dlast: to the last state. dv stands for dL/dv.",
            '"""',
        ]

    def _statement(self, left: str, right: Breakable, indent: int, comment: str = "") -> list[str]:
        return statement(left, right, indent, comment, self.width)

    def _assignments(self, names: Sequence[str], values: Sequence[str], indent: int) -> list[str]:
        return assignments(names, values, indent, self.width)

    # ------------------------------------------------------------------------------------------------- forward

    def forward(self) -> list[str]:
        """The function that keeps what backward needs."""
        rec = self.rec
        used = _quantities(e.right for e in (*rec.setup, *rec.forward))
        lines = [f"def forward(params, xs, state{', targets' * bool(rec.target)}):"]
        first = "the loss" if rec.target else "its hidden states"
        doc = f"Run {rec.title} over time: {first}, the last state, what backward needs."
        lines += (
            [f'    """{doc}"""']
            if len(doc) + 10 <= self.width
            else [f'    """{first[0].upper()}{first[1:]}, the last state, what backward needs."""']
        )
        lines += self._parameters(rec.params, {name for name, _ in used})
        for equation in rec.setup:
            lines += self._equation(equation, _now, FIRST, {t.name for t in equation.targets})
        lines += self._units(e.right for e in rec.forward)
        lines += self._begin()
        lines += self._loop((X, 0) in used, (rec.target, 0) in used)
        before = [s for s in rec.states if (s, -1) in used or Ref(s, -1) in self.kept]
        lines += self._assignments([f"{s}_prev" for s in before], before, SECOND)
        inlined = self._inlined()
        for equation in rec.forward:
            if equation.target.name not in inlined:
                written = replace(equation, right=_in_place(equation.right, inlined))
                lines += self._equation(written, _now, SECOND, None)
        lines += [] if rec.target else [f"        hs.append({rec.states[0]})"]
        if self.kept:
            lines += self._keep()
        last = ", ".join(rec.states) + "," * (len(rec.states) == 1)
        made = "loss" if rec.target else "np.stack(hs, axis=2)" if rec.columns else "np.stack(hs)"
        lines.append(f"    return {made}, ({last}), ({self._cache()})")
        return lines

    def _keep(self) -> list[str]:
        """What a step keeps, broken as a formatter would."""
        names = [_now(ref) for ref in self.kept]
        if len(names) == 1:
            return [f"        kept.append({names[0]})"]
        for indent, outside in ((SECOND, "kept.append((%s))"), (SECOND + 4, "(%s)")):
            line = " " * indent + outside % ", ".join(names)
            if len(line) <= self.width:
                return [line] if indent == SECOND else ["        kept.append(", line, "        )"]
        each = [f"                {name}," for name in names]
        return ["        kept.append(", "            (", *each, "            )", "        )"]

    def _units(self, rights: Iterable[Expr | None]) -> list[str]:
        """The number of units, where it is spoken of."""
        ends = [str(part) for right in rights if right is not None for part in walk(right) if isinstance(part, Op)]
        return (
            [f"    H = state[0].shape[{0 if self.rec.columns else 1}]"]
            if any("'H'" in e or "* H'" in e for e in ends)
            else []
        )

    def _cache(self) -> str:
        """What forward hands to backward."""
        targets = (self.rec.target, 0) in self.read_back
        return f"params, xs, state{', targets' * targets}{', kept' * bool(self.kept)}"

    def _loop(self, x: bool, target: bool) -> list[str]:
        """The head of the loop forward, and what a step reads of x and of the targets."""
        if self.rec.columns:
            reads = [("x", "xs")] * x + [(self.rec.target, "targets")] * target
            lines = [f"        {name} = {series}[:, :, t]" for name, series in reads]
            return [f"    for {'t' if lines else '_'} in range(xs.shape[2]):", *lines]
        if target:
            return [f"    for {'x' if x else '_'}, {self.rec.target} in zip(xs, targets, strict=True):"]
        return [f"    for {'x' if x else '_'} in xs:"]

    def _begin(self) -> list[str]:
        """What the loop starts from."""
        states, lists = self.rec.states, [*["hs"] * (not self.rec.target), *["kept"] * bool(self.kept)]
        names, values = [*lists, *["loss"] * bool(self.rec.target)], ["[]"] * len(lists) + ["0"] * bool(self.rec.target)
        if len(states) == 1:
            return self._assignments([*states, *names], ["state[0]", *values], FIRST)
        return self._assignments([f"({', '.join(states)})", *names], ["state", *values], FIRST)

    def _inlined(self) -> dict[str, Expr]:
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
            written = replace(readers[0], right=_in_place(readers[0].right, found | {name: equation.right}))
            line = self._equation(written, _now, SECOND, None)
            if len(line) == 1 and len(line[0]) <= self.width:
                found[name] = equation.right
        return found

    def _parameters(self, chosen: dict[str, str], used: set[str]) -> list[str]:
        pairs = [(name, f'params["{key}"]') for key, name in chosen.items() if name in used]
        return self._assignments([a for a, _ in pairs], [b for _, b in pairs], FIRST)

    def _equation(self, e: Equation, name: Name, indent: int, used: set[str] | None, comment: str = "") -> list[str]:
        if e.target.name == LOSS:
            sign, right = ("-", negative(e.right)) if is_negative(e.right) else ("+", e.right)
            return self._statement(f"loss {sign}=", breakable(right, name), indent)
        targets = ", ".join(name(t) if used is None or t.name in used else "_" for t in e.targets)
        return self._statement(f"{targets} =", breakable(e.right, name), indent, comment)

    # ------------------------------------------------------------------------------------------------ backward

    def _kept(self) -> list[Ref]:
        """What backward reads of forward: states before the step first, then in the order in which it is made."""
        read = self.read_back
        made = {t.name for e in self.rec.forward for t in e.targets}
        found = [Ref(s, -1) for s in self.rec.states if (s, -1) in read]
        ordered = [t for e in self.rec.forward for t in e.targets if t.name in made]
        return found + [Ref(t.name, 0) for t in ordered if (t.name, 0) in read]

    def backward(self) -> list[str]:
        """The walk back."""
        rec, columns = self.rec, self.rec.columns
        sums = self._sums()
        needed = set(sums)
        reads = {name for name, _ in self.read_back}
        setup = [e for e in rec.setup if any(t.name in reads for t in e.targets)]
        reads |= {name for name, _ in _quantities(e.right for e in setup)}
        lines = [f"def backward({'dhs, ' * (not rec.target)}cache, dlast=None):"]
        doc = f"The gradients of {rec.title}, from the last step to the first."
        lines.append(f'    """{doc if len(doc) + 10 <= self.width else "From the last step to the first."}"""')
        lines.append(f"    {self._cache()} = cache")
        lines += self._parameters(rec.params, reads | needed)
        for equation in setup:
            lines += self._equation(equation, _now, FIRST, reads)
        zeroed = [(f"d{name}", f"np.zeros_like({name})") for name in rec.params.values() if name in needed]
        zeroed += [("dxs", "np.zeros_like(xs)")] * (rec.dx is not None)
        lines += self._assignments([a for a, _ in zeroed], [b for _, b in zeroed], FIRST)
        lines += self._units([*(e.right for e in rec.backward), *rec.handed.values(), *rec.terms.values(), rec.dx])
        lines += self._starts()
        before = lines
        lines = []
        if self.kept:
            line = f"        {', '.join(map(_now, self.kept))} = kept[t]"
            lines += [line] if len(line) <= self.width else [f"{line[:-7]}(", "            kept[t]", "        )"]
        for equation in rec.backward:
            target = equation.target.name
            lines += self._line(target, f"{target} =", equation.right, self.comment(equation))
        for called, right in sums.values():
            lines += self._line(called, f"{called} +=", right)
        if rec.dx is not None:
            lines += self._line("dx", f"{'dxs[:, :, t]' if columns else 'dxs[t]'} =", rec.dx)
        lines += self._hand_on()
        counted = "t" if any("[t]" in line or ", t]" in line for line in lines) else "_"
        length = "xs.shape[2]" if columns else "len(xs)"
        lines = [*before, f"    for {counted} in reversed(range({length})):", *lines]
        return [*lines, *self._answer()]

    def _sums(self) -> dict[str, tuple[str, Expr]]:
        """By parameter, its gradient's name and what a step adds to it; of those that are the same, the first."""
        found: dict[Expr, tuple[str, tuple[str, Expr]]] = {}
        for key, right in self.rec.terms.items():
            if right is not None:
                name = self.rec.params[key]
                found.setdefault(right, (name, (f"d{name}", right)))
        return dict(found.values())

    def _line(self, called: str, left: str, right: Expr, comment: str = "") -> list[str]:
        """A line of the walk back, or a blank."""
        text = f'blank("{called}")' if called in self.blanks else breakable(right, self._then)
        return self._statement(left, text, SECOND, comment)

    def can_be_blank(self) -> list[str]:
        """What the lines of the walk back are called."""
        rec = self.rec
        found = [e.target.name for e in rec.backward]
        found += [name for name, _ in self._sums().values()]
        found += ["dx"] * (rec.dx is not None)
        return [*found, *(following(s) for s in rec.states if rec.handed[s] not in (None, Num(0)))]

    def comment(self, equation: Equation) -> str:
        """The forward formula that a cotangent comes back through, where it is one."""
        of = self.rec.cotangents.get(equation.target.name, "")
        readers = [e for e in self.rec.forward if any(ref.name == of and ref.step == 0 for ref in refs(e.right))]
        if len(readers) != 1 or len(readers[0].targets) > 1 or isinstance(equation.right, Ref):
            return ""
        if readers[0].target.name == LOSS or readers[0].target.name in self._inlined():
            return ""
        return f"{readers[0].target.name} = {python(_in_place(readers[0].right, self._inlined()), _now)}"

    def _starts(self) -> list[str]:
        """What comes from after the last step."""
        carries = [following(s) for s in self.rec.states]
        if len(carries) == 1:
            return self._statement(f"{carries[0]} =", "np.zeros_like(state[0]) if dlast is None else dlast[0]", FIRST)
        return [
            "    if dlast is None:",
            "        dlast = [np.zeros_like(s) for s in state]",
            f"    {', '.join(carries)} = dlast",
        ]

    def _hand_on(self) -> list[str]:
        """What the step hands to the one before it: at once, where one would overwrite what another reads."""
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
            return [f"        {', '.join(t for t, _ in pairs)} = {', '.join(texts)}"]
        lines = []
        for (target, right), text in zip(pairs, texts, strict=True):
            whole = right == Num(0) or target in self.blanks
            lines += self._statement(f"{target} =", text if whole else breakable(right, name), SECOND)
        return lines

    def _answer(self) -> list[str]:
        rec = self.rec
        pairs, seen = [], set()
        by_term = {right: called for called, right in self._sums().values()}
        for key in rec.params:
            term = rec.terms[key]
            found = f'np.zeros_like(params["{key}"])' if term is None else by_term[term]
            pairs.append((key, f"{found}.copy()" if found in seen else found))
            seen.add(found)
        pairs.append(("x", "dxs" if rec.dx is not None else "np.zeros_like(xs)"))
        pairs += [(f"{rec.keys[s]}0", following(s)) for s in rec.states]
        one = "    return {" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"
        if len(one) <= self.width:
            return [one]
        return ["    return {", *(f'        "{key}": {value},' for key, value in pairs), "    }"]

    def _then(self, ref: Ref) -> str:
        if ref.name == UPSTREAM:
            return "dhs[:, :, t]" if self.rec.columns else "dhs[t]"
        if ref.name == self.rec.target:
            return "targets[:, :, t]" if self.rec.columns else "targets[t]"
        if ref.name == X:
            return "xs[:, :, t]" if self.rec.columns else "xs[t]"
        return _now(ref)

    def gradients(self) -> list[str]:
        """The two together."""
        if self.rec.target:
            return [
                "def gradients(params, xs, state, targets, dlast=None):",
                '    """The gradients of the loss, and of sum(dlast * last state), by name."""',
                "    return backward(forward(params, xs, state, targets)[-1], dlast)",
            ]
        return [
            "def gradients(params, xs, state, dhs, dlast=None):",
            '    """The gradients of sum(dhs * hs) + sum(dlast * last state), by name."""',
            "    return backward(dhs, forward(params, xs, state)[-1], dlast)",
        ]


def _in_place(right: Expr, inlined: Mapping[str, Expr]) -> Expr:
    """An expression with some quantities replaced by the expressions that they are."""

    def change(x: Expr) -> Expr | None:
        return _in_place(inlined[x.name], inlined) if isinstance(x, Ref) and x.name in inlined else None

    return rebuilt(right, change)


def _now(ref: Ref) -> str:
    """A quantity as the loop forward calls it."""
    return f"{ref.name}_prev" if ref.step == -1 else ref.name


def _quantities(rights: Iterable[Expr | None]) -> set[tuple[str, int | None]]:
    return {(ref.name, ref.step) for right in rights if right is not None for ref in refs(right)}
