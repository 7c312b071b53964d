"""The search for the mistake that gives a derivation's numbers: known ones are made, and the numbers compared.

The problems come from the simplest on. On each one those mistakes are made that agree with the answers to all simpler
ones; so most are made once, for one step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Gradients
from tinygrad_rnn.bptt.diagnosis.catalogue import catalogue
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients, terms_of
from tinygrad_rnn.bptt.diagnosis.mistake import NEVER_FILLED, Mistake
from tinygrad_rnn.bptt.diagnosis.model import CellModel, Changes, Result
from tinygrad_rnn.bptt.diagnosis.precision import Mask, Precision
from tinygrad_rnn.bptt.diagnosis.problems import Problem, Problems
from tinygrad_rnn.language.saying import Sentence, listed, sentence

Which = np.ndarray[Any, np.dtype[np.intp]]
"""Numbers of mistakes in the list of known ones."""


@lru_cache(maxsize=8)
def known_mistakes(problems: Problems, held: int | None = None) -> list[Mistake]:
    """Return the known mistakes for the cell of these problems, the commonest first.

    held: a line whose result is held constant besides.
    """
    known = catalogue(problems.searched.model)
    if held is None:
        return list(known)
    beside = held_constant(held)
    return [dataclasses.replace(m, changes=made.changes) for m in known if (made := both(beside, m))]


def held_constant(r: int) -> Mistake:
    """Return the change that holds what line r made constant."""
    return Mistake("", "", Changes(cotangents={r: lambda at, g: np.zeros_like(g)}), r)


class Predictions:
    """The gradients of one problem under each known mistake, made when they are asked for."""

    def __init__(self, problem: Problem, mistakes: list[Mistake]) -> None:
        self.problem, self.mistakes = problem, mistakes
        self._places: dict[str, slice] = {}
        start = 0
        for name, g in problem.true.items():
            self._places[name] = slice(start, start + g.size)
            start += g.size
        self._rows = np.empty((len(mistakes), start))
        self._made = np.zeros(len(mistakes), bool)

    def rows(self, which: Which, progress: Callable[[], None]) -> Array:
        """Return the gradients under these mistakes, a row for each; NaN where the cell does not allow a mistake."""
        for k in which[~self._made[which]].tolist():
            made = predicted(self.problem.model, self.mistakes[k].changes)
            self._rows[k] = np.nan if made is None else np.concatenate([made[name].ravel() for name in self._places])
            self._made[k] = True
            progress()
        return self._rows[which]

    def agreement(
        self, which: Which, hand: Gradients, precision: Precision, progress: Callable[[], None]
    ) -> dict[str, Mask]:
        """Return by gradient which of these mistakes (a boolean for each) give that gradient."""
        found, rows = {}, self.rows(which, progress)
        for name, g in hand.items():
            part = rows[:, self._places[name]]
            if g.size != part.shape[1] or g.shape != self.problem.true[name].shape:
                found[name] = np.zeros(len(part), bool)
                continue
            scale = np.abs(part).max(axis=1, initial=0)
            slack = precision.relative * scale + precision.floor * self.problem.largest
            found[name] = np.abs(part - g.ravel()).max(axis=1, initial=0) <= slack
        return found

    def of(self, which: Which, names: list[str]) -> Array:
        """Return these gradients under these mistakes, made before, a row for each."""
        return np.concatenate([self._rows[which][:, self._places[name]] for name in names], axis=1)

    def unchanged(self, which: Which, names: list[str]) -> dict[str, Mask]:
        """Return by gradient which of these mistakes, made before, leave it as it is."""
        rows = self._rows[which]
        close = {name: np.isclose(rows[:, self._places[name]], self.problem.true[name].ravel()) for name in names}
        return {name: np.asarray(entries.all(axis=1)) for name, entries in close.items()}


@lru_cache(maxsize=64)
def predictions(problem: Problem, problems: Problems, held: int | None = None) -> Predictions:
    """Return the predictions for a problem, made once."""
    return Predictions(problem, known_mistakes(problems, held))


def predicted(model: CellModel, changes: Changes) -> Gradients | None:
    """Return the gradients with these changes; None where the cell does not allow them, as where shapes do not fit."""
    made = _allowed(lambda: gradients(model, changes))
    return made if made and all(made[name].shape == shape for name, shape in model.shapes.items()) else None


def predicted_terms(model: CellModel, changes: Changes) -> dict[str, list[Array]] | None:
    """Return the terms of the parameters' gradients with these changes; None where the cell does not allow them."""
    found: dict[str, list[Array]] | None = _allowed(lambda: terms_of(model, changes))
    return found


def _allowed(make: Callable[[], Any]) -> Any:
    try:
        with np.errstate(all="ignore"):
            return make()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def both(first: Mistake, second: Mistake) -> Mistake | None:
    """Return two mistakes made at once; None where both change the same place."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(Changes):
        a, b = getattr(first.changes, field.name), getattr(second.changes, field.name)
        if isinstance(a, dict):
            if set(a) & set(b):
                return None
            changes[field.name] = {**a, **b}
        elif field.name == "result" and a and b:
            changes[field.name] = lambda answer, at, a=a, b=b: b(a(answer, at), at)
        elif a and b:
            return None
        else:
            changes[field.name] = a or b
    return Mistake("", first.quantity, Changes(**changes))


def fits(hand: Gradients, made: Gradients | None, problem: Problem, precision: Precision) -> bool:
    """Return whether an answer is the predicted one; where both overflow, they agree."""
    return made is not None and all(
        precision.same(g, made[name], problem.largest) or not (np.isfinite(g).all() or np.isfinite(made[name]).all())
        for name, g in hand.items()
    )


def never_filled(hand: Gradients, problem: Problem) -> Mistake | None:
    """Return, as a mistake, the gradients that are zero and should not be."""
    names = {name for name, g in hand.items() if not g.any() and not problem.is_zero(name)}
    if not names or len(names) == len(hand):
        return None
    what = listed(f"d{name}" for name in sorted(names))
    said = sentence("{what}: {how}", what=what, how=NEVER_FILLED)
    return Mistake(said, what, Changes(result=_zeroed(names)))


def _zeroed(names: set[str]) -> Result:
    return lambda answer, at: {name: 0 * g if name in names else g for name, g in answer.items()}


def axis_order(hand: Array, true: Array) -> tuple[int, ...] | None:
    """Return the order of axes that gives a gradient the right shape."""
    if hand.ndim != true.ndim or hand.shape == true.shape:
        return None
    fitting = (order for order in permutations(range(hand.ndim)) if hand.transpose(order).shape == true.shape)
    return next(fitting, None)


def reshaped(name: str, hand: Array, true: Array) -> tuple[Sentence, Array] | None:
    """Return the fault of a gradient's shape in words, and the gradient in the right shape.

    None where the shape is right, or cannot be understood.
    """
    if hand.shape == true.shape:
        return None
    what = f"d{name}"
    shapes: dict[str, object] = {"what": what, "given": hand.shape, "meant": true.shape}
    if hand.shape == true.shape[::-1]:
        return sentence("{what} is transposed: its shape is that of {what}.T", what=what), hand.T
    if hand.ndim == true.ndim + 1 and hand.shape[1:] == true.shape:
        said = sentence("{what} is not summed over the batch: it has a row for each example", what=what)
        return said, hand.sum(axis=0)
    if order := axis_order(hand, true):
        said = sentence("the axes of {what} are in another order: {given} for {meant}", **shapes)
        return said, hand.transpose(order)
    if hand.size == true.size:
        said = sentence("the shape of {what} is {given} in the place of {meant}", **shapes)
        return said, hand.reshape(true.shape)
    return None
