"""The sizes of the terms (t, k) of a gradient, a triangle for each method, with a cross on what the method changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.draw.style import FONTS, LIGHT, ink

SIDE, LEFT, TOP, GAP, BELOW, ACROSS = 220.0, 50.0, 80.0, 40.0, 40.0, 4
"""The side of a triangle, and the room around it; how many stand side by side."""
MOST = 32
"""The number of steps that a triangle has room for."""


class Map(NamedTuple):
    """The sizes of the terms (T, T), what part of each is changed, 0 where it is not, and the first such term."""

    sizes: NDArray[np.float64]
    changed: NDArray[np.float64] | None = None
    first: tuple[int, int] | None = None


def svg(title: str, maps: Mapping[str, Map], legend: Sequence[str]) -> str:
    """Return the SVG: rows are losses t, from the first at the top, columns the steps k that they reach.

    legend: what stands at the ends of the scale, and beside the cross. Colours go by halves of powers of ten below
    the largest term of all. A cross is the larger, the more is changed; the first one is framed. Raises ValueError for
    more than 32 steps.
    """
    T = len(next(iter(maps.values())).sizes)
    if T > MOST:
        raise ValueError(
            f"svg: {T} steps are too many for a picture of all terms (t, k)\n"
            f"give {MOST} steps or fewer; print() shows any number"
        )
    cell, most = SIDE / T, max(float(of.sizes.max()) for of in maps.values()) or 1.0
    across = min(len(maps), ACROSS)
    rows = -(-len(maps) // across)
    width = LEFT + across * (SIDE + GAP)
    height = TOP + rows * (SIDE + BELOW + GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" font-family="{FONTS}" font-size="14" fill="{LIGHT.text}">'
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" fill="{LIGHT.ground}"/>',
        f'<text x="{LEFT:g}" y="26" font-size="17">{escape(title)}</text>',
        *_scale(legend),
    ]
    for n, (name, of) in enumerate(maps.items()):
        x, y = LEFT + n % across * (SIDE + GAP), TOP + n // across * (SIDE + BELOW + GAP) + 20
        parts.append(f'<text x="{x:g}" y="{y - 6:g}">{escape(name)}</text>')
        for t in range(T):
            for k in range(t + 1):
                changed = 0.0 if of.changed is None else float(of.changed[t, k])
                parts += _term(x + k * cell, y + t * cell, cell, float(of.sizes[t, k]) / most, changed)
        if of.first is not None:
            t, k = of.first
            parts.append(_frame(x + k * cell, y + t * cell, cell))
        for place, text in ((0.5, "0"), (T / 2, "t"), (T - 0.5, str(T - 1)) if T > 1 else (T / 2, "t")):
            parts.append(f'<text x="{x - 8:g}" y="{y + place * cell + 5:.1f}" text-anchor="end">{text}</text>')
            below = "k" if text == "t" else text
            parts.append(f'<text x="{x + place * cell:.1f}" y="{y + SIDE + 18:g}" text-anchor="middle">{below}</text>')
    return "\n".join([*parts, "</svg>", ""])


def colour(share: float) -> str:
    """Return the colour of a term, by its size over the largest: two steps of the scale for each power of ten."""
    if not math.isfinite(share):
        return LIGHT.not_finite
    if share <= 0:
        return LIGHT.ground
    return LIGHT.scale[max(len(LIGHT.scale) - 1 + math.ceil(2 * math.log10(share) - 1e-9), 0)]


def _term(x: float, y: float, cell: float, share: float, changed: float) -> list[str]:
    fill = colour(share)
    drawn = [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" fill="{fill}" stroke="{LIGHT.faint}" '
        'stroke-width="0.5"/>'
    ]
    if changed:
        reach = 0.14 + 0.26 * min(changed, 1.0)
        near, far = cell * (0.5 - reach), cell * (0.5 + reach)
        cross = [(near, near, far, far), (far, near, near, far)]
        path = "".join(f"M{x + a:.1f} {y + b:.1f}L{x + c:.1f} {y + d:.1f}" for a, b, c, d in cross)
        drawn.append(f'<path d="{path}" stroke="{ink(LIGHT, fill)}" stroke-width="{min(1.5, cell / 10):.2g}"/>')
    return drawn


def _frame(x: float, y: float, cell: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" fill="none" '
        f'stroke="{LIGHT.carried}" stroke-width="{min(3.0, cell / 4):.2g}"/>'
    )


def _scale(legend: Sequence[str]) -> list[str]:
    least, largest, cross = legend
    x = LEFT + 8.0 * len(least) + 10
    parts = [f'<text x="{LEFT:g}" y="53">{escape(least)}</text>']
    for k, fill in enumerate(LIGHT.scale):
        parts.append(f'<rect x="{x + 16 * k:g}" y="41" width="16" height="14" fill="{fill}"/>')
    end = x + 16 * len(LIGHT.scale) + 8
    return [*parts, f'<text x="{end:g}" y="53">{escape(largest)}; × {escape(cross)}</text>']
