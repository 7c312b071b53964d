"""The recurrence as NumPy: `forward`, `backward`, and both as `gradients(params, xs, state, dhs, dlast=None)`."""

from __future__ import annotations

from tinygrad_rnn.bptt.derivation.code_backward import Backward
from tinygrad_rnn.bptt.derivation.code_forward import Forward
from tinygrad_rnn.bptt.derivation.expressions import Op, walk
from tinygrad_rnn.tape.notation import NOTATION

BLANK = [
    "def blank(name):",
    '    """Raise an error: this line is still to be written."""',
    '    raise NotImplementedError(f"{name} is still blank: write its formula here")',
]


class Code(Forward, Backward):
    """The code of a recurrence, as a file of Python."""

    def source(self) -> str:
        """Return the whole file."""
        rec = self.rec
        everything = [*(e.right for e in (*rec.setup, *rec.forward)), *rec.coming_back()]
        used = {part.name for right in everything for part in walk(right) if isinstance(part, Op)}
        helpers = [row.python.split("\n") for op, row in NOTATION.items() if row.python and op.name in used]
        helpers += [BLANK] if self.blanks else []
        blocks = [*helpers, self.forward(), self.backward(), self.gradients()]
        head = [*self.docstring(), "", "import numpy as np"]
        return "\n\n\n".join("\n".join(block) for block in [head, *blocks]) + "\n"

    def docstring(self) -> list[str]:
        """Return the docstring of the file."""
        xs, dhs = ("(I, B, T)", "(H, B, T)") if self.rec.columns else ("(T, B, I)", "(T, B, H)")
        states = ", ".join(f"{s}_0" for s in self.rec.states)
        title = self.rec.title if len(self.rec.title) <= self.width - 30 else "a cell"
        if self.rec.target:
            return [
                f'"""BPTT of {title}, with its loss.',
                "",
                f"xs {xs}, state ({states}), targets: one entry for each step, for the loss;",
                "dlast: a further gradient with respect to the last state. dv means dL/dv.",
                '"""',
            ]
        return [
            f'"""BPTT of {title}.',
            "",
            f"xs {xs}, state ({states}), dhs {dhs}: the gradient of the loss with",
            "respect to each hidden state; dlast: to the last state. dv means dL/dv.",
            '"""',
        ]

    def gradients(self) -> list[str]:
        """Return the function `gradients`, which calls forward and backward."""
        if self.rec.target:
            return [
                "def gradients(params, xs, state, targets, dlast=None):",
                '    """Return the gradients of the loss + sum(dlast * last state), by name."""',
                "    return backward(forward(params, xs, state, targets)[-1], dlast)",
            ]
        return [
            "def gradients(params, xs, state, dhs, dlast=None):",
            '    """Return the gradients of sum(dhs * hs) + sum(dlast * last state), by name."""',
            "    return backward(dhs, forward(params, xs, state)[-1], dlast)",
        ]
