"""Known mistakes of a scan, told by the outputs alone: each is made in numbers, and compared.

They are made of the first path's own outputs and runs: one from an initial state of zeros, one on each step alone. If
the outputs are the states and each entry keeps a part A_t of itself, a step alone gives b_t, and h_t - b_t over h_{t-1}
gives A_t. A mistake is named if all outputs of the second path are as it makes them, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.language.saying import Sentence, sentence
from tinygrad_rnn.nn.associative import rounds

STEPS = 24
"""The number of steps on which mistakes are made."""

Run = Callable[[Array, Any], Array]
"""The first path on other data and from another initial state: (xs, state) -> outputs."""


def known_mistakes(run: Run, xs: Array, state: Any, hs: Array, other: Array) -> list[Sentence]:
    """Return the first known mistake that gives the outputs of the second path; none for one step, which tells little.

    run: the first path. xs (T, B, I). state: the initial states, a tuple, or None. hs, other (T, B, ...): the outputs
    of the first path and of the second.
    """
    T = min(len(xs), STEPS)
    if T < 2:
        return []
    least = 1e-9 if hs.dtype == np.float64 else 1e-4
    hs, wide = hs[:T].astype(np.float64), other[:T].astype(np.float64)
    size = float(np.max(np.abs(hs), initial=0)) or 1.0
    with np.errstate(all="ignore"):
        for said, made in _outputs(run, xs[:T], state, hs, wide, len(xs) == T):
            if made.shape == wide.shape and np.allclose(made, wide, rtol=0, atol=least * size):
                return [said]
    return []


def _outputs(run: Run, xs: Array, state: Any, hs: Array, other: Array, whole: bool) -> Iterator[tuple[Sentence, Array]]:
    """Yield mistakes with the outputs that they give. whole: whether these are all steps."""
    zero = None if state is None else tuple(np.zeros_like(s) for s in state)
    first = state[0] if state is not None and state[0].shape == hs[0].shape else np.zeros_like(hs[0])
    if state is not None:
        yield (
            sentence("the initial state is missing: the second path begins with zeros"),
            np.asarray(run(xs, zero), np.float64),
        )
    exclusive = sentence("an exclusive scan stands in the place of an inclusive one: step t has the output of step t-1")
    for begun in (first, np.zeros_like(first)):
        yield exclusive, np.concatenate([begun[None], hs[:-1]])
    if whole:
        yield (
            sentence("the second path runs from the last step to the first"),
            np.asarray(run(xs[::-1], state), np.float64)[::-1],
        )
        yield sentence("the outputs of the second path are in the reverse order"), hs[::-1]
    yield from _linear(run, xs, zero, first, hs, other)


def _linear(run: Run, xs: Array, zero: Any, first: Array, hs: Array, other: Array) -> Iterator[tuple[Sentence, Array]]:
    """Yield the mistakes with A and b, for states that keep a part of each entry.

    From zeros the first path does not show A_0. It is then what step 1 of the second path would have of it.
    """
    T = len(xs)
    b = np.stack([np.asarray(run(xs[t : t + 1], zero), np.float64)[0] for t in range(T)])
    before = np.concatenate([first[None], hs[:-1]]).astype(np.float64)
    A = np.divide(hs - b, before, out=np.ones_like(hs), where=before != 0)
    if not first.any():
        A[0] = np.divide(other[1] - b[1], b[0], out=A[0].copy(), where=b[0] != 0)
    one, end = np.ones_like(A[:1]), np.zeros_like(A[:1])
    later = sentence("the decay is shifted: at step t stands A of step t+1")
    earlier = sentence("the decay is shifted: at step t stands A of step t-1")
    for last in (A[-1:], one, end, A[:1]):
        yield later, _folded(np.concatenate([A[1:], last]), b, first)
    for begun in (one, A[:1], end, A[-1:]):
        yield earlier, _folded(np.concatenate([begun, A[:-1]]), b, first)
    yield sentence("1 - A stands in the place of A"), _folded(1 - A, b, first)
    yield sentence("A is missing: a step keeps all of the state before"), _folded(np.ones_like(A), b, first)
    added_first = sentence("b is added before the product with A: A (h + b) stands in the place of A h + b")
    yield added_first, _folded(A, A * b, first)
    yield sentence("b of step t-1 stands at step t"), _folded(A, np.concatenate([end, b[:-1]]), first)
    without = _folded(A, b, np.zeros_like(first))
    yield sentence("the initial state is added to every output, without the product of the A"), without + first
    only = without.copy()
    only[0] += A[0] * first
    yield sentence("the initial state is in the first output alone"), only
    powers = np.cumprod(np.concatenate([one, A[:-1]]), axis=0)
    yield (
        sentence("the initial state lacks the first A: it is multiplied by A of one step too few"),
        without + powers * first,
    )
    yield from _wrong_operators(A, b, first)


def _wrong_operators(A: Array, b: Array, first: Array) -> Iterator[tuple[Sentence, Array]]:
    """Yield the mistakes in the associative operator, in the rounds of Hillis and Steele and in those of Sklansky."""
    operators: dict[str, Callable[[Array, Array, Array, Array], tuple[Array, Array]]] = {
        "(A2 A1, A1 b2 + b1)": lambda A1, b1, A2, b2: (A2 * A1, A1 * b2 + b1),
        "(A2 A1, A1 b1 + b2)": lambda A1, b1, A2, b2: (A2 * A1, A1 * b1 + b2),
        "(A2 A1, A2 b2 + b1)": lambda A1, b1, A2, b2: (A2 * A1, A2 * b2 + b1),
        "(A2, A2 b1 + b2)": lambda A1, b1, A2, b2: (A2, A2 * b1 + b2),
        "(A1, A2 b1 + b2)": lambda A1, b1, A2, b2: (A1, A2 * b1 + b2),
        "(A2 A1, b1 + b2)": lambda A1, b1, A2, b2: (A2 * A1, b1 + b2),
        "(A2 + A1, A2 b1 + b2)": lambda A1, b1, A2, b2: (A2 + A1, A2 * b1 + b2),
        "(A2 A1, A2 b1)": lambda A1, b1, A2, b2: (A2 * A1, A2 * b1),
    }
    for text, operator in operators.items():
        said = sentence(
            "in the associative operator, {given} stands in the place of {meant}, for (A2, b2) after (A1, b1)",
            given=text,
            meant="(A2 A1, A2 b1 + b2)",
        )
        for scan in (_hillis_steele, _sklansky):
            P, q = scan(operator, A, b)
            yield said, P * first + q
            if first.any():
                folded = b.copy()
                folded[0] += A[0] * first
                yield said, scan(operator, A, folded)[1]


def _folded(A: Array, b: Array, first: Array) -> Array:
    """Return the states of h_t = A_t h_{t-1} + b_t."""
    states, h = [], first
    for keep, add in zip(A, b, strict=True):
        h = keep * h + add
        states.append(h)
    return np.stack(states)


def _hillis_steele(operator: Callable[..., tuple[Array, Array]], A: Array, b: Array) -> tuple[Array, Array]:
    d = 1
    while d < len(b):
        later, moved = operator(A[:-d], b[:-d], A[d:], b[d:])
        A, b = np.concatenate([A[:d], later]), np.concatenate([b[:d], moved])
        d *= 2
    return A, b


def _sklansky(operator: Callable[..., tuple[Array, Array]], A: Array, b: Array) -> tuple[Array, Array]:
    A, b = A.copy(), b.copy()
    for i, j in rounds(len(b)):
        A[i], b[i] = operator(A[j], b[j], A[i], b[i])
    return A, b
