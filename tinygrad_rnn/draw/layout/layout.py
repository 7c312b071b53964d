"""The places of the boxes and arrows of a picture: a column is a step, rows are the order within it, upwards.

The layout of a recurrent network is known beforehand, so it is computed, not searched for. Time runs to the right, with
a column for each step. Each layer and direction has rows of its own, above those of the layer before. A box that reads
the step before stands at a column's left edge, and arrows to the next step cross the gutter between two columns. Boxes
before or after all steps (a loss) stand below or above them.
Within a column, dependence decides the rows, and `arrangement` the order and the places within a row. An arrow over
several rows holds a narrow lane in each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tinygrad_rnn.draw.layout.arrangement import BETWEEN_BOXES, Spot, arranged
from tinygrad_rnn.draw.layout.columns import beside_gaps, edges, gutter, loops_room
from tinygrad_rnn.draw.layout.detours import Streets, opposed
from tinygrad_rnn.draw.layout.page import between_rows, lowered
from tinygrad_rnn.draw.layout.routes import Place, Point, route
from tinygrad_rnn.draw.layout.side_by_side import Layout, beside
from tinygrad_rnn.draw.layout.sizes import BOX_HEIGHT, box_height, box_width
from tinygrad_rnn.draw.views.boxes import Arrow, Gap, Picture
from tinygrad_rnn.draw.views.drawn_tape import Band, Time

LANE = 4.0
_BEFORE, _BETWEEN, _AFTER, _GAP = "before", "between", "after", "gap"

Groups = dict[tuple[Time, Band | str], list[str]]
"""The names of boxes by step and band. Boxes before and after all bands, and gaps, have a word for a band."""


def layout(pic: Picture) -> Layout:
    """Return the places of all boxes and arrows of a picture."""
    if pic.folded is None:
        return _Placer(pic).layout()
    others = replace(
        pic,
        boxes={name: box for name, box in pic.boxes.items() if name not in pic.folded.boxes},
        arrows={arrow: says for arrow, says in pic.arrows.items() if arrow not in pic.folded.arrows},
        columns=pic.columns[1:],
        loops=set(),
        folded=None,
    )
    return beside(_Placer(pic.folded).layout(), _Placer(others).layout())


class _Placer:
    def __init__(self, pic: Picture) -> None:
        self.pic = pic
        self.width = {name: box_width(box, lowered(pic)) for name, box in pic.boxes.items()}
        self.height = max((box_height(box) for box in pic.boxes.values() if box.kind != "gap"), default=BOX_HEIGHT)
        self.between = between_rows(pic)
        self.row_height = self.height + self.between
        self.below: dict[str, list[str]] = {name: [] for name in pic.boxes}
        self.above: dict[str, list[str]] = {name: [] for name in pic.boxes}
        for source, target in pic.arrows:
            if not pic.carried(source, target):
                self.below[target].append(source)
                self.above[source].append(target)
        self.order = {column: k for k, column in enumerate(pic.columns)}
        self.row: dict[str, int] = {}
        self.x: dict[str, float] = {}
        self.lanes: dict[Arrow, list[str]] = {}
        self.beside: dict[str, str] = {}  # an initial state at the edge, and the box that it stands beside
        self.paired: dict[str, str] = {}  # a box with its initial state beside it, anywhere in a row
        self.at_left, self.at_right = edges(pic)
        self.gutter = gutter(pic)

    def layout(self) -> Layout:
        groups = self._groups()
        bands = list(dict.fromkeys(band for _, band in groups if isinstance(band, tuple)))
        floor = lowest = self._rows(groups.get((None, _BEFORE), []), 0)
        if lowest and self.pic.columns:
            floor = lowest = lowest + 1  # room for the titles of the steps
        spans: dict[Band, tuple[float, float]] = {}
        for band in bands:
            ceiling = floor
            for column in (*self.pic.columns, None):
                ceiling = max(ceiling, self._rows(groups.get((column, band), []), floor))
            spans[band] = (floor * self.row_height, ceiling * self.row_height)
            floor = ceiling
        highest = floor
        gaps = [name for name, box in self.pic.boxes.items() if isinstance(box.column, Gap)]
        self.row.update(dict.fromkeys(gaps, lowest))
        top = max(self._rows(groups.get((None, _AFTER), []), highest), max(self.row.values(), default=0) + 1)
        columns = self._columns(groups, range(lowest, highest))
        centre = {name: (self.x[name], (self.row[name] + 0.5) * self.row_height) for name in self.pic.boxes}
        steps = (lowest * self.row_height, highest * self.row_height)
        for name in gaps:
            centre[name] = (self.x[name], (steps[0] + steps[1]) / 2)
        tall = dict.fromkeys(gaps, max(steps[1] - steps[0] - self.between, self.height))
        reach = max(self.x[name] + self.width[name] / 2 for name in centre)
        reach = max([reach, *(right for _, right in columns.values())])
        in_row: dict[tuple[Time, int], list[float]] = {}
        for name, box in self.pic.boxes.items():
            in_row.setdefault((box.column, self.row[name]), []).append(self.x[name])
        places = {
            name: Place(*centre[name], self.width[name], in_row[box.column, self.row[name]], columns.get(box.column))
            for name, box in self.pic.boxes.items()
        }
        curves = {}
        far = sorted(self.pic.loops, key=lambda a: (abs(self.row[a[0]] - self.row[a[1]]), a))
        nested = {arrow: k + 1 for k, arrow in enumerate(far)}  # the longer a loop, the further out
        for arrow in self.pic.arrows:
            lanes = [(self.x[lane], (self.row[lane] + 0.5) * self.row_height) for lane in self.lanes.get(arrow, ())]
            source, target = (places[name] for name in arrow)
            source, target = (
                self._at_gap(arrow[0], source, target, steps),
                self._at_gap(arrow[1], target, source, steps),
            )
            curves[arrow] = route(
                source,
                target,
                lanes,
                self.pic.carried(*arrow),
                self.height,
                self.between,
                nested.get(arrow, 0),
                self._far(arrow),
            )
        detours = self._detours(curves, centre, lowest, highest)
        titled = {band: span for band, span in spans.items() if any(c is not None for c, b in groups if b == band)}
        size = (reach, top * self.row_height)
        return Layout(centre, self.width, self.height, tall, curves, columns, detours, steps, titled, size, self.gutter)

    def _detours(self, curves: dict[Arrow, list[Point]], centre: dict[str, Point], low: int, high: int) -> set[Arrow]:
        """Lead arrows around boxes that they would run behind, and arrows against others aside. Return which."""
        streets = Streets(self.row_height, self.height, low, high)
        ends = {}
        for name, box in self.pic.boxes.items():
            x, y = centre[name]
            if isinstance(box.column, Gap):
                streets.walls.append((x - self.width[name] / 2, x + self.width[name] / 2, name))
                ends[name] = (x, (high - 0.5) * self.row_height), (x, (low + 0.5) * self.row_height)
            else:
                streets.add(self.row[name], x, self.width[name], name)
                ends[name] = (x, y), (x, y)
        crossing = {a: curve for a, curve in curves.items() if self.pic.carried(*a) and a not in self.pic.loops}
        against = opposed(crossing)
        found = [arrow for arrow, curve in curves.items() if arrow in against or streets.behind(curve, arrow)]
        if found:
            for lane in (lane for lanes in self.lanes.values() for lane in lanes):
                streets.add(self.row[lane], self.x[lane], 2.0, "")
        for source, target in found:
            curves[source, target] = streets.way(ends[source][0], ends[target][1])
        return set(found)

    def _far(self, arrow: Arrow) -> int:
        """Return 0 for an arrow between neighbours, else 1 or 2 by turns, so that arrows over two steps lie apart."""
        a, b = (self.order.get(self.pic.boxes[name].column) for name in arrow)
        return 0 if a is None or b is None or abs(a - b) < 2 else 1 + a % 2

    def _at_gap(self, name: str, place: Place, other: Place, steps: tuple[float, float]) -> Place:
        """Return the place where an arrow meets a gap: at the height of its other end, so that its line is straight."""
        if not isinstance(self.pic.boxes[name].column, Gap):
            return place
        low, high = ((end + sign * self.row_height / 2) for end, sign in zip(steps, (1, -1), strict=True))
        return replace(place, y=min(max(other.y, low), high))

    def _groups(self) -> Groups:
        """Return the boxes of each step and band, and those before, between and after the steps, in order."""
        boxes = self.pic.boxes
        leads, follows = self._reach(self.below), self._reach(self.above)
        groups: Groups = {}
        seen: set[Band] = set()
        for name, box in boxes.items():
            band: Band | str
            if isinstance(box.column, Gap):
                band = _GAP
            elif box.column is not None:
                band = box.band
                seen.add(band)
            elif name not in leads:
                band = _AFTER
            else:
                band = (_BETWEEN, len(seen)) if name in follows else _BEFORE  # above all bands so far
            groups.setdefault((box.column, band), []).append(name)
        return groups

    def _reach(self, near: dict[str, list[str]]) -> set[str]:
        """Return the boxes outside of time that are tied to a step in one direction, directly or through each other."""
        boxes = self.pic.boxes
        found: set[str] = set()
        todo = [name for name, box in boxes.items() if box.column is not None]
        while todo:
            for other in near[todo.pop()]:
                if boxes[other].column is None and other not in found:
                    found.add(other)
                    todo.append(other)
        return found

    def _rows(self, names: list[str], floor: int) -> int:
        """Give each box of a group its row, above all that it reads. Return the next free row.

        What comes from outside stands right under its reader.
        """
        members = set(names)
        initial = [name for name in names if self.pic.boxes[name].initial]
        # A box that reads only the step before stands as high as it can, in the first step too.
        late = [name for name in names if self.above[name] and not set(self.below[name]) - set(initial)]
        above_late = {target for name in late if name not in initial for target in self.above[name]}
        for name in names:
            if name not in late:
                inner = [self.row[source] for source in self.below[name] if source in self.row and source in members]
                self.row[name] = max([floor - (name not in above_late), *inner]) + 1
        for name in late:
            if name not in initial:
                self.row[name] = max(floor, self._lowest_reader(name, members, floor + 1) - 1)
        edges = Counter((self.row[name], self._edge(name)) for name in names if name in self.row and self._edge(name))
        in_row = Counter(self.row[name] for name in names if name in self.row)
        for name in initial:  # beside its reader, where the state comes from in other steps
            reader = self.above[name].pop()
            self.below[reader].remove(name)
            row = self.row[name] = self.row[reader]
            side = 1 if self._edge(name) > 0 else -1
            others = sum(edges[row, k] for k in range(-3, 4))
            if not others or others == in_row[row] == 1 or (self._edge(reader) == side and edges[row, side] == 1):
                if not others:  # in a first step unlike the others, the initial state alone tells the edge
                    (self.at_right if side > 0 else self.at_left).add(reader)
                    edges[row, side] += 1
                self.beside[name] = reader
                edges[row, side] += 1
            else:  # not alone at the edge
                self.paired[reader] = name
        return max((self.row[name] + 1 for name in names), default=floor)

    def _lowest_reader(self, name: str, members: set[str], default: int) -> int:
        return min((self.row[target] for target in self.above[name] if target in members), default=default)

    def _columns(self, groups: Groups, rows: range) -> dict[Time, tuple[float, float]]:
        """Give every box its x. Return the edges of each column. `rows` are those of the steps."""
        right = 0.0
        columns: dict[Time, tuple[float, float]] = {}
        in_column: dict[Time, list[str]] = {}
        for (column, _), names in groups.items():
            if column is not None:
                in_column.setdefault(column, []).extend(names)
        for source, target in self.pic.arrows:
            a, b = self.pic.boxes[source].column, self.pic.boxes[target].column
            if (a is None) != (b is None) and rows:
                self._through(source, target, in_column[a if b is None else b], rows)
        for column in self.pic.columns:
            left = right + (self.gutter if columns else 0.0)
            right = left + self._place(in_column.get(column, []), left)
            columns[column] = (left, right)
        gaps = [columns[column] for column in self.pic.columns if isinstance(column, Gap)]
        for (column, band), names in groups.items():
            if column is None:
                wide = self._place(names, 0.0)
                left = right / 2 - wide / 2
                if band not in (_BEFORE, _AFTER):
                    left = beside_gaps(gaps, left, wide)
                for name in names:
                    self.x[name] += left
        start = min(self.x[name] - self.width[name] / 2 for name in self.pic.boxes)
        start -= loops_room(self.pic)
        self.x = {name: x - start for name, x in self.x.items()}
        return {column: (a - start, b - start) for column, (a, b) in columns.items()}

    def _edge(self, name: str) -> int:
        """Return the place of a box in its row: from -3, the left edge of the step, to 3, the right one; 0 is anywhere.

        A box beside its reader stands nearer to it than an initial state whose arrows go upwards.
        """
        side = -1 if name in self.at_left else 1 if name in self.at_right else 0
        if name in self.beside:
            return 2 * side
        return 3 * side if name in self.pic.boxes and self.pic.boxes[name].initial else side

    def _through(self, source: str, target: str, names: list[str], rows: range) -> None:
        """Hold a place in every row of a step for an arrow from a step to what lies outside of it, or the other way."""
        crossed = [row for row in range(self.row[source] + 1, self.row[target]) if row in rows]
        if not crossed or "gap" in (self.pic.boxes[source].kind, self.pic.boxes[target].kind):
            return
        inside, before = self.pic.boxes[source].column is not None, None
        lane = [f"{source}>{target}@{row}" for row in crossed]
        for name, row in zip(lane, crossed, strict=True):
            self.row[name], self.width[name] = row, LANE
            self.below[name], self.above[name] = [before] if before else [], []
            if before:
                self.above[before].append(name)
            before = name
        if inside:
            self.above[source].append(lane[0])
            self.below[lane[0]].append(source)
        else:
            self.below[target].append(lane[-1])
            self.above[lane[-1]].append(target)
        names.extend(lane)
        self.lanes[source, target] = lane

    def _lane(self, source: str, target: str, names: list[str], members: set[str]) -> None:
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
            members.add(name)
            lane.append(name)
            before = name
        self.above[before].append(target)
        self.below[target].append(before)
        self.lanes[source, target] = lane

    def _place(self, names: list[str], left: float) -> float:
        """Order a group within its rows and give each box its x, with the leftmost edge at `left`. Return the width."""
        if not names:
            return 0.0
        members = set(names)
        for name in list(names):
            for source in list(self.below[name]):
                if source in members and self.row[name] - self.row[source] > 1:
                    self._lane(source, name, names, members)
        pairs = {name: self.paired[name] for name in names if name in self.paired}
        rooms = {name: self.width[other] + 2 * BETWEEN_BOXES for name, other in pairs.items()}
        all_names, apart = names, set(pairs.values())
        names = [name for name in names if name not in apart]
        index = {name: k for k, name in enumerate(names)}
        group = tuple(
            Spot(
                self.row[name],
                self.width[name],
                rooms.get(name, 0.0) * (name not in self.at_right),
                rooms.get(name, 0.0) * (name in self.at_right),
                self._edge(name),
                index.get(self.beside.get(name, ""), -1),
                tuple(index[other] for other in self.below[name] if other in members),
                tuple(index[other] for other in self.above[name] if other in members),
            )
            for name in names
        )
        places = arranged(group)
        self.x.update((name, left + place) for name, place in zip(names, places, strict=True))
        for name, other in pairs.items():
            side = 1 if name in self.at_right else -1
            self.x[other] = self.x[name] + side * ((self.width[name] + self.width[other]) / 2 + 2 * BETWEEN_BOXES)
        return max(self.x[name] + self.width[name] / 2 for name in all_names) - left
