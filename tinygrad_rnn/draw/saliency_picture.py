"""Which characters a prediction leans on, as an SVG: all predictions in rows, or the text of one, coloured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tinygrad_rnn.draw.style import LIGHT, fonts, heat_colour, ink
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import printable
from tinygrad_rnn.text_tables import width as columns

CELL, LEFT, TOP, LINE, IN_LINE = 24, 24, 56, 40, 30
SIGNS = {"\n": "↵", " ": "␣", "\t": "⇥"}
LEAST = 1 / 50
"""The least share that has a colour: smaller ones could not be told from white."""
LEGEND = 236


def shown(name: str) -> str:
    """Return the name of an input as a picture shows it: white space as a sign."""
    return SIGNS.get(name, printable(name))


def triangle(title: str, read: Sequence[str], predicted: Sequence[str], shares: Sequence[Sequence[float]]) -> str:
    """Draw a row for each prediction and a column for each input, coloured by its share: shares[t][k], 0 to 1.

    A share that is not a number has a colour of its own; one below a fiftieth is left out.
    """
    left, top = LEFT + 2 * CELL, TOP + CELL + 14
    bottom = top + CELL * len(predicted)
    parts = [
        _words(left - 4, top - CELL - 4, say("read →"), "end", 12),
        _words(left - 4, top - 8, say("predicted ↓"), "end", 12),
    ]
    for k, name in enumerate(read):
        parts.append(_words(left + CELL * (k + 0.5), top - 8, shown(name), "middle"))
    for t, (name, row) in enumerate(zip(predicted, shares, strict=True)):
        y = top + CELL * t
        parts.append(_words(left - CELL / 2, y + 17, shown(name), "middle"))
        for k, share in enumerate(row):
            if math.isnan(share) or share >= LEAST:
                parts.append(_cell(left + CELL * k, y, heat_colour(LIGHT, share)))
    frame = f'<rect x="{left}" y="{top}" width="{CELL * len(read)}" height="{CELL * len(predicted)}" fill="none" '
    parts.append(f'{frame}stroke="#bbbbbb"/>')
    return _drawn(title, say("0 to the largest of its row"), left + CELL * len(read) + LEFT, bottom + LEFT, parts)


def coloured(title: str, read: Sequence[str], predicted: str, shares: Sequence[float]) -> str:
    """Draw the text that one prediction read, each character on a ground of its share, then the prediction, framed."""
    parts = []
    for k, name in enumerate([*read, predicted]):
        x, y = LEFT + CELL * (k % IN_LINE), TOP + LINE * (k // IN_LINE)
        last = k == len(read)
        ground = "#ffffff" if last or shares[k] < LEAST else heat_colour(LIGHT, shares[k])
        parts.append(_cell(x, y, ground, ' stroke="#222222" stroke-width="2"' if last else ""))
        parts.append(_words(x + CELL / 2, y + 17, shown(name), "middle", fill=ink(LIGHT, ground)))
    rows = len(read) // IN_LINE + 1
    return _drawn(
        title, say("0 to the largest"), 2 * LEFT + CELL * min(len(read) + 1, IN_LINE), TOP + LINE * rows + 8, parts
    )


def _drawn(title: str, legend: str, width: float, height: float, parts: Sequence[str]) -> str:
    width = max(width, 2 * LEFT + LEGEND, 2 * LEFT + 8 * columns(title))
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" font-family="{fonts()}" font-size="16">'
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        _words(LEFT, 24, title, "start"),
        *(
            f'<rect x="{LEFT + 12 * k}" y="34" width="12" height="10" fill="{heat_colour(LIGHT, k / 5)}"/>'
            for k in range(6)
        ),
        _words(LEFT + 80, 43, legend, "start", 12),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _cell(x: float, y: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" fill="{fill}"{more}/>'


def _words(x: float, y: float, words: str, anchor: str, size: int = 0, fill: str = "") -> str:
    colour = f' fill="{fill}"' if fill and fill != LIGHT.text else ""
    own = f' font-size="{size}"' if size else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{own}{colour}>{escape(words)}</text>'
