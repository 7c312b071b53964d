"""Ways around boxes: an arrow that would run behind a box takes a way through the free places of the rows.

Boxes stand in rows, so the channels between two rows are free. Only the boxes of steps left out are as high as all
steps. A way leaves its source at the top, crosses row after row where no box stands, and enters its target from below.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from tinygrad_rnn.draw.layout.routes import Point, at, rise
from tinygrad_rnn.draw.views.boxes import Arrow

BESIDE = 5.0
"""The distance from a box at which an arrow crosses its row, where there is room."""
TURN = 12.0
"""The height to which an arrow rises above a box before it turns down."""
SAMPLES = 24

Span = tuple[float, float, str]
"""The left and right edge of a box in its row, and its name."""


@dataclass
class Streets:
    """The boxes in each row, and the height of the rows. `walls` reach over all rows from `low` up to `high`."""

    row_height: float
    height: float
    low: int
    high: int
    rows: dict[int, list[Span]] = field(default_factory=dict)
    walls: list[Span] = field(default_factory=list)

    def add(self, row: int, x: float, width: float, name: str) -> None:
        """Let a box, or an arrow that runs there, stand in a row."""
        insort(self.rows.setdefault(row, []), (x - width / 2, x + width / 2, name))

    def edges(self, row: int) -> Point:
        """Return the bottom and the top of the boxes of a row."""
        middle = (row + 0.5) * self.row_height
        return middle - self.height / 2, middle + self.height / 2

    def behind(self, curve: list[Point], own: tuple[str, str]) -> bool:
        """Say whether an arrow runs behind a box that it neither leaves nor enters."""
        return any(self._hit(curve[k : k + 4], own) for k in range(0, len(curve) - 3, 3))

    def _hit(self, part: list[Point], own: tuple[str, str]) -> bool:
        xs, ys = [x for x, _ in part], [y for _, y in part]
        left, right, low, high = min(xs), max(xs), min(ys), max(ys)
        found = [
            (a + 1, b - 1, self.low * self.row_height + 11, self.high * self.row_height - 11)
            for a, b, name in self.walls
            if a < right and b > left and name not in own
        ]
        for row in range(int(low // self.row_height), int(high // self.row_height) + 1):
            bottom, top = self.edges(row)
            if bottom < high and top > low:
                found += [(a + 1, b - 1, bottom + 1, top - 1) for a, b in self._within(row, left, right, own)]
        if not found:
            return False
        points = [at(part, k / SAMPLES) for k in range(SAMPLES + 1)]
        return any(a < x < b and bottom < y < top for x, y in points for a, b, bottom, top in found)

    def _within(self, row: int, left: float, right: float, own: tuple[str, str]) -> Iterable[Point]:
        """Yield (left, right) of the boxes of a row, other than `own`, that reach between two places."""
        spans = self.rows.get(row, [])
        k = bisect_left(spans, (left, -inf, ""))
        while k > 0 and spans[k - 1][1] > left:
            k -= 1
        while k < len(spans) and spans[k][0] < right:
            if spans[k][2] and spans[k][2] not in own:
                yield spans[k][:2]
            k += 1

    # ------------------------------------------------------------------------------------------ the way

    def way(self, start: Point, end: Point) -> list[Point]:
        """Return the way from the top of the box centred at `start` to the bottom of the box centred at `end`."""
        here, there = (int(y // self.row_height) for _, y in (start, end))
        channel, x = here + 1, start[0]  # a channel has the number of the row above it
        crossed = []
        for stop, wanted, side in self._legs(x, channel, end[0], there):
            while channel != stop:
                up = channel < stop
                row = channel if up else channel - 1
                x = self._free(row, x, wanted, self._limits(side))
                crossed.append((row, x, up))
                channel += 1 if up else -1
        for row, place, _ in crossed:
            self.add(row, place, 2.0, "")  # further detours keep away from it
        return self._curve(start[0], self.edges(here)[1], crossed, end[0], self.edges(there)[0])

    def _legs(self, x: float, channel: int, end: float, last: int) -> list[tuple[int, float, float]]:
        """Return the legs of a way: a channel, the place there, and a place between the walls of the crossing."""
        free, last_free = (not self.low < number < self.high for number in (channel, last))
        if free and not self._wall(end):
            return [(last, end, end)]
        if last_free and not self._wall(x):
            return [(last, end, x)]
        if free and last_free:  # from below a wall to above it
            beside = self._wall(x)[0][0] - 2 * BESIDE
            return [(last, end, beside)]
        if self._limits(x) == self._limits(end):
            return [(last, end, x)]
        over, below = (abs(way - channel) + abs(way - last) for way in (self.high, self.low))
        return [(self.high if over <= below else self.low, x, x), (last, end, end)]

    def _wall(self, x: float) -> list[Span]:
        """Return the walls at a place: one or none."""
        return [wall for wall in self.walls if wall[0] < x < wall[1]]

    def _limits(self, x: float) -> Point:
        """Return the nearest wall on either side of a place."""
        ends = [-inf, *(end for a, b, _ in self.walls for end in (a, b)), inf]
        return next(((a, b) for a, b in pairwise(sorted(ends)) if a <= x <= b), (-inf, inf))

    def _free(self, row: int, x: float, wanted: float, limits: Point) -> float:
        """Return the place to cross a row on the way from x to a wanted place, with the least way aside."""
        spans = [(-inf, limits[0]), *((a, b) for a, b, _ in self.rows.get(row, [])), (limits[1], inf)]
        best: tuple[float, float, float] | None = None
        reach = -inf
        for (_, right), (left, _) in pairwise(sorted(spans)):
            reach = max(reach, right)
            beside = min(BESIDE, (left - reach) / 2)
            if beside < 2.0:
                continue
            place = min(max(x, reach + beside), left - beside)
            cost = abs(place - x) + abs(place - wanted)
            if best is None or (cost, abs(place - x)) < best[:2]:
                best = cost, abs(place - x), place
        return best[2] if best is not None else x

    def _curve(self, x: float, y: float, crossed: list[tuple[int, float, bool]], x1: float, y1: float) -> list[Point]:
        curve, up = [(x, y)], True
        for row, place, upward in crossed:
            enter, leave = self.edges(row) if upward else self.edges(row)[::-1]
            curve += _turn(curve[-1], (place, enter), up, upward)
            third = (leave - enter) / 3
            curve += [(place, enter + third), (place, leave - third), (place, leave)]
            up = upward
        return [*curve, *_turn(curve[-1], (x1, y1), up, True)]


def opposed(curves: dict[Arrow, list[Point]]) -> set[Arrow]:
    """Return the arrows that would run along the line of others, against them, since one box sends and receives there.

    They are those of the direction that has fewer arrows.
    """
    rightward = {arrow: curve[0][0] < curve[-1][0] for arrow, curve in curves.items()}
    against = 2 * sum(rightward.values()) < len(rightward)  # the direction of the fewer
    sent, received = ({curve[end] for curve in curves.values()} for end in (0, -1))
    both = sent & received
    return {a for a, curve in curves.items() if rightward[a] == against and both & {curve[0], curve[-1]}}


def _turn(start: Point, end: Point, up: bool, upward: bool) -> list[Point]:
    """Return the way through a channel: on in the same direction, or back on the side from which it came."""
    if up == upward:
        return rise(start, end)
    (x0, y0), (x1, y1) = start, end
    side = TURN if up else -TURN
    return [(x0, y0 + side), (x1, y1 + side), (x1, y1)]
