"""The places of the parameters' names on the arrows along which they act, in small type, beside the line."""

from __future__ import annotations

from tinygrad_rnn.draw.layout.labels import ABOVE, BELOW, Labels
from tinygrad_rnn.draw.layout.routes import Point, at
from tinygrad_rnn.draw.layout.shapes_around import Furniture, Text
from tinygrad_rnn.draw.layout.side_by_side import Layout
from tinygrad_rnn.draw.layout.sizes import short
from tinygrad_rnn.draw.style import Theme
from tinygrad_rnn.draw.views.boxes import Arrow, Picture


def weight_names(found: Furniture, pic: Picture, places: Layout, labels: Labels, theme: Theme) -> None:
    """Add the names. One that has no free place beside its arrow is left out: the legend has it."""
    if not pic.weights:
        return
    # An initial state comes last: in other steps the same name stands at the state.
    for arrow, names in sorted(pic.weights.items(), key=lambda item: pic.boxes[item[0][0]].initial):
        words = short(", ".join(names))
        wide = labels.width(words)
        initial = pic.boxes[arrow[0]].initial
        place = labels.first(_beside(arrow, pic, places, labels.size, wide), words, clear=initial)
        if place is not None:
            found.texts.append(Text(*place, words, theme.weight, labels.size))


def _beside(arrow: Arrow, pic: Picture, places: Layout, size: int, wide: float) -> list[Point]:
    """Return places for a name beside an arrow, the best first: near its end, where its row is clear."""
    curve = places.curves[arrow]
    x, y = curve[-1]
    if curve[0][0] == x and pic.carried(*arrow):  # a loop from a box to itself
        far = x - 0.75 * (x - min(a for a, _ in curve))
        middle = (curve[0][1] + y) / 2
        return [(far - 5 - wide / 2, middle + up) for up in (0, 8, -8, 16, -16, 24)]
    if curve[-1][1] == curve[-2][1]:  # it enters from the side
        left = curve[-2][0] < x
        away = 8.0 + wide / 2
        sideways = [x - away if left else x + away, x - away - 14 if left else x + away + 14]
        if curve[0][1] == y and not pic.carried(*arrow):  # an initial state, right beside the box
            return [((curve[0][0] + x) / 2, y + up * (places.height / 2 + 7)) for up in (1, -1)]
        return [(place, y + up) for place in sideways for up in (BELOW * size + 2.5, -ABOVE * size - 2.5)]
    found = []
    middle = (curve[0][1] + y) / 2 + (BELOW - ABOVE) * size / 2  # the name as far from the box above as from that below
    for share in (0.5, 0.4, 0.7, 0.25, 0.85):
        px, py = at(curve[-4:], share)
        py = middle if share == 0.5 and len(curve) == 4 else py
        found += [(px + 4 + wide / 2, py), (px - 4 - wide / 2, py), (px + 14 + wide / 2, py), (px - 14 - wide / 2, py)]
    return found
