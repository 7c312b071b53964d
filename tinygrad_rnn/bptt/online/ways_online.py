"""The methods that learn forward in time: what each keeps of the influence matrix M_t = I_t + J_t M_{t-1}.

All carry something of M for each example from step to step, and give dL_t/dtheta = dL_t/ds_t M_t, with what they carry
in the place of M (Marschall, Cho, Savin 2020 compare them in this form). `Exact` is real-time recurrent learning.
`SnAp`, `EProp` and `RFLO` leave terms out; `UORO` and `KFRTRL` are random, and right on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.online.influence import NotDefinedError, StepInfluence
from tinygrad_rnn.bptt.online.kronecker import Factor, factors_of, no_product

Signs = Callable[[tuple[int, ...]], Array]
"""A function of a shape that returns -1 or 1 for each entry: drawn, or counted through."""


@dataclass(frozen=True)
class OnlineWay:
    """A method. What it carries from step to step begins as None."""

    random: ClassVar[bool] = False

    def step(self, carried: Any, at: StepInfluence, signs: Signs, shapes: dict[str, tuple[int, ...]]) -> Any:
        """Return what is carried on after a step."""
        raise NotImplementedError

    def influence(self, carried: Any, at: StepInfluence) -> Array:
        """Return what stands in the place of M, (B, S, P)."""
        raise NotImplementedError

    def held(self, carried: Any) -> int:
        """Return how many numbers are held from step to step, for one example."""
        raise NotImplementedError

    def work(self, before: Any, carried: Any, at: StepInfluence) -> int:
        """Return the multiply-adds of a step for one example, without those that are zero for sure.

        Counted are what it carries on, from `before` (None in the first step), J and I, and dL_t/dtheta from that. J
        and I themselves, from which all methods begin, are not counted.
        """
        raise NotImplementedError


class LinearWay(OnlineWay):
    """A method that is not random: M = I + what it lets pass of J M."""

    def remembered(self, memory: Any, at: StepInfluence) -> Any:
        """Return what a step adds to the memory that decides what may pass."""
        return None

    def through(self, at: StepInfluence) -> Array:
        """Return the part of J through which influence passes, (B, S, S)."""
        return at.J

    def passed(self, M: Array, at: StepInfluence, memory: Any) -> Array:
        """Return what passes from the step before: of J M, (B, S, P)."""
        return np.asarray(self.through(at) @ M)

    def step(self, carried: Any, at: StepInfluence, signs: Signs, shapes: dict[str, tuple[int, ...]]) -> Any:
        """Return M, and the memory."""
        memory = self.remembered(carried[1] if carried else None, at)
        return at.I + self.passed(carried[0], at, memory) if carried else at.I, memory

    def influence(self, carried: Any, at: StepInfluence) -> Array:
        """Return M."""
        return np.asarray(carried[0])

    def held(self, carried: Any) -> int:
        """Return the number of entries that are not zero."""
        return int(np.count_nonzero(carried[0][0]))

    def work(self, before: Any, carried: Any, at: StepInfluence) -> int:
        """Count the products of J M whose factors are not zero and whose entry of M is kept, and those of dL M."""
        kept = carried[0][0] != 0
        if before is None:
            return int(kept.sum())
        factors = ((of != 0).astype(np.float64) for of in (self.through(at)[0], before[0][0]))
        return int((np.matmul(*factors) * kept).sum()) + int(kept.sum())


@dataclass(frozen=True)
class Exact(LinearWay):
    """Real-time recurrent learning (Williams and Zipser 1989): M itself, S P numbers; a step costs S^2 P."""


@dataclass(frozen=True)
class SnAp(LinearWay):
    """Sparse n-step approximation (Menick et al. 2020): entries of M that a parameter reaches within n steps.

    An entry is kept where M would not be zero if no influence were older than n steps; all others are zero. SnAp-1
    keeps what a parameter does to the unit that reads it. SnAp-n is RTRL once n reaches the number of steps, and for a
    dense matrix U from n = 2 on. Which entries these are is read off the steps so far.
    """

    n: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"SnAp: n = {self.n!r}\ngive a number of steps, 1 or more")

    def remembered(self, memory: Any, at: StepInfluence) -> Any:
        """Return the entries of I and of J that were not zero so far, and the entries of M that these reach.

        An input of zero, or a unit at rest, is no reason to forget: an entry that is kept once is kept for good.
        """
        own, flows = at.I != 0, at.J != 0
        if flows.shape[1] != flows.shape[2]:
            raise NotDefinedError(
                f"SnAp: the state has {flows.shape[1]} numbers, and {flows.shape[2]} at the step before\n"
                "it keeps the same entries at all steps: give states that do not grow"
            )
        if memory is not None:
            own, flows = own | memory[0], flows | memory[1]
        reached = own
        for _ in range(min(self.n, own.shape[1]) - 1):  # no path needs more steps than the state has numbers
            reached = own | (flows.astype(np.float64) @ reached.astype(np.float64) > 0)
        return own, flows, reached

    def passed(self, M: Array, at: StepInfluence, memory: Any) -> Array:
        """Return J M where its pattern allows it."""
        return np.asarray((at.J @ M) * memory[-1])


@dataclass(frozen=True)
class EProp(LinearWay):
    """Eligibility propagation (Bellec et al. 2020): what a parameter does to a unit lives on within the unit alone.

    M = I + D M, with D the part of J along elementwise operations: f_t of an LSTM, from c to c; z_t of a GRU. All that
    passes from unit to unit through a matrix is left out. The learning signal is dL_t/dh_t, exact.
    """

    def through(self, at: StepInfluence) -> Array:
        """Return D."""
        return at.within


@dataclass(frozen=True)
class RFLO(EProp):
    """Random feedback local online learning (Murray 2019), for leaky units: h_t = (1 - a) h_{t-1} + a f(z_t).

    M = I + (1 - a) M: the influence leaks away in its unit, and U is left out. The feedback is dL_t/dh_t here, exact,
    so that the figures show what this approximation leaves out, without what random feedback adds.
    """

    def through(self, at: StepInfluence) -> Array:
        """Return (1 - a) on the diagonal. Raise NotDefinedError for units that do not leak at a constant rate."""
        if not at.leak:
            raise NotDefinedError(
                "RFLO: the state does not leak at a constant rate\n"
                "it is defined for h = (1 - a) h + a f(...), as nn.leaky_rnn; EProp is its like for gates"
            )
        return super().through(at)


@dataclass(frozen=True)
class UORO(OnlineWay):
    """Unbiased online recurrent optimization (Tallec and Ollivier 2017): M = s v^T on average, S + P numbers.

    With random signs nu: s = r0 J s + r1 nu, v = v / r0 + nu^T I / r1; r0 and r1 make both parts equally long.
    """

    random: ClassVar[bool] = True

    def step(self, carried: Any, at: StepInfluence, signs: Signs, shapes: dict[str, tuple[int, ...]]) -> Any:
        """Return the two vectors of each example."""
        B, S, P = at.I.shape
        s, v = carried if carried else (np.zeros((B, S), at.I.dtype), np.zeros((B, P), at.I.dtype))
        nu = signs((B, S))
        moved, own = (at.J @ s[..., None])[..., 0], (nu[:, None] @ at.I)[:, 0]
        r0, r1 = _balance(v, moved), _balance(own, nu)
        return r0 * moved + r1 * nu, v / r0 + own / r1

    def influence(self, carried: Any, at: StepInfluence) -> Array:
        """Return the product of the two vectors."""
        return np.asarray(carried[0][..., :, None] * carried[1][..., None, :])

    def held(self, carried: Any) -> int:
        """Return S + P."""
        return int(carried[0].shape[1] + carried[1].shape[1])

    def work(self, before: Any, carried: Any, at: StepInfluence) -> int:
        """Count J s, nu^T I, four lengths, two scaled sums, and dL s v."""
        _, S, P = at.I.shape
        return int(np.count_nonzero(at.J[0]) + np.count_nonzero(at.I[0]) + 5 * (S + P))


@dataclass(frozen=True)
class KFRTRL(OnlineWay):
    """Kronecker-factored RTRL (Mujika, Meier, Steger 2018): by each parameter, M = A (x) a on average.

    A is (S, R) and a (C,), for a parameter (R, C) that acts as z = W a, or (C, R) as z = a W: its immediate derivative
    is D (x) a_t, with D = ds/dz. With two random signs A = p c J A + q d D and a = p a / c + q a_t / d; c and d make
    the parts of both equally long. Here each parameter has a product of its own, where the authors join those with the
    same D.
    """

    random: ClassVar[bool] = True

    def step(
        self, carried: Any, at: StepInfluence, signs: Signs, shapes: dict[str, tuple[int, ...]]
    ) -> list[dict[int, Factor]]:
        """Return the factors by each parameter: along each axis that a may have, for all steps so far.

        Raises NotDefinedError for parameters that act in another way.
        """
        own = factors_of(at, shapes)
        if carried is None:
            return own
        found = []
        for name, new, old in zip(shapes, own, carried, strict=True):
            drawn = signs((2, len(at.J), 1))
            found.append({axis: _joined(new[axis], old[axis], at, *drawn) for axis in old if axis in new})
            if not found[-1]:
                raise no_product(name)
        return found

    def influence(self, carried: Any, at: StepInfluence) -> Array:
        """Return the products, parameter by parameter."""
        return np.concatenate([_first(factors).product() for factors in carried], axis=-1)

    def held(self, carried: Any) -> int:
        """Return the number of entries of the factors."""
        return sum(f.A[0].size + f.a[0].size for f in map(_first, carried))

    def work(self, before: Any, carried: Any, at: StepInfluence) -> int:
        """Count for each parameter dL A and its product with a, and, from the second step on, J A, lengths and sums."""
        found = 0
        for f in map(_first, carried):
            (_, S, R), C = f.A.shape, f.a.shape[1]
            found += S * R + R * C
            if before is not None:
                found += int(np.count_nonzero(at.J[0])) * R + 4 * (S * R + C)
        return found


def _joined(new: Factor, old: Factor, at: StepInfluence, p: Array, q: Array) -> Factor:
    moved = at.J @ old.A
    c, d = _balance(old.a, moved), _balance(new.a, new.A)
    return new._replace(A=(p * c)[..., None] * moved + (q * d)[..., None] * new.A, a=p * old.a / c + q * new.a / d)


def _first(factors: dict[int, Factor]) -> Factor:
    return next(iter(factors.values()))


def _balance(a: Array, b: Array) -> Array:
    """Return sqrt(|a| / |b|) for each example, (B, 1); 1 where one of them is zero."""
    lengths = [np.sqrt(np.square(x.reshape(len(x), -1)).sum(axis=1, keepdims=True)) for x in (a, b)]
    both = (lengths[0] > 0) & (lengths[1] > 0)
    return np.sqrt(np.where(both, lengths[0], 1) / np.where(both, lengths[1], 1))
