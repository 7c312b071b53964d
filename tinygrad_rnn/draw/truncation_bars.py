"""The walks back into which a sequence is cut, drawn under its characters: as text, and as an SVG of its own.

A walk is (start, losses, stop): from the losses of steps `losses`, ..., `stop` - 1 back to step `start`. Walks that
overlap are drawn in lanes below one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tinygrad_rnn.draw.style import fonts
from tinygrad_rnn.language.saying import say

Walk = tuple[int, int, int]

CELL, LANE, LEFT, TOP, GAP = 13, 9, 24, 92, 20
FROM, BACK = "#0072b2", "#a6cde6"  # the losses that a walk starts from, and the steps further back


def lanes(walks: Sequence[Walk]) -> list[list[Walk]]:
    """Put the walks into as few lanes as they need, each in the first lane that is free from its start on."""
    found: list[list[Walk]] = []
    for walk in walks:
        lane = next((lane for lane in found if lane[-1][2] <= walk[0]), None)
        if lane is None:
            found.append([walk])
        else:
            lane.append(walk)
    return found


def as_text(characters: str, walks: Sequence[Walk]) -> str:
    """Return the characters, and under them a bar for each walk: `=` a step whose loss it starts from, `-` one before.

    The first step of every walk is `[`.

    >>> print(as_text("the time", [(0, 0, 4), (2, 4, 8)]))
    the time
    [===
      [-====
    """
    lines = [characters]
    for lane in lanes(clipped(walks, len(characters))):
        line = [" "] * len(characters)
        for start, losses, stop in lane:
            line[start:stop] = "[" + "-" * (losses - start - 1) + "=" * (stop - max(losses, start + 1))
        lines.append("".join(line).rstrip())
    return "\n".join(lines)


def svg(title: str, characters: str, ways: Mapping[str, Sequence[Walk]]) -> str:
    """Return an SVG of the characters in a row, and below them the walks of each way, under its name."""
    body: list[str] = []
    y = TOP
    for name, walks in ways.items():
        body.append(f'<text x="{LEFT}" y="{y + 12}">{escape(name)}</text>')
        y += 20
        for lane in lanes(clipped(walks, len(characters))):
            for start, losses, stop in lane:
                body.append(_bar(start, stop, y, BACK))
                body.append(_bar(losses, stop, y, FROM))
            y += LANE
        y += GAP
    width = max(2 * LEFT + CELL * len(characters), 420)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" role="img" '
        f'font-family="{fonts()}" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{width}" height="{y}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
        f'<rect x="{LEFT}" y="38" width="20" height="7" fill="{FROM}"/>'
        f'<text x="{LEFT + 26}" y="46" font-size="12">{say("losses a walk starts from")}</text>'
        f'<rect x="{LEFT + 190}" y="38" width="20" height="7" fill="{BACK}"/>'
        f'<text x="{LEFT + 216}" y="46" font-size="12">{say("how much further back it goes")}</text>',
    ]
    letters = [
        f'<text x="{LEFT + CELL * k + CELL / 2}" y="76" text-anchor="middle" font-family="monospace" font-size="15">'
        f"{escape(character)}</text>"
        for k, character in enumerate(characters)
        if character != " "
    ]
    return "\n".join([*head, *letters, *body, "</svg>", ""])


def clipped(walks: Sequence[Walk], shown: int) -> list[Walk]:
    """Return the parts of the walks within the first `shown` steps."""
    return [(a, min(b, shown), min(c, shown)) for a, b, c in walks if a < shown]


def _bar(start: int, stop: int, y: int, colour: str) -> str:
    if start == stop:
        return ""
    return (
        f'<rect x="{LEFT + CELL * start + 1}" y="{y}" width="{CELL * (stop - start) - 2}" height="{LANE - 2}" rx="2" '
        f'fill="{colour}"/>'
    )
