"""Conventions by which a derivation by hand agrees with the tape: means for sums, zero states, one bias."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from tinygrad_rnn.bptt.comparison.case import ByHand, Case, Gradients
from tinygrad_rnn.bptt.comparison.report import Difference
from tinygrad_rnn.bptt.comparison.tolerance import Judge
from tinygrad_rnn.bptt.diagnosis.conventions import means


def by_convention(case: Case, by_hand: ByHand, rtol: float) -> tuple[Case, Gradients, list[str]] | None:
    """Return the problem and the gradients by hand as a convention means them, and the convention; None for none."""
    for other, said in _problems(case, by_hand):
        judge, hand = Judge(other), other.hand_gradients(by_hand)
        tape, tolerances = judge.gradients(other.dhs, other.dlast), judge.tolerances(other.dhs, other.dlast)[0]

        def agrees(found: Gradients, tape=tape, tolerances=tolerances) -> bool:  # type: ignore[no-untyped-def]
            return all(
                g.shape == tape[name].shape
                and Difference.between(g, tape[name]).absolute <= tolerances[name].absolute(rtol)
                for name, g in found.items()
            )

        if said and agrees(hand):
            return other, hand, said
        for mean in means(hand, case.params):
            if agrees(found := mean.undone(hand, other)):
                return other, found, [*said, mean.remark]
    return None


def _problems(case: Case, by_hand: ByHand) -> Iterator[tuple[Case, list[str]]]:
    """Yield the problem, and the one in which the initial states and biases are zero that are not read."""
    yield case, []
    first = case.hand_gradients(by_hand)
    biases = [name for name in case.params if name.startswith("bias") and name not in first]
    asked = [name for name in (*case.state_names, *biases) if name in case.differentiable()]
    unread = [name for name in asked if _same(first, _with(case, {name: case.inputs()[name] + 1}), by_hand)]
    unread = [name for name in unread if case.inputs()[name].any()]
    if unread:
        zero = _with(case, {name: 0 * case.inputs()[name] for name in unread})
        what = " and ".join(unread)
        yield zero, [f"convention: it does not read {what}, so {what} is zero here"]


def _with(case: Case, values: Gradients) -> Case:
    """Return the problem with other values of parameters and initial states."""
    other = copy.copy(case)
    other.params = {name: values.get(name, p) for name, p in case.params.items()}
    other.state = tuple(values.get(name, s) for name, s in zip(case.state_names, case.state, strict=True))
    return other


def _same(first: Gradients, case: Case, by_hand: ByHand) -> bool:
    again = case.hand_gradients(by_hand)
    return set(first) == set(again) and all(np.array_equal(g, again[name], equal_nan=True) for name, g in first.items())
