"""One derivation on all problems of a cell: its answers, the wrong ones, and the mistakes that would give them."""

from __future__ import annotations

from functools import cached_property

from tinygrad_rnn.bptt.comparison.case import CallError, Gradients
from tinygrad_rnn.bptt.diagnosis.conventions import Convention
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.problems import LENGTHS, Problem, Problems
from tinygrad_rnn.bptt.diagnosis.search import (
    axis_order,
    fits,
    predicted,
    reshaped,
)
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, Log, Submission
from tinygrad_rnn.bptt.diagnosis.symptoms import (
    quantities,
)
from tinygrad_rnn.bptt.truncation.ways import Way
from tinygrad_rnn.language.saying import Sentence, Words


class Examination:
    """One derivation on all problems: its answers, asked for once, and their verdicts."""

    def __init__(self, submission: Submission, problems: Problems, title: Words) -> None:
        self.submission, self.problems, self.title = submission, problems, title
        self.answers: dict[Problem, tuple[Gradients, Log]] = {}
        self.failed: dict[Problem, Exception] = {}
        self.shapes: dict[Sentence, str] = {}  # what is wrong with shapes, in words, and with which gradient
        submission.check_names({**problems.searched.case.inputs(), **quantities(problems.searched.model)})

    def under(self, convention: Convention) -> Examination:
        """Return the examination of the same answers by one more convention."""
        other = Examination(self.submission.under(convention), self.problems, self.title)
        other.failed = self.failed
        other.answers = {p: (convention.undone(g, p.case), log) for p, (g, log) in self.answers.items()}
        return other

    def truncated(self, way: Way) -> Examination:
        """Return the examination of the same derivation where gradients are truncated in that way."""
        return Examination(self.submission, self.problems.truncated(way), self.title)

    def answer(self, problem: Problem) -> Gradients | None:
        """Return its gradients on one problem; None where it fails."""
        if problem not in self.answers and problem not in self.failed:
            try:
                self.answers[problem] = self.submission(problem.case)
            except (DoctorError, CallError):
                raise
            except Exception as error:
                self.failed[problem] = error
        return self.answers[problem][0] if problem in self.answers else None

    def answers_given(self) -> list[str]:
        """Return the names of all gradients that it gave."""
        return list(dict.fromkeys(name for hand, _ in self.answers.values() for name in hand))

    def as_given(self) -> list[tuple[Gradients, Problem]]:
        """Return its answers with their problems."""
        return [(hand, problem) for problem in self.problems.tried if (hand := self.answer(problem)) is not None]

    def mended(self, other: Examination) -> bool:
        """Return whether some gradient that is not zero is right here, and wrong on the same problem there."""
        precision = self.submission.precision
        return any(
            not p.is_zero(name)
            and p.same(name, g, precision)
            and not p.same(name, other.answers[p][0][name], precision)
            for p, (hand, _) in self.answers.items()
            for name, g in hand.items()
            if p in other.answers
        )

    @cached_property
    def wrong(self) -> dict[str, list[Problem]]:
        """By gradient, the problems on which it is wrong."""
        found: dict[str, list[Problem]] = {}
        for problem in self.problems.tried:
            for name, g in (self.answer(problem) or {}).items():
                if not problem.same(name, g, self.submission.precision):
                    found.setdefault(name, []).append(problem)
        return found

    @cached_property
    def searched(self) -> Problem | None:
        """The problem for the search, or another one where the derivation fails on it; None where it fails on all."""
        answered = [p for p in self.problems.tried if max(LENGTHS) >= p.T and self.answer(p) is not None]
        usual = self.problems.searched
        return usual if self.answer(usual) is not None else max(answered, key=lambda p: (p.T, p.B), default=None)

    def finds_fault(self) -> bool:
        """Return whether anything is wrong with the numbers."""
        return bool(self.wrong) or self.submission.unsteady

    def tells(self, name: str) -> bool:
        """Return whether some problem can tell a wrong gradient of that name from a right one."""
        precision = self.submission.precision
        for p in self.problems.tried:
            hand = self.answer(p) or {}
            if (
                name in hand
                and not p.is_zero(name)
                and (p.plainly_same(name, hand[name], precision) or p.is_judged(name, precision))
            ):
                return True
        return name in self.wrong

    def meant(self, problem: Problem) -> Gradients | None:
        """Return its answer, with gradients of a wrong shape reshaped; these shapes are noted."""
        hand = self.answer(problem)
        if hand is None:
            return None
        meant = {}
        for name, g in hand.items():
            true, order = problem.true[name], self._orders().get(name)
            if order and g.shape == true.shape:  # as for a square, where the shape does not show it
                g = g.transpose(order)
            said, meant[name] = reshaped(name, g, true) or (None, g)
            if said and problem is self.searched:
                self.shapes[said] = f"d{name}"
        return meant

    def _orders(self) -> dict[str, tuple[int, ...]]:
        """Return the order of axes of gradients in another order, found where all sizes differ."""
        if (searched := self.searched) is None:
            return {}
        hand = self.answer(searched) or {}
        found = {name: axis_order(g, searched.true[name]) for name, g in hand.items() if g.ndim > 2}
        return {name: order for name, order in found.items() if order}

    def confirms(self, mistake: Mistake) -> bool:
        """Return whether a mistake gives the derivation's answers on every problem."""
        return all(self.agrees(p, predicted(p.model, mistake.changes)) for p in self.problems.tried)

    def agrees(self, problem: Problem, made: Gradients | None) -> bool:
        """Return whether the answer to one problem, if there is any, is the predicted one."""
        hand = self.meant(problem)
        return hand is None or fits(hand, made, problem, self.submission.precision)
