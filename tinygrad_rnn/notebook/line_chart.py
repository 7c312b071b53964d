"""Curves over the steps as a small SVG, for a light page and for a dark one."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

from tinygrad_rnn.notebook.html_parts import Markup
from tinygrad_rnn.notebook.inline_svg import fitted

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 620, 240, 62, 16, 14, 40
COLOURS = ("#1f8fd6", "#e0701a", "#1a9e77", "#cc79a7")
"""Between light and dark, so that each has a contrast above 3 on white and on black."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
MOST_TICKS = 5
INK, DARK_INK = "#6b6b6b", "#e0e0e0"
"""The colour of axes and their texts, on a light page and on a dark one, where the first is read as well."""


def chart(curves: Mapping[str, Sequence[float]], x_label: str, y_label: str, first: int = 0) -> Markup:
    """Return curves of log10 by name, one value for each x = first, first + 1, ..., with a legend.

    Values that are not finite are left out. The ticks of the y axis are the numbers themselves.
    """
    drawn = chart_svg(curves, x_label, first)
    if not drawn:
        return Markup("")
    picture = fitted(drawn, f"{y_label} over {x_label}: {', '.join(curves)}", drawn.replace(INK, DARK_INK))
    return Markup(f'<div style="margin:6px 0"><div>{_legend(curves, y_label)}</div>{picture}</div>')


def chart_svg(curves: Mapping[str, Sequence[float]], x_label: str, first: int = 0, y_label: str = "") -> str:
    """Return the picture of `chart` alone, as SVG; nothing for fewer than two values, or none that is finite.

    y_label: what stands above the y axis, where the picture has no legend beside it.
    """
    values = [v for curve in curves.values() for v in curve if math.isfinite(v)]
    count = max((len(curve) for curve in curves.values()), default=0)
    if not values or count < 2:
        return ""
    low, high = min(values), max(values)
    margin = max((high - low) * 0.03, 0.02)
    low, high = low - margin, high + margin
    top = TOP + (18 if y_label else 0)

    def x(k: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * k / (count - 1)

    def y(value: float) -> float:
        return top + (HIGH - top - BOTTOM) * (high - value) / (high - low)

    parts = [f'<text x="{LEFT - 6}" y="{TOP}" font-style="italic">{html.escape(y_label)}</text>'] if y_label else []
    for value in _log_ticks(low, high):
        parts.append(
            f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDE - RIGHT}" y2="{y(value):.1f}" stroke="{INK}" '
            f'stroke-opacity=".2"/><text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{_power(value)}</text>"
        )
    for value in _whole_ticks(first, first + count - 1):
        parts.append(f'<text x="{x(value - first):.1f}" y="{HIGH - BOTTOM + 16}" text-anchor="middle">{value}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HIGH - 6}" text-anchor="middle">{html.escape(x_label)}</text>')
    for k, curve in enumerate(curves.values()):
        parts += _curve(curve, x, y, COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" '
        f'font-size="12" font-family="sans-serif" fill="{INK}">{"".join(parts)}</svg>'
    )


def _legend(curves: Mapping[str, object], y_label: str) -> str:
    """Return the names, each with a piece of its line; of one curve, the label of the axis."""
    if len(curves) == 1:
        return html.escape(y_label)
    found = []
    for k, name in enumerate(curves):
        dash, colour = DASHES[k % len(DASHES)], COLOURS[k % len(COLOURS)]
        line = f'<line x1="0" y1="5" x2="28" y2="5" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>'
        found.append(f'<svg width="28" height="10" style="vertical-align:middle">{line}</svg> {html.escape(name)}')
    return f"{html.escape(y_label)}: " + "&emsp;".join(found)


def _curve(
    curve: Sequence[float], x: Callable[[float], float], y: Callable[[float], float], colour: str, dash: str
) -> list[str]:
    """Return the pieces of a curve between the values that are not finite; a value with no neighbour is a dot."""
    runs: list[list[int]] = []
    for k, value in enumerate(curve):
        if math.isfinite(value):
            if not runs or runs[-1][-1] != k - 1:
                runs.append([])
            runs[-1].append(k)
    drawn = []
    for run in runs:
        points = [f"{x(k):.1f},{y(curve[k]):.1f}" for k in run]
        if len(points) == 1:
            a, b = points[0].split(",")
            drawn.append(f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>')
        else:
            drawn.append(
                f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2.5" '
                f'stroke-dasharray="{dash}"/>'
            )
    return drawn


def round_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two bounds."""
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(power * m for m in (0.2, 0.5, 1, 2, 5, 10) if (high - low) / (power * m) <= MOST_TICKS)
    return [step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return the log10 of round numbers: of 1, 2 and 5 times powers of ten, or of a few powers of ten."""
    if high - low > 2:
        return [v for v in round_ticks(low, high) if v == round(v)]
    powers = range(math.floor(low), math.ceil(high) + 1)
    fine = [power + math.log10(m) for power in powers for m in (1, 1.2, 1.5, 2, 3, 5, 7)]
    found = [v for v in fine if low <= v <= high]
    return found if len(found) <= MOST_TICKS else [v for v in found if round(v % 1, 3) in (0, 0.301, 0.699)]


def _power(value: float) -> str:
    """Write 10^value."""
    return f"{10**value:.3g}" if abs(value) < 4 else f"1e{value:.0f}"


def _whole_ticks(first: int, last: int) -> list[int]:
    """Return round whole numbers from `first` to `last`."""
    ticks = round_ticks(first, last)
    step = max(1, round(ticks[1] - ticks[0]))
    return [first, *(k for k in range(step, last + 1, step) if k - first > step / 2)]
