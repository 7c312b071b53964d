"""The places of the names of arrows: the wanted one, or the nearest on no box and on no other name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from tinygrad_rnn.draw.layout.routes import Point, at
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.layout.sizes import text_width

CELL = 120.0
"""The width of the parts of the drawing by which names and boxes are looked up."""
ROOM = 2.5
"""The room that a name keeps free on either side of it, in points."""
BELOW, ABOVE = 0.78, 0.56
"""And from its middle downwards and upwards, as parts of its size."""
TRIES = 8
SAMPLES = 16
MOST_LINES = 3_000
"""The maximum number of arrows that names are kept away from."""

Area = tuple[float, float, float, float, str]
"""Left, right, below, above, and the words that stand there."""


class Labels:
    """The places of the boxes and of the names placed so far."""

    def __init__(self, places: Layout, size: int, lowered: float) -> None:
        self.places, self.size, self.lowered = places, size, lowered
        self.taken: dict[int, list[Area]] = {}
        for name, (x, y) in places.centre.items():
            wide, high = places.width[name] / 2, places.tall.get(name, places.height) / 2
            self._take((x - wide, x + wide, y - high, y + high, ""))

    def width(self, words: str) -> float:
        """Return the approximate width of a name."""
        return text_width(words, self.size, self.lowered)

    def keep_free(self, x: float, y: float, size: float) -> None:
        """Let no name stand on a square around a place."""
        self._take((x - size / 2, x + size / 2, y - size / 2, y + size / 2, ""))

    def place(self, x: float, y: float, words: str) -> Point | None:
        """Return the middle of a name that is wanted at a place; None where the same name stands there already."""
        wide = self.width(words) / 2 + ROOM
        for k in range(2 * TRIES):
            up = (k + 1) // 2 * (self.size + 1.0) * (1 if k % 2 else -1)
            area = (x - wide, x + wide, y + up - BELOW * self.size, y + up + ABOVE * self.size, words)
            there = [other[4] for other in self._near(area) if _meet(area, other)]
            if words in there:
                return None
            if not there:
                self._take(area)
                return x, y + up
        return x, y

    def first(self, wanted: Iterable[Point], words: str, clear: bool = False) -> Point | None:
        """Return the first of several places at which a name is on no box and on the fewest arrows, or None.

        clear: on no arrow at all.
        """
        wide = self.width(words) / 2 + ROOM
        best: tuple[int, Point, Area] | None = None
        for x, y in wanted:
            area = (x - wide, x + wide, y - BELOW * self.size, y + ABOVE * self.size, words)
            if any(_meet(area, other) for other in self._near(area)):
                continue
            crossed = self._crossed(area)
            if best is None or crossed < best[0]:
                best = crossed, (x, y), area
            if not crossed:
                break
        if best is None or (clear and best[0]):
            return None
        self._take(best[2])
        return best[1]

    def _crossed(self, area: Area) -> int:
        """Return the number of points of arrows within an area."""
        left, right, low, high, _ = area
        across, up = (range(int(a // CELL), int(b // CELL) + 1) for a, b in ((left, right), (low, high)))
        points = (point for i in across for j in up for point in self.lines.get((i, j), ()))
        return sum(left < x < right and low - 1 < y < high + 1 for x, y in points)

    @cached_property
    def lines(self) -> dict[tuple[int, int], list[Point]]:
        """Return points of all arrows; none of very many, where names on arrows are the least worry."""
        found: dict[tuple[int, int], list[Point]] = {}
        if len(self.places.curves) > MOST_LINES:
            return found
        for curve in self.places.curves.values():
            for k in range(0, len(curve) - 3, 3):
                for step in range(SAMPLES + 1):
                    point = at(curve[k : k + 4], step / SAMPLES)
                    found.setdefault((int(point[0] // CELL), int(point[1] // CELL)), []).append(point)
        return found

    def _take(self, area: Area) -> None:
        for cell in range(int(area[0] // CELL), int(area[1] // CELL) + 1):
            self.taken.setdefault(cell, []).append(area)

    def _near(self, area: Area) -> list[Area]:
        return [a for cell in range(int(area[0] // CELL), int(area[1] // CELL) + 1) for a in self.taken.get(cell, ())]


def _meet(a: Area, b: Area) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
