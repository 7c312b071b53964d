"""The ways to truncate: the steps that the loss of a step reaches, and the factors on the paths.

Steps are numbered 0, ..., T-1. "Truncated BPTT" means several things; all of them say, of a path that starts at the
loss of one step and has come to another, whether it goes on. `h_{-1}`, the initial state, belongs to step 0.

A way is deterministic (`Full`, `Chunked`, `WilliamsPeng`, `Window`, `Scaled`) or random (`Randomized`,
`RandomChunks`); a random one draws a `Scaled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.core.counting import counted


class Span(NamedTuple):
    """One walk back of a run: from the losses of steps `losses`, ..., `stop` - 1 back to step `start`."""

    start: int
    losses: int
    stop: int


class _OfLength:
    """An object that may hold for one number of steps only."""

    def check(self, T: int) -> None:
        """Raise ValueError where this is for another number of steps."""


class Way(_OfLength):
    """A deterministic way to truncate. Steps whose losses reach equally far are a group, by number."""

    def group(self, step: int) -> int:
        """Return the group of a step."""
        raise NotImplementedError

    def reach(self, group: int, T: int) -> range:
        """Return the steps that the losses of a group reach."""
        raise NotImplementedError

    def factor(self, group: int, here: int, there: int, T: int) -> float:
        """Return the factor on a path of that group from step `here` to step `there`."""
        return float(there in self.reach(group, T))

    def spans(self, T: int) -> list[Span]:
        """Return the walks back of a run over all steps, in order."""
        groups: dict[int, list[int]] = {}
        for step in range(T):
            groups.setdefault(self.group(step), []).append(step)
        return [Span(self.reach(g, T).start, steps[0], steps[-1] + 1) for g, steps in groups.items()]


@dataclass(frozen=True)
class Full(Way):
    """Nothing is cut: dL_t/dtheta is the sum over all steps k <= t."""

    def group(self, step: int) -> int:
        """Return 0, the one group."""
        return 0

    def reach(self, group: int, T: int) -> range:
        """Return all steps."""
        return range(T)


@dataclass(frozen=True)
class Chunked(Way):
    """The gradient is cut every k steps, the state is carried on: D2L's regular truncation, usual in training loops.

    Chunks begin at steps 0, k, 2k, ...; L_t reaches the steps of its own chunk, so one of 1 to k. The state with which
    a chunk begins is a constant. The last chunk is as long as the sequence leaves it.
    """

    k: int

    def __post_init__(self) -> None:
        _require_steps(self, k=self.k)

    def group(self, step: int) -> int:
        """Return the number of its chunk."""
        return step // self.k

    def reach(self, group: int, T: int) -> range:
        """Return the steps of the chunk."""
        return range(group * self.k, min((group + 1) * self.k, T))


@dataclass(frozen=True)
class WilliamsPeng(Way):
    """BPTT(h; h') of Williams and Peng (1990), with h' = k1 and h = k2: every k1 steps, k2 steps back.

    The losses of a block of k1 steps, which ends before step e, reach back to step e - k2. The last block ends with
    the sequence: e = T. Where k1 divides T, k2 = k1 is `Chunked(k1)`; k1 = 1 is `Window(k2)`.

    Where time runs in reverse, a block reaches k2 steps from its other end, forward.
    """

    k1: int
    k2: int

    def __post_init__(self) -> None:
        _require_steps(self, k1=self.k1, k2=self.k2)
        if self.k1 > self.k2:
            raise ValueError(
                f"{self}: k1 = {self.k1} is more than k2 = {self.k2}\n"
                "k2 steps back must cover the k1 steps whose losses they begin with: k1 <= k2"
            )

    def group(self, step: int) -> int:
        """Return the number of its block."""
        return step // self.k1

    def reach(self, group: int, T: int) -> range:
        """Return the steps up to k2 from either end of the block."""
        start, stop = group * self.k1, min((group + 1) * self.k1, T)
        return range(max(0, stop - self.k2), min(T, start + self.k2))


@dataclass(frozen=True)
class Window(Way):
    """Each loss has a window of its own: L_t reaches the k steps t, t-1, ..., t-k+1, and h_{t-k} is a constant.

    True truncated BPTT, BPTT(k) of Williams and Peng. Where time runs in reverse: t, t+1, ..., t+k-1.
    """

    k: int

    def __post_init__(self) -> None:
        _require_steps(self, k=self.k)

    def group(self, step: int) -> int:
        """Return the step itself."""
        return step

    def reach(self, group: int, T: int) -> range:
        """Return the steps less than k away."""
        return range(max(0, group - self.k + 1), min(T, group + self.k))


@dataclass(frozen=True)
class Scaled(Way):
    """Cotangents that pass between steps b and b+1 are multiplied by factors[b], b = 0, ..., T-2; 0 cuts.

    The same factor for all that passes there: h and c, every layer, either direction. From one step to one further
    away it is the product of those between. The random ways draw one of these; masks of your own are given as one.
    """

    factors: tuple[float, ...]

    def __init__(self, factors: Sequence[float]) -> None:
        values = _numbers("Scaled", "factors", factors)
        if not np.isfinite(values).all():
            raise ValueError(f"Scaled: factors {values}\nexpected finite numbers, one between every two steps")
        object.__setattr__(self, "factors", values)

    def group(self, step: int) -> int:
        """Return 0, the one group."""
        return 0

    def reach(self, group: int, T: int) -> range:
        """Return all steps; a factor of 0 cuts."""
        return range(T)

    def check(self, T: int) -> None:
        """Raise ValueError unless there are T - 1 factors."""
        _require_count("Scaled", "factors", self.factors, T)

    def factor(self, group: int, here: int, there: int, T: int) -> float:
        """Return the product of the factors between the two steps."""
        return float(np.prod(self.factors[min(here, there) : max(here, there)]))

    def spans(self, T: int) -> list[Span]:
        """Return the chunks between factors of 0."""
        self.check(T)
        ends = [b + 1 for b, f in enumerate(self.factors) if f == 0]
        return [Span(a, a, b) for a, b in zip([0, *ends], [*ends, T], strict=True)]


class RandomWay(_OfLength):
    """A way that cuts by chance: at each boundary, in the order of time, with a probability that may look back.

    Where it does not cut, what passes is divided by the probability of that, so that every product along a path has
    expectation 1 and the estimate is unbiased. That holds for paths that cross a boundary once; `truncated_gradient`
    refuses others.
    """

    def chance(self, boundary: int, since: int) -> float:
        """Return the probability of a cut between steps `boundary` and `boundary` + 1, `since` steps after the last."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, T: int) -> Scaled:
        """Draw factors for T steps, by one number of `rng` for each boundary."""
        self.check(T)
        factors, since = [], 1
        for boundary in range(T - 1):
            chance = self.chance(boundary, since)
            cut = rng.random() < chance
            factors.append(0.0 if cut else 1 / (1 - chance))
            since = 1 if cut else since + 1
        return Scaled(factors)

    def outcomes(self, T: int) -> Iterator[tuple[float, Scaled]]:
        """Yield every possible drawing with its probability: at most 2^(T-1). Raise ValueError for T > 20."""
        self.check(T)
        if T > 20:
            raise ValueError(f"{self}: 2^{T - 1} outcomes for {T} steps\ntake up to 20 steps, or draw")
        for mask in range(2 ** (T - 1)):
            probability, factors, since = 1.0, [], 1
            for boundary in range(T - 1):
                chance, cut = self.chance(boundary, since), bool(mask >> boundary & 1)
                probability *= chance if cut else 1 - chance
                factors.append(0.0 if cut or chance == 1 else 1 / (1 - chance))
                since = 1 if cut else since + 1
            if probability:
                yield probability, Scaled(factors)


@dataclass(frozen=True)
class Randomized(RandomWay):
    """D2L's randomized truncation: xi_t is 0 with probability 1 - pi_t, else 1 / pi_t, so E[xi_t] = 1.

    dh_t/dtheta is estimated by z_t = df/dtheta + xi_t (df/dh_{t-1}) z_{t-1}. One xi for each boundary between steps:
    the edges of h and c share it. pi: a number, 0 < pi <= 1, or T-1 of them, pi[b] between steps b and b+1.
    """

    pi: float | tuple[float, ...]

    def __init__(self, pi: float | Sequence[float]) -> None:
        values: Any = float(pi) if _is_number(pi) else _numbers("Randomized", "pi", pi)  # type: ignore[arg-type]
        if not all(0 < p <= 1 for p in np.atleast_1d(values)):
            raise ValueError(f"Randomized: pi = {values}\npi is the probability that nothing is cut, 0 < pi <= 1")
        object.__setattr__(self, "pi", values)

    def check(self, T: int) -> None:
        """Raise ValueError unless there are one pi or T - 1 of them."""
        if isinstance(self.pi, tuple):
            _require_count("Randomized", "values of pi", self.pi, T)

    def chance(self, boundary: int, since: int) -> float:
        """Return 1 - pi."""
        return 1 - (self.pi[boundary] if isinstance(self.pi, tuple) else self.pi)


@dataclass(frozen=True)
class RandomChunks(RandomWay):
    """Random chunk ends with compensation: ARTBP of Tallec and Ollivier (2017, arXiv 1705.08209).

    A chunk that has lasted n steps ends with probability c_n; where it does not, what passes is divided by 1 - c_n.
    `mean` is the mean length of a chunk, more than 1. Without `power` the lengths are geometric, c_n = 1 / mean, which
    is `Randomized(1 - 1 / mean)`. With `power` = alpha > 2 they fall as a power law, so that some chunks are very long
    and no compensation is large: c_n = (alpha - 1) / ((alpha - 2) mean + n).
    """

    mean: float
    power: float | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.mean) or not 1 < self.mean < np.inf:
            raise ValueError(f"{self}: mean = {self.mean!r}\nthe mean length of a chunk is more than 1, and finite")
        if self.power is not None and not (_is_number(self.power) and 2 < self.power < np.inf):
            raise ValueError(
                f"{self}: power = {self.power!r}\nlengths have a mean only for power > 2; None is geometric"
            )

    def chance(self, boundary: int, since: int) -> float:
        """Return c_n, for n = `since`."""
        if self.power is None:
            return 1 / self.mean
        return (self.power - 1) / ((self.power - 2) * self.mean + since)


AnyWay = Way | RandomWay


def drawn(how: AnyWay, rng: np.random.Generator | None, T: int) -> Way:
    """Return the way itself, or the drawing of a random one from `rng`. Raise ValueError without an rng."""
    if isinstance(how, RandomWay):
        if not isinstance(rng, np.random.Generator):
            raise ValueError(
                f"{how} is random, and rng is {rng!r}\ngive rng=np.random.default_rng(seed), or Scaled(factors)"
            )
        return how.draw(rng, T)
    if not isinstance(how, Way):
        raise TypeError(f"{how!r} is no way to truncate\ngive one as Chunked(5), an object and not its class")
    how.check(T)
    return how


def _require_steps(way: object, **counts: object) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{type(way).__name__}: {name} = {count!r}\nexpected a number of steps, 1 or more")


def _is_number(value: object) -> bool:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _numbers(kind: str, what: str, values: Any) -> tuple[float, ...]:
    """Return a row of numbers as floats. Raise TypeError for anything else."""
    row = isinstance(values, Sequence) and not isinstance(values, str)
    if (row or (isinstance(values, np.ndarray) and values.ndim == 1)) and all(_is_number(v) for v in values):
        return tuple(float(v) for v in values)
    shown = f"an array of shape {values.shape}" if isinstance(values, np.ndarray) else repr(values)
    raise TypeError(f"{kind}: {what} = {shown}\ngive a row of numbers, one between every two steps")


def _require_count(kind: str, what: str, values: Sequence[float], T: int) -> None:
    if len(values) != T - 1:
        raise ValueError(
            f"{kind}: {len(values)} {what} for {counted(T, 'step')}\nexpected {T - 1}, one between every two steps"
        )
