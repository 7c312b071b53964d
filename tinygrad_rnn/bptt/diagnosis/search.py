"""The search for the mistake that gives a derivation's numbers: each known one is made, and the numbers compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Gradients
from tinygrad_rnn.bptt.diagnosis.catalogue import catalogue
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import CellModel, Changes, Result
from tinygrad_rnn.bptt.diagnosis.precision import Mask, Precision
from tinygrad_rnn.bptt.diagnosis.problems import Problem


class Predictions:
    """The gradients of one problem under each known mistake that changes any, no two alike."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._places: dict[str, slice] = {}
        start = 0
        for name, g in problem.true.items():
            self._places[name] = slice(start, start + g.size)
            start += g.size
        truth = self._flat(problem.true)
        self.mistakes: list[Mistake] = []
        rows, seen = [], {truth.round(10).tobytes()}
        for mistake in catalogue(problem.model):
            made = predicted(problem.model, mistake.changes)
            if made is None:
                continue
            row = self._flat(made)
            key = row.round(10).tobytes()
            if key not in seen:
                seen.add(key)
                self.mistakes.append(mistake)
                rows.append(row)
        self._rows = np.array(rows)

    def _flat(self, answer: Gradients) -> Array:
        return np.concatenate([answer[name].ravel() for name in self._places])

    def agreement(self, hand: Gradients, precision: Precision) -> dict[str, Mask]:
        """Return by gradient which mistakes (a boolean for each) give that gradient."""
        found = {}
        for name, g in hand.items():
            rows = self._rows[:, self._places[name]]
            if g.size != rows.shape[1] or g.shape != self.problem.true[name].shape:
                found[name] = np.zeros(len(rows), bool)
                continue
            scale = np.abs(rows).max(axis=1, initial=0)
            slack = precision.relative * scale + precision.floor * self.problem.largest
            found[name] = np.abs(rows - g.ravel()).max(axis=1, initial=0) <= slack
        return found

    def matching(self, hand: Gradients, precision: Precision) -> list[Mistake]:
        """Return the mistakes that give all gradients of an answer, the commonest first."""
        all_of_it = np.logical_and.reduce([*self.agreement(hand, precision).values()])
        return [self.mistakes[k] for k in np.flatnonzero(all_of_it)]

    def beginnings(self, hand: Gradients, precision: Precision) -> list[Mistake]:
        """Return the mistakes that explain some wrong gradients and spoil no right one, those that explain most first.

        Of several that explain as much, the one that backward comes to first.
        """
        wrong = {name for name, g in hand.items() if not self.problem.same(name, g, precision)}
        agreement = self.agreement(hand, precision)
        found = []
        for k, mistake in enumerate(self.mistakes):
            explained = sum(bool(agreement[name][k]) for name in wrong)
            if explained and all(agreement[name][k] for name in hand if name not in wrong):
                found.append((-explained, -mistake.line, k, mistake))
        return [mistake for *_, mistake in sorted(found, key=lambda entry: entry[:3])]


def predicted(model: CellModel, changes: Changes) -> Gradients | None:
    """Return the gradients with these changes; None where the cell does not allow them, as where shapes do not fit."""
    try:
        with np.errstate(all="ignore"):
            made = gradients(model, changes)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    true = {**model.case.inputs()}
    return made if all(made[name].shape == true[name].shape for name in true) else None


@lru_cache(maxsize=8)
def predictions(problem: Problem) -> Predictions:
    """Return the predictions for a problem, made once."""
    return Predictions(problem)


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


def pairs(firsts: list[Mistake], seconds: list[Mistake]) -> Iterator[tuple[Mistake, Mistake, Mistake]]:
    """Yield every pair that can be made at once: the first, the second, both."""
    for first in firsts:
        for second in seconds:
            together = both(first, second) if second is not first else None
            if together:
                yield first, second, together


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
    what = ", ".join(f"d{name}" for name in sorted(names))
    return Mistake(f"{what}: never filled in (all zero)", what, Changes(result=_zeroed(names)))


def _zeroed(names: set[str]) -> Result:
    return lambda answer, at: {name: 0 * g if name in names else g for name, g in answer.items()}


def axis_order(hand: Array, true: Array) -> tuple[int, ...] | None:
    """Return the order of axes that gives a gradient the right shape."""
    if hand.ndim != true.ndim or hand.shape == true.shape:
        return None
    fitting = (order for order in permutations(range(hand.ndim)) if hand.transpose(order).shape == true.shape)
    return next(fitting, None)


def reshaped(name: str, hand: Array, true: Array) -> tuple[str, Array] | None:
    """Return the fault of a gradient's shape in words, and the gradient in the right shape.

    None where the shape is right, or cannot be understood.
    """
    if hand.shape == true.shape:
        return None
    if hand.shape == true.shape[::-1]:
        return f"d{name} is transposed: its shape is that of d{name}.T", hand.T
    if hand.ndim == true.ndim + 1 and hand.shape[1:] == true.shape:
        return f"d{name} is not summed over the batch: it has a row for each example", hand.sum(axis=0)
    if order := axis_order(hand, true):
        return f"the axes of d{name} are in another order: {hand.shape} for {true.shape}", hand.transpose(order)
    if hand.size == true.size:
        return f"the shape of d{name} is {hand.shape} in the place of {true.shape}", hand.reshape(true.shape)
    return None


def clipped(answers: list[tuple[Gradients, Problem]], precision: Precision) -> Mistake | None:
    """Return, as a mistake, gradients that are right but clipped at a largest value or a largest norm."""
    names = [name for name in answers[0][0] if any(not p.same(name, h[name], precision) for h, p in answers)]
    bound = max(float(np.abs(hand[name]).max(initial=0)) for hand, _ in answers for name in names)
    what = ", ".join(f"d{name}" for name in names)
    cut = [(hand[name], np.clip(p.true[name], -bound, bound), p.largest) for hand, p in answers for name in names]
    if all(precision.same(*entry) for entry in cut):
        return Mistake(f"{what}: clipped to values between -{bound:g} and {bound:g}", what, Changes())
    if bound := _largest_norm(answers, names, precision):
        return Mistake(f"{what}: scaled down to a norm of at most {bound:g} (gradient clipping)", what, Changes())
    bounds = [_largest_norm(answers, [name], precision) for name in names]
    if all(bounds) and max(bounds) - min(bounds) <= 1e-5 * max(bounds):
        words = f"{what}: each scaled down to a norm of at most {bounds[0]:g} (gradient clipping)"
        return Mistake(words, what, Changes())
    return None


def _largest_norm(answers: list[tuple[Gradients, Problem]], names: list[str], precision: Precision) -> float:
    """Return the norm to which right gradients are scaled down; 0 where they are not."""
    norms = []
    for hand, p in answers:
        size, right = (float(np.sqrt(sum(np.sum(g[name] ** 2) for name in names))) for g in (hand, p.true))
        scaled = ((hand[name] * right, p.true[name] * size, p.largest * max(size, 1)) for name in names)
        if not all(precision.same(*entry) for entry in scaled):
            return 0.0
        norms.append((size, right))
    largest = max(size for size, _ in norms)
    return largest if all(abs(size - min(right, largest)) <= 1e-5 * largest for size, right in norms) else 0.0
