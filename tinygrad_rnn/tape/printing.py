"""A tape as text: a table of its lines, and how an index is written.

A result is called by its name and by the number of its line: `h #12 (2, 5)`.
"""

from __future__ import annotations

from pathlib import Path

from numpy import ndarray

from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.table import Args
from tinygrad_rnn.core.tensor import Line, Tensor
from tinygrad_rnn.core.values import bare
from tinygrad_rnn.text_tables import aligned

HEAD = ("#", "scope", "output", "operation", "inputs", "line")
"""The columns of the table."""


def table(lines: list[Line], ends: int | None, code: list[str]) -> str:
    """Return the lines as a table: number, scope, output, operation, inputs, and the line of code where that is kept.

    Only `ends` lines from either end, if given.
    """
    found, left_out = rows(lines, ends, code)
    text = aligned([HEAD, *found] if code else [row[:5] for row in [HEAD, *found]], right=[0])
    if left_out:
        text.insert(1 + (ends or 0), gap_text(left_out))
    return "\n".join(text)


def gap_text(left_out: int) -> str:
    """Return the words in the place of the lines that are left out."""
    return f"... {left_out:,} more entries ..."


def rows(lines: list[Line], ends: int | None, code: list[str]) -> tuple[list[tuple[str, ...]], int]:
    """Return the rows of the table, of the columns `HEAD`, and the number of lines that are left out in the middle."""
    total = len(lines)
    shown = list(range(total))
    cut = ends is not None and total > 2 * ends + 1
    if cut:
        shown = [*shown[:ends], *shown[total - (ends or 0) :]]
    read = {id(a) for _, args, *_ in map(lines.__getitem__, shown) for a in args if type(a) is Tensor}
    number = {id(out): k for k, (_, _, _, out, _) in enumerate(lines) if id(out) in read}
    found: list[tuple[str, ...]] = []
    for k in shown:
        op, args, kwargs, out, labels = lines[k]
        if op.name == "getitem":
            inputs = f"{_input(args[0], number)}{index_text(args[1:])}"
        else:
            parts = [_input(a, number) for a in args]
            parts += [f"{key}={value!r}" for key, value in kwargs.items() if value is not None and value is not False]
            inputs = ", ".join(parts if len(parts) < 7 else [*parts[:3], f"... {len(parts) - 5} more ...", *parts[-2:]])
        output = f"{out.name} {out.shape}" if out.name else str(out.shape)
        found.append((str(k), scope_text(labels), output, op.name, inputs, Path(code[k]).name if code else ""))
    return found, total - len(shown)


def index_text(parts: Args) -> str:
    """Return an index as Python writes it: `[2]`, `[:, 0:5]`."""
    return f"[{', '.join(_index_part(part) for part in parts)}]"


def _index_part(part: object) -> str:
    if isinstance(part, slice):
        start, stop = ("" if end is None else str(end) for end in (part.start, part.stop))
        return f"{start}:{stop}" + ("" if part.step is None else f":{part.step}")
    if isinstance(part, Tensor | ndarray):
        values = bare(part)
        return str(values.tolist()) if values.size < 5 else "..."
    return "..." if part is Ellipsis else "new" if part is None else str(part)


def _input(a: object, number: dict[int, int]) -> str:
    if isinstance(a, Tensor):
        made = number.get(id(a))
        name = a.name or ("" if made is not None else "leaf")
        return " ".join(part for part in (name, f"#{made}" if made is not None else "", str(a.shape)) if part)
    return f"array {a.shape}" if isinstance(a, ndarray) else repr(a)
