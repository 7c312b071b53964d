"""The doctor: is a hand-written BPTT right, and if not, what is wrong first, at which step, and by which mistake?

>>> import numpy as np
>>> from tinygrad_rnn import bptt, nn
>>> def my_bptt(params, xs, state, dhs):
...     W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
...     hs = [state[0]]
...     for x in xs:
...         hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
...     dU, carry = np.zeros_like(U), 0
...     for t in reversed(range(len(xs))):
...         dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
...         dU += dz.T @ hs[t + 1]
...         carry = dz @ U
...     return {"dU": dU}
>>> print(bptt.doctor(nn.rnn, my_bptt, names={"U": "weight_hh"}).mistake)
in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Gradients, takes_dlast
from tinygrad_rnn.bptt.diagnosis.conventions import computes_in_single, unread
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.bptt.diagnosis.findings import Diagnosis, remarks, tried_text, where_text
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.model import Changes
from tinygrad_rnn.bptt.diagnosis.other_cells import gradients_of, similar_cells
from tinygrad_rnn.bptt.diagnosis.precision import SINGLE
from tinygrad_rnn.bptt.diagnosis.problems import LENGTHS, Example, Problem, Problems, problems_of
from tinygrad_rnn.bptt.diagnosis.search import (
    axis_order,
    clipped,
    fits,
    never_filled,
    pairs,
    predicted,
    predictions,
    reshaped,
)
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, DoctorValueError, Log, Submission
from tinygrad_rnn.bptt.diagnosis.symptoms import (
    Symptom,
    first_changed,
    first_logged,
    first_wrong,
    place_of,
    quantities,
    terms_table,
)
from tinygrad_rnn.nn.time_loop import cell_name

SECOND_ONES = 400
"""How many of the known mistakes, the commonest, are tried as the second of two."""


def doctor(
    cell: Callable[..., Any],
    by_hand: Callable[..., Any],
    *,
    example: Example | None = None,
    names: Mapping[str, str] | None = None,
    layout: str = "rows",
    bias: bool = True,
) -> Diagnosis:
    """Examine a derivation of BPTT by hand.

    cell: any `cell(params, x, *state)`, with its activation fixed: `functools.partial(nn.rnn, nonlinearity="relu")`.
    by_hand: `f(params, xs, state, dhs, dlast=None) -> gradients`, a dict, of any parameter, "x", "h0", ...;
    the loss is sum(dhs * hs), plus sum(dlast * last state) for a function that takes dlast. As a second value, or into
    a dict that it takes as `log`, it may give its intermediates by (t, name): "dh", "dz_f", or a parameter's own term
    of step t. `names` and `layout` as for `Submission`.

    example(rng, T, B) -> params, xs (T, B, I), state: problems of a length and a batch size; nn's cells have one,
    with biases unless bias=False.
    With layout="columns" it gives xs (I, B, T), and states and parameters as the function takes them; the cell itself
    then takes x (I, B).

    It is tried on T = 1, 2, 3, 7 and 20, batch 1 and 3, two seeds, in float64. One that computes in float32 is judged
    at that; one that reads no initial state, or one bias of two, on problems where these are zero.

    Raises TypeError or ValueError for a function that returns no dict, or unknown names, or gives no answer since it
    exits or a file is missing; for a cell whose steps are not alike; for an example that tests nothing.
    """
    submission = Submission(by_hand, names, layout, cell_in_columns=example is not None)
    with np.errstate(all="ignore"):
        problems = problems_of(cell, example, layout == "columns", takes_dlast(by_hand), bias)
        return _examined(submission, problems, f"{submission.name}, BPTT of {cell_name(cell)}")


def _examined(submission: Submission, problems: Problems, title: str) -> Diagnosis:
    """The diagnosis, by the derivation's own conventions where these are what makes it right, or explains it."""
    examination = _Examination(submission, problems, title)
    if not examination.finds_fault() or examination.searched is None:
        return examination.diagnosis()
    case = examination.searched.case
    if computes_in_single(submission, case):
        submission = submission.judged_in(SINGLE)
        examination = _Examination(submission, problems, title)
    if examination.finds_fault() and (zero := unread(submission, case)):
        with suppress(DoctorValueError):  # zeros may leave nothing to test
            conventional = _Examination(submission, problems.with_zero(zero), title).diagnosis()
            if conventional or conventional.complete:
                return conventional
    return examination.diagnosis()


class _Examination:
    """One derivation on all problems: its answers, asked for once, and what follows from them."""

    def __init__(self, submission: Submission, problems: Problems, title: str) -> None:
        self._submission, self._problems, self._title = submission, problems, title
        self._answers: dict[Problem, tuple[Gradients, Log]] = {}
        self._failed: dict[Problem, BaseException] = {}
        self._shapes: dict[str, str] = {}  # what is wrong with shapes, in words, and with which gradient
        submission.check_names(problems.searched.case.inputs() | quantities(problems.searched.model))

    def _answer(self, problem: Problem) -> Gradients | None:
        """Its gradients on one problem; None where it fails."""
        if problem not in self._answers and problem not in self._failed:
            try:
                self._answers[problem] = self._submission(problem.case)
            except (DoctorError, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._failed[problem] = error
        return self._answers[problem][0] if problem in self._answers else None

    @cached_property
    def wrong(self) -> dict[str, list[Problem]]:
        """By gradient, the problems on which it is wrong."""
        found: dict[str, list[Problem]] = {}
        for problem in self._problems.tried:
            for name, g in (self._answer(problem) or {}).items():
                if not problem.same(name, g, self._submission.precision):
                    found.setdefault(name, []).append(problem)
        return found

    @cached_property
    def searched(self) -> Problem | None:
        """The problem on which mistakes are looked for; another one where it fails on that; None where on all."""
        answered = [p for p in self._problems.tried if max(LENGTHS) >= p.T and self._answer(p) is not None]
        usual = self._problems.searched
        return usual if self._answer(usual) is not None else max(answered, key=lambda p: (p.T, p.B), default=None)

    def finds_fault(self) -> bool:
        """Whether anything is wrong with the numbers."""
        return bool(self.wrong) or self._submission.unsteady

    def diagnosis(self) -> Diagnosis:
        """What is wrong, first symptom, mistake."""
        submission, tried = self._submission, self._problems.tried
        wrong = self.wrong
        compared = list(dict.fromkeys(name for p in tried for name in self._answer(p) or {}))
        empty = [name for name in compared if all(p.is_zero(name) for p in tried)]
        blurred = [name for name in compared if name not in empty and not self._tells(name)]
        if compared and blurred == compared:
            raise DoctorValueError(
                "doctor: no problem tells a right gradient from a wrong one: rounding alone makes errors as large\n"
                "give an example with smaller weights, on which the cell is less saturated or chaotic"
            )
        answered = tuple(sorted({p.T for p in tried if p not in self._failed}))
        silent = tuple(sorted({p.T for p in tried} - {*answered}))
        failed = {p: error for p, error in self._failed.items() if p in tried}
        report = Diagnosis(
            title=self._title,
            right=not (wrong or failed or submission.changed or submission.unsteady) and bool(compared),
            tried=tried_text(compared, list(tried[0].true)),
            names=submission.names,
            wrong={name: where_text(found, silent) for name, found in wrong.items()},
            remarks=tuple(remarks(submission, failed, bool(wrong), self._problems.zero, empty, blurred)),
            answered=answered,
            silent=silent,
        )
        if not wrong:
            return report
        smallest = min((p for found in wrong.values() for p in found), key=lambda p: (p.T, -p.B))
        return self._explained(dataclasses.replace(report, symptom=self._symptom(smallest)), smallest)

    def _tells(self, name: str) -> bool:
        """Whether some problem can tell a wrong gradient of that name from a right one."""
        precision = self._submission.precision
        for p in self._problems.tried:
            hand = self._answer(p) or {}
            if (
                name in hand
                and not p.is_zero(name)
                and (p.plainly_same(name, hand[name], precision) or p.is_judged(name, precision))
            ):
                return True
        return name in self.wrong

    def _symptom(self, problem: Problem) -> Symptom | None:
        """The first wrong intermediate where there are any, else the first wrong term."""
        log = self._answers[problem][1]
        if log and (found := first_logged(problem.model, self._submission, log)):
            return found
        try:
            return first_wrong(problem.case, self._submission)
        except DoctorError:
            raise
        except Exception:  # it cannot be asked about shorter sequences
            return None

    def _explained(self, report: Diagnosis, smallest: Problem) -> Diagnosis:
        """The diagnosis with the mistake that gives these numbers, or the first of two, or term by term."""
        searched = self.searched
        hand = self._meant(searched) if searched else None
        if searched is None or hand is None:
            return report
        if whole := {name: dtype for name, dtype in self._submission.integers.items() if name in report.wrong}:
            words = f"it returns integers: {', '.join(f'{dtype} for d{name}' for name, dtype in whole.items())}"
            return dataclasses.replace(report, mistake=Mistake(words, ", ".join(whole), Changes()))
        known = predictions(searched)
        report = dataclasses.replace(report, considered=len(known.mistakes))
        shapes = Mistake("; ".join(self._shapes), ", ".join(self._shapes.values()), Changes()) if self._shapes else None
        if shapes and self._confirms(shapes):
            return dataclasses.replace(report, mistake=shapes, complete=True)
        empty = never_filled(hand, searched)
        for mistake in [*([empty] if empty else []), *known.matching(hand, self._submission.precision)]:
            if self._confirms(mistake):
                second = mistake if shapes else None
                found = dataclasses.replace(report, mistake=shapes or mistake, second=second, complete=True)
                return _placed(found, mistake, smallest)
        for what, cell in similar_cells(self._problems.cell):
            if all(self._agrees(p, gradients_of(cell, p.case)) for p in self._problems.tried):
                words = f"this is right for another cell: {what}"
                return dataclasses.replace(report, mistake=Mistake(words, "the cell", Changes()), complete=True)
        if shapes:
            return dataclasses.replace(report, mistake=shapes)
        stage, begun = self._first_stage()
        firsts = predictions(stage).beginnings(begun, self._submission.precision) if stage else []
        firsts = [first for first in firsts if _possible(searched, first, hand)]
        for first, second, together in pairs(firsts[:3], known.mistakes[:SECOND_ONES]):
            made = predicted(searched.model, together.changes)
            if fits(hand, made, searched, self._submission.precision) and self._confirms(together):
                model = smallest.model
                first, second = sorted((first, second), key=lambda m: place_of(model, m.changes))
                found = dataclasses.replace(report, mistake=first, second=second, complete=True)
                return _placed(found, together, smallest)
        answers = [(meant, problem) for problem in self._problems.tried if (meant := self._meant(problem)) is not None]
        if cut := clipped(answers, self._submission.precision):
            return dataclasses.replace(report, mistake=cut, complete=True)
        if firsts:
            return _named(dataclasses.replace(report, mistake=firsts[0]))
        return dataclasses.replace(report, table=self._table(smallest))

    def _table(self, problem: Problem) -> tuple[str, ...]:
        """What is wrong, term by term."""
        try:
            return tuple(terms_table(problem.case, self._submission))
        except DoctorError:
            raise
        except Exception as error:
            return (f"  the terms cannot be told: it fails on shorter sequences ({told(error)})",)

    def _first_stage(self) -> tuple[Problem | None, Gradients]:
        """The simplest problem on which something is wrong, and the answer to it."""
        for problem in self._problems.stages:
            hand = self._meant(problem)
            if hand and not fits(hand, problem.true, problem, self._submission.precision):
                return problem, hand
        return None, {}

    def _meant(self, problem: Problem) -> Gradients | None:
        """Its answer, gradients of a wrong shape as they were meant; these shapes are noted."""
        hand = self._answer(problem)
        if hand is None:
            return None
        meant = {}
        for name, g in hand.items():
            true, order = problem.true[name], self._orders().get(name)
            if order and g.shape == true.shape:  # as for a square, where the shape does not show it
                g = g.transpose(order)
            words, meant[name] = reshaped(name, g, true) or ("", g)
            if words and problem is self.searched:
                self._shapes[words] = f"d{name}"
        return meant

    def _orders(self) -> dict[str, tuple[int, ...]]:
        """Of gradients whose axes are in another order, that order: told where all sizes differ."""
        if (searched := self.searched) is None:
            return {}
        hand = self._answer(searched) or {}
        found = {name: axis_order(g, searched.true[name]) for name, g in hand.items() if g.ndim > 2}
        return {name: order for name, order in found.items() if order}

    def _confirms(self, mistake: Mistake) -> bool:
        """Whether a mistake gives what the derivation gave on every problem."""
        return all(self._agrees(p, predicted(p.model, mistake.changes)) for p in self._problems.tried)

    def _agrees(self, problem: Problem, made: Gradients | None) -> bool:
        """Whether the answer to one problem, if there is any, is what a prediction says."""
        hand = self._meant(problem)
        return hand is None or fits(hand, made, problem, self._submission.precision)


def _possible(searched: Problem, first: Mistake, hand: Gradients) -> bool:
    """Whether a mistake does not leave a gradient empty that the derivation fills in."""
    made = predicted(searched.model, first.changes) or {}
    return all(np.any(made[name]) or not np.any(g) for name, g in hand.items() if name in made)


def _placed(report: Diagnosis, mistake: Mistake, smallest: Problem) -> Diagnosis:
    """The diagnosis with the first wrong quantity and step as the mistake that explains everything has them.

    What the derivation itself logged is left as it is.
    """
    if report.symptom and report.symptom.logged:
        return report
    found = first_changed(smallest.model, mistake.changes)
    return dataclasses.replace(report, symptom=found) if found else _named(report)


def _named(report: Diagnosis) -> Diagnosis:
    """The diagnosis, its first symptom called by the quantity that the mistake names where several would look alike."""
    symptom, mistake = report.symptom, report.mistake
    if symptom and mistake and mistake.quantity in symptom.also:
        symptom = dataclasses.replace(symptom, quantity=mistake.quantity)
    return dataclasses.replace(report, symptom=symptom)
