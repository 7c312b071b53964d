"""Arrays, Tensors, and trees of them, as HTML for a notebook: shape, range, norm, and the numbers on a tint.

>>> import numpy as np
>>> whole = tree_form({"dW": np.zeros((2, 3))}, "gradients")
>>> "dW" in whole, "(2, 3)" in whole
(True, True)
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.core.rich import FORMS
from tinygrad_rnn.core.sparse import Sparse
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.core.values import bare
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.notebook.html_parts import MONO, NUMBERS, SCROLLS, Markup, box, faint, table
from tinygrad_rnn.tape.array_text import heat, number, summary

MOST_ROWS, MOST_COLUMNS = 8, 10
"""The largest part of an array whose numbers are written out; of a larger one, the first rows and columns."""
MOST_LEAVES = 40
"""The maximum number of rows of a table of arrays."""
POSITIVE, NEGATIVE, ODD = "33,102,172", "179,88,6", "176,0,176"
"""The tints, read on a light ground and a dark one: they let the ground through."""
STRONGEST = 0.42
CELL = 7

Array = NDArray[Any]


def tensor_form(x: Tensor) -> Markup:
    """Return a Tensor: its name, shape and numbers, and its `.grad` where it has one."""
    parts: list[str] = [described(x)]
    if not hidden(x):
        parts.append(numbers(bare(x)))
        if x.grad is not None:
            parts += [str(faint(f".grad: {_words(x.grad)}")), numbers(x.grad)]
    return box(x.name or "Tensor", *parts)


def hidden(x: Any) -> bool:
    """Must the values stay on a sealed tape?"""
    return isinstance(x, Tensor) and x.tape is not None and x.tape.sealed


def described(x: Any) -> Markup:
    """Return kind, shape, dtype and range of an array or a Tensor."""
    kind = "Tensor " if isinstance(x, Tensor) else ""
    return Markup(f"<div>{faint(f'{kind}{tuple(x.shape)} {x.dtype}: {_words(x)}')}</div>")


def _words(x: Any) -> str:
    """Return the range and norm of an array; what stands in their place where it has no numbers to show."""
    if isinstance(x, Sparse):
        return counts(len(x.parts), template("zero but at {n:,} place"), template("zero but at {n:,} places"))
    if hidden(x):
        return say("values on a sealed tape")
    a = np.asarray(bare(x))
    if not a.size:
        return "empty"
    return summary(a) if a.dtype.kind in "fiub" else str(a.dtype)


def numbers(values: Any) -> Markup:
    """Return the numbers of an array, each on a tint of its size: blue above zero, orange below."""
    a = np.asarray(values)
    if a.dtype.kind not in "fiub" or not a.size:
        return Markup("")
    whole, first = a, ""
    while a.ndim > 2:
        a, first = a[0], first + "0, "
    if a.ndim < 2:
        a = a.reshape(1, -1)
    rows, columns = a[:MOST_ROWS, :MOST_COLUMNS].shape
    largest = np.max(np.abs(whole[np.isfinite(whole)].astype(float)), initial=0.0)
    wide = a.shape[1] > columns
    lines = [
        "".join(f'<td style="{_number_style(v, largest)}">{number(v)}</td>' for v in row[:columns])
        + (f'<td style="{_plain()}">…</td>' if wide else "")
        for row in a[:rows].tolist()
    ]
    lines += [f'<td style="{_plain()}" colspan="{columns + wide}">…</td>'] if len(a) > rows else []
    body = "".join(f'<tr style="background:transparent">{line}</tr>' for line in lines)
    part = f"<div>{faint(f'[{first}...]')}</div>" if first else ""
    style = f"margin:4px 0;border-collapse:collapse;table-layout:auto;font-size:12px;{MONO};{NUMBERS}"
    return Markup(f'<div style="{SCROLLS}">{part}<table style="{style}"><tbody>{body}</tbody></table></div>')


def _number_style(value: float, largest: float) -> str:
    return f"{_plain()};background:{_tint(value / largest if largest else value)}"


def _plain() -> str:
    return "text-align:right;padding:1px 6px;white-space:nowrap;max-width:none;line-height:1.4"


def _tint(share: float) -> str:
    """Return the colour of a number between -1 and 1."""
    if not np.isfinite(share):
        return f"rgba({ODD},{STRONGEST})"
    return f"rgba({POSITIVE if share > 0 else NEGATIVE},{abs(share) * STRONGEST:.2f})" if share else "transparent"


def small_map(values: Any) -> Markup:
    """Return an array as a tiny heat map, for a cell of a table."""
    a = np.asarray(values)
    if a.dtype.kind not in "fiub" or a.size < 2:
        return Markup("")
    rows = heat(a)
    wide, high = len(rows[0]) * CELL, len(rows) * CELL
    cells = "".join(
        f'<rect x="{j * CELL}" y="{i * CELL}" width="{CELL}" height="{CELL}" fill="{_strong_tint(v)}"/>'
        for i, row in enumerate(rows)
        for j, v in enumerate(row)
    )
    return Markup(
        f'<svg width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="img" aria-label="heat map" '
        f'style="vertical-align:middle">{cells}<rect width="{wide}" height="{high}" fill="none" '
        'stroke="currentColor" stroke-opacity=".35"/></svg>'
    )


def _strong_tint(share: float) -> str:
    if not np.isfinite(share):
        return f"rgb({ODD})"
    return f"rgba({POSITIVE if share > 0 else NEGATIVE},{abs(share):.2f})" if share else "transparent"


def tree_form(tree: Any, title: str) -> Markup:
    """Return a dict, tuple or list of arrays, Tensors and other values as a table, a row for each leaf."""
    leaves, _ = flattened(tree)
    named = [_dotted(path, leaf) for path, leaf in leaves]
    rows = [_row(name, leaf) for name, (_, leaf) in zip(named, leaves, strict=True)]
    left_out = len(rows) - MOST_LEAVES
    below = str(faint(say("... and {n:,} more", n=left_out))) if left_out > 0 else ""
    return box(title, table(["", say("shape"), "dtype", say("numbers"), say("heat map")], rows[:MOST_LEAVES]), below)


def _row(name: str, leaf: Any) -> list[object]:
    if isinstance(leaf, Tensor | np.ndarray):
        shown = Markup("") if hidden(leaf) else small_map(bare(leaf))
        return [name, tuple(leaf.shape), leaf.dtype, _words(leaf), shown]
    return [name, "", "", number(leaf) if isinstance(leaf, float) else _shortened(repr(leaf)), ""]


def _shortened(text: str) -> str:
    first = text.split("\n")[0]
    return text if len(text) <= 60 else f"{first[:59]}…"


def _dotted(path: str, leaf: Any) -> str:
    """Return a path as a row calls it: `mean.W` for `['mean']['W']`; a Tensor's own name behind it."""
    name = re.sub(r"\['([^']*)'\]", r".\1", path).removeprefix(".")
    own = leaf.name if isinstance(leaf, Tensor) else None
    return f"{name} {own}" if own and own not in name else name


FORMS[Tensor] = tensor_form
