"""The steps to draw: those that were asked for, or as many at either end as can be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tinygrad_rnn.draw.views.drawn_tape import Reading, Time
from tinygrad_rnn.language.saying import counts, template

BUDGET = 300
"""The maximum number of boxes drawn before the middle of the tape is left out: about as many as can be read."""

ENDS = 3
"""The number of steps then shown at either end, if they fit."""

GAP = "gap"
"""The id of the box for the steps left out. Further boxes are `gap1`, `gap2`."""

WIDEST = 12
"""The maximum number of steps side by side, if none are asked for."""

Steps = int | Iterable[Time] | None


class Gap(str):
    """A column for steps that are left out."""

    __slots__ = ()


@dataclass
class Selection:
    """The columns in order, with a Gap where steps are left out; the gap of each hidden entry; the text of each gap."""

    columns: list[Time] = field(default_factory=list)
    hidden: dict[int, Gap] = field(default_factory=dict)
    said: dict[Gap, str] = field(default_factory=dict)


def select(reading: Reading, steps: Steps, boxes: list[int], budget: int) -> Selection:
    """Select the steps of a tape to draw. `boxes` are the numbers of the entries that are a box each.

    Raises ValueError for fewer than one step, and for steps that are not on the tape.
    """
    if isinstance(steps, int) and steps < 1:
        raise ValueError(f"draw: steps={steps}\ngive the number of steps to show at either end, at least 1")
    times = sorted_steps(reading)
    if not times:
        return _of_entries(reading, steps, boxes, budget)
    if steps is None or isinstance(steps, int):
        shown = _ends(reading, steps, times, boxes, budget)
    else:
        wanted = set(steps)
        shown = [t for t in times if t in wanted]
        if not wanted or len(shown) < len(wanted):
            missing = sorted(map(repr, wanted - set(times))) or "none"
            raise ValueError(
                f"draw: steps {', '.join(missing) if wanted else missing}, of a tape with the steps "
                f"{times[0]!r} to {times[-1]!r}\ngive labels of its steps: steps=range(3), or a number for either end"
            )
    return _with_gaps(reading, times, set(shown))


def sorted_steps(reading: Reading) -> list[Time]:
    """Return the steps from left to right: in order where they are numbers, else as recorded."""
    times = list(reading.by_time)
    if all(isinstance(t, int | float | np.number) for t in times):
        return sorted(times)
    return times


def _ends(reading: Reading, ends: int | None, times: list[Time], boxes: list[int], budget: int) -> list[Time]:
    if ends is None:
        if len(boxes) <= budget and len(times) <= WIDEST:
            return times
        in_a_step: dict[Time, int] = {}
        for k in boxes:
            in_a_step[reading.time[k]] = in_a_step.get(reading.time[k], 0) + 1
        in_a_step.pop(None, None)
        ends = min(ENDS, max(1, budget // (2 * max(in_a_step.values()))))
    return times if len(times) <= 2 * ends + 1 else [*times[:ends], *times[-ends:]]


def _with_gaps(reading: Reading, times: list[Time], shown: set[Time]) -> Selection:
    found = Selection()
    run: list[Time] = []
    for t in [*times, None]:
        if t is not None and t not in shown:
            run.append(t)
            continue
        if run:
            gap = Gap(GAP if not found.said else f"{GAP}{len(found.said)}")
            found.columns.append(gap)
            found.said[gap] = left_out(len(run))
            found.hidden |= {number: gap for s in run for number in reading.by_time[s]}
            run = []
        if t is not None:
            found.columns.append(t)
    return found


def left_out(count: int) -> str:
    """Return the text that stands for so many steps left out."""
    return counts(count, template("… {n:,} step …"), template("… {n:,} steps …"))


def _of_entries(reading: Reading, steps: Steps, boxes: list[int], budget: int) -> Selection:
    """Select the first and last entries of a tape outside of time."""
    if steps is not None and not isinstance(steps, int):
        raise ValueError("draw: steps are given, and the tape has none\nrecord each step under scope(t=...)")
    if steps is None and len(boxes) <= budget:
        return Selection()
    keep = budget // 2 if steps is None else steps
    middle = boxes[keep : len(boxes) - keep]
    if not middle:
        return Selection()
    gap = Gap(GAP)
    inside = range(middle[0], middle[-1] + 1)
    hidden = counts(len(middle), template("… {n:,} entry …"), template("… {n:,} entries …"))
    return Selection(hidden=dict.fromkeys(inside, gap), said={gap: hidden})
