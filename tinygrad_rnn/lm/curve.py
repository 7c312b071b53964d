"""A curve of the perplexity over the epochs, as an SVG of its own: no plotting library is needed to see a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from tinygrad_rnn.draw.style import CHINESE_FONTS
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import say

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 120, 48, 48
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9")  # for the colour-blind (Okabe and Ito)
DASHES = ("", "6 4", "2 3", "8 3 2 3", "12 4", "1 4")


def svg(title: str, series: Mapping[str, Sequence[float]], x_label: str = "") -> str:
    """Draw curves by name, one value for each epoch from 1, on a logarithmic axis.

    A value with no neighbour is a dot. Values that are not finite have no place, break the curve, and are counted.
    """
    x_label = x_label or say("epoch")
    values = [v for curve in series.values() for v in curve if _has_place(v)]
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    low, high = low / 1.05, max(high, low * 1.2) * 1.05
    count = max((len(curve) for curve in series.values()), default=1)

    def x(epoch: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(count - 1, 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (math.log(high / value) / math.log(high / low))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" font-family="{_fonts()}" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="16">{escape(title)}</text>',
    ]
    for value in _ticks(low, high) if values else []:  # without a value there is no scale
        parts.append(
            f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for epoch in sorted({1, (count + 1) // 2, count}):
        parts.append(f'<text x="{x(epoch):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{epoch}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    heights: list[float] = []  # of the names at the ends of the curves
    for k, (name, curve) in enumerate(series.items()):
        colour, dash = COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)]
        runs = _runs(curve)
        for run in runs:
            parts.append(_drawn([(x(epoch), y(curve[epoch - 1])) for epoch in run], colour, dash))
        left_out = sum(not _has_place(value) for value in curve)
        if left_out:
            ends = say(
                "{name}: {count} of {all} values are not finite, as where a run diverges",
                name=name,
                count=left_out,
                all=len(curve),
            )
            parts.append(f'<text x="{LEFT + 8}" y="{TOP + 16 * (k + 1)}" fill="{colour}">{escape(ends)}</text>')
        if runs:
            last = runs[-1][-1]
            height = y(curve[last - 1]) + 4
            while any(abs(height - other) < 14 for other in heights):
                height += 16
            heights.append(height)
            parts.append(
                f'<text x="{x(last) + 8:.1f}" y="{height:.1f}" fill="{colour}">{escape(name)} {curve[-1]:.3g}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _fonts() -> str:
    return "sans-serif" if current() == "en" else f"{CHINESE_FONTS},sans-serif"


def _has_place(value: float) -> bool:
    return value > 0 and math.isfinite(value)


def _runs(curve: Sequence[float]) -> list[list[int]]:
    """Return the epochs whose values have a place, as runs of neighbours."""
    found: list[list[int]] = []
    for epoch, value in enumerate(curve, start=1):
        if _has_place(value):
            if not found or found[-1][-1] != epoch - 1:
                found.append([])
            found[-1].append(epoch)
    return found


def _drawn(points: list[tuple[float, float]], colour: str, dash: str) -> str:
    if len(points) == 1:
        return f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="4" fill="{colour}"/>'
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two bounds, for a logarithmic axis; over many decades only powers of ten."""
    if high > 1e4 * low:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        return [10.0**power for power in powers[:: -(-len(powers) // 7)]]
    found = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        found += [m * 10**power for m in (1, 1.2, 1.5, 2, 3, 5, 7) if low <= m * 10**power <= high]
    if len(found) < 3:  # a narrow range
        power = math.floor(math.log10(high - low))
        step = next(m * 10.0**p for p in (power - 1, power) for m in (1, 2, 5) if high - low < 6 * m * 10.0**p)
        return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return found if len(found) < 10 else found[:: len(found) // 5]
