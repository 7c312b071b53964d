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
import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Gradients, takes_dlast
from tinygrad_rnn.bptt.diagnosis.model import Changes
from tinygrad_rnn.bptt.diagnosis.other_cells import gradients_of, siblings
from tinygrad_rnn.bptt.diagnosis.problems import BATCHES, LENGTHS, LONG, SEEDS, Example, Problem, Problems, problems_of
from tinygrad_rnn.bptt.diagnosis.rule_mistakes import Mistake
from tinygrad_rnn.bptt.diagnosis.search import (
    axis_order,
    clipped,
    fits,
    never_filled,
    pairs,
    predicted,
    predictions,
    reshaped,
    same,
)
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, Log, Student
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


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found. `print(diagnosis)` says it in words; `bool(diagnosis)` is whether the derivation is right.

    symptom: the first quantity and step that are wrong, walking from the last step down. mistake: the known mistake
    that gives the same numbers, None where there is none; `second` one that is needed besides; `complete` says whether
    they explain every gradient on every problem. remarks: what else was noticed.
    """

    title: str
    right: bool
    tried: str
    wrong: dict[str, str]  # by gradient: on which problems
    symptom: Symptom | None = None
    mistake: Mistake | None = None
    second: Mistake | None = None
    complete: bool = False
    considered: int = 0
    remarks: tuple[str, ...] = ()
    table: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # the derivation's own, for the cell's: so it is spoken to

    def __bool__(self) -> bool:
        return self.right

    def check(self) -> Diagnosis:
        """The diagnosis itself where the derivation is right; otherwise AssertionError, with its words."""
        if not self:
            raise AssertionError(f"\n{self}")
        return self

    def __str__(self) -> str:
        lines = [f"{self.title}: {'right' if self.right else 'WRONG'}", f"tried: {self.tried}"]
        for where in dict.fromkeys(self.wrong.values()):
            names = [f"d{name}" for name, found in self.wrong.items() if found == where]
            lines.append(f"wrong: {', '.join(names)}, {where}")
        lines += [f"first: {self.symptom}"] if self.symptom else []
        if self.mistake:
            lines.append(f"mistake: {self.mistake.words}")
            lines += [f"and then: {self.second.words}"] if self.second else []
            if self.complete:
                whole = "both together explain" if self.second else "this explains"
                lines.append(f"{whole} every gradient on every problem, to rounding")
            else:
                lines.append("this explains what is wrong first, not everything: mend it and ask again")
        elif self.wrong and self.considered:
            lines.append(f"none of {self.considered} known mistakes gives these numbers; term by term:")
            lines += self.table
        text = "\n".join([*lines, *self.remarks])
        if not self.names:
            return text
        theirs = {ours: theirs for theirs, ours in self.names.items()}
        known = "|".join(re.escape(ours) for ours in theirs)
        return re.sub(rf"\b(d?)({known})\b", lambda found: found[1] + theirs[found[2]], text)


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
    of step t. `names` and `layout` as for `Student`.

    example(rng, T, B) -> params, xs (T, B, I), state: problems of a length and a batch size; nn's cells have one,
    with biases unless bias=False.
    With layout="columns" it gives xs (I, B, T), and states and parameters as the function takes them; the cell itself
    then takes x (I, B).

    It is tried on T = 1, 2, 3, 7 and 20, batch 1 and 3, two seeds, in float64. Raises TypeError or ValueError for a
    function that returns no dict, or unknown names, and for a cell whose steps are not alike.
    """
    student = Student(by_hand, names, layout, cell_in_columns=example is not None)
    problems = problems_of(cell, example, layout == "columns", takes_dlast(by_hand), bias)
    return _Examination(student, problems, f"{student.name}, BPTT of {cell_name(cell)}").diagnosis()


class _Examination:
    """One derivation on all problems: its answers, asked for once, and what follows from them."""

    def __init__(self, student: Student, problems: Problems, title: str) -> None:
        self._student, self._problems, self._title = student, problems, title
        self._answers: dict[Problem, tuple[Gradients, Log]] = {}
        self._failed: dict[Problem, BaseException] = {}
        self._shapes: dict[str, str] = {}  # what is wrong with shapes, in words, and with which gradient

    def _answer(self, problem: Problem) -> Gradients | None:
        """Its gradients on one problem; None where it fails."""
        if problem not in self._answers and problem not in self._failed:
            try:
                self._answers[problem] = self._student(problem.case)
            except DoctorError:
                raise
            except (Exception, SystemExit) as error:
                self._failed[problem] = error
        return self._answers[problem][0] if problem in self._answers else None

    def diagnosis(self) -> Diagnosis:
        """What is wrong, first symptom, mistake."""
        searched = self._problems.searched
        self._student.check_names(searched.case.inputs() | quantities(searched.anatomy))
        wrong: dict[str, list[Problem]] = {}
        compared: dict[str, None] = {}
        for problem in self._problems.tried:
            hand = self._answer(problem) or {}
            compared |= dict.fromkeys(hand)
            for name, g in hand.items():
                if not same(g, problem.true[name], problem.floor):
                    wrong.setdefault(name, []).append(problem)
        student = self._student
        report = Diagnosis(
            title=self._title,
            right=not (wrong or self._failed or student.changed or student.unsteady) and bool(compared),
            tried=_tried(list(compared), list(self._problems.searched.true)),
            names=student.names,
            wrong={name: _where(found) for name, found in wrong.items()},
            remarks=tuple(_remarks(student, self._failed, bool(wrong))),
        )
        if not wrong:
            return report
        smallest = min((p for found in wrong.values() for p in found), key=lambda p: (p.T, -p.B))
        return self._explained(dataclasses.replace(report, symptom=self._symptom(smallest)), smallest)

    def _symptom(self, problem: Problem) -> Symptom | None:
        """The first wrong intermediate where there are any, else the first wrong term."""
        log = self._answers[problem][1]
        if log and (found := first_logged(problem.anatomy, self._student, log)):
            return found
        try:
            return first_wrong(problem.case, self._student)
        except DoctorError:
            raise
        except (Exception, SystemExit):  # it cannot be asked about shorter sequences
            return None

    def _explained(self, report: Diagnosis, smallest: Problem) -> Diagnosis:
        """The diagnosis with the mistake that gives these numbers, or the first of two, or term by term."""
        searched = self._problems.searched
        hand = self._meant(searched)
        if hand is None:
            return report
        if whole := {name: dtype for name, dtype in self._student.integers.items() if name in report.wrong}:
            words = f"it returns integers: {', '.join(f'{dtype} for d{name}' for name, dtype in whole.items())}"
            return dataclasses.replace(report, mistake=Mistake(words, ", ".join(whole), Changes()))
        known = predictions(searched)
        report = dataclasses.replace(report, considered=len(known.mistakes))
        shapes = Mistake("; ".join(self._shapes), ", ".join(self._shapes.values()), Changes()) if self._shapes else None
        if shapes and self._confirms(shapes):
            return dataclasses.replace(report, mistake=shapes, complete=True)
        empty = never_filled(hand, searched)
        for mistake in [*([empty] if empty else []), *known.matching(hand)]:
            if self._confirms(mistake):
                second = mistake if shapes else None
                found = dataclasses.replace(report, mistake=shapes or mistake, second=second, complete=True)
                return _placed(found, mistake, smallest)
        for what, cell in siblings(self._problems.cell):
            if all(self._agrees(p, gradients_of(cell, p.case)) for p in self._problems.tried):
                words = f"this is right for another cell: {what}"
                return dataclasses.replace(report, mistake=Mistake(words, "the cell", Changes()), complete=True)
        if shapes:
            return dataclasses.replace(report, mistake=shapes)
        stage, begun = self._first_stage()
        firsts = predictions(stage).beginnings(begun) if stage else []
        firsts = [first for first in firsts if self._possible(first, hand)]
        for first, second, together in pairs(firsts[:3], known.mistakes[:SECOND_ONES]):
            made = predicted(searched.anatomy, together.changes)
            if fits(hand, made, searched) and self._confirms(together):
                anatomy = smallest.anatomy
                first, second = sorted((first, second), key=lambda m: place_of(anatomy, m.changes))
                found = dataclasses.replace(report, mistake=first, second=second, complete=True)
                return _placed(found, together, smallest)
        answers = [(meant, problem) for problem in self._problems.tried if (meant := self._meant(problem)) is not None]
        if cut := clipped(answers):
            return dataclasses.replace(report, mistake=cut, complete=True)
        if firsts:
            return _named(dataclasses.replace(report, mistake=firsts[0]))
        return dataclasses.replace(report, table=tuple(terms_table(smallest.case, self._student)))

    def _possible(self, first: Mistake, hand: Gradients) -> bool:
        """Whether a mistake does not leave a gradient empty that the derivation fills in."""
        made = predicted(self._problems.searched.anatomy, first.changes) or {}
        return all(np.any(made[name]) or not np.any(g) for name, g in hand.items() if name in made)

    def _first_stage(self) -> tuple[Problem | None, Gradients]:
        """The simplest problem on which something is wrong, and the answer to it."""
        for problem in self._problems.stages:
            hand = self._meant(problem)
            if hand and not fits(hand, problem.true, problem):
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
            if words and problem is self._problems.searched:
                self._shapes[words] = f"d{name}"
        return meant

    def _orders(self) -> dict[str, tuple[int, ...]]:
        """Of gradients whose axes are in another order, that order: told where all sizes differ."""
        searched = self._problems.searched
        hand = self._answer(searched) or {}
        found = {name: axis_order(g, searched.true[name]) for name, g in hand.items() if g.ndim > 2}
        return {name: order for name, order in found.items() if order}

    def _confirms(self, mistake: Mistake) -> bool:
        """Whether a mistake gives what the derivation gave on every problem."""
        return all(self._agrees(p, predicted(p.anatomy, mistake.changes)) for p in self._problems.tried)

    def _agrees(self, problem: Problem, made: Gradients | None) -> bool:
        """Whether the answer to one problem, if there is any, is what a prediction says."""
        hand = self._meant(problem)
        return hand is None or fits(hand, made, problem)


def _tried(names: list[str], known: list[str]) -> str:
    what = ", ".join(f"d{name}" for name in names) or "nothing, for it returned no gradient"
    missing = ", ".join(f"d{name}" for name in known if name not in names)
    return (
        f"T = {', '.join(map(str, [*LENGTHS, LONG]))}; batch {', '.join(map(str, BATCHES))}; {len(SEEDS)} seeds; "
        f"upstream gradients at every step, and at one alone; {what}" + (f"; not given: {missing}" if missing else "")
    )


def _placed(report: Diagnosis, mistake: Mistake, smallest: Problem) -> Diagnosis:
    """The diagnosis with the first wrong quantity and step as the mistake that explains everything has them.

    What the derivation itself logged is left as it is.
    """
    if report.symptom and report.symptom.logged:
        return report
    found = first_changed(smallest.anatomy, mistake.changes)
    return dataclasses.replace(report, symptom=found) if found else _named(report)


def _named(report: Diagnosis) -> Diagnosis:
    """The diagnosis, its first symptom called by the quantity that the mistake names where several would look alike."""
    symptom, mistake = report.symptom, report.mistake
    if symptom and mistake and mistake.quantity in symptom.also:
        symptom = dataclasses.replace(symptom, quantity=mistake.quantity)
    return dataclasses.replace(report, symptom=symptom)


def _where(found: list[Problem]) -> str:
    lengths = sorted({p.T for p in found})
    batches = {p.B for p in found}
    text = f"at T = {', '.join(map(str, lengths))}"
    right = [T for T in (*LENGTHS, LONG) if T not in lengths]
    text += f" (right at T = {', '.join(map(str, right))})" if right else ""
    return text if len(batches) > 1 or lengths == [LONG] else f"{text}, batch {batches.pop()} only"


def _remarks(student: Student, failed: Mapping[Problem, BaseException], wrong: bool) -> Iterator[str]:
    the_rest = "wrong as said above" if wrong else "right by themselves"
    if student.changed:
        yield (
            f"habit: it changes its argument {', '.join(sorted(student.changed))} in place: the next one who uses it "
            f"gets other numbers; work on a copy. (It was given copies here, on which its gradients are {the_rest}.)"
        )
    if student.unsteady:
        yield (
            "habit: it gives two answers to one question: something from an earlier call is used again, as an array "
            "made outside of the function, or a default argument that is written into"
        )
    if student.single and wrong:
        yield "precision: it computes in float32, which agrees to about 6 digits; compute in float64 to be compared"
    if failed:
        error = next(iter(failed.values()))
        sizes = sorted({(p.T, p.B) for p in failed})
        yield (
            f"failure: it fails on {len(failed)} problems, (T, batch) = {', '.join(map(str, sizes))}; first: "
            f"{type(error).__name__}: {error} ({_line_of(error, student)})"
        )


def _line_of(error: BaseException, student: Student) -> str:
    """The line of the derivation's file in which an error happened."""
    file = inspect.getsourcefile(student.function) if inspect.isfunction(student.function) else None
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"line {lines[-1]}" if lines else f"it is called as {student.name}(params, xs, state, dhs)"
