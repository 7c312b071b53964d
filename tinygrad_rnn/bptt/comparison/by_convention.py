"""Conventions by which a derivation by hand agrees with the tape.

Means for sums, zero states, one bias, float32, clipping, truncation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from tinygrad_rnn.bptt.comparison.case import ByHand, Case, Gradients
from tinygrad_rnn.bptt.comparison.report import Difference
from tinygrad_rnn.bptt.comparison.tolerance import Judge
from tinygrad_rnn.bptt.diagnosis.conventions import Convention, means
from tinygrad_rnn.bptt.diagnosis.evidence import Seen, Truth, bound_of, clipped, norm_of
from tinygrad_rnn.bptt.diagnosis.found_conventions import computes_in_single, of_truncation
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, SINGLE, Precision, largest_entry
from tinygrad_rnn.bptt.diagnosis.submission import Submission
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncated, truncation_of, truncation_text
from tinygrad_rnn.bptt.truncation.ways import AnyWay
from tinygrad_rnn.language.saying import Words, joined, sentence

Agrees = Callable[[Gradients], bool]
LOUD = 8.0
"""The factor on upstream gradients with which a clipping is asked for once more. A power of 2 rounds nothing."""
COARSE = 5e-9
"""The least error, of the largest entry, that a calculation in float32 makes somewhere."""


@dataclass(frozen=True)
class Meant:
    """A problem, the gradients by hand as a convention means them, what is said of it, and the tolerance."""

    case: Case
    hand: Gradients
    said: list[Words]
    rtol: float


def by_convention(case: Case, by_hand: ByHand, rtol: float, in_single: float) -> Meant | None:
    """Return how a convention makes the derivation agree; None where none does.

    in_single: the tolerance for a derivation that computes in float32 somewhere.
    """
    for other, said in _problems(case, by_hand):
        hand = other.hand_gradients(by_hand)
        for tolerance, precision in _precisions(other, hand, by_hand, rtol, in_single):
            agrees, tape = _judged(other, tolerance)
            remarks = [*said, *precision]
            if remarks and agrees(hand):
                return Meant(other, hand, remarks, tolerance)
            for mean in means(hand, case.params, "sum" if _losses(case) > 1 else "one"):
                if agrees(found := mean.undone(hand, other)) and _at_another_length(mean, other, by_hand, tolerance):
                    return Meant(other, found, [*remarks, mean.remark], tolerance)
            for expected, told in _changed(other, by_hand, hand, tape, SINGLE if precision else DOUBLE):
                if agrees(found := _instead(hand, expected, tape)):
                    return Meant(other, found, [*remarks, told], tolerance)
    return None


def _losses(case: Case) -> int:
    """Return the number of losses: of steps that have an upstream gradient, and of last states."""
    return sum(bool(np.any(d)) for d in (*case.dhs, *case.dlast))


def _at_another_length(mean: Convention, case: Case, by_hand: ByHand, rtol: float) -> bool:
    """Return whether gradients are that mean on a shorter sequence too, or the derivation is for one length alone."""
    if len(case.xs) < 2:
        return True
    short = _first_steps(case, len(case.xs) - 1)
    try:
        hand = short.hand_gradients(by_hand)
    except Exception:  # it is for one length alone
        return True
    return _judged(short, rtol)[0](mean.undone(hand, short))


def under(case: Case, hand: Gradients, way: AnyWay, rtol: float) -> Meant:
    """Return a derivation that is meant to be truncated, set against the truncated gradient."""
    _, tape = _judged(case, rtol)
    said = sentence("convention: {said}", said=truncation_text(way))
    return Meant(case, _instead(hand, truncated(case, way), tape), [said], rtol)


def _instead(hand: Gradients, expected: Gradients, tape: Gradients) -> Gradients:
    """Return gradients as far from the tape's as those by hand are from the expected ones."""
    fit = {name for name, g in hand.items() if g.shape == tape[name].shape}
    return {name: tape[name] + (g - expected[name]) if name in fit else g for name, g in hand.items()}


def _judged(case: Case, rtol: float) -> tuple[Agrees, Gradients]:
    judge = Judge(case)
    tape, tolerances = judge.gradients(case.dhs, case.dlast), judge.tolerances(case.dhs, case.dlast)[0]

    def agrees(found: Gradients) -> bool:
        return all(
            g.shape == tape[name].shape
            and Difference.between(g, tape[name]).absolute <= tolerances[name].absolute(rtol)
            for name, g in found.items()
        )

    return agrees, tape


def _precisions(
    case: Case, hand: Gradients, by_hand: ByHand, rtol: float, in_single: float
) -> Iterator[tuple[float, list[Words]]]:
    """Yield the tolerance that was asked for, and that of float32 where the derivation computes in it."""
    yield rtol, []
    tape = case.tape_gradients()
    fit = [(g, tape[name]) for name, g in hand.items() if g.shape == tape[name].shape]
    off = [largest_entry([g - true]) / (largest_entry([true]) or 1) for g, true in fit]
    coarse = rtol < in_single and case.dtype == np.float64 and max(off, default=0) > COARSE
    if coarse and computes_in_single(Submission(by_hand), case):
        yield in_single, [sentence("precision: it computes in float32 somewhere, and is judged at that")]


def _lengths_of_truncation(case: Case, by_hand: ByHand, precision: Precision) -> list[int]:
    """Return the numbers of steps to which the gradient may be cut: one less than the first length that is wrong.

    A gradient that is cut to k steps is right for k steps, and wrong for more. So the length is found by halving.
    """
    right, wrong = 2, len(case.xs)
    try:
        if wrong <= right or not _is_right(case, by_hand, right, precision):
            return []
        while wrong - right > 1:
            middle = (right + wrong) // 2
            if _is_right(case, by_hand, middle, precision):
                right = middle
            else:
                wrong = middle
    except Exception:  # it is for one length alone
        return [*range(2, len(case.xs))]
    return [right]


def _is_right(case: Case, by_hand: ByHand, steps: int, precision: Precision) -> bool:
    """Return whether the derivation is right for the first steps."""
    short = _first_steps(case, steps)
    found, tape = short.hand_gradients(by_hand), short.tape_gradients()
    largest = largest_entry(tape.values())
    return all(precision.same(g, tape[name], largest) for name, g in found.items())


def _changed(
    case: Case, by_hand: ByHand, hand: Gradients, tape: Gradients, precision: Precision
) -> Iterator[tuple[Gradients, Words]]:
    """Yield the clipped and the truncated gradients that the ones by hand may be, and words for each."""
    seen = _also_louder(case, by_hand, hand, precision)
    if bound := bound_of(seen):
        cut = {name: clipped(g, bound) for name, g in tape.items()}
        said = sentence("gradients are clipped to [-{bound:.6g}, {bound:.6g}]", bound=bound)
        yield cut, sentence("convention: {said}", said=said)
    if by_norm := norm_of(seen):
        norm, factors = by_norm
        cut = {name: g * factors[case] for name, g in tape.items()}
        said = sentence("gradients are scaled down to a norm of {norm:.6g} at most", norm=norm)
        yield cut, sentence("convention: {said}", said=said)
    lengths = _lengths_of_truncation(case, by_hand, precision)
    if lengths and (way := truncation_of([(hand, case)], precision, lengths)):
        yield truncated(case, way), of_truncation(way).remark


def _also_louder(case: Case, by_hand: ByHand, hand: Gradients, precision: Precision) -> list[Seen]:
    """Return the gradients for the rules of evidence, and those for larger upstream gradients, which show a bound."""
    seen = []
    for factor in (1.0, LOUD, LOUD**2):
        problem, found = case, hand
        if factor > 1:
            problem = case.part(0, len(case.xs), case.dhs * factor, tuple(d * factor for d in case.dlast))
            found = problem.hand_gradients(by_hand)
        tape = problem.tape_gradients()
        slack = partial(precision.slack, largest=largest_entry(tape.values()))
        seen += [Seen(problem, name, g, Truth.of(tape[name]), slack) for name, g in found.items() if name in tape]
    return seen


def _first_steps(case: Case, steps: int) -> Case:
    return case.part(0, steps, case.dhs[:steps], tuple(np.zeros_like(d) for d in case.dlast))


def as_it_begins(case: Case, by_hand: ByHand) -> tuple[Case, list[Words]]:
    """Return the problem on which a wrong derivation is judged: with zeros for what it does not read, and what is said.

    None of its gradients can be right where it begins at another state.
    """
    return [*_problems(case, by_hand)][-1]


def _problems(case: Case, by_hand: ByHand) -> Iterator[tuple[Case, list[Words]]]:
    """Yield the problem, and the one in which the initial states and biases are zero that are not read."""
    yield case, []
    first = case.hand_gradients(by_hand)
    biases = [name for name in case.params if name.startswith("bias") and name not in first]
    asked = [name for name in (*case.state_names, *biases) if name in case.differentiable()]
    unread = [name for name in asked if _same(first, _with(case, {name: case.inputs()[name] + 1}), by_hand)]
    unread = [name for name in unread if case.inputs()[name].any()]
    if unread:
        zero = _with(case, {name: 0 * case.inputs()[name] for name in unread})
        said = sentence("convention: it does not read {what}, so {what} is zero here", what=joined(unread))
        yield zero, [said]


def _with(case: Case, values: Gradients) -> Case:
    """Return the problem with other values of parameters and initial states."""
    other = copy.copy(case)
    other.params = {name: values.get(name, p) for name, p in case.params.items()}
    other.state = tuple(values.get(name, s) for name, s in zip(case.state_names, case.state, strict=True))
    return other


def _same(first: Gradients, case: Case, by_hand: ByHand) -> bool:
    again = case.hand_gradients(by_hand)
    return set(first) == set(again) and all(np.array_equal(g, again[name], equal_nan=True) for name, g in first.items())
