"""The order of boxes within the rows of a step, and their places from left to right.

A few barycentre sweeps find the order (Sugiyama et al., 1981); least squares finds the places nearest to the
neighbours'. Steps that are alike share one group, so it is arranged once.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple


class Spot(NamedTuple):
    """The facts that decide the place of a box. Other boxes are given by their number in the group."""

    row: int
    width: float
    left: float  # the room that it keeps free on either side of it, for a box that stands there
    right: float
    edge: int  # the edge of the step to which it belongs: from -3, the left one, to 3, the right one; 0 is anywhere
    beside: int  # the box that it stands beside, or -1
    below: tuple[int, ...]  # the boxes that it reads
    above: tuple[int, ...]  # and those that read it


Group = tuple[Spot, ...]

BETWEEN_BOXES = 10.0
APART = 60.0
"""The distance of a box from the one that it stands beside, where nothing else decides."""
SWEEPS = 4


@lru_cache(maxsize=256)
def arranged(group: Group) -> tuple[float, ...]:
    """Return the x of the centre of each box, with the leftmost edge at 0."""
    x = [float(number) for number in range(len(group))]
    rows: dict[int, list[int]] = {}
    for number, box in enumerate(group):
        rows.setdefault(box.row, []).append(number)
    for sweep in range(2 * SWEEPS):
        for level in sorted(rows, reverse=sweep % 2 == 1):
            pull = {}
            for number in rows[level]:
                box = group[number]
                places = [x[other] for other in (box.below if sweep % 2 == 0 else box.above)]
                pull[number] = sum(places) / len(places) if places else x[number]
                if box.beside >= 0:
                    pull[number] = x[box.beside] + (APART if box.edge > 0 else -APART)
            if sweep < SWEEPS:
                rows[level].sort(key=lambda n: (group[n].edge, pull[n]))
            places = _nearest([pull[n] for n in rows[level]], [group[n] for n in rows[level]])
            for number, place in zip(rows[level], places, strict=True):
                x[number] = place
    leftmost = min(place - box.width / 2 - box.left for place, box in zip(x, group, strict=True))
    return tuple(place - leftmost for place in x)


def _nearest(wanted: list[float], boxes: list[Spot]) -> list[float]:
    """Return the places nearest to the wanted ones (least squares) that keep the order and do not overlap.

    With the needed distances taken off, this is isotonic regression: pool adjacent violators.
    """
    offsets = [0.0]
    for a, b in pairwise(boxes):
        offsets.append(offsets[-1] + (a.width + b.width) / 2 + BETWEEN_BOXES + a.right + b.left)
    pools: list[tuple[float, int]] = []  # mean, count
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, many = pools.pop()
            mean, count = (mean * count + other * many) / (count + many), count + many
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]
