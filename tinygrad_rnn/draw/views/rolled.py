"""One step with its recurrent edge, in the place of all: made from the same tape, where the steps are alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tinygrad_rnn.draw.views.boxes import Arrow, Box, Gap, Picture
from tinygrad_rnn.draw.views.formula import bare, subscript
from tinygrad_rnn.draw.views.unrolled import Plan, unrolled
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import Likeness, likeness
from tinygrad_rnn.tape.steps import steps as steps_of

MOST_NOTES = 4
"""How many of the steps that differ are named below the drawing."""


def rolled(tape: Tape, plan: Plan) -> Picture:
    """One step and its recurrent edges; its notes say which steps are not like it. Raises ValueError without steps."""
    if plan.steps is not None or plan.cuts:
        what = "steps" if plan.steps is not None else "cuts"
        raise ValueError(f'draw: view="rolled" draws one step in the place of all\ngive {what} to view="unrolled"')
    alike = likeness(tape)
    if alike.reference is None:
        raise ValueError('draw: view="rolled", and the tape has no steps\nrecord each step under scope(t=...)')
    here, times = alike.reference, list(steps_of(tape))
    place = times.index(here)
    around = times[max(0, place - 1) : place + 2]

    def when(t: Any) -> str:
        if t == here or t is None:
            return "" if t is None else "ₜ"
        whole = isinstance(t, int) and isinstance(here, int)
        return f"ₜ{subscript(t - here) if t < here else '₊' + subscript(t - here)}" if whole else f"({t})"

    full = unrolled(tape, replace(plan, steps=tuple(around), when=when))
    return _folded(full, here, len(times), alike)


def _folded(full: Picture, here: Any, count: int, alike: Likeness) -> Picture:
    """Of an unrolled picture one column; what it reads of its neighbours is read of itself, around a loop."""
    twin = _twins(full, here)
    kept = {name: box for name, box in full.boxes.items() if box.column in (here, None) and name not in _lonely(full)}
    loop = Picture(kept, columns=[here], flows=None if full.flows is None else {})
    for (source, target), says in full.arrows.items():
        if target not in kept or isinstance(full.boxes[source].column, Gap):
            continue
        arrow: Arrow = (source, target)
        if source not in kept:
            if full.boxes[target].column is None or twin.get(source) is None:
                continue
            arrow = (twin[source], target)
            loop.loops.add(arrow)
        loop.arrows[arrow] = says
        if loop.flows is not None and full.flows is not None and (source, target) in full.flows:
            loop.flows[arrow] = full.flows[source, target]
    loop.notes = list(_notes(here, count, alike))
    return loop


def _lonely(full: Picture) -> set[str]:
    """Boxes outside of time that are tied to nothing that is drawn."""
    tied = {name for arrow in full.arrows for name in arrow}
    return {name for name, box in full.boxes.items() if box.column is None and name not in tied and len(tied) > 0}


def _twins(full: Picture, here: Any) -> dict[str, str]:
    """For each box of another step the box of the same place in this one."""
    seen: dict[Any, dict[Any, str]] = {}
    count: dict[Any, int] = {}
    for name, box in full.boxes.items():
        if "_" not in name and not isinstance(box.column, Gap) and box.column is not None:
            what = (box.band, box.kind, _bare(box))
            count[box.column, what] = count.get((box.column, what), 0) + 1
            seen.setdefault(box.column, {})[what, count[box.column, what]] = name
    mine = seen.get(here, {})
    return {name: mine[key] for t, there in seen.items() if t != here for key, name in there.items() if key in mine}


def _bare(box: Box) -> str:
    """What a box is called, without its step."""
    return bare(box.title) if box.detail or box.kind == "cell" else ""


def _notes(here: Any, count: int, alike: Likeness) -> Iterable[str]:
    if count == 1:
        yield f"the only step, t = {here}: nothing is carried from step to step"
        return
    same = count - 1 - len(alike.differences)
    like = f"{same} of the other {count - 1} steps are like it" if alike.differences else f"all {count} steps are alike"
    yield f"drawn: t = {here}; {like}"
    for number, (t, words) in enumerate(alike.differences.items()):
        if number == MOST_NOTES and len(alike.differences) > MOST_NOTES + 1:
            yield f"and {len(alike.differences) - MOST_NOTES} more steps differ"
            return
        yield f"not alike: t = {t}: {words}"
