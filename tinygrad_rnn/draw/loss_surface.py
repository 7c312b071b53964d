"""A loss over two parameters as a map, and the paths that an optimiser takes on it: an SVG of its own.

The map has bands of equal loss, from pale (small) to dark. Where bands are narrow the loss is steep: at a cliff they
lie on one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.draw.style import fonts
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.line_chart import round_ticks

Point = tuple[float, float]

WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM, ROW = 560, 400, 68, 44, 118, 48, 20
PALE, DARK = (247, 250, 253), (112, 150, 196)
"""The colours of the smallest and of the largest loss. Both are light enough for the paths to stand out."""
COLOURS = ("#b02a00", "#111111", "#6a2c91", "#00614a")
DASHES = ("7 4", "", "2 3", "9 3 2 3")


def svg(
    title: str,
    xs: ArrayLike,
    ys: ArrayLike,
    values: ArrayLike,
    paths: Mapping[str, ArrayLike],
    x_label: str = "w",
    y_label: str = "b",
) -> str:
    """Draw losses over a grid, and paths by name on top, each with a ring where it begins and a disc where it ends.

    xs (m,) and ys (n,) increase; values (n, m): values[j, k] is the loss at (xs[k], ys[j]). A path (steps, 2) has the
    points (x, y); points outside of the grid are counted below the map. The same numbers give the same bytes.

    Raises ValueError for shapes that do not fit, axes that do not increase, and numbers that are not finite.
    """
    x, y, z = (np.asarray(each, np.float64) for each in (xs, ys, values))
    walked = {name: np.asarray(points, np.float64) for name, points in paths.items()}
    _require(x, y, z, walked)
    low, high = float(z.min()), float(z.max())
    levels = _levels(low, high)

    def place(point: Point) -> Point:
        right = LEFT + WIDE * (point[0] - x[0]) / (x[-1] - x[0])
        return float(right), float(TOP + HIGH * (y[-1] - point[1]) / (y[-1] - y[0]))

    width, height = LEFT + WIDE + RIGHT, TOP + HIGH + BOTTOM + ROW * len(walked) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="{fonts()}" font-size="13"><title>{escape(title)}</title>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<clipPath id="map"><rect x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}"/></clipPath>',
        f'<text x="{LEFT}" y="26" font-size="16">{escape(title)}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="{_colour(0)}"/>',
    ]
    for k, level in enumerate(levels, start=1):
        drawn = "".join(_shape([place(p) for p in piece]) for piece in region(x, y, z, level))
        colour = _colour(k / len(levels))
        parts.append(f'<path d="{drawn}" fill="{colour}" stroke="{colour}" stroke-width="0.7"/>')
    parts += _axes(x, y, place, x_label, y_label) + _scale(levels, low)
    for k, (name, points) in enumerate(walked.items()):
        parts += _path(name, points, x, y, place, k)
    return "\n".join([*parts, "</svg>", ""])


def _levels(low: float, high: float) -> list[float]:
    """Return round numbers between two losses, some five to twelve: the bounds of the bands."""
    if not high > low:
        return []
    few = round_ticks(low, low + (high - low) / 2)
    step = few[1] - few[0]
    return [step * k for k in range(math.floor(low / step) + 1, math.ceil(high / step))]


def region(
    x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64], level: float
) -> list[Sequence[Point]]:
    """Return polygons that cover where z (n, m), linear along the sides of each cell of the grid, is at least `level`.

    Cells in a row that lie wholly within it are one polygon.
    """
    found: list[Sequence[Point]] = []
    for j in range(len(y) - 1):
        begun: int | None = None  # the column where a run of whole cells began
        for k in range(len(x)):
            whole = k < len(x) - 1 and z[j : j + 2, k : k + 2].min() >= level
            if whole and begun is None:
                begun = k
            if not whole and begun is not None:
                found.append([(x[begun], y[j]), (x[k], y[j]), (x[k], y[j + 1]), (x[begun], y[j + 1])])
                begun = None
            if k < len(x) - 1 and not whole and z[j : j + 2, k : k + 2].max() >= level:
                corners = ((j, k), (j, k + 1), (j + 1, k + 1), (j + 1, k))
                found.append(_above([((x[b], y[a]), float(z[a, b])) for a, b in corners], level))
    return found


def _above(corners: Sequence[tuple[Point, float]], level: float) -> list[Point]:
    """Cut a polygon off where its value, linear along each side, falls below a level."""
    kept: list[Point] = []
    for (a, at_a), (b, at_b) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if at_a >= level:
            kept.append(a)
        if (at_a >= level) != (at_b >= level):
            part = (level - at_a) / (at_b - at_a)
            kept.append((a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))
    return kept


def _shape(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + "Z"


def _colour(part: float) -> str:
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in zip(PALE, DARK, strict=True))


def _axes(
    x: NDArray[np.float64], y: NDArray[np.float64], place: Callable[[Point], Point], x_label: str, y_label: str
) -> list[str]:
    foot = TOP + HIGH
    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#555"/>']
    for value in round_ticks(float(x[0]), float(x[-1])):
        a, _ = place((value, float(y[0])))
        parts.append(f'<path d="M{a:.1f} {foot}v5" stroke="#555"/>')
        parts.append(f'<text x="{a:.1f}" y="{foot + 19}" text-anchor="middle">{value:.6g}</text>')
    for value in round_ticks(float(y[0]), float(y[-1])):
        _, b = place((float(x[0]), value))
        parts.append(f'<path d="M{LEFT} {b:.1f}h-5" stroke="#555"/>')
        parts.append(f'<text x="{LEFT - 9}" y="{b + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    parts.append(f'<text x="{LEFT + WIDE / 2:g}" y="{foot + 38}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text x="16" y="{TOP + HIGH / 2:g}">{escape(y_label)}</text>')
    return parts


def _scale(levels: Sequence[float], low: float) -> list[str]:
    """Return the key of the bands, the largest loss on top; between two bands stands the loss that parts them."""
    left, each = LEFT + WIDE + 20, 20
    parts = [f'<text x="{left}" y="{TOP + 12}">{say("loss")}</text>']
    for k in range(len(levels) + 1):
        top = TOP + 24 + each * (len(levels) - k)
        parts.append(
            f'<rect x="{left}" y="{top}" width="20" height="{each}" fill="{_colour(k / max(len(levels), 1))}" '
            f'stroke="#999" stroke-width="0.5"/>'
        )
        if k or not levels:
            said = levels[k - 1] if levels else low
            parts.append(f'<text x="{left + 26}" y="{top + each + 4}" font-size="11">{said:.6g}</text>')
    return parts


def _path(
    name: str,
    points: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    place: Callable[[Point], Point],
    k: int,
) -> list[str]:
    """Return one path, cut off at the edges of the map, and its row below the map."""
    colour, dash = COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)]
    at = [place((float(a), float(b))) for a, b in points]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in at[1:-1])
    ends = (
        f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="6" fill="white" stroke="{colour}" stroke-width="2.5"/>'
        f'<circle cx="{at[-1][0]:.1f}" cy="{at[-1][1]:.1f}" r="6"/>'
    )
    inside = (points >= (x[0], y[0])).all(axis=1) & (points <= (x[-1], y[-1])).all(axis=1)
    out = len(points) - int(inside.sum())
    said = name
    if out:
        said = say("{name}: {out} of {all} points lie outside of the map", name=name, out=out, all=len(points))
    row = TOP + HIGH + BOTTOM + ROW * k + 12
    return [
        f'<g clip-path="url(#map)" fill="{colour}"><polyline points="{line}" fill="none" stroke="{colour}" '
        f'stroke-width="2.2" stroke-dasharray="{dash}"/>{dots}{ends}</g>',
        f'<line x1="{LEFT}" y1="{row}" x2="{LEFT + 36}" y2="{row}" stroke="{colour}" stroke-width="2.2" '
        f'stroke-dasharray="{dash}"/><text x="{LEFT + 46}" y="{row + 4}" fill="{colour}">{escape(said)}</text>',
    ]


def _require(
    x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64], paths: Mapping[str, NDArray[np.float64]]
) -> None:
    if x.ndim != 1 or y.ndim != 1 or min(x.size, y.size) < 2 or z.shape != (y.size, x.size):
        raise ValueError(
            f"loss_surface: xs {x.shape}, ys {y.shape}, values {z.shape}\n"
            "give xs (m,) and ys (n,), each of two numbers or more, and values (n, m), values[j, k] at (xs[k], ys[j])"
        )
    for name, axis in (("xs", x), ("ys", y)):
        if not (np.isfinite(axis).all() and (np.diff(axis) > 0).all()):
            raise ValueError(f"loss_surface: {name} does not increase\ngive the places of the grid in increasing order")
    if not np.isfinite(z).all():
        raise ValueError(
            f"loss_surface: {int((~np.isfinite(z)).sum())} of {z.size} values are not finite\n"
            "give a finite loss at each place of the grid, such as its logarithm, or a smaller grid"
        )
    for name, points in paths.items():
        if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
            raise ValueError(
                f"loss_surface: the path {name!r} has shape {points.shape}, or a number that is not finite\n"
                "give finite points (steps, 2), one row (x, y) for each step"
            )
