r"""Tables of text, aligned by the width that a terminal gives each character: Chinese ones take two columns.

>>> print("\n".join(aligned([("name", "size"), ("权重", "12"), ("h", "5")], right=[1])))
name  size
权重    12
h        5
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from unicodedata import category, east_asian_width


def width(text: str) -> int:
    """Return the number of columns that a text takes in a terminal.

    Wide characters take two, combining marks and marks of format none (Unicode's annex 11).
    """
    if text.isascii():
        return len(text)
    return sum(0 if category(c) in ("Mn", "Me", "Cf") else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int, right: bool = False) -> str:
    """Return a text with spaces behind it, or before it, that fill these columns. A wider text stays as it is."""
    spaces = " " * (columns - width(text))
    return spaces + text if right else text + spaces


def shortened(text: str, columns: int) -> str:
    """Return the beginning of a text that takes at most these columns."""
    if width(text) <= columns:
        return text
    used = 0
    for k, c in enumerate(text):
        used += width(c)
        if used > columns:
            return text[:k]
    return text


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = (), between: str = "  ") -> list[str]:
    """Return the rows as lines in which each column begins at one place; the columns `right` end at one.

    Rows may have fewer cells than others. A row of a single cell is a heading, which widens no column. Lines have no
    spaces at their end.
    """
    count = max(map(len, rows), default=0)
    widths = [max((width(row[k]) for row in rows if len(row) > max(k, 1)), default=0) for k in range(count)]
    return [between.join(padded(cell, widths[k], k in right) for k, cell in enumerate(row)).rstrip(" ") for row in rows]
