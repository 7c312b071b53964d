"""The tree of products of a scan, below the chain of products of a walk back, as an SVG for a slide.

Columns are steps. The walk goes from the last column to the first, a product at a time. The scan goes down: a place
that changes in a round takes in the place to its right with which its block joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tinygrad_rnn.draw.layout.page import PIXELS
from tinygrad_rnn.draw.layout.sizes import LOWERED_ON_SLIDE
from tinygrad_rnn.draw.style import FONTS, LIGHT
from tinygrad_rnn.draw.svg_text import text_line
from tinygrad_rnn.draw.views.step_numbers import subscript

LEFT, RIGHT, TOP, BELOW, SIZE = 400.0, 90.0, 150.0, 460.0, 26
"""Where the columns begin and end, the heights of the chain and of the tree, and the size of the type in pixels."""
RADIUS, POINT = 30.0, 10.0
MOST = 16
"""The number of steps that a slide has room for."""

Round = Sequence[tuple[int, int]]
"""The products of a round: the place that changes, and the place before it in the scan."""


def svg(steps: Sequence[object], rounds: Sequence[Round], titles: Sequence[str], words: Sequence[str]) -> str:
    """Return the SVG. Places of the scan count from the last step: place 0 is the last column.

    titles: of the walk and of the scan. words: what stands beside each round. Raises ValueError for more than 16 steps.
    """
    T = len(steps)
    if T > MOST:
        raise ValueError(f"scan_tree: {T} steps\ndraw at most {MOST}: a longer tree has the same form")
    names = [f"g{subscript(step)}" for step in reversed(steps)]
    apart = (PIXELS[0] - LEFT - RIGHT) / max(T - 1, 1)
    x = [PIXELS[0] - RIGHT - apart * place for place in range(T)]
    level = [BELOW + (PIXELS[1] - BELOW - 70) * n / max(len(rounds), 1) for n in range(len(rounds) + 1)]
    lines, nodes, texts = [], [], [_words(40, TOP - 80, titles[0], True), _words(40, BELOW - 90, titles[1], True)]
    for place in range(T):
        nodes.append(_node(x[place], TOP, names[place], place > 0))
        if place:
            lines.append(_line(x[place - 1] - RADIUS, TOP, x[place] + RADIUS, TOP, True, ' marker-end="url(#end)"'))
    for n, products in enumerate(rounds):
        taken = dict(products)
        texts.append(_words(40, level[n + 1] + 9, words[n]))
        for place in range(T):
            ends = level[n] + POINT, level[n + 1] - (RADIUS if n + 1 == len(rounds) else POINT)
            lines.append(_line(x[place], ends[0], x[place], ends[1], place in taken))
            if place in taken:
                lines.append(_line(x[taken[place]], ends[0], x[place], ends[1], True))
    texts.append(_words(40, level[0] + 9, words[-1]))
    for n, y in enumerate(level):
        changed = {place for place, _ in rounds[n - 1]} if n else set()
        nodes += [_node(x[k], y, names[k] if n == len(rounds) else "", k in changed) for k in range(T)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{PIXELS[0]}" height="{PIXELS[1]}" '
        f'viewBox="0 0 {PIXELS[0]} {PIXELS[1]}" role="img" font-family="{FONTS}" font-size="{SIZE}" '
        f'fill="{LIGHT.text}"><title>{escape(titles[1])}</title>'
        '<defs><marker id="end" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{LIGHT.carried}"/></marker></defs>'
        f'<rect width="{PIXELS[0]}" height="{PIXELS[1]}" fill="{LIGHT.ground}"/>'
    )
    return "\n".join([head, *lines, *nodes, *texts, "</svg>", ""])


def _node(x: float, y: float, name: str, changed: bool) -> str:
    """Return a step at a place: with its name, or as a point."""
    style = LIGHT.styles["state" if changed else "op"]
    radius = RADIUS if name else POINT
    drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.0f}" fill="{style.fill}" stroke="{style.border}"/>'
    return drawn + (
        text_line(x, y + 8, [(name, {})], SIZE, LOWERED_ON_SLIDE, {"text-anchor": "middle"}) if name else ""
    )


def _line(x: float, y: float, to_x: float, to_y: float, product: bool, more: str = "") -> str:
    colour, width = (LIGHT.carried, 3) if product else (LIGHT.styles["gap"].border, 1.5)
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{more}/>'
    )


def _words(x: float, y: float, words: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:.1f}"{weight}>{escape(words)}</text>'
