"""Where a derivation by hand first goes wrong: found from outside, without looking at its intermediates.

Two facts make it possible. The upstream gradient may be given at one step s alone: then only dL_s is at work. And a
sequence that is cut to the steps k..s, and started at the true state of step k, has as its gradient the contributions
of these steps: the contribution of step k alone is the difference of two such gradients. Together they give the term
(s, k) of dL/dU = sum_s sum_{k<=s} delta_{s,k} h_{k-1}, for any function, by its answers alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, ByHand, Case
from tinygrad_rnn.bptt.comparison.report import Difference, Row


def first_fault(case: Case, by_hand: ByHand, row: Row, rtol: float) -> str:
    """In words: the upstream step s at which the gradient `row.name` is wrong, and the contribution k that is."""
    name = row.name
    if row.fault:
        return f"{name}: the derivation by hand gave {row.fault}, the parameter has {row.shape}."
    for s, alone in _one_step_at_a_time(case):
        tape, hand = alone.tape_gradients()[name], alone.hand_gradients(by_hand)[name]
        if not Difference.between(hand, tape).relative <= rtol:
            where = f"an upstream gradient at step {s} alone" if s < len(case.xs) else "the last state's gradient alone"
            return f"{name}: with {where}, {_first_step(alone, by_hand, name, min(s, len(case.xs) - 1), rtol)}"
    return f"{name}: right for an upstream gradient at any one step alone; wrong only for several at once."


def _one_step_at_a_time(case: Case) -> Any:
    """The case with the upstream gradient of step 0 alone, of step 1, ..., and at last of the last state alone."""
    no_last = tuple(np.zeros_like(d) for d in case.dlast)
    for s in range(len(case.xs)):
        dhs = np.zeros_like(case.dhs)
        dhs[s] = case.dhs[s] if case.dhs[s].any() else 1
        yield s, case.part(0, len(case.xs), dhs, no_last)
    if any(d.any() for d in case.dlast):
        yield len(case.xs), case.part(0, len(case.xs), np.zeros_like(case.dhs), case.dlast)


def _first_step(case: Case, by_hand: ByHand, name: str, s: int, rtol: float) -> str:
    """Walking from step s down, the first step whose part of the gradient is wrong, with both numbers."""
    if name == "x":
        parts = list(zip(case.hand_gradients(by_hand)["x"], case.tape_gradients()["x"], strict=True))
        what = "dx"
    elif name in case.state_names:
        parts = [(case.hand_gradients(by_hand)[name], case.tape_gradients()[name])]
        what = "what reaches the initial state"
    else:
        parts = _contributions(case, by_hand, name)
        what = "the contribution"
    scale = max(float(np.max(np.abs(tape))) for _, tape in parts)
    for k in reversed(range(len(parts))):
        hand, tape = parts[k]
        difference = Difference.between(hand, tape)
        if not difference.absolute <= rtol * scale:
            numbers = f"by hand {hand[difference.at]:.6g}, on the tape {tape[difference.at]:.6g}"
            of = "" if name in case.state_names else f" of step {k}"
            return f"{what}{of} is the first that is wrong: at {list(difference.at)} {numbers}."
    return f"it is wrong as a whole: each contribution of the steps up to {s} is right by itself."


def _contributions(case: Case, by_hand: ByHand, name: str) -> list[tuple[Array, Array]]:
    """What each step adds to a parameter's gradient, by hand and on the tape: the differences of cut sequences."""
    found: list[tuple[Array, Array]] = []
    hand_after: Any = 0
    tape_after: Any = 0
    for k in reversed(range(len(case.xs))):
        rest = case.part(k, len(case.xs), case.dhs[k:], case.dlast)
        hand, tape = rest.hand_gradients(by_hand)[name], rest.tape_gradients()[name]
        found.append((hand - hand_after, tape - tape_after))
        hand_after, tape_after = hand, tape
    return found[::-1]
