"""The first wrong step of a derivation by hand, found from its answers, without its intermediates.

Two facts make it possible. The upstream gradient may be given at one step s alone: then only dL_s is at work. And a
sequence that is cut to the steps k..s, and started at the true state of step k, has as its gradient the contributions
of these steps: the contribution of step k alone is the difference of two such gradients. Together they give the term
(s, k) of dL/dU = sum_s sum_{k<=s} delta_{s,k} h_{k-1}, for any function, by its answers alone.

Both are found by halving. The gradient for upstream gradients at the steps 0..s is right, and at 0..s+1 is wrong: so
s+1 is tried alone. The contributions of the steps k+1..s are right together, and with that of step k they are wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, ByHand, Case, Gradients
from tinygrad_rnn.bptt.comparison.report import Difference, Row
from tinygrad_rnn.bptt.comparison.tolerance import Judge, Tolerance
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.language.saying import Sentence, Words, sentence
from tinygrad_rnn.language.spoken_fields import stored

TRIED_ALONE = 64
"""The number of steps to try alone where halving finds none. A sequence that is not longer is tried whole."""


class _Run(NamedTuple):
    """A problem with upstream gradients at a few steps, and its gradients by hand and on the tape."""

    case: Case
    hand: Gradients
    tape: Gradients


class Locator:
    """A search for the first fault of a derivation by hand, for each of its gradients."""

    def __init__(self, case: Case, by_hand: ByHand, judge: Judge, rtol: float) -> None:
        self._case, self._by_hand, self._judge, self._rtol = case, by_hand, judge, rtol
        # A step without an upstream gradient has one of ones, so that each can be tried.
        given = case.dhs.reshape(len(case.dhs), -1).any(axis=1)
        self._dhs = case.dhs.copy()
        self._dhs[~given] = 1
        self._no_last = tuple(np.zeros_like(d) for d in case.dlast)
        self._run = lru_cache(maxsize=None)(self._compute_run)
        self._tolerances = lru_cache(maxsize=None)(self._compute_tolerances)
        self._cut = lru_cache(maxsize=None)(self._compute_cut)

    def first_fault(self, row: Row) -> Sentence:
        """Name the upstream step s at which the gradient `row.name` is wrong, and the wrong contribution k."""
        name, T = row.name, len(self._case.xs)
        if row.fault:
            return sentence(
                "{name}: the derivation by hand gave {fault}, the parameter has {shape}.",
                name=name,
                fault=stored(row, "fault"),
                shape=row.shape,
            )
        if self._is_wrong(name, 0, T):
            s = _first(T, lambda s: self._is_wrong(name, 0, s + 1))
            if self._is_wrong(name, s, s + 1):
                return self._alone(name, s)
        tried = sorted({round(s) for s in np.linspace(0, T - 1, min(T, TRIED_ALONE))})
        for s in tried:
            if self._is_wrong(name, s, s + 1):
                return self._alone(name, s)
        if any(d.any() for d in self._case.dlast) and self._is_wrong(name, T, T + 1):
            return sentence(
                "{name}: with the last state's gradient alone, {first}", name=name, first=self._first_step(name, T)
            )
        at = (
            sentence("any one step") if len(tried) == T else sentence("each of {n} steps that were tried", n=len(tried))
        )
        return sentence(
            "{name}: right for an upstream gradient at {at} alone; wrong only where several steps have one.",
            name=name,
            at=at,
        )

    def _alone(self, name: str, s: int) -> Sentence:
        first = self._first_step(name, s)
        return sentence("{name}: with an upstream gradient at step {s} alone, {first}", name=name, s=s, first=first)

    @cached_property
    def _reads_state(self) -> bool:
        """Return whether the derivation gives another answer for other initial states."""
        case = self._case.part(0, len(self._case.xs), self._dhs, self._case.dlast)
        hand = case.hand_gradients(self._by_hand)
        case.state = tuple(s + 1 for s in case.state)
        moved = case.hand_gradients(self._by_hand)
        return any(not np.array_equal(g, moved[name], equal_nan=True) for name, g in hand.items() if name in moved)

    # ------------------------------------------------------------------------------ upstream gradients at a few steps

    def _upstream(self, start: int, stop: int) -> tuple[Array, tuple[Array, ...]]:
        """Return the upstream gradients of steps start, ..., stop - 1; step T stands for the last state."""
        dhs = np.zeros_like(self._dhs)
        dhs[start:stop] = self._dhs[start:stop]
        return dhs, self._case.dlast if stop > len(dhs) else self._no_last

    def _compute_run(self, start: int, stop: int) -> _Run:
        dhs, dlast = self._upstream(start, stop)
        case = self._case.part(0, len(dhs), dhs, dlast)
        return _Run(case, case.hand_gradients(self._by_hand), self._judge.gradients(dhs, dlast))

    def _compute_tolerances(self, start: int, stop: int) -> dict[str, Tolerance]:
        return self._judge.tolerances(*self._upstream(start, stop))[0]

    def _is_wrong(self, name: str, start: int, stop: int) -> bool:
        _, hand, tape = self._run(start, stop)
        if name not in hand or hand[name].shape != tape[name].shape:
            return True
        difference = Difference.between(hand[name], tape[name])
        if difference.relative <= self._rtol:
            return False
        return not difference.absolute <= self._tolerances(start, stop)[name].absolute(self._rtol)

    # ------------------------------------------------------------------------------ contributions of the steps before

    def _first_step(self, name: str, s: int) -> Sentence:
        """Return in words the first step, from step s down, whose part of the gradient is wrong, with both numbers."""
        alone, hand, tape = self._run(s, s + 1)
        last = min(s, len(alone.xs) - 1)
        allowed = self._tolerances(s, s + 1)[name].absolute(self._rtol)

        def wrong(pair: tuple[Array, Array]) -> bool:
            return not Difference.between(*pair).absolute <= allowed

        if name == "x":
            what: Words = "dx"
            pairs = list(zip(hand["x"], tape["x"], strict=True))
            found = next((k for k in reversed(range(len(pairs))) if wrong(pairs[k])), None)
            pair = pairs[found or 0]
        elif name in alone.state_names:
            return sentence(
                "the gradient of the initial state is the first that is wrong: {numbers}.",
                numbers=_numbers(hand[name], tape[name]),
            )
        elif not self._reads_state:
            return self._from_zeros(name, s, last, wrong)
        else:
            what = sentence("the contribution")
            try:
                below = _first(last + 1, lambda n: wrong(self._cut(name, s, last - n)))
            except Exception as error:
                return sentence(
                    "it is wrong: {numbers}; in a term of step {last} or of one before. "
                    "Which it is, other lengths would tell, for which the derivation fails: {error}.",
                    numbers=_numbers(hand[name], tape[name]),
                    last=last,
                    error=told(error),
                )
            found = last - below
            pair = self._contribution(name, s, found)
            if not wrong(pair):
                found = None
        if found is None:
            return sentence(
                "it is wrong as a whole: each contribution of the steps up to {last} is right by itself.", last=last
            )
        return sentence(
            "{what} of step {k} is the first that is wrong{where}: {numbers}.",
            what=what,
            k=found,
            where="",
            numbers=_numbers(*pair),
        )

    def _from_zeros(self, name: str, s: int, last: int, wrong: Callable[[tuple[Array, Array]], bool]) -> Sentence:
        """Return the same for a derivation that begins at zeros: from the shortest sequence to step s that is wrong.

        One step less is right. So what is wrong is what the first step adds; if that is zero, since the state before it
        is, what the second adds from a state that is not.
        """
        _, hand, tape = self._run(s, s + 1)
        try:
            n = 1 + _first(last + 1, lambda n: wrong(self._zero_cut(name, s, last - n)))
        except Exception as error:
            return sentence(
                "it is wrong: {numbers}; in a term of step {last} or of one before. The derivation begins at zeros, "
                "and fails for other lengths, which would tell which: {error}.",
                numbers=_numbers(hand[name], tape[name]),
                last=last,
                error=told(error),
            )
        begun = last + 1 - n
        at_zeros = self._alone_from_zeros(s, begun)
        hand_there, tape_there = self._zero_cut(name, s, begun)
        own = [at_zeros.tape_gradients()[name]]
        for k in range(1, n):
            rest = at_zeros.part(k, len(at_zeros.xs), at_zeros.dhs[k:], at_zeros.dlast)
            own = [*own[:-1], own[-1] - rest.tape_gradients()[name], rest.tape_gradients()[name]]
        found = 0 if n == 1 or np.any(np.abs(own[0]) > 1e-12 * np.max(np.abs(tape_there))) else 1
        where = sentence(", in the sequence that begins at step {begun} with zeros", begun=begun) if begun else ""
        with np.errstate(invalid="ignore"):
            pair = own[found] + (hand_there - tape_there), own[found]
        return sentence(
            "{what} of step {k} is the first that is wrong{where}: {numbers}.",
            what=sentence("the contribution"),
            k=begun + found,
            where=where,
            numbers=_numbers(*pair),
        )

    def _zero_cut(self, name: str, s: int, k: int) -> tuple[Array, Array]:
        """Return the gradient of the steps from k on, begun with zeros there, by hand and on the tape."""
        rest = self._alone_from_zeros(s, k)
        return rest.hand_gradients(self._by_hand)[name], rest.tape_gradients()[name]

    def _alone_from_zeros(self, s: int, k: int) -> Case:
        alone = self._run(s, s + 1).case
        rest = alone.part(k, len(alone.xs), alone.dhs[k:], alone.dlast)
        rest.state = tuple(np.zeros_like(state) for state in rest.state)
        return rest

    def _compute_cut(self, name: str, s: int, k: int) -> tuple[Array, Array]:
        """Return the gradient of the steps from k on, by hand and on the tape."""
        alone, hand, tape = self._run(s, s + 1)
        if k == 0:
            return hand[name], tape[name]
        rest = alone.part(k, len(alone.xs), alone.dhs[k:], alone.dlast)
        return rest.hand_gradients(self._by_hand)[name], rest.tape_gradients()[name]

    def _contribution(self, name: str, s: int, k: int) -> tuple[Array, Array]:
        hand, tape = self._cut(name, s, k)
        if k + 1 == len(self._case.xs):
            return hand, tape
        hand_after, tape_after = self._cut(name, s, k + 1)
        with np.errstate(invalid="ignore"):  # a gradient by hand that is infinite has no contributions
            return hand - hand_after, tape - tape_after


def _first(n: int, wrong: Callable[[int], bool]) -> int:
    """Find the first wrong number of 0..n-1 by halving. Number n-1 is known to be wrong, and all after the first are.

    The first few are tried one by one, since most mistakes show there.
    """
    for k in range(min(n, 4)):
        if wrong(k):
            return k
    right, known = min(n, 4) - 1, n - 1
    while known - right > 1:
        middle = (right + known) // 2
        if wrong(middle):
            known = middle
        else:
            right = middle
    return known


def _numbers(hand: Array, tape: Array) -> Sentence:
    at = Difference.between(hand, tape).at
    return sentence(
        "at {at} by hand {hand}, on the tape {tape}", at=list(at), hand=f"{hand[at]:.6g}", tape=f"{tape[at]:.6g}"
    )
