"""A tape, its entries and the steps of the walk back as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.rich import FORMS
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tape import Entry, Step
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import bare
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.notebook.html_parts import Markup, box, escaped, faint, strong, table
from tinygrad_rnn.tape import printing
from tinygrad_rnn.tape.rich_values import described, hidden, numbers
from tinygrad_rnn.tape.steps import time_of

ENDS = 8
"""The number of lines that are shown from either end of a tape."""


def tape_form(tape: Iterable[Entry], lines: list[Line], code: list[str]) -> Markup:
    """Return a tape: what is on it in one line, and the table of its entries from both ends."""
    times = {t for *_, labels in lines if (t := time_of(labels)) is not None}
    size = counts(len(lines), template("{n:,} entry"), template("{n:,} entries"))
    if times:
        size += say(", ") + counts(len(times), template("{n:,} step"), template("{n:,} steps"))
    title = say("Tape of {size}", size=size)
    if not lines:
        return box(
            title, str(faint(say("{block} records what is computed in the block", block="with Tape() as tape:")))
        )
    columns = len(printing.HEAD) if code else len(printing.HEAD) - 1
    found, left_out = printing.rows(lines, ENDS, code)
    cells: list[list[object]] = [[*row[:columns]] for row in found]
    for row in cells:
        row[2] = _named(str(row[2]))
    if left_out:
        cells.insert(ENDS, ["", "", faint(printing.gap_text(left_out)), *[""] * (columns - 3)])
    below = say(
        "{gradient} walks back; {table} is all of it as text",
        gradient="tape.gradient(loss, wrt)",
        table="tape.table(None)",
    )
    return box(title, table(printing.HEAD[:columns], cells, right=[0]), str(faint(below)))


def _named(output: str) -> Markup:
    """Return `h (2, 5)` with the name in bold."""
    name, bracket, shape = output.rpartition(" (")
    return Markup(f"{strong(name)} {escaped(bracket[1:] + shape)}") if name else Markup(escaped(output))


def entry_form(entry: Entry) -> Markup:
    """Return an entry: the call, its scope and line of code, and the numbers that it made."""
    where = " ".join(part for part in (scope_text(entry.scope), entry.line or "") if part)
    return box(f"{entry}", *([str(faint(where))] if entry.line else []), *_value(entry.out))


def _value(out: Tensor) -> list[str]:
    return [described(out), *([] if hidden(out) else [numbers(bare(out))])]


def step_form(step: Step) -> Markup:
    """Return a step of the walk back: the cotangent that came, and what each input gets of it."""
    out = step.entry.out
    parts: list[str] = [f"<div>{faint(say('entry {k}: {entry}', k=step.index, entry=step.entry))}</div>"]
    parts += _cotangent(f"dL/d{_name(out, f'#{step.index}')}", step.cotangent, say("arrives:"))
    for k, (x, product) in enumerate(step.products):
        parts += _cotangent(f"dL/d{_name(x, say('input {k}', k=k))}", product, say("gets:"))
    return box(say("Step back through {op}", op=step.entry.op.name), *parts)


def _name(x: Tensor, instead: str) -> str:
    return x.name or f"({instead})"


def _cotangent(name: str, g: object, verb: str) -> list[str]:
    dense = g.dense() if type(g) is Sparse else g
    shown = [] if hidden(dense) else [numbers(bare(dense))]
    return [f"<div>{strong(name)} {verb}</div>", described(dense), *shown]


FORMS[Entry], FORMS[Step] = entry_form, step_form
