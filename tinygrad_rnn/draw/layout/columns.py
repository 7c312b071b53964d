"""The boxes at the edges of a step: those at the left take a state, those at the right hand one on. And gaps."""

from __future__ import annotations

from collections.abc import Hashable

from tinygrad_rnn.draw.layout.page import BETWEEN_COLUMNS, CLOSE_COLUMNS, label_size
from tinygrad_rnn.draw.layout.sizes import letters
from tinygrad_rnn.draw.views.boxes import Picture
from tinygrad_rnn.draw.views.drawn_tape import Time

LETTER = 0.511
"""The approximate width of a letter of a name, in parts of its size."""


def edges(pic: Picture) -> tuple[set[str], set[str]]:
    """Return the boxes at a column's left edge, which read the step before, and at its right, read by the next step.

    The first step reads initial states where later ones read the step before, and the last hands nothing on: a box
    belongs at an edge if the box of the same place and operation in any step does.
    """
    boxes = pic.boxes
    order = {column: k for k, column in enumerate(pic.columns)}
    handed = [arrow for arrow in pic.arrows if pic.carried(*arrow)]
    columns: dict[Time, list[str]] = {column: [] for column in pic.columns}
    for name, box in boxes.items():
        if box.column is not None and "_" not in name:
            columns[box.column].append(name)
    place = {
        name: (k, boxes[name].kind, boxes[name].shape) for names in columns.values() for k, name in enumerate(names)
    }
    left: set[Hashable] = set()
    right: set[Hashable] = set()
    from_right: set[Hashable] = set()
    for source, target in handed:
        # A loop stands for time running to the right.
        rightward = order[boxes[source].column] <= order[boxes[target].column]
        (left if rightward else right).add(place.get(target))
        (right if rightward else left).add(place.get(source))
        if not rightward:
            from_right.add(place.get(target))
    at_left = {name for name in place if place[name] in left}
    at_right = {name for name in place if place[name] in right} - at_left
    taken = {b for a, b in handed if order[boxes[a].column] > order[boxes[b].column]}  # the right side, by an arrow
    for source, target in pic.arrows:
        if boxes[source].initial:
            (at_right if place[target] in from_right and target not in taken else at_left).add(source)
    return at_left, at_right


def gutter(pic: Picture) -> float:
    """Return the width between two columns: room for the names of what is carried and of what acts on it."""
    crossing = [arrow for arrow in pic.arrows if pic.carried(*arrow)]
    names = max((letters(", ".join(pic.weights.get(arrow, ()))) for arrow in crossing), default=0.0)
    says = max((letters(pic.arrows[arrow]) for arrow in crossing), default=0.0)
    least = CLOSE_COLUMNS if pic.slide else BETWEEN_COLUMNS
    return max(least, LETTER * label_size(pic) * (names + says) + 26.0 if names else 0.0)


def loops_room(pic: Picture) -> float:
    """Return the width at the left of a step for its loops and the names on them."""
    if not pic.loops:
        return 0.0
    names = max(letters(", ".join(pic.weights.get(arrow, ()))) for arrow in pic.loops)
    return 30 + 14 * len(pic.loops) + LETTER * label_size(pic) * names


def beside_gaps(gaps: list[tuple[float, float]], left: float, wide: float) -> float:
    """Return the place nearest to `left` where a group so wide stands on no gap: gaps are as high as all steps."""
    places = [left, *(low - 20.0 - wide for low, _ in gaps), *(high + 20.0 for _, high in gaps)]
    free = [x for x in places if all(x + wide < low or x > high for low, high in gaps)]
    return min(free, key=lambda x: (abs(x - left), x))
