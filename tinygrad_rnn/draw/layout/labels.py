"""The places of the names of arrows: the wanted one, or the nearest on no box and on no other name."""

from __future__ import annotations

from tinygrad_rnn.draw.layout.layout import Layout
from tinygrad_rnn.draw.layout.routes import Point
from tinygrad_rnn.draw.layout.sizes import text_width

SIZE = 9
CELL = 120.0
"""The width of the parts of the drawing by which names and boxes are looked up."""
ROOM, BELOW, ABOVE = 2.5, 7.0, 5.0
"""The room that a name keeps free on either side of it, and from its middle downwards and upwards."""
TRIES = 8

Area = tuple[float, float, float, float, str]
"""Left, right, below, above, and the words that stand there."""


class Labels:
    """The places of the boxes and of the names placed so far."""

    def __init__(self, places: Layout) -> None:
        self.taken: dict[int, list[Area]] = {}
        for name, (x, y) in places.centre.items():
            wide, high = places.width[name] / 2, places.tall.get(name, places.height) / 2
            self._take((x - wide, x + wide, y - high, y + high, ""))

    def place(self, x: float, y: float, words: str) -> Point | None:
        """Return the middle of a name that is wanted at a place; None where the same name stands there already."""
        wide = text_width(words, SIZE) / 2 + ROOM
        for k in range(2 * TRIES):
            up = (k + 1) // 2 * (SIZE + 1.0) * (1 if k % 2 else -1)
            area = (x - wide, x + wide, y + up - BELOW, y + up + ABOVE, words)
            there = [other[4] for other in self._near(area) if _meet(area, other)]
            if words in there:
                return None
            if not there:
                self._take(area)
                return x, y + up
        return x, y

    def _take(self, area: Area) -> None:
        for cell in range(int(area[0] // CELL), int(area[1] // CELL) + 1):
            self.taken.setdefault(cell, []).append(area)

    def _near(self, area: Area) -> list[Area]:
        return [a for cell in range(int(area[0] // CELL), int(area[1] // CELL) + 1) for a in self.taken.get(cell, ())]


def _meet(a: Area, b: Area) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
