"""The rows below the steps: what each step adds to the gradient of a parameter, under its column, and the sum."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_rnn.draw.layout.layout import BETWEEN_COLUMNS, Layout
from tinygrad_rnn.draw.layout.shapes_around import Furniture, Text
from tinygrad_rnn.draw.layout.sizes import letters, short
from tinygrad_rnn.draw.style import Theme
from tinygrad_rnn.draw.views.boxes import Sum

ROW = 14.0
LETTER = 5.6
"""The approximate width of a letter of these rows."""
SIZE = 10
MOST = 12
"""The maximum number of parameters whose sums are written."""
WHAT = "Each step adds to the gradient of a shared parameter. Of an array, the norm is written."
TOTAL = "norm of the sum"


def sum_rows(
    found: Furniture, sums: Sequence[Sum], places: Layout, theme: Theme, left: float, right: float, bottom: float
) -> tuple[float, float, float]:
    """Add the rows below `bottom`. Return the left and right edges of the drawing, and the bottom of the rows."""
    rows = list(sums[:MOST])
    if not rows:
        return left, right, bottom
    names = [f"{short(row.name)} = sum of" if row.single and places.columns else short(row.name) for row in rows]
    wide = max(map(letters, names)) * LETTER + 16
    first = min((a for a, _ in places.columns.values()), default=left + wide)
    last = max((b for _, b in places.columns.values()), default=left + wide)
    start = min(left, first - wide)
    y = bottom - ROW

    def write(x: float, words: str, colour: str, begin: bool = True) -> None:
        nonlocal right
        found.texts.append(Text(x, y, words, colour, SIZE, begin))
        right = max(right, x + letters(words) * LETTER * (1.0 if begin else 0.5))

    write(start, WHAT, theme.faint)
    for row, name in zip(rows, names, strict=True):
        y -= ROW
        write(start, name, theme.text)
        for k, (column, (a, b)) in enumerate(places.columns.items()):
            if k and row.single:
                write(a - BETWEEN_COLUMNS / 2, "+", theme.faint, False)
            write((a + b) / 2, row.parts.get(column, ""), theme.text, False)
        write(last + 16, _after(row, bool(places.columns)), theme.text)
    if more := len(sums) - len(rows):
        y -= ROW
        write(start, f"and {more} more parameters", theme.faint)
    return start, right, y - ROW / 2


def _after(row: Sum, steps: bool) -> str:
    """Return what stands at the end of a row: what is added elsewhere, and the total."""
    others = f"{'+ ' if row.single else ''}{row.others}   " if row.others else ""
    uses = "" if steps else f"{row.uses} uses"
    if row.single:
        return f"{others}{uses and f'sum of {uses} '}= {row.total}"
    return f"{others}{TOTAL}{uses and f' of {uses}'}: {row.total}"
