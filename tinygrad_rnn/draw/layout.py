"""Where the boxes and arrows of a picture go: columns are steps, rows are the order within a step, from the bottom up.

The layout of a recurrent network is known beforehand, so it is computed, not searched for: time runs to the right, a
column for each step; what reads the step before stands at a column's left edge, and what is handed on crosses the
gutter between two columns; what comes before or after all steps (a loss) stands in a band below or above them.
Within a column: rows by dependence, a few barycentre sweeps for the order (Sugiyama et al., 1981), and the places that
are nearest to the neighbours' by least squares. An arrow over several rows holds a narrow lane in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tinygrad_rnn.draw.picture import GAP, Picture

Point = tuple[float, float]

ROW = 50.0
"""From one row to the next, in points."""
BOX_HEIGHT = 30.0
BETWEEN_BOXES = 10.0
BETWEEN_COLUMNS = 60.0
LANE = 4.0
SWEEPS = 4


@dataclass(frozen=True)
class Layout:
    """Centres and widths of boxes, y upwards, in points; the curve of each arrow; the steps' edges; the extent.

    A curve is a list of points as Bézier segments need them: start, then control, control, end for each segment.
    """

    centre: dict[str, Point]
    width: dict[str, float]
    curves: dict[tuple[str, str], list[Point]]
    columns: dict[Any, tuple[float, float]]
    band: tuple[float, float]  # from where to where, upwards, the steps reach
    size: Point


def layout(pic: Picture) -> Layout:
    """Places for all boxes and arrows of a picture."""
    return _Placer(pic).layout()


class _Placer:
    def __init__(self, pic: Picture) -> None:
        self.pic = pic
        self.width = {name: _box_width(pic, name) for name in pic.boxes}
        self.below: dict[str, list[str]] = {name: [] for name in pic.boxes}
        self.above: dict[str, list[str]] = {name: [] for name in pic.boxes}
        self.handed = [arrow for arrow in pic.arrows if pic.carried(*arrow)]
        for source, target in pic.arrows:
            if not pic.carried(source, target):
                self.below[target].append(source)
                self.above[source].append(target)
        self.row: dict[str, int] = {}
        self.x: dict[str, float] = {}
        self.lanes: dict[tuple[str, str], list[str]] = {}
        self.in_row: dict[tuple[Any, int], list[str]] = {}
        self.at_left, self.at_right = self._edges()

    def layout(self) -> Layout:
        groups = self._groups()
        floor = self._rows(groups["before"], 0)
        ceiling = floor
        for column in self.pic.columns:
            ceiling = max(ceiling, self._rows(groups[column], floor))
        if GAP in groups:
            self.row[GAP] = (floor + ceiling) // 2
        top = self._rows(groups["after"], ceiling)
        right = 0.0
        columns: dict[Any, tuple[float, float]] = {}
        for column in self.pic.columns:
            left = right + (BETWEEN_COLUMNS if columns else 0.0)
            right = left + self._place(groups[column], left)
            columns[column] = (left, right)
        middle = right / 2
        for band in ("before", "after"):
            wide = self._place(groups[band], 0.0)
            for name in groups[band]:
                self.x[name] += middle - wide / 2
        start = min(self.x[name] - self.width[name] / 2 for name in self.pic.boxes)
        self.x = {name: x - start for name, x in self.x.items()}
        columns = {column: (a - start, b - start) for column, (a, b) in columns.items()}
        centre = {name: (self.x[name], (self.row[name] + 0.5) * ROW) for name in self.pic.boxes}
        reach = max(self.x[name] + self.width[name] / 2 for name in centre)
        for name, box in self.pic.boxes.items():
            self.in_row.setdefault((box.column, self.row[name]), []).append(name)
        curves = {arrow: self._curve(arrow, columns) for arrow in self.pic.arrows}
        return Layout(centre, self.width, curves, columns, (floor * ROW, ceiling * ROW), (reach, top * ROW))

    def _edges(self) -> tuple[set[str], set[str]]:
        """Boxes at a column's left edge, which read the step before, and at its right, which are read by the next.

        The first step reads initial states where later ones read the step before, and the last hands nothing on: a box
        belongs at an edge if the box of the same place and operation in any step does.
        """
        boxes = self.pic.boxes
        columns: dict[Any, list[str]] = {column: [] for column in self.pic.columns}
        for name, box in boxes.items():
            if box.column is not None and "_" not in name:
                columns[box.column].append(name)
        place = {
            name: (k, boxes[name].detail, boxes[name].shape)
            for names in columns.values()
            for k, name in enumerate(names)
        }
        left = {place[target] for _, target in self.handed}
        right = {place[source] for source, _ in self.handed}
        at_left = {name for name in place if place[name] in left}
        at_left |= {copy for name in at_left for copy in self.below[name] if boxes[copy].kind == "input"}
        return at_left, {name for name in place if place[name] in right} - at_left

    def _groups(self) -> dict[Any, list[str]]:
        """The boxes of each step, and of what stands before and after all steps, in the order of the tape."""
        boxes = self.pic.boxes
        leads_to_steps: set[str] = set()
        todo = [name for name, box in boxes.items() if box.column is not None]
        while todo:
            for source in self.below[todo.pop()]:
                if boxes[source].column is None and source not in leads_to_steps:
                    leads_to_steps.add(source)
                    todo.append(source)
        groups: dict[Any, list[str]] = {column: [] for column in (*self.pic.columns, "before", "after")}
        for name, box in boxes.items():
            band = "before" if name in leads_to_steps else "after"
            groups[band if box.column is None else box.column].append(name)
        return groups

    def _rows(self, names: list[str], floor: int) -> int:
        """Give each box of a group its row, above all that it reads, and each long arrow its lanes; the next row free.

        What comes from outside stands right under its reader.
        """
        members = set(names)
        copies = [name for name in names if not self.below[name] and self.above[name]]
        has_copy = {target for name in copies for target in self.above[name]}
        for name in names:
            if self.below[name] or not self.above[name]:
                inner = [self.row[source] for source in self.below[name] if source in self.row and source in members]
                self.row[name] = max([floor - (name not in has_copy), *inner]) + 1
        for name in copies:
            readers = [self.row[target] for target in self.above[name] if target in members]
            self.row[name] = max(floor, min(readers, default=floor + 1) - 1)
        for name in list(names):
            for source in list(self.below[name]):
                if source in members and self.row[name] - self.row[source] > 1:
                    self._lane(source, name, names)
        return max((self.row[name] + 1 for name in names), default=floor)

    def _lane(self, source: str, target: str, names: list[str]) -> None:
        """Hold a narrow place for an arrow in every row that it crosses."""
        self.below[target].remove(source)
        self.above[source].remove(target)
        before, lane = source, []
        for row in range(self.row[source] + 1, self.row[target]):
            name = f"{source}>{target}@{row}"
            self.row[name], self.width[name] = row, LANE
            self.below[name], self.above[name] = [before], []
            self.above[before].append(name)
            names.append(name)
            lane.append(name)
            before = name
        self.above[before].append(target)
        self.below[target].append(before)
        self.lanes[source, target] = lane

    def _place(self, names: list[str], left: float) -> float:
        """Order a group within its rows and give each box its x, the leftmost edge at `left`; how wide it is."""
        if not names:
            return 0.0
        members = set(names)
        rows: dict[int, list[str]] = {}
        for position, name in enumerate(names):
            rows.setdefault(self.row[name], []).append(name)
            self.x[name] = float(position)
        for sweep in range(2 * SWEEPS):
            near = self.below if sweep % 2 == 0 else self.above
            for level in sorted(rows, reverse=sweep % 2 == 1):
                pull = {}
                for name in rows[level]:
                    places = [self.x[other] for other in near[name] if other in members]
                    pull[name] = sum(places) / len(places) if places else self.x[name]
                if sweep < SWEEPS:
                    rows[level].sort(key=lambda n: (n not in self.at_left, n in self.at_right, pull[n]))
                places = _nearest([pull[n] for n in rows[level]], [self.width[n] for n in rows[level]])
                self.x.update(zip(rows[level], places, strict=True))
        leftmost = min(self.x[name] - self.width[name] / 2 for name in names)
        for name in names:
            self.x[name] += left - leftmost
        return max(self.x[name] + self.width[name] / 2 for name in names) - left

    def _curve(self, arrow: tuple[str, str], columns: dict[Any, tuple[float, float]]) -> list[Point]:
        """The way of an arrow: upwards from row to row, or through the gutters from step to step."""
        source, target = arrow
        (x0, y0), (x1, y1) = ((self.x[n], (self.row[n] + 0.5) * ROW) for n in arrow)
        if arrow in self.handed:
            return self._across(source, target, columns)
        stops = [(x0, y0 + BOX_HEIGHT / 2)]
        stops += [(self.x[lane], (self.row[lane] + 0.5) * ROW) for lane in self.lanes.get(arrow, ())]
        stops += [(x1, y1 - BOX_HEIGHT / 2)]
        curve = stops[:1]
        for (xa, ya), (xb, yb) in pairwise(stops):
            bend = (yb - ya) * 0.45
            curve += [(xa, ya + bend), (xb, yb - bend), (xb, yb)]
        return curve

    def _across(self, source: str, target: str, columns: dict[Any, tuple[float, float]]) -> list[Point]:
        """From step to step: along the row to the gutter, through it, along the row of the reader.

        Where another box of the row is in the way, the arrow runs above the row it leaves and below the one it enters.
        """
        (x0, y0), (x1, y1) = ((self.x[n], (self.row[n] + 0.5) * ROW) for n in (source, target))
        side = 1 if x0 < x1 else -1
        out = columns[self.pic.boxes[source].column][side > 0]
        into = columns[self.pic.boxes[target].column][side < 0]
        bend = (into - out) * 0.6
        if self._blocked(source, side):
            high, low = y0 + ROW / 2, y0 + BOX_HEIGHT / 2
            leave = [(x0, low), (x0, low), (x0, high), (x0 + 12 * side, high), (x0 + 12 * side, high), (out, high)]
            leave, y0 = [*leave, (out, high)], high
        else:
            edge = x0 + side * self.width[source] / 2
            leave = [(edge, y0), (edge, y0), (out, y0), (out, y0)]
        if self._blocked(target, -side):
            low, high = y1 - ROW / 2, y1 - BOX_HEIGHT / 2
            before = x1 - 12 * side
            enter = [(into, low), (before, low), (before, low), (before, low), (x1, low), (x1, high)]
            y1 = low
        else:
            edge = x1 - side * self.width[target] / 2
            enter = [(into, y1), (edge, y1), (edge, y1)]
        return [*leave, (out + bend, y0), (into - bend, y1), (into, y1), *enter]

    def _blocked(self, name: str, side: int) -> bool:
        """Whether a box of the same row and step stands on that side: 1 is right, -1 left."""
        column, row = self.pic.boxes[name].column, self.row[name]
        return any((self.x[other] - self.x[name]) * side > 0 for other in self.in_row.get((column, row), ()))


def _nearest(wanted: list[float], widths: list[float]) -> list[float]:
    """Places as near as can be to the wanted ones (least squares) that keep the order and do not overlap.

    With the needed distances taken off, this is isotonic regression: pool adjacent violators.
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + BETWEEN_BOXES)
    pools: list[tuple[float, int]] = []  # mean, count
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, many = pools.pop()
            mean, count = (mean * count + other * many) / (count + many), count + many
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]


def _box_width(pic: Picture, name: str) -> float:
    """Enough for its text: the title at 11 points, the shape at 8."""
    box = pic.boxes[name]
    return max(34.0, 7.2 * len(box.label) + 12.0, 5.2 * len(box.shape) + 10.0)


def column_title(column: Any) -> str:
    """What stands under a column."""
    return "" if column == GAP else f"t = {column}"
