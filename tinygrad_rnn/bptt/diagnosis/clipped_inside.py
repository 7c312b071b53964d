"""Clipping inside of the loop: a quantity of each step that is cut to [-c, c] on its way back.

The bound is not known, but between two entries of the quantity the answers are linear in it. So it follows from the
answer to one problem, and is believed where it then gives all answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Gradients
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients
from tinygrad_rnn.bptt.diagnosis.examination import Examination
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import At, CellModel, Changes
from tinygrad_rnn.bptt.diagnosis.problems import Problem
from tinygrad_rnn.bptt.diagnosis.rules import Ref
from tinygrad_rnn.bptt.diagnosis.search import predicted
from tinygrad_rnn.bptt.diagnosis.sentences import quantity
from tinygrad_rnn.language.saying import Words, sentence

MOST_ENTRIES = 64
"""The largest number of entries of a quantity between which a bound is looked for."""


def clipped_inside(examined: Examination) -> Iterator[Mistake]:
    """Yield the quantities that may be clipped at every step, with the bound that the answers show."""
    wrong = sorted({p for found in examined.wrong.values() for p in found}, key=lambda p: (p.T, p.B))
    for problem in [*(p for p in wrong if p.loud), *(p for p in wrong[:1] if not p.loud)]:
        hand = examined.meant(problem)
        if hand is None:
            continue
        for place in _places(problem.model):
            bound = _bound(problem, hand, place)
            if bound is not None:
                yield _mistake(problem.model, place, bound)


def _places(model: CellModel) -> Iterator[Ref]:
    for k in range(len(model.names)):
        yield Ref("state", k)
    for r in reversed(range(len(model.roles))):
        if model.roles[r].name or Ref("line", r) in model.after:
            yield Ref("line", r)


def _clipping(place: Ref, bound: float) -> Changes:
    """Return the clipping of what is handed to the step before (of a state), or of the cotangent of a line."""
    if place.kind == "state":

        def handed(at: At, found: list[Array]) -> list[Array]:
            return [np.clip(g, -bound, bound) if k == place.index else g for k, g in enumerate(found)]

        return Changes(handed=handed)
    return Changes(cotangents={place.index: lambda at, g: np.clip(g, -bound, bound)})


def _mistake(model: CellModel, place: Ref, bound: float) -> Mistake:
    quantity_text = quantity(model, place)
    what: Words = quantity_text
    if place.kind == "state":
        what = sentence("{quantity}, as it is handed to step t-1,", quantity=what)
    said = sentence(
        "{what} is clipped to [-{bound:.6g}, {bound:.6g}] at every step, inside of the loop", what=what, bound=bound
    )
    return Mistake(said, quantity_text, _clipping(place, bound))


def _bound(problem: Problem, hand: Gradients, place: Ref) -> float | None:
    """Return the bound with which the clipping of a quantity gives an answer; None where none does."""
    seen: dict[tuple[int, Ref], Array] = {}
    with np.errstate(all="ignore"):
        gradients(problem.model, seen=seen)
    entries = [np.abs(g).ravel() for (_, ref), g in seen.items() if ref == place]
    edges = np.unique(np.concatenate([np.zeros(1), *entries]))
    if len(edges) < 2 or (len(edges) > MOST_ENTRIES and not problem.loud):
        return None
    names = [name for name, g in hand.items() if g.shape == problem.true[name].shape]
    given = _flat(hand, names)
    spans = pairwise(edges)
    for low, high in [next(spans)] if problem.loud else reversed([*spans]):
        part = 1e-3 if problem.loud else 0.5  # what is clipped at a loud one stays far below what is not
        middle, other = low + part * (high - low), low + 0.5 * part * (high - low)
        made = [predicted(problem.model, _clipping(place, float(b))) for b in (middle, other)]
        if made[0] is None or made[1] is None:
            return None
        one, two = (_flat(m, names) for m in made if m is not None)
        slope = (one - two) / (middle - other)
        size = float(slope @ slope)
        if not size:
            continue
        bound = middle + float(slope @ (given - one)) / size
        near = np.abs(one + slope * (bound - middle) - given) <= 1e-6 * (np.max(np.abs(given)) or 1)
        if low * (1 - 1e-9) <= bound <= high * (1 + 1e-9) and bound > 1e-9 * edges[-1] and near.all():
            return float(np.round(bound, 12))
    return None


def _flat(g: Gradients, names: list[str]) -> Array:
    return np.concatenate([g[name].ravel() for name in names])
