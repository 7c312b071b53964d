"""Worksheets: a derivation with steps left blank, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.bptt.derivation.code import Code
from tinygrad_rnn.bptt.derivation.documents import STYLES, Document
from tinygrad_rnn.bptt.derivation.equations import Recurrence
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box, code, folded

SECTIONS = ("slopes", "errors", "gradients")
"""The sections whose formulas may be left blank: the forward pass is given."""


@dataclass(frozen=True)
class Worksheet:
    """A `sheet` to fill in, its `answers`, and the names of its blanks."""

    sheet: str
    answers: str
    blanks: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Worksheet with the blanks {', '.join(self.blanks)}>"

    def __str__(self) -> str:
        return self.sheet

    def _repr_markdown_(self) -> str | None:
        return self.sheet if self.sheet.startswith("# ") else None

    def _repr_html_(self) -> str | None:
        if self.sheet.startswith("# "):  # Markdown, whose formulas a notebook sets
            return None
        title = say("Worksheet: fill in {blanks}", blanks=", ".join(self.blanks))
        return box(title, code(self.sheet), folded(say("answers"), code(self.answers)))


def of_formulas(formulas: Formulas, to: str, blanks: int | Sequence[str], seed: int) -> Worksheet:
    """Return a worksheet of formulas; its answers are the formulas that are blank."""
    names = [f.name for f in formulas.all if f.section in SECTIONS]
    chosen = choose(names, blanks, seed)
    writer = Writer(formulas, STYLES[to]())
    title = formulas.rec.title
    sheet = Document(title, formulas.all, writer, to, blank=chosen).text()
    answers = Document(
        say("{title}: answers", title=title), [f for f in formulas.all if f.name in chosen], writer, to
    ).text()
    return Worksheet(sheet, answers, chosen)


def of_code(rec: Recurrence, answers: str, blanks: int | Sequence[str], seed: int) -> Worksheet:
    """Return a worksheet of code, which names its blank when it is run; its answers are the whole file."""
    chosen = choose(Code(rec).can_be_blank(), blanks, seed)
    return Worksheet(Code(rec, chosen).source(), answers, chosen)


def choose(names: Sequence[str], blanks: int | Sequence[str], seed: int) -> tuple[str, ...]:
    """Return the names of the blanks, in the order of the derivation: drawn with a seed, or as given.

    Raises ValueError for an unknown name, for no name, and for more blanks than lines.
    """
    if isinstance(blanks, int):
        if not 1 <= blanks <= len(names):
            raise ValueError(f"worksheet: {blanks} blanks, of {len(names)} lines\ngive 1 to {len(names)}")
        drawn = np.random.default_rng(seed).choice(len(names), blanks, replace=False)
        return tuple(names[k] for k in sorted(drawn))
    asked = [blanks] if isinstance(blanks, str) else list(blanks)
    if unknown := [name for name in asked if name not in names]:
        raise ValueError(f"worksheet: there is no line {', '.join(map(repr, unknown))}\nthere are {', '.join(names)}")
    if not asked:
        raise ValueError(f"worksheet: no line is to be blank\nname some of {', '.join(names)}")
    return tuple(name for name in names if name in asked)
