"""How large a box must be for what it says, in points, without asking any font."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import east_asian_width

from tinygrad_rnn.draw.views.boxes import Box

BOX_HEIGHT = 30.0
"""Of a box with two lines of text, in points; every box of a picture is as high as its highest."""
LINE = 10.0
"""A further line of small text."""
HEAT_CELL = 4.0
LONGEST_TITLE = 60
"""Of a longer name a box shows the beginning; its title has it all."""
_WIDE = {**dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ", 1.2), **dict.fromkeys("MWmw@%", 1.65)}
"""Of letters much wider than others, how wide they are."""


def box_width(box: Box) -> float:
    """Enough for its text, the title at 11 points and the rest at 8, and for its heat maps."""
    heat = sum(len(rows[0]) * HEAT_CELL + HEAT_CELL for rows in box.heat)
    lines = [5.2 * letters(line) + 10.0 for line in (box.shape, *box.lines)]
    return max(34.0, 7.2 * letters(short(box.label)) + 12.0, heat + 8.0, *lines)


@lru_cache(maxsize=4096)
def letters(text: str) -> float:
    """How long a text is, counted in ordinary letters; after DejaVu Sans Bold, which is wider than Helvetica."""
    return sum(_WIDE.get(c, 1.0) if c.isascii() else 1.7 if east_asian_width(c) in "WF" else 1.0 for c in text)


def box_height(box: Box) -> float:
    """Enough for two lines, for what else is shown, and for heat maps."""
    heat = max((len(rows) * HEAT_CELL + 6.0 for rows in box.heat), default=0.0)
    return BOX_HEIGHT + LINE * len(box.lines) + heat


def short(text: str, longest: int = LONGEST_TITLE) -> str:
    """A name of any length in the room of a box."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
