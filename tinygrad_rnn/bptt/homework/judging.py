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


HALF = Precision(0.1, 1e-2, unit=2.0**45)
"""Of bfloat16 and float16, in which sums over steps keep one or two digits."""
EXCEEDS = 1e-2
"""How far, at least, true entries exceed the bound of a clipping: farther than rounding to half precision does."""


@dataclass
class Trial:
    """One problem: its sizes, the gradients as given, by the arrays' names, and the true ones.

    failure: why there are none. whole: all of the data as given. moved: gradients are how far parameters moved.
    entries: gives a true gradient entry by entry.
    """

    T: int | None
    B: int | None
    seed: int
    whole: bool = True
    given: Mapping[str, Array] = field(default_factory=dict)
    true: Mapping[str, Truth] = field(default_factory=dict)
    moved: bool = False
    failure: str = ""
    own: OwnLoss | None = None
    entries: Callable[[str], Truth | None] | None = None

    @property
    def key(self) -> tuple[int | None, int | None, int]:
        """The sizes and the seed."""
        return self.T, self.B, self.seed

    @property
    def largest(self) -> float:
        """The largest entry of any gradient."""
        return max((truth.largest for truth in self.true.values()), default=0.0)

    def unclear(self, name: str, precision: Precision, clip: Convention | None) -> bool:
        """Return whether the true gradient is not known well enough to judge by, or cut where only its sums are."""
        truth = self.true[name]
        uncertain = 10 * truth.error > max(1e-2, 10 * precision.relative) * max(truth.largest, 1e-6 * self.largest)
        return bool(uncertain or (clip and truth.directions is not None))

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


def precision_of(trials: list[Trial]) -> tuple[Precision, str]:
    """Return the precision in which gradients are handed in, and its name: that of the dtype, or of all the digits."""
    arrays = [np.asarray(g) for t in trials for g in t.given.values()]
    dtypes = {g.dtype.name for g in arrays}
    if narrow := dtypes & {"bfloat16", "float16"}:
        return HALF, narrow.pop()
    short = [(g == g.astype(np.float32)).all() for g in arrays if g.dtype == np.float64 and len(np.unique(g)) > 2]
    if "float32" in dtypes or (short and all(short)):
        return SINGLE, "float32"
    return USUAL, ""


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


def _constant(words: str, factor: float) -> Convention:
    return _scaled(words, lambda trial: factor)


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


def scale_of(trials: list[Trial], names: list[str], precision: Precision, clip: Convention | None) -> Convention | None:
    """Return the scale under which most gradients are right on all trials; None where none is better than 1."""
    best, most = None, _rights(trials, names, precision, None, clip)
    for convention in SCALES:
        if (right := _rights(trials, names, precision, convention, clip)) > most:
            best, most = convention, right
    return best


def _rights(
    trials: list[Trial],
    names: list[str],
    precision: Precision,
    convention: Convention | None,
    clip: Convention | None = None,
) -> int:
    """Return how many gradients are right on all trials. Those that are zero count for no convention."""
    allowed = [c for c in (convention, clip) if c]
    return sum(
        any(t.true[name].largest > precision.floor * t.largest for t in trials if name in t.true)
        and all(t.same(name, precision, allowed) for t in trials)
        for name in names
    )


def rate_of(trials: list[Trial], names: list[str], precision: Precision) -> Convention | None:
    """Return the learning rate with which an object trains itself: the factor that most gradients share."""
    if not any(t.moved for t in trials):
        return None
    rates = [_factor([(t, name) for t in trials]) for name in names]
    most = _rights(trials, names, precision, None)
    best = None
    for rate in (rate for rate in rates if rate > 0):
        convention = _constant(f"parameters move by {rate:.4g} times the gradient", rate)
        if (right := _rights(trials, names, precision, convention)) > most:
            best, most = convention, right
    return best


def clip_of(trials: list[Trial], names: list[str]) -> Convention | None:
    """Return the clipping of entries to [-c, c] that what was given allows: c is its largest number."""
    entries = np.concatenate([np.abs(t.given[n]).ravel() for t in trials for n in names] or [np.zeros(1)])
    bound = float(np.max(entries, initial=0))
    if not bound or not np.isfinite(bound):
        return None
    for t in trials:
        if t.entries is not None:
            t.true = {n: truth if truth.directions is None else t.entries(n) or truth for n, truth in t.true.items()}
    words = f"gradients are clipped to [-{bound:.6g}, {bound:.6g}]"
    return Convention(words, lambda t, g: np.clip(g, -bound, bound), bound=bound)


def clips(trials: list[Trial], names: list[str], scale: Convention | None, clip: Convention) -> bool:
    """Return whether a clipping cuts anything off true gradients of some scale."""
    true = [scale.change(t, t.true[n].values) if scale else t.true[n].values for t in trials for n in names]
    return any(bool((np.abs(g) > clip.bound * (1 + EXCEEDS)).any()) for g in true)


def met_twice(trials: list[Trial], names: list[str], clip: Convention) -> bool:
    """Return whether two entries or more stand at the bound of a clipping."""
    met = [int(np.count_nonzero(np.abs(t.given[n]) == clip.bound)) for t in trials for n in names]
    return sum(met) > 1


def own_norm_of(trials: list[Trial], names: list[str]) -> float | None:
    """Return the norm to which each of these gradients by itself is scaled down, where that makes all of them right."""
    known = all(t.given[n].shape == t.true[n].shape and t.true[n].whole for t in trials for n in names)
    if not known:
        return None
    norms = [
        (float(np.linalg.norm(t.given[n])), float(np.linalg.norm(t.true[n].values))) for t in trials for n in names
    ]
    bound = max(hand for hand, _ in norms)
    down = [hand for hand, true in norms if true > bound * (1 + EXCEEDS)]
    if not bound or len(down) < 2:
        return None

    def scaled(t: Trial, g: Array) -> Array:
        return g * min(1.0, bound / (float(np.linalg.norm(g)) or 1.0))

    same = all(t.same(n, SINGLE, [Convention("", scaled)]) for t in trials for n in names)
    return bound if same else None


def norm_of(trials: list[Trial], names: list[str]) -> Convention | None:
    """Return the scaling of all gradients to a norm c at most, by one factor each time, where it makes these right."""
    if any(t.given[n].shape != t.true[n].shape or not np.isfinite(t.given[n]).all() for t in trials for n in names):
        return None
    factors = {t.key: _factor([(t, n) for n in names]) for t in trials}
    lengths = {t.key: float(np.sqrt(sum(np.sum(np.square(g)) for g in t.given.values()))) for t in trials}
    norm = max(lengths.values(), default=0.0)
    down = [t for t in trials if factors[t.key] < 1 - 1e-6]
    if len(down) < 2 or any(abs(lengths[t.key] - norm) > 1e-4 * norm for t in down):
        return None
    if any(not 0 < factor < 1 + 1e-4 for factor in factors.values()):
        return None
    rescaled = _scaled(f"gradients are scaled down to a norm of {norm:.6g} at most", lambda t: factors[t.key])
    return rescaled if all(t.same(n, SINGLE, [rescaled]) for t in trials for n in names) else None


def _factor(gradients: list[tuple[Trial, str]]) -> float:
    """Return the factor by which what was given is best said to be the true gradient."""
    pairs = [(t.true[n].seen(t.given[n]), t.true[n].values) for t, n in gradients]
    size = float(sum(np.sum(true * true) for _, true in pairs))
    return float(sum(np.sum(hand * true) for hand, true in pairs)) / size if size else 1.0
