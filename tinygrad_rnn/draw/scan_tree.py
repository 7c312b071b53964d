"""The tree of products of a scan, below the chain of products of a walk back, as an SVG.

Columns are steps. The walk goes from the last column to the first, a product at a time. The scan goes down: a place
that changes in a round takes in the place to its right with which its block joins. A box holds a pair (A, b) of the
steps that stand in it, `2–5`, or, where it reaches the last step, their cotangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tinygrad_rnn.draw.layout.page import PIXELS
from tinygrad_rnn.draw.layout.sizes import LOWERED_ON_SLIDE
from tinygrad_rnn.draw.style import LIGHT, fonts
from tinygrad_rnn.draw.svg_text import text_line
from tinygrad_rnn.draw.views.step_numbers import LABELS

MOST = 16
"""The number of steps that a slide has room for."""

Round = Sequence[tuple[int, int]]
"""The products of a round: the place that changes, and the place before it in the scan."""


@dataclass(frozen=True)
class Sheet:
    """Where things stand, in pixels: type, boxes, the first and the last column, titles, the chain, and the levels."""

    size: float
    box: tuple[float, float]
    columns: tuple[float, float]
    titles: tuple[float, float]
    chain: float
    levels: tuple[float, float]
    width: float
    height: float


def slide(T: int, rounds: int) -> Sheet:
    """Return the sheet of a slide, which is filled."""
    wide = min(110.0, 1430.0 / max(T - 1, 1) - 14)
    return Sheet(26, (wide, 56), (410, 1830), (64, 290), 146, (380, 1010), *map(float, PIXELS))


def small(T: int, rounds: int) -> Sheet:
    """Return the sheet of a page beside other things: as small as it can be read."""
    apart, left, top = max(53.0, min(76.0, 620 / T)), 92.0, 148.0
    right, down = left + apart * (T - 1), top + 58 * max(rounds, 1)
    return Sheet(14, (46, 28), (left, right), (22, 104), 54, (top, down), max(right + 40, 420), down + 30)


def held(T: int, rounds: Sequence[Round]) -> list[list[int]]:
    """Return, at each level, the first place of the block of each place: a pair is that of all from there on."""
    begins = [[*range(T)]]
    for products in rounds:
        taken = dict(products)
        before = begins[-1]
        begins.append([before[taken[place]] if place in taken else before[place] for place in range(T)])
    return begins


def span(steps: Sequence[object], place: int, begin: int) -> str:
    """Return the steps of the pair that a place holds: `2–5`, or `2`."""
    own, other = (str(steps[len(steps) - 1 - p]) for p in (place, begin))
    return own if place == begin else f"{own}–{other}"


def called(steps: Sequence[object], place: int, begin: int) -> str:
    """Return what stands in a box: the steps of its pair, or, where they reach the last one, the cotangent, `g₂`."""
    return span(steps, place, begin) if begin else f"g{LABELS.always_under(steps[len(steps) - 1 - place])}"


def svg(
    steps: Sequence[object],
    rounds: Sequence[Round],
    titles: Sequence[str],
    words: Sequence[str],
    sheet: Sheet | None = None,
    prefix: str = "",
) -> str:
    """Return the SVG. Places of the scan count from the last step: place 0 is the last column.

    titles: of the walk and of the scan. words: what stands beside each round. sheet: that of a slide, unless given.
    prefix: how the ids begin: w5 is the walk's place 5, n2_5 that of the scan after two rounds, n1_4-n2_5 an arrow.
    Raises ValueError for no step, and for more than 16 steps.
    """
    T = len(steps)
    if not 1 <= T <= MOST:
        raise ValueError(f"scan_tree: {T} steps\ndraw 1 to {MOST}: a longer tree has the same form")
    sheet = sheet or slide(T, len(rounds))
    first, last = sheet.columns
    x = [last - (last - first) / max(T - 1, 1) * place for place in range(T)]
    high, low = sheet.levels
    y = [high + (low - high) * n / max(len(rounds), 1) for n in range(len(rounds) + 1)]
    begins = held(T, rounds)
    half, tall = sheet.box[0] / 2, sheet.box[1] / 2
    edge = sheet.size / 2
    paths, boxes = [], []
    texts = [_words(edge, at, text, True) for at, text in zip(sheet.titles, titles, strict=True)]
    for place in range(T):
        boxes.append(_box(f"{prefix}w{place}", x[place], sheet.chain, called(steps, place, 0), True, sheet))
        if place:
            ends = (x[place - 1] - half, sheet.chain), (x[place] + half, sheet.chain)
            paths.append(
                _path(f"{prefix}w{place - 1}-{prefix}w{place}", *ends, True, f' marker-end="url(#{prefix}end)"')
            )
    for n in range(len(rounds) + 1):
        taken = dict(rounds[n - 1]) if n else {}
        texts.append(_words(edge, y[n] + sheet.size / 3, words[n - 1]))
        for place in range(T):
            name = called(steps, place, begins[n][place])
            boxes.append(_box(f"{prefix}n{n}_{place}", x[place], y[n], name, begins[n][place] == 0, sheet))
            for source in (place, *([taken[place]] if place in taken else [])) if n else ():
                ends = (x[source], y[n - 1] + tall), (x[place], y[n] - tall)
                paths.append(_path(f"{prefix}n{n - 1}_{source}-{prefix}n{n}_{place}", *ends, place in taken))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet.width:g}" height="{sheet.height:g}" '
        f'viewBox="0 0 {sheet.width:g} {sheet.height:g}" role="img" font-family="{fonts()}" '
        f'font-size="{sheet.size:g}" fill="{LIGHT.text}"><title>{escape(titles[1])}</title>'
        f'<defs><marker id="{prefix}end" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
        f'orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L10 5L0 10z" fill="{LIGHT.carried}"/></marker></defs>'
        f'<rect width="{sheet.width:g}" height="{sheet.height:g}" fill="{LIGHT.ground}"/>'
    )
    return "\n".join([head, *paths, *boxes, *texts, "</svg>", ""])


def _box(which: str, x: float, y: float, name: str, known: bool, sheet: Sheet) -> str:
    """Return what a place holds: a pair, or, where it is known, a cotangent."""
    style = LIGHT.styles["state" if known else "op"]
    width, height = sheet.box
    return (
        f'<g id="{which}"><title>{escape(name)}</title><rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" '
        f'width="{width:.1f}" height="{height:g}" rx="{height / 2.5:.1f}" fill="{style.fill}" stroke="{style.border}"/>'
        + text_line(x, y + sheet.size * 0.33, [(name, {})], sheet.size, LOWERED_ON_SLIDE, {"text-anchor": "middle"})
        + "</g>"
    )


def _path(which: str, start: tuple[float, float], end: tuple[float, float], product: bool, more: str = "") -> str:
    colour, width = (LIGHT.carried, 2.5) if product else (LIGHT.styles["gap"].border, 1.2)
    places = "L".join(f"{x:.1f} {y:.1f}" for x, y in (start, end))
    return f'<path id="{which}" d="M{places}" fill="none" stroke="{colour}" stroke-width="{width:g}"{more}/>'


def _words(x: float, y: float, words: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:.1f}"{weight}>{escape(words)}</text>'
