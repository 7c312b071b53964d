"""One gradient of a person's code against that of the code's own loss, and the conventions under which it is right.

What must be seen before a convention is believed stands in `bptt/diagnosis/evidence.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tinygrad_rnn.bptt.diagnosis import evidence
from tinygrad_rnn.bptt.diagnosis.evidence import Scale, Seen, Truth
from tinygrad_rnn.bptt.diagnosis.precision import SINGLE, Precision
from tinygrad_rnn.bptt.homework.array_places import Array
from tinygrad_rnn.bptt.homework.own_loss import OwnLoss
from tinygrad_rnn.language.saying import Words, sentence

USUAL = Precision(1e-7, 1e-11)
"""Wider than the doctor's: the loss, and so the rounding of its derivative, is the person's own."""
ONE_NORM = 1e-2
"""How far two norms may be apart, as a part of the larger, that may be one norm to which both gradients are clipped."""
HALF = Precision(0.1, 1e-2, unit=2.0**45)
"""Of bfloat16 and float16, in which sums over steps keep one or two digits."""


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
        return bool((np.abs(truth.seen(hand) - meant) <= self.slack(name, precision)(meant)).all())

    def slack(self, name: str, precision: Precision) -> Callable[[Array], float]:
        """Return how far an entry of a gradient may be off, where certain ones are meant."""
        error = 10 * self.true[name].error
        return lambda meant: precision.slack(meant, self.largest) + error


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
    """A way to hand gradients in that is no mistake: as a sentence, and as a change of the true gradient on a trial.

    factor: by what it multiplies on a trial, where that is all it does. bound: to what it cuts each entry.
    """

    said: Words
    change: Callable[[Trial, Array], Array]
    factor: Callable[[Trial], float] | None = None
    bound: float = np.inf


def scaled_by(scale: Scale) -> Convention:
    """Return the convention that gradients have another size."""
    said = sentence("{what} are {scale}", what=sentence("gradients"), scale=scale.said)
    return _scaled(said, lambda t: scale.factor(t.T or 1, t.B or 1))


def _scaled(said: Words, factor: Callable[[Trial], float]) -> Convention:
    return Convention(said, lambda trial, g: g * factor(trial), factor)


def _always(factor: float) -> Callable[[Trial], float]:
    return lambda trial: factor


def scale_of(
    trials: list[Trial],
    names: list[str],
    precision: Precision,
    allowed: Iterable[Scale],
    clip: Convention | None,
) -> Scale | None:
    """Return the allowed scale under which most gradients are right on all trials; None where none is better than 1."""
    best, most = None, _rights(trials, names, precision, None, clip)
    for scale in allowed:
        if (right := _rights(trials, names, precision, scaled_by(scale), clip)) > most:
            best, most = scale, right
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
    rates = [evidence.factor_of(_seen(trials, [name], precision)) for name in names]
    most = _rights(trials, names, precision, None)
    best = None
    for rate in (rate for rate in rates if rate > 0):
        said = sentence("parameters move by {rate:.4g} times the gradient", rate=rate)
        convention = _scaled(said, _always(rate))
        if (right := _rights(trials, names, precision, convention)) > most:
            best, most = convention, right
    return best


def largest_as_bound(trials: list[Trial], names: list[str]) -> Convention | None:
    """Return the clipping that no answer contradicts: to the largest number given. Gradients become known by entries.

    None where no true gradient may exceed that, and where the answers cannot show a clipping: it leaves its bound at
    two entries, or one norm to two gradients. Entries of the true gradient take many runs of the code.
    """
    given = [np.abs(np.asarray(t.given[n], np.float64)) for t in trials for n in names]
    bound = max((float(np.max(g, initial=0)) for g in given), default=0.0)
    if not bound or not np.isfinite(bound):
        return None
    norms = np.array([np.linalg.norm(g) for g in given])
    if sum(np.sum(g == bound) for g in given) < 2 and np.sum(norms > (1 - ONE_NORM) * norms.max()) < 2:
        return None
    for t in trials:
        if t.entries is not None:
            t.true = {n: truth if truth.directions is None else t.entries(n) or truth for n, truth in t.true.items()}
    return _clipping(bound)


def clip_of(trials: list[Trial], names: list[str], precision: Precision, scale: Convention | None) -> Convention | None:
    """Return the clipping of entries that the answers show, the true ones in a scale; None where they show none."""
    bound = evidence.bound_of(_seen(trials, names, precision, scale))
    return None if bound is None else _clipping(bound)


def _clipping(bound: float) -> Convention:
    said = sentence("gradients are clipped to [-{bound:.6g}, {bound:.6g}]", bound=bound)
    return Convention(said, lambda t, g: evidence.clipped(g, bound), bound=bound)


def own_norm_of(trials: list[Trial], names: list[str]) -> float | None:
    """Return the norm to which each of these gradients by itself is scaled down, where the answers show one."""
    return evidence.own_norm_of(_seen(trials, names, SINGLE))


def norm_of(trials: list[Trial], names: list[str]) -> Convention | None:
    """Return the scaling of all gradients to a norm at most, by one factor each time, where the answers show one."""
    found = evidence.norm_of(_seen(trials, names, SINGLE))
    if found is None:
        return None
    norm, factors = found
    said = sentence("gradients are scaled down to a norm of {norm:.6g} at most", norm=norm)
    return _scaled(said, lambda t: factors[t.key])


def _seen(trials: list[Trial], names: list[str], precision: Precision, scale: Convention | None = None) -> list[Seen]:
    """Return these gradients on all trials for the rules of evidence."""
    found = []
    for t in trials:
        for name in names:
            true = t.true[name]
            if scale:
                true = replace(true, values=scale.change(t, true.values))
            found.append(Seen(t.key, name, np.asarray(t.given[name]), true, t.slack(name, precision)))
    return found
