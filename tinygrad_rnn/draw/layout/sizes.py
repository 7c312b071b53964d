"""The size of a box, in points, computed from its text without a font."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import east_asian_width

from tinygrad_rnn.draw.views.boxes import Box

BOX_HEIGHT = 30.0
"""The height of a box with two lines of text, in points. All boxes of a picture are as high as the highest."""
LINE = 10.0
"""The height of a further line of small text."""
HEAT_CELL = 4.0
LONGEST_TITLE = 60
"""The maximum length of a name in a box. A box shows the beginning of a longer name; its title shows all."""
_WIDE = {**dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 1.2), **dict.fromkeys("MWmw@%", 1.65)}
"""The widths of the letters that are much wider than others."""


def box_width(box: Box) -> float:
    """Return a width for the text, with the title at 11 points and the rest at 8, and for the heat maps."""
    heat = sum(len(rows[0]) * HEAT_CELL + HEAT_CELL for rows in box.heat)
    lines = [5.2 * letters(line) + 10.0 for line in (box.shape, *box.lines)]
    return max(34.0, 7.2 * letters(short(box.label)) + 12.0, heat + 8.0, *lines)


@lru_cache(maxsize=4096)
def letters(text: str) -> float:
    """Return the length of a text in ordinary letters, after DejaVu Sans Bold, which is wider than Helvetica."""
    return sum(_WIDE.get(c, 1.0) if c.isascii() else 1.7 if east_asian_width(c) in "WF" else 1.0 for c in text)


def box_height(box: Box) -> float:
    """Return a height for two lines, the further lines, and heat maps."""
    heat = max((len(rows) * HEAT_CELL + 6.0 for rows in box.heat), default=0.0)
    one_line = LINE if not (box.shape or box.lines or box.heat) else 0.0
    return BOX_HEIGHT - one_line + LINE * len(box.lines) + heat


def short(text: str, longest: int = LONGEST_TITLE) -> str:
    """Return a name of any length, cut to the room of a box."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
