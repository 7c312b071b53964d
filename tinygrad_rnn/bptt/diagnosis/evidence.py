"""The rules of evidence of conventions: what answers must show before a scale or a clipping is believed.

`compare`, `doctor` and `examine` share them. A scale needs a reason in the loss: a mean over T for a sum over T, and no
other. A clipping needs one bound that entries with different true values meet, with the sign of these.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.language.saying import Sentence, Words, joined, sentence

EXCEEDS = 1e-2
"""How far, at least, true entries exceed the bound of a clipping: farther than rounding to half precision does."""

Kind = Literal["sum", "mean", "one", "unknown"]
"""What a loss is over an axis: a sum of its entries' losses, their mean, the loss of one entry, or not known."""


@dataclass(frozen=True)
class Truth:
    """The gradient of one array, as far as it is known: its entries, or sums along directions.

    directions (n, size): where sums(gradient * direction) are known in the place of entries. values: the entries, or
    those sums. error: how far they may be off.
    """

    shape: tuple[int, ...]
    values: Array
    error: float = 0.0
    directions: Array | None = None

    @classmethod
    def of(cls, gradient: Array) -> Truth:
        """Return a gradient of which every entry is known."""
        return cls(gradient.shape, np.asarray(gradient, np.float64).reshape(-1))

    def seen(self, gradient: Array) -> Array:
        """Return the entries or sums of a gradient that stand beside `values`."""
        flat = np.asarray(gradient, np.float64).reshape(-1)
        return flat if self.directions is None else np.asarray(self.directions @ flat)

    @property
    def whole(self) -> bool:
        """Whether every entry is known."""
        return self.directions is None

    @property
    def largest(self) -> float:
        """The largest known entry or sum."""
        return float(np.max(np.abs(self.values), initial=0))


@dataclass(frozen=True)
class Seen:
    """A gradient as it was handed in for a problem, and the true one, in the size in which it is meant.

    slack: how far an entry may be off, where these are meant.
    """

    problem: Hashable
    name: str
    hand: Array
    true: Truth
    slack: Callable[[Array], float]

    def same(self, meant: Array) -> bool:
        """Return whether what was handed in is this, to rounding."""
        if self.hand.shape != self.true.shape or not np.isfinite(self.hand).all():
            return False
        return bool((np.abs(self.true.seen(self.hand) - meant) <= self.slack(meant)).all())

    @property
    def norms(self) -> tuple[float, float]:
        """The norm of what was handed in, and the true norm."""
        return float(np.linalg.norm(self.hand)), float(np.linalg.norm(self.true.values))


# ------------------------------------------------------------------------------------------------------------ scales


@dataclass(frozen=True)
class Scale:
    """A size that gradients may have: in words, "gradients are ...", and the factor for T steps and a batch of B."""

    said: Sentence
    factor: Callable[[int, int], float]
    squares: bool = False


_POWERS: dict[Kind, tuple[int, ...]] = {"sum": (0, -1), "mean": (0, 1), "one": (0,), "unknown": (0, -1, 1)}
"""By what power of n gradients may be off where a loss is that over n entries."""
_HALVES = {
    0.5: sentence("half of the loss's: those of a loss with a factor 1/2"),
    2.0: sentence("twice the loss's: those of a loss without its factor 1/2"),
}


def scales(steps: Kind, examples: Kind, squares: bool = False) -> Iterator[Scale]:
    """Yield the scales for which a loss gives a reason, the simplest first.

    steps, examples: what the loss is over T and over the batch. squares: whether it is made of squares, so that the 2
    of their derivative may be left out, or the 1/2 of the loss.
    """
    powers = [(t, b) for t in _POWERS[steps] for b in _POWERS[examples]]
    for t, b in sorted(powers, key=lambda p: (abs(p[0]) + abs(p[1]), p[0] != -1, p[1] != -1, p[0] * p[1] < 0)):
        over = _words(t, b)
        if over:
            yield Scale(over, _factor(t, b))
    for half, said in _HALVES.items() if squares else ():
        for t, b in powers:
            over = _words(t, b)
            both = sentence("{half}; {over}", half=said, over=over) if over else said
            yield Scale(both, _factor(t, b, half), squares=True)


def _words(t: int, b: int) -> Sentence | None:
    axes: tuple[tuple[Words, int], ...] = (("T", t), (sentence("the batch"), b))
    mean = total = None
    if means := [axis for axis, power in axes if power < 0]:
        mean = sentence("a mean over {axes}", axes=joined(means))
    if sums := [axis for axis, power in axes if power > 0]:
        total = sentence("a sum over {axes}, the loss is a mean", axes=joined(sums))
    return sentence("{mean}; {total}", mean=mean, total=total) if mean and total else mean or total


def _factor(t: int, b: int, constant: float = 1.0) -> Callable[[int, int], float]:
    return lambda T, B: constant * float(T) ** t * float(B) ** b


# ---------------------------------------------------------------------------------------------------------- clipping


def bound_of(seen: Sequence[Seen]) -> float | None:
    """Return the bound [-c, c] to which entries are clipped; None where the answers do not show one.

    Where all are right but for the clipping: two entries with different true values meet the bound. Where a mistake
    stands beside it: the bound is the largest entry on several problems, and is met by an entry that is smaller on
    another problem. A largest value that wrong gradients share by chance is neither.
    """
    bound = max((float(np.max(np.abs(s.hand), initial=0)) for s in seen), default=0.0)
    if not bound or not np.isfinite(bound):
        return None
    whole = [s for s in seen if s.true.whole and s.hand.shape == s.true.shape]
    if not any(s.true.largest > bound * (1 + EXCEEDS) for s in whole):
        return None
    met = [(s, np.abs(s.hand.reshape(-1)) == bound) for s in whole]
    if all(s.same(clipped(s.true.values, bound)) for s in seen):
        values = np.concatenate([np.abs(s.true.values[at & (np.abs(s.true.values) > bound)]) for s, at in met])
        return bound if len(values) > 1 and np.ptp(values) > EXCEEDS * 1e-3 * bound else None
    problems = {s.problem for s, at in met if at.any()}
    return bound if len(problems) > 1 and _varies(met) else None


def clipped(values: Array, bound: float) -> Array:
    """Return entries, clipped to [-bound, bound]."""
    return np.asarray(np.clip(values, -bound, bound))


def _varies(met: Iterable[tuple[Seen, Array]]) -> bool:
    """Return whether some entry meets the bound on one problem, and is smaller on another."""
    by_name: dict[tuple[str, int], list[Array]] = {}
    for s, at in met:
        by_name.setdefault((s.name, at.size), []).append(at)
    return any((np.any(each, axis=0) & ~np.all(each, axis=0)).any() for each in by_name.values())


def norm_of(seen: Sequence[Seen], precision: float = 1e-4) -> tuple[float, dict[Hashable, float]] | None:
    """Return the norm to which all gradients of a problem are scaled down together, and the factor of each problem.

    None where the answers do not show one: they are proportional to the true ones on every problem; the factor is 1,
    or it leads to the norm, which two problems meet.
    """
    by_problem: dict[Hashable, list[Seen]] = {}
    for s in seen:
        if s.hand.shape != s.true.shape or not np.isfinite(s.hand).all():
            return None
        by_problem.setdefault(s.problem, []).append(s)
    factors = {key: factor_of(group) for key, group in by_problem.items()}
    lengths = {key: float(np.sqrt(sum(s.norms[0] ** 2 for s in group))) for key, group in by_problem.items()}
    norm = max(lengths.values(), default=0.0)
    down = [key for key, factor in factors.items() if factor < 1 - 1e-6]
    if len(down) < 2 or any(abs(lengths[key] - norm) > precision * norm for key in down):
        return None
    if any(not 0 < factor < 1 + precision for factor in factors.values()):
        return None
    right = all(s.same(s.true.values * factors[s.problem]) for s in seen)
    return (norm, factors) if right else None


def own_norm_of(seen: Sequence[Seen]) -> float | None:
    """Return the norm to which each gradient by itself is scaled down; None where the answers do not show one."""
    if any(s.hand.shape != s.true.shape or not s.true.whole for s in seen):
        return None
    bound = max((s.norms[0] for s in seen), default=0.0)
    down = [s for s in seen if s.norms[1] > bound * (1 + EXCEEDS)]
    if not bound or len(down) < 2:
        return None
    right = all(s.same(s.true.values * min(1.0, bound / (s.norms[1] or 1.0))) for s in seen)
    return bound if right else None


def factor_of(seen: Iterable[Seen]) -> float:
    """Return the factor by which what was handed in is best said to be the true gradient."""
    pairs = [(s.true.seen(s.hand), s.true.values) for s in seen]
    size = float(sum(np.sum(true * true) for _, true in pairs))
    return float(sum(np.sum(hand * true) for hand, true in pairs)) / size if size else 1.0
