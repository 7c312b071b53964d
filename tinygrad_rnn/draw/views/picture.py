"""The picture of a tape, before any layout. Both engines, Graphviz and the grid, draw the same one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw.views.boxes import GAP, Box, Gap, Picture, printable
from tinygrad_rnn.draw.views.cotangents import backward
from tinygrad_rnn.draw.views.grouping import LEVELS, TEXTBOOK
from tinygrad_rnn.draw.views.plan import Plan
from tinygrad_rnn.draw.views.rolled import rolled
from tinygrad_rnn.draw.views.selection import BUDGET
from tinygrad_rnn.draw.views.step_numbers import numbered_from
from tinygrad_rnn.draw.views.textbook import textbook
from tinygrad_rnn.draw.views.unrolled import unrolled
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.steps import steps as steps_of

__all__ = ["BUDGET", "GAP", "Box", "Gap", "Picture", "picture"]

SHOWN = ("shape", "scalar", "value", "grad", "heat")
VIEWS = {"unrolled": unrolled, "rolled": rolled, "textbook": textbook}
OPTIONS = ("level", "show", "loss", "grads", "flow", "cuts", "budget", "slide", "first_step")


def picture(tape: Tape, steps: Any = None, *, view: str = "unrolled", **options: Any) -> Picture:
    """Return the boxes and arrows of a tape.

    steps: how many steps to show at either end, or the labels of those to show; by default all, or, beyond 12 steps or
    `budget` boxes (300), up to three of either end, with the number left out written between them.
    view: "unrolled", or "rolled": one step with its recurrent edges, and below it which steps differ from it, and how;
    or "textbook": both side by side, with a box for each x, h, y and L alone.
    level: "ops", a box for every operation; "gates", one for each gate, state and named value; "cells", one for each
    layer, direction and step.
    show: of "shape", "value", "grad", "scalar" and "heat". Up to four numbers are written out, larger arrays as their
    lowest and highest entry and Euclidean norm; scalars as `name | data | grad`, and with "scalar" nothing but these;
    "heat" draws tiny heat maps.
    loss, grads: of what "grad" shows: a scalar of the tape, or a mapping from Tensors of the tape to arrays.
    flow: the same, for arrows and boxes coloured by log10 of the Euclidean norm of the gradient that comes back: to a
    box dL/d(its value), along an arrow what this reader contributes to it; of several uses by one box, their sum.
    The copy of a parameter stands for one use: its gradient is what this use adds, in colour and as a number ("adds").
    The gradient of the parameter, the sum of these, stands once, below the steps.
    slide: write as little as a projector asks for: parameters by their short names, W for weight_ih; no notes.
    cuts: steps before which the gradient is cut, for truncated BPTT: drawn as cuts, and nothing comes back across them.
    first_step: the number that is written for the first step, 0 or 1; by default each step has its label. The initial
    state has the number of the step before it: h_{-1} or h_0. `steps` and `cuts` are labels in any case.

    Raises ValueError for an empty tape, unknown options and steps, and what `Tape.gradient` raises for its loss.
    """
    if not isinstance(tape, Tape):
        raise TypeError(f"draw: a {type(tape).__name__}, not a Tape\nrecord one: with Tape() as tape: ...")
    if unknown := [name for name in options if name not in OPTIONS]:
        raise TypeError(f"draw: no option {unknown[0]!r}\nthe options are steps, view, {', '.join(OPTIONS)}")
    if view not in VIEWS:
        raise ValueError(f'draw: view={view!r}\nchoose "unrolled", "rolled" or "textbook"')
    if view == "textbook":
        if options.setdefault("level", TEXTBOOK) != TEXTBOOK:
            raise ValueError(
                f'draw: view="textbook" and level={options["level"]!r}\nleave level out: its boxes are x, h, y and L'
            )
        options.setdefault("show", ())
    plan = _planned(tape, steps, **options)
    return VIEWS[view](tape, plan)


def _planned(
    tape: Tape,
    steps: Any = None,
    *,
    level: str = "ops",
    show: Iterable[str] = ("shape",),
    loss: Any = None,
    grads: Any = None,
    flow: Any = None,
    cuts: Iterable[Any] = (),
    budget: int = BUDGET,
    slide: bool = False,
    first_step: int | None = None,
) -> Plan:
    """Check the options of a drawing. `picture` says what they mean."""
    if not len(tape):
        raise ValueError("draw: the tape is empty\nrecord something: with Tape() as tape: ...")
    if level not in (*LEVELS, TEXTBOOK):
        raise ValueError(f'draw: level={level!r}\nchoose "ops", "gates" or "cells"')
    shown = _listed("show", show)
    if unknown := [name for name in shown if name not in SHOWN]:
        raise ValueError(f"draw: show={unknown[0]!r}\nchoose from {', '.join(map(repr, SHOWN))}")
    if not isinstance(budget, int | np.integer) or budget < 1:
        raise ValueError(f"draw: budget={budget}\ngive the number of boxes to draw, at least 1")
    given = next((source for source in (flow, grads, loss) if source is not None), None)
    cut = frozenset(_listed("cuts", cuts))
    if given is None and ("grad" in shown or cut):
        raise ValueError(
            "draw: gradients are asked for, and no loss is given\n"
            "give the loss, loss=L, or a mapping of Tensors to arrays, grads=..."
        )
    if cut and (wrong := [t for t in (*cut, *steps_of(tape)) if not isinstance(t, int | float | np.number)]):
        raise ValueError(
            f"draw: cuts, and the step {wrong[0]!r} is not a number\ngive cuts of a tape whose steps are numbers"
        )
    times = steps_of(tape) if cut else {}
    if missing := [t for t in cut if t not in times or isinstance(t, bool)]:
        raise ValueError(
            f"draw: a cut before {missing[0]!r}, of a tape with the steps {min(times)!r} to {max(times)!r}\n"
            "give steps of the tape: the gradient is cut between one and the step before it"
        )
    back = backward(tape, given, cut) if given is not None else None
    if isinstance(flow, Mapping) and flow and not {entry.out for entry in tape} & set(flow):
        raise ValueError(
            "draw: flow has no gradient of a value that the tape made\ngive the loss, flow=L, from which all follow"
        )
    if isinstance(steps, np.integer):
        steps = int(steps)
    if isinstance(steps, bool | float | np.floating):
        raise TypeError(f"draw: steps={steps!r}\ngive a number of steps for either end, or the labels of those to show")
    if not isinstance(steps, int | None):
        steps = _listed("steps", steps)
    of = printable(given.name or "L") if isinstance(given, Tensor) else "L"
    numbers = numbered_from(first_step, steps_of(tape))
    return Plan(level, steps, shown, back, flow is not None, cut, budget, numbers, of=of, slide=slide)


def _listed(name: str, given: Any) -> tuple[Any, ...]:
    """Return one item or several as a tuple. Raises TypeError for anything else."""
    if isinstance(given, str | int | float | np.number):
        return (given,)
    try:
        listed = tuple(given)
        hash(listed)
    except TypeError as error:
        raise TypeError(f"draw: {name}={given!r}\ngive one, or a sequence") from error
    return listed
