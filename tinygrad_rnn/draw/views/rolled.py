"""One step with its recurrent edge, drawn for all: made from the same tape, where the steps are alike."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import replace

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.draw.views.boxes import Arrow, Box, Gap, Picture, printable
from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.draw.views.elsewhere import Elsewhere, Use
from tinygrad_rnn.draw.views.plan import Plan
from tinygrad_rnn.draw.views.shared_weights import name_of, sign
from tinygrad_rnn.draw.views.step_numbers import RelativeSteps, StepNumbers, bare
from tinygrad_rnn.draw.views.unrolled import Drawer
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import Likeness, likeness
from tinygrad_rnn.tape.steps import steps as steps_of

_ENTRY = re.compile(r"^entry \d+, ")
"""The number of an entry, which a drawing does not show."""
MOST_NOTES = 4
"""The maximum number of differing steps that are named below the drawing."""


def rolled(tape: Tape, plan: Plan) -> Picture:
    """Return one step and its recurrent edges, with notes of the steps unlike it. Raises ValueError without steps."""
    if plan.steps is not None or plan.cuts:
        what = "steps" if plan.steps is not None else "cuts"
        raise ValueError(f'draw: view="rolled" draws one step in the place of all\ngive {what} to view="unrolled"')
    alike = likeness(tape)
    if alike.reference is None:
        raise ValueError('draw: view="rolled", and the tape has no steps\nrecord each step under scope(t=...)')
    here, times = alike.reference, list(steps_of(tape))
    if plan.when.shift:  # so that its words have the numbers of the drawing
        alike = likeness(replace(entry, scope=_renumbered(entry.scope, plan.when)) for entry in tape)
    place = times.index(here)
    around = times[max(0, place - 1) : place + 2]

    when = RelativeSteps(plan.when.shift, here)
    reading = Reading(tape)
    lacking = Elsewhere(reading, here)
    reading.fixed |= {(use.reader, reading.entries[use.maker].out) for use in (*lacking.fixed, *lacking.after)}
    drawer = Drawer(reading, tape.lines(), replace(plan, steps=tuple(around), when=when))
    full = drawer.draw()
    fixed = {(drawer.box_of.get(use.maker), drawer.box_of.get(use.reader)) for use in lacking.fixed}
    fixed -= {(drawer.box_of.get(use.maker), drawer.box_of.get(use.reader)) for use in lacking.carried}
    loop = _folded(full, here, fixed)
    told = _completed(loop, drawer, lacking)
    loop.legend = full.legend
    if plan.adds:
        loop.sums = drawer.added.sums({here: here}, plan.of, sign if plan.slide else name_of)
    loop.notes = [*_notes(plan.when.number(here), len(times), alike, _beginnings(reading, plan.when)), *told]
    return loop


def _folded(full: Picture, here: Time, fixed: set[tuple[str | None, str | None]]) -> Picture:
    """Return one column of an unrolled picture. A loop stands for each arrow from or to a neighbouring step."""
    twin = _twins(full, here)
    kept = {name: box for name, box in full.boxes.items() if box.column in (here, None) and name not in _lonely(full)}
    flows: dict[Arrow, float] | None = None if full.flows is None else {}
    loop = Picture(kept, columns=[here], numbers=full.numbers, slide=full.slide, flows=flows)
    for (source, target), says in full.arrows.items():
        if target not in kept or isinstance(full.boxes[source].column, Gap):
            continue
        arrow: Arrow = (source, target)
        if source not in kept:
            if full.boxes[target].column is None or twin.get(source) is None or (source, target) in fixed:
                continue
            arrow = (twin[source], target)
            loop.loops.add(arrow)
        loop.arrows[arrow] = says
        if (source, target) in full.weights:
            loop.weights[arrow] = full.weights[source, target]
        if loop.flows is not None and full.flows is not None and (source, target) in full.flows:
            loop.flows[arrow] = full.flows[source, target]
    return loop


def _completed(loop: Picture, drawer: Drawer, lacking: Elsewhere) -> Iterable[str]:
    """Add the arrows to and from other steps that the drawn step lacks. Return notes that name these steps."""
    reading, box_of = drawer.reading, drawer.box_of
    drawn = set(loop.arrows)
    added: dict[Arrow, str] = {}
    told: dict[tuple[str, str], list[Time]] = {}
    read_here = {a for a, b in drawn if loop.boxes[b].column is not None}
    reads_here = {b for a, b in drawn if loop.boxes[a].column is not None}

    def add(use: Use, source: str, target: str, says: str = "") -> None:
        if (source, target) not in drawn:
            added.setdefault((source, target), says)
            flow = drawer.flow_along(use[:2])
            if loop.flows is not None:
                loop.flows[source, target] = max(flow, loop.flows.get((source, target), flow))

    for use in (*lacking.fixed, *lacking.carried, *lacking.after):
        made, t = reading.time[use.maker], reading.time[use.reader]
        value, target = reading.entries[use.maker].out, box_of.get(use.reader, "")
        twin = None if use in lacking.fixed else box_of.get(lacking.twin.get(use.maker, -1))
        if target not in loop.boxes:
            continue
        if twin is None or twin not in loop.boxes:
            when = drawer.plan.when
            under = when.always_under(made) if (use.reader, value) in reading.fixed else when.under(made)
            title = printable((value.name or f"#{use.maker}") + under)
            source = f"v{use.reader}_{use.position}"
            source = next((a for a, b in added if b == target and loop.boxes[a].title == title), source)
            flow = drawer.flow_along(use[:2]) if loop.flows is not None else None
            band = reading.band(use.reader) if t is not None else ()
            box = Box(source, "input", title, "", "", t, band, tip=title, flow=flow, entries=(use.maker,))
            loop.boxes[source] = drawer.copy_of(value, box)
            add(use, source, target)
        elif t is None:
            if target not in reads_here:
                told.setdefault((_bare_or_title(loop.boxes[target]), value.name or "what is"), []).append(made)
            add(use, twin, target)
        else:
            add(use, twin, target, (value.name or "") + drawer.plan.when.under(made) if drawer.whole else "")
            loop.loops.add((twin, target))
    for use in lacking.before:
        source, target = box_of.get(use.maker, ""), box_of.get(lacking.twin.get(use.reader, -1), "")
        if source not in loop.boxes or (source, target) in drawn:
            continue
        if source not in read_here:
            told.setdefault((_bare_or_title(loop.boxes[source]), ""), []).append(reading.time[use.reader])
        if target in loop.boxes:
            add(use, source, target)
    loop.arrows |= added
    return [
        say("{name} reads {value} at {steps} alone", name=name, value=what, steps=_steps(steps, drawer.plan.when))
        if what
        else say("of the steps {steps} alone reads {name}", name=name, steps=_steps(steps, drawer.plan.when))
        for (name, what), steps in [*told.items()][:MOST_NOTES]
    ]


def _bare_or_title(box: Box) -> str:
    return _bare(box) or box.title


def _steps(times: list[Time], numbers: StepNumbers) -> str:
    """Return `t = 3`, `t = 0, 1 and 7 more`."""
    said = [str(numbers.number(t)) for t in dict.fromkeys(times)]
    first = "t = " + ", ".join(said[:3])
    return say("{first} and {more} more", first=first, more=len(said) - 3) if len(said) > 3 else first


def _lonely(full: Picture) -> set[str]:
    """Return the boxes outside of time that no arrow ties to another box."""
    tied = {name for arrow in full.arrows for name in arrow}
    return {name for name, box in full.boxes.items() if box.column is None and name not in tied and len(tied) > 0}


def _twins(full: Picture, here: Time) -> dict[str, str]:
    """Return, for each box of another step, the box of the same place in this one."""
    seen: dict[Time, dict[Hashable, str]] = {}
    count: dict[Hashable, int] = {}
    for name, box in full.boxes.items():
        if "_" not in name and not isinstance(box.column, Gap) and box.column is not None:
            what = (box.band, box.kind, _bare(box))
            count[box.column, what] = count.get((box.column, what), 0) + 1
            seen.setdefault(box.column, {})[what, count[box.column, what]] = name
    mine = seen.get(here, {})
    return {name: mine[key] for t, there in seen.items() if t != here for key, name in there.items() if key in mine}


def _bare(box: Box) -> str:
    """Return the name of a box without its step."""
    return bare(box.title) if box.detail or box.kind == "cell" else ""


def _renumbered(scope: Scope, numbers: StepNumbers) -> Scope:
    return tuple((key, numbers.number(label) if key == "t" else label) for key, label in scope)


def _beginnings(reading: Reading, numbers: StepNumbers) -> dict[Time, str]:
    """Return the initial states that a step reads, by the number of the step: `h₋₁, c₋₁`."""
    found: dict[Time, dict[str, None]] = {}
    for k, position in sorted(reading.initial):
        title, _ = reading.initial_title(k, position, numbers.under)
        found.setdefault(numbers.number(reading.time[k]), {})[printable(title)] = None
    return {t: ", ".join(titles) for t, titles in found.items()}


def _notes(here: Time, count: int, alike: Likeness, beginnings: dict[Time, str]) -> Iterable[str]:
    if count == 1:
        yield say("the only step, t = {here}: nothing is carried from step to step", here=here)
        return
    different = {t: words for t, words in alike.differences.items() if t not in beginnings}
    same = count - 1 - len(different)
    like = say("all {count} steps are alike", count=count)
    if different:
        like = say("{same} of the other {others} steps are like it", same=same, others=count - 1)
    yield say("drawn: t = {here}; {like}", here=here, like=like)
    for t in alike.differences:
        if t in beginnings:
            yield say("t = {t} reads the initial state {state}", t=t, state=beginnings[t])
    for number, (t, words) in enumerate(different.items()):
        if number == MOST_NOTES and len(different) > MOST_NOTES + 1:
            yield say("and {more} more steps differ", more=len(different) - MOST_NOTES)
            return
        yield say("not alike: t = {t}: {words}", t=t, words=re.sub(_ENTRY, "", words))
