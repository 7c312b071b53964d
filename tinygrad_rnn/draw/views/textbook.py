"""A textbook's figure: one step with its recurrent edges, and beside it the same unrolled: x, h, y and L.

A cell is all that leads to the states of a step. What else a step makes and names, an output or a loss, has a box of
its own. An output of all steps at once, `ys = stack(hs) @ V + c`, is drawn in each step if each of its rows is made of
the state of this step alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.boxes import Arrow, Box, Folded, Gap, Picture, number_signs
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.draw.views.plan import Plan
from tinygrad_rnn.draw.views.rolled import rolled
from tinygrad_rnn.draw.views.selection import sorted_steps
from tinygrad_rnn.draw.views.shared_weights import legend
from tinygrad_rnn.draw.views.unrolled import unrolled
from tinygrad_rnn.tape.full_tape import Tape

MOST = 4
"""The maximum number of steps that are drawn, if none are asked for."""
_BY_ROW = ("softmax", "log_softmax")


def textbook(tape: Tape, plan: Plan) -> Picture:
    """Return both halves as one picture: `folded` is the first, and the second is all other boxes.

    Raises ValueError for a tape without steps, and where more than names and single numbers is asked for.
    """
    if plan.flow or plan.cuts or set(plan.show) - {"scalar"}:
        raise ValueError(
            'draw: view="textbook" has names and single numbers alone\n'
            'draw flow, cuts, shapes and arrays with view="unrolled"'
        )
    reading = Reading(tape)
    times = sorted_steps(reading)
    if plan.steps is None and len(times) > MOST:
        plan = replace(plan, steps=(*times[:2], times[-1]))
    loop = _told(_by_step(rolled(tape, replace(plan, steps=None, cuts=frozenset())), reading))
    steps = _told(_by_step(unrolled(tape, plan), reading))
    steps.legend = [*_numbers(steps), *legend(reading, steps, bool(steps.sums))]
    return _beside(loop, steps)


def _numbers(pic: Picture) -> list[str]:
    """Return the legend of single numbers, where there are some."""
    return [words for words in pic.legend if words.startswith(number_signs(False))]


def _beside(loop: Picture, steps: Picture) -> Picture:
    """Return two pictures as one. The boxes of the first have an r before their ids."""
    column = Folded("folded")
    boxes = {
        f"r{name}": replace(box, id=f"r{name}", column=None if box.column is None else column)
        for name, box in loop.boxes.items()
    }
    folded = replace(
        loop,
        boxes=boxes,
        columns=[column],
        arrows={_renamed(arrow): says for arrow, says in loop.arrows.items()},
        loops={_renamed(arrow) for arrow in loop.loops},
        weights={_renamed(arrow): names for arrow, names in loop.weights.items()},
    )
    return replace(
        steps,
        boxes={**boxes, **steps.boxes},
        columns=[column, *steps.columns],
        arrows=folded.arrows | steps.arrows,
        loops=folded.loops,
        weights=folded.weights | steps.weights,
        folded=folded,
    )


def _renamed(arrow: Arrow) -> Arrow:
    return f"r{arrow[0]}", f"r{arrow[1]}"


def _told(pic: Picture) -> Picture:
    """Return a picture with names alone in its boxes, and without notes."""
    boxes = {name: replace(box, detail="" if box.kind != "op" else box.detail) for name, box in pic.boxes.items()}
    return replace(pic, boxes=boxes, notes=[])


def _by_step(pic: Picture, reading: Reading) -> Picture:
    """Return a picture in which each step's row of an output stands in the step, and no stack of states is drawn."""
    boxes = dict(pic.boxes)
    reads: dict[str, list[str]] = {}
    for source, target in pic.arrows:
        reads.setdefault(target, []).append(source)
    new: dict[str, dict[Time, str]] = {}  # for a value of all steps, the box that stands for it in each column
    arrows: dict[Arrow, str] = {}
    weights: dict[Arrow, tuple[str, ...]] = {}
    for name, box in pic.boxes.items():  # a box comes after what it reads
        sources = reads.get(name, [])
        columns = {t: source for source in sources if (t := pic.boxes[source].column) is not None}
        inner = sources[0] if len(sources) == 1 and sources[0] in new else None
        if _is_stack(box, reading) and len(columns) == len(sources) > 0:
            new[name] = columns
            del boxes[name]
        elif inner is not None and box.column is None and _by_row(box, reading):
            new[name] = {t: name if isinstance(t, Gap) else f"{name}_{k}" for k, t in enumerate(new[inner])}
            del boxes[name]
            for t, source in new[inner].items():
                if isinstance(t, Gap):
                    new[name][t] = source
                    continue
                here = new[name][t]
                title = box.title + _under(pic, t)
                boxes[here] = replace(box, id=here, column=t, band=boxes[source].band, title=title, scalar="")
                arrows[source, here] = ""
                if (inner, name) in pic.weights:
                    weights[source, here] = pic.weights[inner, name]
    for (source, target), says in pic.arrows.items():
        if target in new:
            continue
        for one in new[source].values() if source in new else (source,):
            arrows[one, target] = says
            if (source, target) in pic.weights:
                weights[one, target] = pic.weights[source, target]
    return replace(pic, boxes=boxes, arrows=arrows, weights=weights)


def _under(pic: Picture, t: Time) -> str:
    """Return the subscript of a step, as it stands under the other names of the picture."""
    for box in pic.boxes.values():
        if box.column == t and box.kind in ("cell", "state"):
            name = box.title.split(", ")[0]
            return name[len(name.rstrip("₀₁₂₃₄₅₆₇₈₉₋ₜ")) :]
    return ""


def _is_stack(box: Box, reading: Reading) -> bool:
    """Say whether a box only puts the states of all steps together."""
    if box.column is not None or not box.entries:
        return False
    entries = [reading.entries[k] for k in box.entries]
    return all(entry.op.name == "stack" and entry.kwargs["axis"] == 0 for entry in entries)


def _by_row(box: Box, reading: Reading) -> bool:
    """Say whether a box makes each row, along the first axis, from the same row of a single value that has steps."""
    steps = len(reading.by_time)
    inside = {reading.entries[k].out for k in box.entries}
    sources: set[Tensor] = set()
    for k in box.entries:
        entry = reading.entries[k]
        if np.shape(entry.out.data)[:1] != (steps,) or entry.out.ndim < 2:
            return False
        ndim = entry.out.ndim
        rows = [a for a in entry.args if isinstance(a, Tensor | np.ndarray) and np.ndim(a) >= ndim]
        if entry.op.name == "matmul":
            right = entry.args[1]
            if rows[:1] != [entry.args[0]] or np.ndim(right) > 2 or (isinstance(right, Tensor) and right in inside):
                return False
            rows = [entry.args[0]]
        elif entry.op.name in _BY_ROW:
            if entry.kwargs.get("axis", -1) not in (-1, ndim - 1):
                return False
        elif entry.op.kind != "elementwise":
            return False
        if not all(isinstance(a, Tensor) for a in rows):
            return False
        sources.update(a for a in rows if isinstance(a, Tensor) and a not in inside)
    return len(sources) == 1
