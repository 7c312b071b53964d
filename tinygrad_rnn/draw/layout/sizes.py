"""The size of a box, in points, computed from its text without a font."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import combining, east_asian_width

from tinygrad_rnn.draw.views.boxes import Box
from tinygrad_rnn.draw.views.step_numbers import pieces

BOX_HEIGHT = 30.0
"""The height of a box with two lines of text, in points. All boxes of a picture are as high as the highest."""
LINE = 10.0
"""The height of a further line of small text."""
HEAT_CELL = 4.0
TITLE, SMALL = 11.0, 8.0
"""The sizes of type: of a box's first line, and of its further lines."""
LOWERED, LOWERED_ON_SLIDE = 0.73, 0.88
"""The size of a subscript, as a part of the size of its name. On a slide it is the smallest type."""
LONGEST_TITLE = 40
"""The maximum length of a name in a box. A longer one shows its two ends; the box's title shows all."""
_WIDTHS = {
    0.35: " 'ijl",
    0.40: ",./:;I\\|",
    0.45: "-f",
    0.50: "!()[]`rt·",
    0.55: '"*∂²',
    0.60: "J_csz",
    0.65: "?Lx",
    0.70: "$0123456789EFTaekovy",
    0.75: "CPSYZbdghnpqu{}",
    0.80: "ABKRVX",
    0.85: "#+<=>DGHNU^~×÷−",
    0.90: "&OQ",
    0.95: "w",
    1.00: "@M",
    1.05: "%m",
    1.15: "W",
}
"""The widths of bold characters, as parts of the size: the wider of DejaVu Sans Bold and Arial Bold."""
_WIDTH = {c: width for width, characters in _WIDTHS.items() for c in characters}
_OTHER, _FULL = 0.85, 1.25
"""The width of another character, and of one of a wide script."""


def box_width(box: Box, lowered: float = LOWERED) -> float:
    """Return a width for the text of a box and for its heat maps. `lowered` is the size of subscripts."""
    heat = sum(len(rows[0]) * HEAT_CELL + HEAT_CELL for rows in box.heat)
    lines = [text_width(line, SMALL, lowered) + 10.0 for line in (box.shape, *box.lines)]
    title, rest = label_parts(box)
    return max(34.0, sum(text_width(words, TITLE, lowered) for words in (title, rest)) + 12.0, heat + 8.0, *lines)


def label_parts(box: Box) -> tuple[str, str]:
    """Return a box's first line in two parts, each cut where it is long: a name, in bold, and the rest: h₂, = tanh."""
    if box.detail and not box.scalar:
        return short(box.title), f" = {short(box.detail)}"
    return "", short(box.label)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, lowered: float = LOWERED) -> float:
    """Return the width of a text in the widest of the usual fonts, with its subscripts in their smaller type."""
    return size * sum(
        (lowered if under else 1.0) * sum(_WIDTH[c] if c in _WIDTH else _other(c) for c in part)
        for part, under in pieces(text)
    )


def letters(text: str) -> float:
    """Return the length of a text in letters, of 4.6 points each at the size of 9."""
    return text_width(text, 9.0) / 4.6


def _other(c: str) -> float:
    return 0.0 if combining(c) else _FULL if east_asian_width(c) in "WF" else _OTHER


def box_height(box: Box) -> float:
    """Return a height for two lines, the further lines, and heat maps."""
    heat = max((len(rows) * HEAT_CELL + 6.0 for rows in box.heat), default=0.0)
    one_line = LINE if not (box.shape or box.lines or box.heat) else 0.0
    return BOX_HEIGHT - one_line + LINE * len(box.lines) + heat


def short(text: str, longest: int = LONGEST_TITLE) -> str:
    """Return a name of any length, cut to the room of a box. Its two ends stay, for the end may have a number."""
    if len(text) <= longest:
        return text
    tail = longest // 3
    return text[: longest - 1 - tail] + "…" + text[len(text) - tail :]
