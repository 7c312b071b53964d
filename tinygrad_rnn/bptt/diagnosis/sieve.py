"""The known mistakes that agree with all answers of a derivation, alone or together, and those that may come first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, product

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Gradients
from tinygrad_rnn.bptt.diagnosis.catalogue import SUMS
from tinygrad_rnn.bptt.diagnosis.examination import Examination
from tinygrad_rnn.bptt.diagnosis.mistake import Mistake
from tinygrad_rnn.bptt.diagnosis.multiplied import products
from tinygrad_rnn.bptt.diagnosis.precision import Mask
from tinygrad_rnn.bptt.diagnosis.problems import Problem
from tinygrad_rnn.bptt.diagnosis.search import (
    Which,
    both,
    fits,
    known_mistakes,
    predicted,
    predicted_terms,
    predictions,
)

SECONDS = 400
"""The number of known mistakes, the commonest first, to try as the second of two."""
MOST_TRIED = 300
"""The number of pairs whose factors fit to try."""
BASES = 3
"""The number of mistakes within a step, beside which one of what is carried on is looked for."""
PLACES = 3
"""The number of mistakes that may be made at once."""


class Sieve:
    """A search among the known mistakes, from the simplest problem to the largest."""

    def __init__(
        self, examined: Examination, smallest: Problem, progress: Callable[[], None], held: int | None = None
    ) -> None:
        self.examined, self._progress, self._held = examined, progress, held
        problems = examined.problems
        self.mistakes = known_mistakes(problems, held)
        self._precision = examined.submission.precision
        stages = [*problems.stages, *([examined.searched] if examined.searched else []), smallest]
        answers = {p: hand for p in dict.fromkeys(stages) if (hand := examined.meant(p))}
        self._answers = answers
        self._begun: tuple[Problem, Which] | None = None

    @cached_property
    def singles(self) -> list[Mistake]:
        """The mistakes that give all answers to the problems of the search, the commonest first."""
        which: Which = np.arange(len(self.mistakes))
        for problem, hand in self._answers.items():
            if self._begun is None and not fits(hand, problem.true, problem, self._precision):
                self._begun = problem, which
            agreement = self._agreement(problem, which)
            which = which[np.logical_and.reduce([*agreement.values()])]
        return [self.mistakes[k] for k in which]

    def one_by_one(self) -> Iterator[Mistake]:
        """Yield the same, those first that leave the values alone: a changed forward pass takes longest to compute."""
        other = np.array([bool(m.changes.forward or m.changes.saved) for m in self.mistakes])
        for which in (np.flatnonzero(~other), np.flatnonzero(other)):
            for problem in self._answers:
                agreement = self._agreement(problem, which)
                which = which[np.logical_and.reduce([*agreement.values()])]
            yield from (self.mistakes[k] for k in which)

    @cached_property
    def early(self) -> list[Mistake]:
        """The mistakes that give the answers to the problems of one step and of two; none where these are right."""
        which: Which = np.arange(len(self.mistakes))
        early = {p: hand for p, hand in self._answers.items() if p.T <= 2}
        if all(fits(hand, p.true, p, self._precision) for p, hand in early.items()):
            return []
        for problem in early:
            which = which[np.logical_and.reduce([*self._agreement(problem, which).values()])]
        return [self.mistakes[k] for k in which]

    def _agreement(self, problem: Problem, which: Which) -> dict[str, Mask]:
        known = predictions(problem, self.examined.problems, self._held)
        return known.agreement(which, self._answers[problem], self._precision, self._progress)

    def _begin(self) -> tuple[Problem, Which, Gradients, list[str]] | None:
        """Return the first problem that is answered wrongly, the mistakes before it, the answer, what is wrong."""
        _ = self.singles
        if self._begun is None:
            return None
        stage, before = self._begun
        hand = self._answers[stage]
        return stage, before, hand, [n for n, g in hand.items() if not stage.same(n, g, self._precision)]

    @cached_property
    def firsts(self) -> list[Mistake]:
        """The mistakes that explain some wrong gradients and spoil no right one, those that explain most first.

        Of several that explain as much, the one that backward comes to first. Each explains the same gradients where
        more steps follow that have no upstream gradient, for what these steps do is nothing.
        """
        if (begun := self._begin()) is None:
            return []
        stage, before, hand, wrong = begun
        agreement = self._agreement(stage, before)
        rows = predictions(stage, self.examined.problems, self._held).of(before, list(hand))
        found = []
        for n, k in enumerate(before.tolist()):
            explained = [name for name in wrong if agreement[name][n]]
            if explained and all(agreement[name][n] for name in hand if name not in wrong):
                mistake = self.mistakes[k]
                found.append((-len(explained), -mistake.line, k, rows[n].round(10).tobytes(), explained, mistake))
        found.sort(key=lambda entry: entry[:3])
        kept: dict[bytes, tuple[int, Mistake]] = {}
        for _, _, k, row, explained, mistake in found:
            if self._holds_later(stage, mistake, explained) and (row not in kept or k < kept[row][0]):
                kept[row] = k, mistake  # of several that give the same, the commonest
        return [mistake for _, mistake in islice(kept.values(), PLACES)]

    def _holds_later(self, stage: Problem, mistake: Mistake, explained: list[str]) -> bool:
        """Return whether a mistake explains these gradients too where steps without an upstream gradient follow."""
        for problem in self.examined.problems.followed(stage):
            hand = self.examined.meant(problem)
            made = predicted(problem.model, mistake.changes)
            if hand is not None and (
                made is None
                or not fits({name: hand[name] for name in explained if name in hand}, made, problem, self._precision)
            ):
                return False
        return self._spoils_nothing(mistake)

    def _spoils_nothing(self, mistake: Mistake) -> bool:
        """Return whether a mistake leaves right what the derivation has right, on all problems of the search."""
        for problem, hand in self._answers.items():
            right = {name: g for name, g in hand.items() if problem.same(name, g, self._precision)}
            if right and not fits(right, predicted(problem.model, mistake.changes), problem, self._precision):
                return False
        return True

    def several(self) -> Iterator[list[Mistake]]:
        """Yield mistakes that together give the answers to the problems of the search."""
        yield from self._in_different_gradients()
        yield from self._within_a_step()
        yield from self._with_a_second()
        yield from self._with_another_sum()

    def _agree(self, together: Mistake, problems: Iterable[Problem] | None = None) -> bool:
        return all(
            fits(self._answers[problem], predicted(problem.model, together.changes), problem, self._precision)
            for problem in (self._answers if problems is None else problems)
        )

    def _in_different_gradients(self) -> Iterator[list[Mistake]]:
        """Yield mistakes of which each explains some gradients and leaves the others as they are."""
        if (begun := self._begin()) is None or len(begun[3]) < 2:
            return
        local: dict[tuple[str, ...], Which] = {}
        stage, before, hand, wrong = begun
        agreement = self._agreement(stage, before)
        known = predictions(stage, self.examined.problems, self._held)
        unchanged = known.unchanged(before, wrong)
        for n, k in enumerate(before.tolist()):
            explained = tuple(name for name in wrong if agreement[name][n])
            rest = [name for name in wrong if name not in explained]
            right = all(agreement[name][n] for name in hand if name not in wrong)
            if explained and rest and right and all(unchanged[name][n] for name in rest):
                local[explained] = np.append(local.get(explained, np.array([], int)), k)
        for problem in self._answers:
            for explained, which in local.items():
                agreement = self._agreement(problem, which)
                local[explained] = which[np.logical_and.reduce([agreement[name] for name in explained])]
        groups = sorted((group for group, which in local.items() if len(which)), key=len, reverse=True)
        chosen: list[tuple[str, ...]] = []
        for group in groups:
            if not set(group) & {name for other in chosen for name in other}:
                chosen.append(group)
        if {name for group in chosen for name in group} == set(wrong) and len(chosen) <= PLACES:
            yield from self._joined([[self.mistakes[k] for k in local[group][:2]] for group in chosen])

    def _within_a_step(self) -> Iterator[list[Mistake]]:
        """Yield two or three mistakes at different places of one step; or such, and one that shows elsewhere.

        Elsewhere is where the true gradient of one step is zero, as after a state of zeros, and in what is carried on.
        """
        problem = self.examined.problems.single
        hand = self.examined.meant(problem) if problem else None
        if problem is None or hand is None or fits(hand, problem.true, problem, self._precision):
            return
        names = [name for name, g in hand.items() if g.shape == problem.true[name].shape]
        known, every = predictions(problem, self.examined.problems, self._held), np.arange(len(self.mistakes))
        known.rows(every, self._progress)
        given, true = (np.concatenate([g[name].ravel() for name in names]) for g in (hand, problem.true))
        seen = np.abs(true) > self._precision.relative * np.max(np.abs(true), initial=0)
        rows, given, true = known.of(every, names)[:, seen], given[seen], true[seen]
        slack = self._precision.slack(true, problem.largest)
        bases = [[self.mistakes[k]] for k in np.flatnonzero((np.abs(rows - given) <= slack).all(axis=1))]
        for chosen in islice(products(rows, given, true), MOST_TRIED):
            several = [self.mistakes[k] for k in chosen]
            together = _all_of(several)
            if together and self._agree(together):
                yield several
            elif together:
                bases.append(several)
        later = [self.mistakes[k] for k in np.flatnonzero((np.abs(rows - true) <= slack).all(axis=1))]
        for base in bases[: 2 * BASES]:
            for more in later:
                together = _all_of([*base, more])
                self._progress()
                if together and self._agree(together):
                    yield [*base, more]

    def _joined(self, choices: list[list[Mistake]]) -> Iterator[list[Mistake]]:
        for chosen in product(*choices):
            together = _all_of(chosen)
            if together and self._agree(together):
                yield list(chosen)

    def _with_a_second(self) -> Iterator[list[Mistake]]:
        """Yield a first mistake, and a second that explains the rest; or a second and a third."""
        for first in self.firsts:
            for second in self.mistakes[:SECONDS]:
                together = both(first, second) if second is not first else None
                self._progress()
                if together and self._agree(together):
                    yield [first, second]

    def _with_another_sum(self) -> Iterator[list[Mistake]]:
        """Yield a mistake within the steps, and a wrong sum over them."""
        if (begun := self._begin()) is None or begun[0].T < 2:
            return
        stage, before, hand, wrong = begun
        name = next((name for name in wrong if name in stage.case.params), None)
        if name is None:
            return
        sums = [m for m in self.mistakes if m.changes.summed]
        for k in before.tolist():
            first = self.mistakes[k]
            self._progress()
            if first.changes.summed or first.changes.result:
                continue
            terms = predicted_terms(stage.model, first.changes)
            if terms is None or not any(
                self._precision.same(hand[name], np.asarray(add_up(terms[name])), stage.largest)
                for add_up in SUMS.values()
                if terms[name]
            ):
                continue
            for second in sums:
                together = both(first, second)
                if together and self._agree(together):
                    yield [first, second]


def _all_of(mistakes: Sequence[Mistake]) -> Mistake | None:
    """Return several mistakes made at once; None where two change the same place."""
    together: Mistake | None = mistakes[0]
    for more in mistakes[1:]:
        together = both(together, more) if together else None
    return together
