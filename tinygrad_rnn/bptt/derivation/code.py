"""The recurrence as NumPy: `forward`, `backward`, and the two as `gradients(params, xs, state, dhs, dlast=None)`."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.code_backward import Backward
from tinygrad_rnn.bptt.derivation.code_forward import Forward
from tinygrad_rnn.bptt.derivation.expressions import Op, walk
from tinygrad_rnn.tape.notation import NOTATION

BLANK = [
    "def blank(name):",
    '    """What stands in the place of a line that is still to be written."""',
    '    raise NotImplementedError(f"{name} is still blank: write its formula here")',
]


class Code(Forward, Backward):
    """A file of Python."""

    def source(self) -> str:
        """The whole file."""
        rec = self.rec
        everything = [*(e.right for e in (*rec.setup, *rec.forward)), *rec.coming_back()]
        used = {part.name for right in everything for part in walk(right) if isinstance(part, Op)}
        helpers = [row.python.split("\n") for op, row in NOTATION.items() if row.python and op.name in used]
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
