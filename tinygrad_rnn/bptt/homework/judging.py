"""One gradient of a person's code against that of the code's own loss, and the conventions under which it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tinygrad_rnn.bptt.diagnosis.precision import SINGLE, Precision
from tinygrad_rnn.bptt.homework.own_loss import OwnLoss, Truth
from tinygrad_rnn.bptt.homework.places import Array

USUAL = Precision(1e-7, 1e-11)
"""Wider than the doctor's: the loss, and so the rounding of its derivative, is the person's own."""


@dataclass
class Trial:
    """One problem: its sizes, the gradients as given, by the arrays' names, and the true ones. None: it failed."""

    T: int | None
    B: int | None
    seed: int
    given: Mapping[str, Array] = field(default_factory=dict)
    true: Mapping[str, Truth] = field(default_factory=dict)
    failure: str = ""
    own: OwnLoss | None = None

    @property
    def largest(self) -> float:
        """The largest entry of any gradient."""
        return max((truth.largest for truth in self.true.values()), default=0.0)

    def same(self, name: str, precision: Precision, allowed: Iterable[Convention] = ()) -> bool:
        """Return whether a gradient is the true one, or what conventions make of it, one after the other."""
        hand, truth = self.given[name], self.true[name]
        if hand.shape != truth.shape or not np.isfinite(hand).all():
            return False
        meant = truth.values
        for convention in allowed:
            meant = convention.change(self, meant)
        slack = precision.slack(meant, self.largest) + 10 * truth.error
        return bool((np.abs(truth.seen(hand) - meant) <= slack).all())


@dataclass(frozen=True)
class Convention:
    """A way to hand gradients in that is no mistake: in words, and as a change of the true gradient on a trial.

    factor: by what it multiplies on a trial, where that is all it does. bound: to what it cuts each entry.
    """

    words: str
    change: Callable[[Trial, Array], Array]
    factor: Callable[[Trial], float] | None = None
    bound: float = np.inf


def _scaled(words: str, factor: Callable[[Trial], float]) -> Convention:
    return Convention(words, lambda trial, g: g * factor(trial), factor)


SCALES = (
    _scaled("gradients are a mean over T", lambda t: 1 / (t.T or 1)),
    _scaled("gradients are a mean over the batch", lambda t: 1 / (t.B or 1)),
    _scaled("gradients are a mean over T and the batch", lambda t: 1 / (t.T or 1) / (t.B or 1)),
    _scaled("gradients are a sum over T, the loss is a mean", lambda t: float(t.T or 1)),
    _scaled("gradients are a sum over the batch, the loss is a mean", lambda t: float(t.B or 1)),
    _scaled("gradients are a sum over T and the batch, the loss is a mean", lambda t: float((t.T or 1) * (t.B or 1))),
    _scaled("gradients are half of the loss's: those of a loss with a factor 1/2", lambda t: 0.5),
    _scaled("gradients are twice the loss's: those of a loss without its factor 1/2", lambda t: 2.0),
)
"""The sizes that a gradient may have, by convention."""


def scale_of(trials: list[Trial], names: list[str], precision: Precision) -> Convention | None:
    """Return the scale under which most of these gradients are right on all trials; None where none is better than 1.

    A scale must make some gradient right that differs from zero.
    """

    def rights(convention: Convention | None) -> int:
        return sum(
            any(t.true[name].largest > precision.floor * t.largest for t in trials if name in t.true)
            and all(t.same(name, precision, [convention] if convention else []) for t in trials)
            for name in names
        )

    best, most = None, rights(None)
    for convention in SCALES:
        if (right := rights(convention)) > most:
            best, most = convention, right
    return best


def clip_of(trials: list[Trial], names: list[str], scale: Convention | None) -> Convention | None:
    """Return the clipping of entries to [-c, c] that is seen in what was given: its largest number, met twice.

    scale: what the gradients are multiplied by before.
    """
    entries = np.concatenate([np.abs(t.given[n]).ravel() for t in trials for n in names] or [np.zeros(1)])
    bound = float(np.max(entries, initial=0))
    by_directions = any(t.true[n].directions is not None for t in trials for n in names)
    factors = [scale.factor(t) if scale and scale.factor else 1.0 for t in trials]
    over = any(t.true[n].largest * f > bound * (1 + 1e-9) for t, f in zip(trials, factors, strict=True) for n in names)
    if not bound or not np.isfinite(bound) or by_directions or not over or np.count_nonzero(entries == bound) < 2:
        return None
    words = f"gradients are clipped to [-{bound:.6g}, {bound:.6g}]"
    return Convention(words, lambda t, g: np.clip(g, -bound, bound), bound=bound)


def norm_of(trials: list[Trial], names: list[str]) -> Convention | None:
    """Return the scaling of all these gradients to a norm c at most, where it makes all of them right."""
    norms = {id(t): _norm(t.given[n] for n in names) for t in trials}
    norm = max(norms.values(), default=0.0)
    if not norm or not all(t.true[n].whole for t in trials for n in names):
        return None
    lengths = {id(t): _norm(t.true[n].values for n in names) for t in trials}
    if not any(length > norm * (1 + 1e-9) for length in lengths.values()):
        return None
    rescaled = Convention(
        f"gradients are scaled down to a norm of {norm:.6g} at most",
        lambda t, g: g * min(1.0, norm / (lengths[id(t)] or 1.0)),
    )
    return rescaled if all(t.same(n, SINGLE, [rescaled]) for t in trials for n in names) else None


def _norm(arrays: Iterable[Array]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(a)) for a in arrays)))
