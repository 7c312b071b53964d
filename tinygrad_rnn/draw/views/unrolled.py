"""The unrolled picture: the boxes and arrows of a tape, a column for each step.

A box is named `v<number>` after its last entry's place on the tape. What comes from outside (a parameter, x_t, a
constant) is drawn as a small copy at each use, `v<number>_<argument>`, so that a shared parameter does not tie all the
steps into a knot; a transposed parameter or one row of x is part of that copy's label.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Array, Line, Tensor
from tinygrad_rnn.draw.views.boxes import Arrow, Box, Picture, number_signs, printable
from tinygrad_rnn.draw.views.contributions import Contributions
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.draw.views.formula import formula, is_formula, of_step, reads, symbol, unnumbered
from tinygrad_rnn.draw.views.grouping import TEXTBOOK, groups
from tinygrad_rnn.draw.views.plan import Plan, numbered
from tinygrad_rnn.draw.views.selection import Gap, Selection, select
from tinygrad_rnn.draw.views.shared_weights import acting, legend, name_of, sign
from tinygrad_rnn.draw.views.step_numbers import StepNumbers
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.array_text import log10_norm
from tinygrad_rnn.tape.full_tape import Tape

LONGEST = 24
"""The maximum length of a formula in a box. Longer ones are drawn in short, and whole in the box's title."""


def unrolled(tape: Tape, plan: Plan) -> Picture:
    """Return the boxes and arrows of a tape, a column for each step."""
    return Drawer(Reading(tape), tape.lines(), plan).draw()


class Drawer:
    """The boxes and arrows of the steps that a plan selects; `draw` makes them."""

    def __init__(self, reading: Reading, lines: list[Line], plan: Plan) -> None:
        self.reading, self.lines, self.plan = reading, lines, plan
        self.groups = groups(reading, plan.level)
        self.last_of = {k: last for last, members in self.groups.items() for k in members}
        self.box_of = {k: f"v{last}" for last, members in self.groups.items() for k in members}
        self.selection: Selection = select(reading, plan.steps, list(self.groups), plan.budget)
        self.picture = Picture(
            columns=self.selection.columns, steps=len(reading.by_time), numbers=plan.when, slide=plan.slide
        )
        self.sent: dict[Arrow, dict[Hashable, Array]] = {}  # the cotangents along each arrow, by their target
        self.added = Contributions(reading, lines, plan.back or {}, plan.cuts)
        self.shared: dict[Hashable, str] = {}
        self.values: dict[str, Any] = {}
        self.joined: set[str] = set()  # boxes that stand for several values
        self.whole = plan.level != "ops"

    def draw(self) -> Picture:
        """Return the picture."""
        # The boxes first: a group may be read before its last entry.
        for last, members in self.groups.items():
            if last in self.selection.hidden:
                self._gap(self.selection.hidden[last])
            else:
                self._own(last, members)
        for last, members in self.groups.items():
            for k in members:
                self._arrows(last, k)
        if self.plan.adds:
            self._copies()
            every = self.plan.flow or "grad" in self.plan.show
            sums = self.added.sums(self._column_of(), self.plan.of, sign if self.plan.slide else name_of)
            self.picture.sums = [row for row in sums if every or row.single]
        if self.plan.flow:
            self._flows()
        if any(box.scalar for box in self.picture.boxes.values()):
            self.picture.legend.append(number_signs(bool(self.plan.back)))
        if self.picture.weights or (self.plan.slide and self._has_copies()):
            self.picture.legend += legend(
                self.reading, self.picture, bool(self.picture.sums) or not self.picture.weights
            )
        self._cuts()
        return self.picture

    # ------------------------------------------------------------------------------------------ boxes

    def _own(self, last: int, members: list[int]) -> None:
        reading, entry, t = self.reading, self.reading.entries[last], self.reading.time[last]
        name = entry.out.name
        sub = self.plan.when.under(t)
        kind, title, detail = "op", symbol(reading, last), ""
        value = entry.out  # whose numbers and shape the box shows
        tip = formula(reading, members, self.plan.when)
        if t is not None and last not in reading.joins and self._is_cell(members):
            states = [a for k in reversed(members) if (a := reading.entries[k].out) in reading.makers]
            states = states or [a for k in reversed(members) if (a := reading.entries[k].out).name in reading.states]
            names = list(dict.fromkeys(a.name or "state" for a in states)) or [name or title]
            if states and all(a is not value for a in states):  # the step ends in a loss
                value = states[0]
            kind, title = "cell", ", ".join(n + sub for n in names)
            tip = f"cell({reads(reading, members, self.plan.when)})"
        elif entry.out in reading.begins:
            kind, detail = "named", detail_of(reading, members, self.plan.when, gate=False)
            title = ", ".join(state.title(self.plan.when.under) for state in reading.begins[entry.out])
        elif name is not None:
            gate = reading.in_gate(last) is not None
            kind = "gate" if gate else "state" if name in reading.states else "named"
            direction = dict(reading.band(last)).get("direction") if t is None else None
            title = f"{name} {direction}" if direction else name + sub
            detail = detail_of(reading, members, self.plan.when, gate)
        elif self.whole or is_formula(reading, members):
            title = formula(reading, members, self.plan.when, LONGEST)
        title, detail, tip = (printable(words) for words in (title, unnumbered(detail), tip))
        title = unnumbered(title) if kind == "op" else title
        band = reading.band(last)
        box = Box(f"v{last}", kind, title, detail, _shape(value), t, band, tip=tip, entries=tuple(members))
        self._box(numbered(self.plan, box, value, self._flow_of(members)))
        for k in members:
            for position, a in reading.outside(k):
                self._copy(last, k, position, a)

    def _is_cell(self, members: list[int]) -> bool:
        """Say whether a box is a cell: a whole step, or, in a textbook's figure, all that leads to its states."""
        if self.plan.level != TEXTBOOK:
            return self.plan.level == "cells"
        outs = [self.reading.entries[k].out for k in members]
        return any(a in self.reading.makers or a.name in self.reading.states for a in outs)

    def _copy(self, last: int, k: int, position: int, a: Any) -> None:
        """Add a small box for a value from outside, beside the box that reads it.

        At the levels of gates and cells, parameters are left out unless gradients are drawn, constants always, and
        x_t, if several boxes read it, is drawn once. All initial states that a box reads are one box, and so are all
        parameters of a cell.
        """
        kind, title, leaf = self.reading.outer(a)
        t, initial = self.reading.time[k], (k, position) in self.reading.initial
        own = f"v{k}_{position}"
        shape = _shape(a) if isinstance(a, Tensor | np.ndarray) else ""
        said, given = of_step(title, t, self.plan.when), ""
        if initial:
            kind = "input"
            said, given = self.reading.initial_title(k, position, self.plan.when.under)
        said, tip = printable(said), printable(f"{said} = {given}" if given else said)
        if self.whole or initial:
            if kind == "constant" or (kind == "parameter" and not self.plan.flow):
                return
            part_of_x = kind == "input" and not initial and isinstance(leaf, Tensor) and title != leaf.name
            key: Hashable = (title, t, *(() if part_of_x else (leaf, last)))
            if initial or (kind == "parameter" and self._is_cell(self.groups[last])):
                key = (last, "initial" if initial else kind)
            if (one := self.shared.get(key)) is not None and (not part_of_x or _same(a, self.values[one])):
                self._joined(one, tip, shape)
                self._arrow(one, f"v{last}", k, position)
                return
            self.shared[key], self.values[own] = own, a
        if kind == "parameter" and self.plan.slide and leaf is not None:
            said = tip = printable(sign(leaf) + title.removeprefix(leaf.name or "leaf"))
        band = self.reading.band(last)
        box = Box(own, kind, said, printable(given), shape, t, band, tip=tip, initial=initial, entries=(k,))
        self._box(box if self.plan.adds and isinstance(a, Tensor) else numbered(self.plan, box, a, None))
        self.values[own] = a
        self._arrow(own, f"v{last}", k, position)

    def _joined(self, one: str, tip: str, shape: str) -> None:
        """Let a box stand for one more value that its cell reads: `h₋₁, c₋₁`, `4 parameters`."""
        box = self.picture.boxes[one]
        names = box.tip.split(", ")
        if tip in names or (box.kind == "input" and not box.initial):
            return
        names.append(tip)
        self.joined.add(one)
        titles = (name.split(" = ")[0] for name in names)
        shown = say("{n} parameters", n=len(names)) if box.kind == "parameter" else ", ".join(titles)
        shape = box.shape if shape == box.shape else ""
        words: dict[str, Any] = {"title": shown, "detail": "", "tip": ", ".join(names), "shape": shape}
        self.picture.boxes[one] = replace(box, **words, scalar="", lines=(), heat=())  # numbers are of one value

    # ------------------------------------------------------------------------------------------ arrows

    def _arrows(self, last: int, k: int) -> None:
        """Add the arrows to an entry's box from the boxes that made its arguments."""
        target = self.selection.hidden.get(last) or f"v{last}"
        for position, a in enumerate(self.reading.entries[k].args):
            maker = self.reading.maker(a) if isinstance(a, Tensor) else None
            if maker is None or maker not in self.box_of:
                continue
            source = self.selection.hidden.get(maker) or self.box_of[maker]
            if source == target or not {source, target} <= self.picture.boxes.keys():
                continue
            says = ""
            if self.whole and None not in (s := self.reading.time[maker], t := self.reading.time[k]) and s != t:
                says = printable(a.name or "")
            self._arrow(source, target, k, position, says)

    def _arrow(self, source: str, target: str, k: int, position: int, says: str = "") -> None:
        said = self.picture.arrows.get((source, target), "")
        if says and says not in said.split(", "):
            said = f"{said}, {says}" if said else says
        self.picture.arrows[source, target] = said
        if self.whole and not self.plan.flow and (last := self.last_of.get(k)) is not None:
            found = [sign(w) for w in acting(self.reading, self.groups[last], k, position)]
            if found:
                there = self.picture.weights.get((source, target), ())
                self.picture.weights[source, target] = tuple(dict.fromkeys([*there, *found]))
        if self.plan.adds:
            self._note_sent((source, target), k, position)

    def _note_sent(self, arrow: Arrow, k: int, position: int) -> None:
        """Add the cotangent that entry k sends back to its argument to those of an arrow."""
        a = self.reading.entries[k].args[position]
        sent = self.added.of((k, position))
        if sent is None:
            return
        # Several uses of one value add up before their norm is taken; a parameter may have a view at each.
        what: Hashable = a
        if self.reading.maker(a) is None:
            leaf, title = self.reading.leaf(a)
            what = leaf, title
            if self.plan.level in ("cells", TEXTBOOK) and self.picture.boxes[arrow[0]].kind == "parameter":
                what, sent = leaf, self.added.to_leaf((k, position), sent)
        held = self.sent.setdefault(arrow, {})
        held[what] = held[what] + sent if what in held else sent

    def flow_along(self, use: tuple[int, int]) -> float:
        """Return log10 of the norm of the cotangent that an entry sends back to its argument of that place."""
        sent = self.added.of(use) if self.plan.flow else None
        return -np.inf if sent is None else log10_norm(sent)

    def copy_of(self, value: Tensor, box: Box) -> Box:
        """Return a small box for a value, with its shape and the numbers that `show` asks for."""
        return numbered(self.plan, replace(box, shape=_shape(value)), value, box.flow)

    def _copies(self) -> None:
        """Give each copy of a value from outside its numbers: its gradient is what its arrows add, together."""
        of_copy: dict[str, dict[Hashable, Array]] = {}
        for (source, _), parts in self.sent.items():
            held = of_copy.setdefault(source, {})
            for what, sent in parts.items():
                held[what] = held[what] + sent if what in held else sent
        for name, box in self.picture.boxes.items():
            if box.kind in ("input", "parameter"):
                parts = of_copy.get(name, {})
                flow = _together(parts.values()) if self.plan.flow else None
                if name in self.joined:  # numbers are of one value
                    shape = box.shape if "shape" in self.plan.show else ""
                    self.picture.boxes[name] = replace(box, flow=flow, shape=shape)
                else:
                    gradient, value = next(iter(parts.values()), None), self.values[name]
                    adds = self.reading.leaf(value)[0] in self.added.uses
                    self.picture.boxes[name] = numbered(self.plan, box, value, flow, gradient, adds)

    def _flows(self) -> None:
        """Set the norms of the cotangents along the arrows."""
        self.picture.flows = {arrow: _together(self.sent.get(arrow, {}).values()) for arrow in self.picture.arrows}

    def _has_copies(self) -> bool:
        return any(box.kind == "parameter" for box in self.picture.boxes.values())

    def _column_of(self) -> dict[Time, Time]:
        """Return the column in which each step is drawn."""
        gaps = {self.reading.time[k]: gap for k, gap in self.selection.hidden.items()}
        return {t: gaps.get(t, t) for t in self.reading.by_time if gaps.get(t, t) in self.picture.columns}

    def _flow_of(self, members: list[int]) -> float | None:
        """Return log10 of the norm of the gradient of a box: of its states, if it is a cell, else of its last value."""
        if not self.plan.flow:
            return None
        back, outs = self.plan.back or {}, [self.reading.entries[k].out for k in members]
        if members[-1] in self.reading.joins:
            join = self.reading.joins[members[-1]]
            return _together([back[join.whole][join.step]] if join.whole in back else [])
        if self.reading.time[members[0]] is not None and self._is_cell(members):
            outs = [a for a in outs if a in self.reading.makers or a.name in self.reading.states] or outs[-1:]
        else:
            outs = outs[-1:]
        return _together(back[a] for a in outs if a in back)

    # ------------------------------------------------------------------------------------------ the rest

    def _gap(self, gap: Gap) -> None:
        if gap not in self.picture.boxes:
            column = gap if gap in self.picture.columns else None
            self._box(Box(gap, "gap", self.selection.said[gap], "", "", column))

    def _cuts(self) -> None:
        self.picture.cuts = [t for t in self.picture.columns if t in self.plan.cuts]
        if self.plan.cuts:
            number = self.plan.when.number
            steps = ", ".join(str(number(t)) for t in sorted(self.plan.cuts))
            self.picture.notes.append(
                say("the gradient is cut before t = {steps}: nothing comes back across a cut", steps=steps)
            )
        if unseen := sorted(self.plan.cuts - set(self.picture.cuts)):
            told = ", ".join(str(self.plan.when.number(t)) for t in unseen)
            self.picture.notes.append(
                say("among the steps left out, and so not drawn: the cut before t = {steps}", steps=told)
            )

    def _box(self, box: Box) -> None:
        self.picture.boxes[box.id] = box


def detail_of(reading: Reading, members: list[int], when: StepNumbers, gate: bool) -> str:
    """Return how a named value is made: its operation, the formula of several entries, or the last sign of a gate."""
    if gate or not is_formula(reading, members):
        return symbol(reading, members[-1])
    return formula(reading, members, when, LONGEST)


def _same(a: Any, b: Any) -> bool:
    """Say whether two parts of x are one: both directions of a layer have an x of their own, of the same numbers."""
    return a is b or (a.shape == b.shape and bool(np.array_equal(a.data, b.data, equal_nan=True)))


def _together(arrays: Iterable[Array]) -> float:
    """Return log10 of the norm of some arrays side by side; minus infinity for none."""
    flat = [np.ravel(a) for a in arrays]
    return log10_norm(np.concatenate(flat)) if flat else -np.inf


def _shape(value: Tensor | Array) -> str:
    return "×".join(map(str, value.shape)) if value.shape else say("scalar")
