"""Two ways to compute one recurrence: where they part, and in which terms.

The terms are the derivatives of the output of step t by the input of step k. A loop and a scan that agree have the same
values and the same terms; a wrong product, a state that is carried past a reset, or an output that reads a later input,
each spoils terms of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.scans.parted_terms import what_is_wrong
from tinygrad_rnn.bptt.scans.recorded_path import Path, RecordedPath
from tinygrad_rnn.bptt.scans.scan_mistakes import known_mistakes
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.values import not_recording
from tinygrad_rnn.language.saying import Words, listed, sentence
from tinygrad_rnn.nn.parameters import State
from tinygrad_rnn.nn.time_loop import as_tuple
from tinygrad_rnn.notebook.html_parts import box, code

ROWS = 24
"""The number of steps whose terms are computed: one walk back for each."""


@dataclass(frozen=True)
class Parted:
    """Where two paths part. True where they agree.

    differences, spread: (T,), the largest difference of the outputs of a step, and what rounding explains. steps: those
    whose terms were compared, in order. terms, others: (len(steps), T), the size of the terms of either path; wrong:
    where they differ by more than rounding. parameters: the names of those whose gradients differ. digits: how many
    decimal digits rounding costs each path. single: whether they are float32. precise: whether they agree in float64.
    finite: before which step the outputs of each path are finite; no terms are compared from there on.
    sloped: whether the derivatives of each path are finite.
    known: the known mistake that gives all outputs of the second path.
    """

    differences: Array
    spread: Array
    steps: NDArray[np.intp]
    terms: Array
    others: Array
    wrong: NDArray[np.bool_]
    parameters: tuple[str, ...]
    digits: tuple[float, float]
    single: bool
    precise: bool = False
    finite: tuple[int, int] = (0, 0)
    sloped: tuple[bool, bool] = (True, True)
    known: tuple[Words, ...] = ()

    def __bool__(self) -> bool:
        return self.first is None and not self.wrong.any() and not self.parameters and self.sloped[0] == self.sloped[1]

    @property
    def first(self) -> int | None:
        """The first step at which the outputs differ by more than rounding."""
        apart = ~(self.differences <= self.spread)
        return int(np.argmax(apart)) if apart.any() else None

    @property
    def mistakes(self) -> list[Words]:
        """What is wrong, in words, the likeliest first."""
        if self.known:
            return [*self.known]
        return what_is_wrong(self.steps, self.terms, self.others, self.wrong, self.first is None)

    def __repr__(self) -> str:
        return f"<Parted: {str(self).splitlines()[0]}>"

    def __str__(self) -> str:
        return "\n".join(map(str, self._lines()))

    def _repr_html_(self) -> str:
        return box(str(self._lines()[0]), code("\n".join(map(str, self._lines()[1:]))))

    def _lines(self) -> list[Words]:
        T = len(self.differences)
        lines: list[Words] = []
        if self:
            most = float(np.max(self.differences))
            agree = sentence("the two paths agree at all {T} steps: at most {most} apart", T=T, most=f"{most:.2g}")
            lines.append(agree)
        elif self.first is not None:
            lines.append(
                sentence(
                    "the two paths part at step {t} of {T}, counted from 0: the outputs differ by {by}, rounding "
                    "explains {explained}",
                    t=self.first,
                    T=T,
                    by=f"{self.differences[self.first]:.2g}",
                    explained=f"{self.spread[self.first]:.1g}",
                )
            )
        else:
            lines.append(sentence("the outputs of the two paths agree, and their gradients do not"))
        for which, n, sloped in zip((sentence("first"), sentence("second")), self.finite, self.sloped, strict=True):
            if n < T:
                lines.append(
                    sentence(
                        "the outputs of the {which} path are not finite from step {t} on: it computes by way of "
                        "numbers that overflow, such as exponentials or quotients of products",
                        which=which,
                        t=n,
                    )
                )
            elif not sloped:
                lines.append(
                    sentence(
                        "the derivatives of the {which} path are not finite, though its outputs are: look for a root, "
                        "a logarithm or a quotient at zero",
                        which=which,
                    )
                )
        if self.precise:
            lines.append(sentence("it is rounding: in float64 the two paths agree"))
        if self.wrong.any():
            row, k = np.argwhere(self.wrong)[0]
            lines.append(
                sentence(
                    "of {count} terms d(output t)/d(x k), {wrong} differ, first t = {t}, k = {k}: {one} and {other}",
                    count=self.wrong.size,
                    wrong=int(self.wrong.sum()),
                    t=int(self.steps[row]),
                    k=int(k),
                    one=f"{self.terms[row, k]:.4g}",
                    other=f"{self.others[row, k]:.4g}",
                )
            )
        if self.wrong.any() or self.known:
            lines += self.mistakes
        elif self.parameters:
            lines.append(sentence("the gradients of {names} differ", names=listed(self.parameters)))
        elif not self and not self.precise and min(self.finite) == T and all(self.sloped):
            lines.append(sentence("no term differs: look at the initial state, or at a constant that is added"))
        if self.digits[1] > self.digits[0] + 1:
            lines.append(
                sentence(
                    "rounding costs the first path {one} digits, the second {other}: it computes by way of larger "
                    "numbers, such as exponentials or quotients of products",
                    one=f"{self.digits[0]:.1f}",
                    other=f"{self.digits[1]:.1f}",
                )
            )
        return lines


def compare_paths(loop: Path, scan: Path, params: Any, xs: Any, state: State = None) -> Parted:
    """Compare two ways to compute one recurrence: step by step, and term by term.

    loop, scan: functions (params, xs), or (params, xs, state) where a state is given, that return the outputs
    (T, B, ...), alone or as `nn.unroll` does, with the last state: `functools.partial(nn.unroll, cell)`. params: arrays
    or Tensors by name. xs: (T, B, I).

    A tolerance is measured: both paths run again with each result moved by a last place. Where the inputs are float32,
    both run in float64 too, so that a difference which is rounding can be told from a mistake. Terms are compared at 24
    steps at most.

    Raises ValueError where the two give outputs of different shapes, or no outputs for each step, and where neither
    gives finite ones; TypeError for a path that is no function, and for inputs that are no floats.

    >>> from functools import partial
    >>> from tinygrad_rnn import nn
    >>> params = nn.init.min_gru(np.random.default_rng(0), 2, 3)
    >>> xs = np.random.default_rng(1).standard_normal((5, 1, 2))
    >>> bool(compare_paths(partial(nn.unroll, nn.min_gru), partial(nn.scan, nn.min_gru), params, xs))
    True
    """
    for path, which in ((loop, "loop"), (scan, "scan")):
        if not callable(path):
            raise TypeError(
                f"compare_paths: {which} is a {type(path).__name__}\n"
                "give a function (params, xs) of the outputs, as functools.partial(nn.unroll, cell)"
            )
    runs = [RecordedPath(path, params, xs, state) for path in (loop, scan)]
    found = _compared(runs)
    if found.single and not found:
        wider = [RecordedPath(path, params, xs, state, np.float64) for path in (loop, scan)]
        found = replace(found, precise=bool(_compared(wider)))
    if found.first is None or found.precise or min(found.finite) < len(found.differences):
        return found
    return replace(found, known=tuple(_known(loop, runs, state)))


def _known(loop: Path, runs: list[RecordedPath], state: State) -> list[Words]:
    """Return the known mistake that gives the outputs of the second path; none where there is none."""
    one, other = runs
    params = one.rebuild([x.data for x in one.leaves.values()])

    def run(xs: Array, begin: Any) -> Array:
        with not_recording():
            found = loop(params, xs, *([begin if len(begin) > 1 else begin[0]] if begin else []))
        hs = found[0] if isinstance(found, tuple) else found
        return np.asarray(hs.data if isinstance(hs, Tensor) else hs)

    states = None if state is None else tuple(np.array(s.data if isinstance(s, Tensor) else s) for s in as_tuple(state))
    try:
        return [*known_mistakes(run, one.x.data, states, one.hs.data, other.hs.data)]
    except (ValueError, TypeError, LookupError):  # a path for sequences of this length alone
        return []


def _compared(runs: list[RecordedPath]) -> Parted:
    one, other = runs
    T = len(one.x)
    if one.hs.shape != other.hs.shape or one.hs.shape[:1] != (T,):
        raise ValueError(
            f"compare_paths: outputs of shapes {one.hs.shape} and {other.hs.shape}, for {T} steps\n"
            "let both paths return the outputs of all steps, (T, B, ...)"
        )
    finite = _finite_before(one.hs.data), _finite_before(other.hs.data)
    if max(finite) == 0:
        raise ValueError(
            "compare_paths: the outputs of both paths are not finite at step 0\nlook at params, xs and state"
        )
    with not_recording(), np.errstate(all="ignore"):
        apart = np.abs(one.hs.data - other.hs.data).reshape(T, -1)
        differences = np.where(np.isnan(apart), np.inf, apart).max(axis=1)
        spreads = [run.spread().reshape(T, -1) for run in runs]
        unit = float(np.finfo(one.hs.dtype).eps) * (float(np.max(np.abs(one.hs.data), initial=0)) or 1.0)
        spread = (spreads[0] + spreads[1]).max(axis=1) + unit
        evenly = np.linspace(0, T - 1, min(T, ROWS)).round().astype(np.intp)
        steps = np.unique(np.append(evenly, np.argmax(~(differences <= spread))))  # the first wrong one among them
        steps = steps[steps < min(finite)]
        terms, others, wrong, parameters, sloped = _terms(one, other, steps)
    return Parted(
        differences=differences,
        spread=spread,
        steps=steps,
        terms=terms,
        others=others,
        wrong=wrong,
        parameters=parameters,
        digits=(_digits(spreads[0], unit), _digits(spreads[1], unit)),
        single=one.hs.dtype != np.float64,
        finite=finite,
        sloped=sloped,
    )


def _finite_before(hs: Array) -> int:
    """Return the number of steps before the first whose outputs are not all finite."""
    wrong = ~np.isfinite(hs.reshape(len(hs), -1)).all(axis=1)
    return int(np.argmax(wrong)) if wrong.any() else len(hs)


def _digits(spread: Array, unit: float) -> float:
    """Return how many decimal digits of the outputs rounding costs."""
    return float(np.log10(max(float(np.max(spread, initial=0)), unit) / unit))


def _terms(
    one: RecordedPath, other: RecordedPath, steps: NDArray[np.intp]
) -> tuple[Array, Array, NDArray[np.bool_], tuple[str, ...], tuple[bool, bool]]:
    """Return the sizes of the terms of both paths, where they differ, and the parameters whose gradients differ.

    At last whether the derivatives of each path are finite. Those that are not are not compared.
    """
    rng = np.random.default_rng(0)
    T, names = len(one.x), ["x", *one.leaves]
    sizes = np.zeros((2, len(steps), T))
    wrong, bad, sloped = np.zeros((len(steps), T), np.bool_), set[str](), [True, True]
    for row, t in enumerate(steps):
        seed = np.zeros(one.hs.shape, one.hs.dtype)
        seed[t] = rng.uniform(0.5, 1.5, seed[t].shape) * rng.choice([-1, 1], seed[t].shape)
        found = [run.terms(seed) for run in (one, other)]
        for k, name in enumerate(names):
            (a, a_moved), (b, b_moved) = ((gradients[k], moved[k]) for gradients, moved in found)
            sloped = [was and bool(np.isfinite(g).all()) for was, g in zip(sloped, (a, b), strict=True)]
            least = np.finfo(a.dtype).eps * np.max(np.abs(a), initial=0) + np.finfo(a.dtype).tiny
            apart = ~(np.abs(a - b) <= a_moved + b_moved + least) & np.isfinite(a) & np.isfinite(b)
            if name == "x":
                wrong[row] = apart.reshape(T, -1).any(axis=1)
                sizes[:, row] = [np.linalg.norm(g.astype(np.float64).reshape(T, -1), axis=1) for g in (a, b)]
            elif apart.any():
                bad.add(name)
    return sizes[0], sizes[1], wrong, tuple(n for n in names if n in bad), (sloped[0], sloped[1])
