"""The rows below the steps: what each step adds to the gradient of a parameter, under its column, and the sum."""

from __future__ import annotations

from tinygrad_rnn.draw.layout.page import note_size
from tinygrad_rnn.draw.layout.shapes_around import Furniture, Text
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.layout.sizes import letters, short
from tinygrad_rnn.draw.style import Theme
from tinygrad_rnn.draw.views.boxes import Picture, Sum
from tinygrad_rnn.language.saying import after_each_other, say

LETTER = 0.56
"""The approximate width of a letter of these rows, in parts of its size."""
MOST, MOST_ON_SLIDE = 16, 6
"""The maximum number of parameters whose sums are written."""


def sum_rows(
    found: Furniture, pic: Picture, places: Layout, theme: Theme, left: float, right: float, bottom: float
) -> tuple[float, float, float]:
    """Add the rows below `bottom`. Return the left and right edges of the drawing, and the bottom of the rows."""
    rows = pic.sums[: MOST_ON_SLIDE if pic.slide else MOST]
    if not rows:
        return left, right, bottom
    names = [
        say("{name} = sum of", name=short(row.name)) if row.single and places.columns else short(row.name)
        for row in rows
    ]
    size = note_size(pic)
    letter, row_height = LETTER * size, size + 4.0
    wide = max(map(letters, names)) * letter + 16
    first = min((a for a, _ in places.columns.values()), default=left + wide)
    last = max((b for _, b in places.columns.values()), default=left + wide)
    start = min(left, first - wide)
    y = bottom - row_height

    def write(x: float, words: str, colour: str, begin: bool = True) -> None:
        nonlocal right
        if not words:
            return
        found.texts.append(Text(x, y, words, colour, size, begin))
        right = max(right, x + letters(words) * letter * (1.0 if begin else 0.5))

    write(
        start,
        _what(bool(places.columns), all(row.single for row in rows)),
        theme.faint,
    )
    for row, name in zip(rows, names, strict=True):
        y -= row_height
        write(start, name, theme.text)
        for k, (column, (a, b)) in enumerate(places.columns.items()):
            if k and row.single:
                write(a - places.gutter / 2, "+", theme.faint, False)
            write((a + b) / 2, row.parts.get(column, ""), theme.text, False)
        write(last + 16, _after(row, bool(places.columns)), theme.text)
    if more := len(pic.sums) - len(rows):
        y -= row_height
        write(start, say("and {more} more parameters", more=more), theme.faint)
    return start, right, y - row_height / 2


def _what(steps: bool, single: bool) -> str:
    """Return what the rows show."""
    by_use = say("Each use adds to the gradient of a shared parameter.")
    what = say("Each step adds to the gradient of a shared parameter.") if steps else by_use
    if single:
        return what
    return str(after_each_other([what, say("Of an array, the norm is written.")]))


def _after(row: Sum, steps: bool) -> str:
    """Return what stands at the end of a row: what is added elsewhere, and the total."""
    others = f"{'+ ' if row.single else ''}{row.others}   " if row.others else ""
    if row.single:
        return others + (f"= {row.total}" if steps else say("sum of {n} uses = {total}", n=row.uses, total=row.total))
    if steps:
        return others + say("norm of the sum: {total}", total=row.total)
    return others + say("norm of the sum of {n} uses: {total}", n=row.uses, total=row.total)
