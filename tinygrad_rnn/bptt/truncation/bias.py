"""The accuracy of a truncation: its bias against the full gradient and, where it is random, its variance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.truncation.truncation import number_of_steps, truncated_gradient
from tinygrad_rnn.bptt.truncation.ways import AnyWay, Full, RandomWay
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box, table
from tinygrad_rnn.plain_values import plain
from tinygrad_rnn.tape.full_tape import Tape

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """A truncated gradient G against the full gradient g, all entries of all parameters as one vector.

    full: |g|. bias: |E G - g|. relative: bias / |g|. cosine: that of the angle between E G and g. variance:
    E |G - E G|^2, the sum of the entries' variances; 0 where nothing is random. spread: sqrt(variance) / |g|.
    draws: the number of drawings behind the mean and the variance; 0 for all drawings with their probabilities, and
    then both are exact. uncertainty: sqrt(variance / draws), the standard error of `bias` where it is of draws.

    Where g is zero, relative and spread are infinite (0 where there is nothing to divide), and the cosine is NaN.
    """

    full: float
    bias: float
    relative: float
    cosine: float
    variance: float
    spread: float
    draws: int
    uncertainty: float

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers by their names, for JSON. NaN and infinity are "NaN", "Infinity" and "-Infinity"."""
        found: dict[str, Any] = plain({"kind": "deviation", **vars(self)})
        return found

    def __repr__(self) -> str:
        return f"<Deviation: {self}>"

    def _repr_html_(self) -> str:
        rows = [
            [say("norm of the full gradient g"), f"{self.full:.4g}"],
            [say("bias |E G - g|"), f"{self.bias:.4g}"],
            [say("the bias over |g|"), f"{self.relative:.3g}"],
            [say("cosine of the angle between E G and g"), f"{self.cosine:.4f}"],
        ]
        if self.draws != 1:
            rows += [
                [say("variance E |G - E G|²"), f"{self.variance:.4g}"],
                [say("its root over |g|"), f"{self.spread:.3g}"],
            ]
            rows += [[say("drawings"), str(self.draws or say("all, with their probabilities"))]]
            rows += [[say("standard error of the bias"), f"{self.uncertainty:.3g}"]] if self.draws else []
        return box(say("A truncated gradient G against the full one, g"), table(["", ""], rows, right=[1]))

    def __str__(self) -> str:
        text = say(
            "bias {bias:.3g} of the full gradient's norm, cosine {cosine:.4f}", bias=self.relative, cosine=self.cosine
        )
        if self.draws == 1:
            return text
        kind = say("{n} draws", n=self.draws) if self.draws else say("all drawings")
        return say("{text}, standard deviation {spread:.3g} of it ({kind})", text=text, spread=self.spread, kind=kind)


def bias_and_variance(
    tape: Tape,
    loss: Any,
    wrt: Any,
    how: AnyWay,
    *,
    rng: np.random.Generator | None = None,
    draws: int = 100,
    exact: bool = False,
) -> Deviation:
    """Compare `truncated_gradient(tape, loss, wrt, how)` with the full gradient: its bias and its variance.

    A random way is drawn `draws` times (2 or more) from `rng`, or, with `exact`, taken over all of its outcomes, at
    most 2^(T-1) for T steps. The variance from draws is the unbiased estimate, divided by draws - 1.
    """
    if not flattened(wrt)[0]:
        raise ValueError("bias_and_variance: nothing to differentiate by\ngive wrt: a Tensor, or several")
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer):
        raise TypeError(f"bias_and_variance: draws = {draws!r}\ngive a number of drawings, 2 or more")
    full = vector(truncated_gradient(tape, loss, wrt, Full()))
    if not isinstance(how, RandomWay):
        return deviation(full, vector(truncated_gradient(tape, loss, wrt, how)), 0.0, 1)
    T = number_of_steps(tape)
    if exact:
        pairs = [(p, vector(truncated_gradient(tape, loss, wrt, drawing))) for p, drawing in how.outcomes(T)]
        mean = sum((p * g for p, g in pairs), np.zeros_like(full))
        return deviation(full, mean, math.fsum(p * float(np.sum((g - mean) ** 2)) for p, g in pairs), 0)
    if rng is None or draws < 2:
        what = "no rng" if rng is None else f"draws = {draws}"
        raise ValueError(
            f"bias_and_variance: {how} is random, and {what}\ngive rng= and 2 draws or more, or exact=True"
        )
    mean, variance = moments(vector(truncated_gradient(tape, loss, wrt, how, rng=rng)) for _ in range(draws))
    return deviation(full, mean, variance, draws)


def moments(drawn: Iterable[Vector]) -> tuple[Vector, float]:
    """Return the mean of vectors, two or more, and the sum of the variances of their entries, divided by draws - 1.

    Welford's recursion: no vector is kept.
    """
    mean, squares, count = np.zeros(1), 0.0, 0
    for count, x in enumerate(drawn, 1):
        apart = x - mean
        mean = mean + apart / count
        squares += float(np.sum(apart**2)) * (count - 1) / count
    return mean, squares / (count - 1)


def vector(gradients: Any) -> Vector:
    """Return all entries of all gradients as one vector."""
    leaves, _ = flattened(gradients)
    return np.concatenate([np.ravel(g).astype(np.float64) for _, g in leaves])


def deviation(full: Vector, mean: Vector, variance: float, draws: int) -> Deviation:
    """Return how far a gradient with this mean and variance is from the full one; `draws` as in `Deviation`."""
    size, bias, length = (float(np.linalg.norm(v)) for v in (full, mean - full, mean))
    return Deviation(
        full=size,
        bias=bias,
        relative=_ratio(bias, size),
        cosine=float(full / size @ (mean / length)) if size and length else math.nan,
        variance=variance,
        spread=_ratio(math.sqrt(variance), size),
        draws=draws,
        uncertainty=math.sqrt(variance / draws) if draws else 0.0,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.inf if part else 0.0
