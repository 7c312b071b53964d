"""How large a box must be for what it says, in points, without asking any font."""

from __future__ import annotations

from tinygrad_rnn.draw.views.boxes import Box

BOX_HEIGHT = 30.0
"""Of a box with two lines of text, in points; every box of a picture is as high as its highest."""
LINE = 10.0
"""A further line of small text."""
HEAT_CELL = 4.0
LONGEST_TITLE = 60
"""Of a longer name a box shows the beginning; its title has it all."""


def box_width(box: Box) -> float:
    """Enough for its text, the title at 11 points and the rest at 8, and for its heat maps."""
    heat = sum(len(rows[0]) * HEAT_CELL + HEAT_CELL for rows in box.heat)
    lines = [5.2 * len(line) + 10.0 for line in (box.shape, *box.lines)]
    return max(34.0, 7.2 * len(short(box.label)) + 12.0, heat + 8.0, *lines)


def box_height(box: Box) -> float:
    """Enough for two lines, for what else is shown, and for heat maps."""
    heat = max((len(rows) * HEAT_CELL + 6.0 for rows in box.heat), default=0.0)
    return BOX_HEIGHT + LINE * len(box.lines) + heat


def short(text: str) -> str:
    """A name of any length in the room of a box."""
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"
