"""Lines of text as SVG: subscripts as smaller type on a lower line, which every viewer shows, and the text of a box."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from tinygrad_rnn.draw.layout.shapes_around import Text
from tinygrad_rnn.draw.layout.sizes import HEAT_CELL, LINE, SMALL, TITLE, label_parts
from tinygrad_rnn.draw.style import Theme, heat_colour
from tinygrad_rnn.draw.views.boxes import Box
from tinygrad_rnn.draw.views.step_numbers import pieces

DROP = 0.22
"""The height by which a subscript stands lower, as a part of the size. `baseline-shift` is unknown to some browsers."""

Part = tuple[str, Mapping[str, str]]
"""A text, and the attributes of its type."""


def text_line(
    x: float, y: float, parts: Iterable[Part], size: float, lowered: float, attributes: Mapping[str, str]
) -> str:
    """Return a `<text>` at a place. Its size of type is that of the drawing unless the attributes say another.

    lowered: the size of subscripts, as a part of `size`.
    """
    spans: list[str] = []
    low = 0.0
    for text, of_part in parts:
        for piece, under in pieces(text):
            own = dict(of_part)
            height = DROP * size if under else 0.0
            if height != low:
                own["dy"] = f"{height - low:.1f}"
            if under:
                own["font-size"] = f"{lowered * size:.1f}"
            low = height
            spans.append(f"<tspan{_written(own)}>{html.escape(piece)}</tspan>" if own else html.escape(piece))
    return f'<text x="{x:.1f}" y="{y:.1f}"{_written(attributes)}>{"".join(spans)}</text>'


def box_text(box: Box, x: float, y: float, lowered: float, colours: tuple[str, str, str]) -> tuple[list[str], float]:
    """Return the lines of text of a box whose centre is at a place, and the height at which its heat maps begin.

    colours: of the large text, of the small text, and of the text of the drawing.
    """
    ink, faint, usual = colours
    small = [line for line in (box.shape, *box.lines) if line]
    heat = max((len(rows) * HEAT_CELL + 6 for rows in box.heat), default=0.0)
    line = y - (LINE * len(small) + heat) / 2 + 4
    name, rest = label_parts(box)
    parts = [(name, {"font-weight": "bold"}), (rest, {"fill": faint} if name else {})]
    lines = [text_line(x, line, parts, TITLE, lowered, {"fill": ink} if ink != usual else {})]
    for words in small:
        line += LINE + (1 if words is small[0] else 0)
        lines.append(text_line(x, line, [(words, {})], SMALL, lowered, {"font-size": f"{SMALL:.0f}", "fill": faint}))
    return lines, line + 5


def heat_maps(box: Box, middle: float, top: float, theme: Theme) -> list[str]:
    """Return tiny heat maps side by side: the value, then the gradient."""
    wide = sum(len(rows[0]) + 1 for rows in box.heat) * HEAT_CELL - HEAT_CELL
    left, parts = middle - wide / 2, []
    for rows in box.heat:
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                parts.append(
                    f'<rect x="{left + j * HEAT_CELL:.1f}" y="{top + i * HEAT_CELL:.1f}" width="{HEAT_CELL:.0f}" '
                    f'height="{HEAT_CELL:.0f}" fill="{heat_colour(theme, value)}"/>'
                )
        left += (len(rows[0]) + 1) * HEAT_CELL
    return parts


def words_around(text: Text, x: float, y: float, lowered: float) -> str:
    """Return a text of the surroundings, with the middle of its line at a height."""
    attributes = {"font-size": str(text.size)} if text.size != TITLE else {}
    attributes |= {"text-anchor": "start"} if text.start else {}
    return text_line(x, y + 4, [(text.text, {})], text.size, lowered, attributes | {"fill": text.fill})


def _written(attributes: Mapping[str, str]) -> str:
    return "".join(f' {name}="{value}"' for name, value in attributes.items())
