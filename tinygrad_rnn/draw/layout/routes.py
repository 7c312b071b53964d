"""The ways of arrows: upwards from row to row, through the gutters from step to step, or around a step to itself.

A way is a list of points as Bézier segments need them: start, then control, control, end for each segment.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]

WIDE = 30.0
"""The width from which an arrow between two rows is level in its middle."""
MIDDLE, HIGHER = 0.5, 0.65
"""The places between two rows, as parts of the room there, of arrows to the right and to the left."""
HEAD = 6.0
"""The length of the straight part at each end of an arrow, where its head is."""


@dataclass(frozen=True)
class Place:
    """The place of a box: its centre and width, the centres of the boxes in its row and step, and the step's edges."""

    x: float
    y: float
    width: float
    row: list[float]
    column: tuple[float, float] | None

    def blocked(self, side: int) -> bool:
        """Say whether a box of the same row and step stands on that side: 1 is right, -1 left."""
        return any((other - self.x) * side > 0 for other in self.row)


def route(
    source: Place,
    target: Place,
    lanes: list[Point],
    carried: bool,
    height: float,
    room: float,
    loop: int,
    far: int = 0,
) -> list[Point]:
    """Return the way of an arrow: over its lanes, between steps if `carried`, or around a step as its `loop`-th loop.

    height: that of the boxes; room: that between two rows.
    `far`: 1 or 2, the height at which the arrow passes over the boxes of steps in between; 0 where there are none.
    """
    if carried and source.column is not None and target.column is not None:
        return _across(source, target, height, room, loop, far)
    if source.y == target.y and source.column == target.column:  # an initial state beside its reader
        side = 1 if source.x < target.x else -1
        start, end = source.x + side * source.width / 2, target.x - side * target.width / 2
        third = (end - start) / 3
        return [(start, source.y), (start + third, source.y), (end - third, source.y), (end, source.y)]
    # Through a row an arrow runs straight up its lane; it goes aside only between the rows, where no box stands.
    curve = [(source.x, source.y + height / 2)]
    for x, y in lanes:
        low, high = y - height / 2, y + height / 2
        curve += [*rise(curve[-1], (x, low)), (x, low + height / 3), (x, high - height / 3), (x, high)]
    return [*curve, *rise(curve[-1], (target.x, target.y - height / 2))]


def rise(start: Point, end: Point) -> list[Point]:
    """Return the way from one row to a higher one: upwards at both ends.

    A wide one is level in between. There an arrow to the right runs lower than one to the left: opposite arrows share
    no stretch of line.
    """
    (x0, y0), (x1, y1) = start, end
    leave, enter = (0.45, 0.45) if abs(x1 - x0) < WIDE else (0.25, 0.65) if x0 < x1 else (0.65, 0.25)
    return [(x0, y0 + leave * (y1 - y0)), (x1, y1 - enter * (y1 - y0)), end]


def _across(source: Place, target: Place, height: float, room: float, loop: int, far: int) -> list[Point]:
    """Return the way from step to step: along the row to the gutter, through it, along the row of the reader.

    Where another box of the row is in the way, the arrow runs above the row it leaves and below the one it enters,
    in the middle between two rows, or, to the left, a little higher: opposite arrows share no stretch of line.
    A loop leaves and enters at the left, and runs around outside of the step.
    """
    assert source.column is not None
    assert target.column is not None
    (x0, y0), (x1, y1) = (source.x, source.y), (target.x, target.y)
    side = 1 if x0 < x1 and not loop else -1
    into_side = side if not loop else 1
    out, into = source.column[side > 0], target.column[into_side < 0]
    if source.blocked(side):
        high, low = y0 + height / 2 + room * (MIDDLE if side > 0 or loop else HIGHER), y0 + height / 2
        leave = [
            (x0, low),
            (x0, (low + high) / 2),
            (x0, high),
            (x0 + 12 * side, high),
            (x0 + 12 * side, high),
            (out, high),
        ]
        leave, y0 = [*leave, (out, high)], high
    else:
        edge = x0 + side * source.width / 2
        leave = [(edge, y0), (edge + HEAD * side, y0), (out, y0), (out, y0)]
    if target.blocked(-into_side):
        low, high = y1 - height / 2 - room * (1 - (MIDDLE if into_side > 0 else HIGHER)), y1 - height / 2
        before = x1 - 12 * into_side
        enter = [(into, low), (before, low), (before, low), (before, low), (x1, low), (x1, high)]
        y1 = low
    else:
        edge = x1 - into_side * target.width / 2
        enter = [(into, y1), (edge - HEAD * into_side, y1), (edge, y1)]
    if loop:
        around, turn = out - 14.0 - 14.0 * loop, 14.0 if y0 >= y1 else -14.0
        if abs(y0 - y1) < 1:  # from a box to itself: above it and back
            return _self_loop(source, height, loop)
        middle = [(around, y0), (around, y0), (around, y0 - turn), (around, y0 - turn), (around, y1 + turn)]
        return [*leave, *middle, (around, y1 + turn), (around, y1), (around, y1), (into, y1), *enter]
    if far:
        over = (max(y0, y1) if abs(y0 - y1) < height else y0) + height / 2 + 3.0 * far + (1.0 if side > 0 else 2.5)
        a, b = out + 20.0 * side, into - 20.0 * side
        up = [((out + a) / 2, y0), ((out + a) / 2, over), (a, over), (a, over), (b, over), (b, over)]
        return [*leave, *up, ((into + b) / 2, over), ((into + b) / 2, y1), (into, y1), *enter]
    bend = (into - out) * 0.6
    return [*leave, (out + bend, y0), (into - bend, y1), (into, y1), *enter]


def _self_loop(place: Place, height: float, loop: int) -> list[Point]:
    """Return the way of a loop: out at the upper left, around, in at the lower left."""
    edge, far = place.x - place.width / 2, place.x - place.width / 2 - 22.0 - 14.0 * loop
    high, low = place.y + height / 5, place.y - height / 5
    return [(edge, high), (far, high + 16), (far, low - 16), (edge, low)]


def at(part: list[Point], s: float) -> Point:
    """Return a point of a Bézier segment."""
    r = 1 - s
    weights = r**3, 3 * s * r**2, 3 * s**2 * r, s**3
    return sum(w * x for w, (x, _) in zip(weights, part, strict=True)), sum(
        w * y for w, (_, y) in zip(weights, part, strict=True)
    )
