"""The function `forward`: the loop that keeps the values that backward reads."""

from __future__ import annotations

from dataclasses import replace

from tinygrad_rnn.bptt.derivation.code_lines import FIRST, SECOND, Lines, in_place, now, quantities
from tinygrad_rnn.bptt.derivation.equations import X
from tinygrad_rnn.bptt.derivation.expressions import Ref


class Forward(Lines):
    """The lines of the function `forward`."""

    def forward(self) -> list[str]:
        """Return the function `forward`."""
        rec = self.rec
        used = quantities(e.right for e in (*rec.setup, *rec.forward))
        lines = [f"def forward(params, xs, state{', targets' * bool(rec.target)}):"]
        returned = f"{'the loss' if rec.target else 'hidden states'}, last state and cache"
        doc = f"Run {rec.title} over time; return {returned}."
        lines += (
            [f'    """{doc}"""']
            if len(doc) + 10 <= self.width
            else [f'    """Run the cell over time; return {returned}."""']
        )
        lines += self.parameters(rec.params, {name for name, _ in used})
        for equation in rec.setup:
            lines += self.equation(equation, now, FIRST, {t.name for t in equation.targets})
        lines += self.units(e.right for e in rec.forward)
        lines += self._begin()
        lines += self._loop((X, 0) in used, (rec.target, 0) in used)
        before = [s for s in rec.states if (s, -1) in used or Ref(s, -1) in self.kept]
        lines += self.assignments([f"{s}_prev" for s in before], before, SECOND)
        inlined = self.inlined()
        for equation in rec.forward:
            if equation.target.name not in inlined:
                written = replace(equation, right=in_place(equation.right, inlined))
                lines += self.equation(written, now, SECOND, None)
        lines += [] if rec.target else [f"        hs.append({rec.states[0]})"]
        if self.kept:
            lines += self._keep()
        last = ", ".join(rec.states) + "," * (len(rec.states) == 1)
        made = "loss" if rec.target else "np.stack(hs, axis=2)" if rec.columns else "np.stack(hs)"
        lines.append(f"    return {made}, ({last}), ({self.cache()})")
        return lines

    def _keep(self) -> list[str]:
        """Return the lines that keep the values that backward reads."""
        names = [now(ref) for ref in self.kept]
        if len(names) == 1:
            return [f"        kept.append({names[0]})"]
        return self.statement("", f"kept.append(({', '.join(names)}))", SECOND)

    def _loop(self, x: bool, target: bool) -> list[str]:
        """Return the head of the loop, and the lines that read x and the target of a step."""
        if self.rec.columns:
            reads = [("x", "xs")] * x + [(self.rec.target, "targets")] * target
            lines = [f"        {name} = {series}[:, :, t]" for name, series in reads]
            return [f"    for {'t' if lines else '_'} in range(xs.shape[2]):", *lines]
        if target:
            return [f"    for {'x' if x else '_'}, {self.rec.target} in zip(xs, targets, strict=True):"]
        return [f"    for {'x' if x else '_'} in xs:"]

    def _begin(self) -> list[str]:
        """Return the lines that set the start of the loop."""
        states, lists = self.rec.states, [*["hs"] * (not self.rec.target), *["kept"] * bool(self.kept)]
        names, values = [*lists, *["loss"] * bool(self.rec.target)], ["[]"] * len(lists) + ["0"] * bool(self.rec.target)
        if len(states) == 1:
            return self.assignments([*states, *names], ["state[0]", *values], FIRST)
        return self.assignments([f"({', '.join(states)})", *names], ["state", *values], FIRST)
