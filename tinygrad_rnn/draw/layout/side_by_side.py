"""Where everything stands: what a layout returns, and two of them side by side."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_rnn.draw.layout.routes import Point
from tinygrad_rnn.draw.views.boxes import Arrow
from tinygrad_rnn.draw.views.drawn_tape import Band, Time

BETWEEN = 90.0
"""The distance between two drawings side by side."""


@dataclass(frozen=True)
class Layout:
    """The centres and widths of boxes, y upwards, in points; the curve of each arrow; the steps' edges; the extent.

    A curve is a list of points as Bézier segments need them: start, then control, control, end for each segment.
    """

    centre: dict[str, Point]
    width: dict[str, float]
    height: float  # of every box
    tall: dict[str, float]  # except of these: a gap is as high as the steps
    curves: dict[Arrow, list[Point]]
    columns: dict[Time, tuple[float, float]]
    detours: set[Arrow]  # arrows that go around boxes
    band: tuple[float, float]  # the bottom and the top of the steps
    bands: dict[Band, tuple[float, float]]  # and of each layer and direction
    size: Point
    gutter: float  # the width between two columns


def beside(left: Layout, right: Layout) -> Layout:
    """Return two layouts as one: the second at the right of the first, the steps of both on one line."""
    aside = left.size[0] + BETWEEN
    up = right.band[0] - left.band[0]
    left, right = _moved(left, 0.0, max(up, 0.0)), _moved(right, aside, max(-up, 0.0))
    height = max(left.height, right.height)
    tall = left.tall | right.tall
    for part in (left, right):
        if part.height != height:
            tall |= {name: part.tall.get(name, part.height) for name in part.centre}
    return Layout(
        left.centre | right.centre,
        left.width | right.width,
        height,
        tall,
        left.curves | right.curves,
        left.columns | right.columns,
        left.detours | right.detours,
        (min(left.band[0], right.band[0]), max(left.band[1], right.band[1])),
        left.bands | right.bands,
        (right.size[0], max(left.size[1], right.size[1])),
        max(left.gutter, right.gutter),
    )


def _moved(places: Layout, x: float, y: float) -> Layout:
    """Return a layout that is moved to the right and upwards."""
    return Layout(
        {name: (a + x, b + y) for name, (a, b) in places.centre.items()},
        places.width,
        places.height,
        places.tall,
        {arrow: [(a + x, b + y) for a, b in curve] for arrow, curve in places.curves.items()},
        {column: (a + x, b + x) for column, (a, b) in places.columns.items()},
        places.detours,
        (places.band[0] + y, places.band[1] + y),
        {band: (a + y, b + y) for band, (a, b) in places.bands.items()},
        (places.size[0] + x, places.size[1] + y),
        places.gutter,
    )
