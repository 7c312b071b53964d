"""Which approximation leaves out what: each method beside the full gradient, on one task."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.online.influence import Influences, NotDefinedError, StepInfluence
from tinygrad_rnn.bptt.online.online_gradient import by_steps, drawn_from, require_generator, require_way
from tinygrad_rnn.bptt.online.ways_online import KFRTRL, RFLO, UORO, EProp, Exact, LinearWay, OnlineWay, SnAp
from tinygrad_rnn.bptt.truncation.bias import Deviation, deviation, moments
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.draw import term_maps
from tinygrad_rnn.draw.svg_file import written
from tinygrad_rnn.draw.term_maps import MOST, Map
from tinygrad_rnn.language.saying import listed, say
from tinygrad_rnn.notebook.html_parts import box, code, sentences
from tinygrad_rnn.notebook.inline_svg import fitted
from tinygrad_rnn.text_tables import aligned

OUTCOMES = 2**16
"""The most drawings that are counted through."""

NEAR = 1e-9
"""A term is left out where it differs by more than this part of the largest term, and by more than rounding."""

ROUNDING = 1e-12
"""A bias below it is shown as zero."""

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class OnlineRow:
    """One method: its deviation from the full gradient, what it holds for an example, and the seconds of a run.

    terms (T, T): the size of each term (t, k), which is dL_t/dtheta by step k alone; by_lag (T,): the cosine of all
    terms with t - k alike to those of the full gradient, NaN where there are none. dropped: where a term differs. None
    for a random method, which is right on average. refused: why a method is not defined for the cell. work: the
    multiply-adds of a step at most, for an example, as `OnlineWay.work` counts them. changed (T, T): by how much a term
    differs, as a part of its size.
    """

    how: OnlineWay
    deviation: Deviation | None = None
    held: int = 0
    seconds: float = 0.0
    terms: Array | None = None
    by_lag: Array | None = None
    dropped: Array | None = None
    refused: str = ""
    work: int = 0
    changed: Array | None = None

    @property
    def first_dropped(self) -> tuple[int, int] | None:
        """The first term (t, k) that the method changes: of the first step t, that of the nearest step k."""
        if self.dropped is None or not self.dropped.any():
            return None
        t = int(np.argmax(self.dropped.any(axis=1)))
        return t, int(np.flatnonzero(self.dropped[t])[-1])


@dataclass(frozen=True)
class OnlineComparison:
    """All methods on one task. terms (T, T): the sizes of the terms of the full gradient."""

    rows: tuple[OnlineRow, ...]
    terms: Array

    def __repr__(self) -> str:
        return f"<OnlineComparison: {', '.join(str(row.how) for row in self.rows)}>"

    def __str__(self) -> str:
        lags = sorted({min(lag, len(self.terms) - 1) for lag in (0, 1, 2, 5, 10)})
        head = [say("method"), say("bias"), say("deviation"), say("cosine")]
        head += [*(say("lag {lag}", lag=lag) for lag in lags), say("first term lost")]
        errors, costs = [head], [[say("method"), say("numbers held"), say("multiply-adds")]]
        reasons = list[str]()
        for row in self.rows:
            if row.deviation is None:
                errors.append([str(row.how), say("not defined for this cell"), *[""] * (len(head) - 2)])
                reasons.append(row.refused.splitlines()[0])
                continue
            of = row.deviation
            cosines = ["-" if row.by_lag is None else _cosine_text(row.by_lag[lag]) for lag in lags]
            first = "-" if row.first_dropped is None else "({}, {})".format(*row.first_dropped)
            # What is left of an exact method is rounding, which differs from machine to machine.
            sizes = ["0" if of.relative < ROUNDING else f"{of.relative:.2g}", f"{of.spread:.2g}", f"{of.cosine:.3f}"]
            errors.append([str(row.how), *sizes, *cosines, first])
            costs.append([str(row.how), f"{row.held:,}", f"{row.work:,}"])
        meaning = say(
            "bias |E G - g| / |g|, deviation sqrt(E |G - E G|^2) / |g|, cosine of E G and g; steps count from 0"
        )
        counted = say("what a step holds and computes at most, for an example, once it has its Jacobians")
        tables = (
            (*aligned(errors, right=range(1, len(head))), meaning),
            (*aligned(costs, right=[1, 2]), counted, *reasons),
        )
        return "\n\n".join("\n".join(lines) for lines in tables)

    def _repr_html_(self) -> str:
        title = say("Methods forward in time, beside the full gradient")
        drawn = [fitted(self.svg(), title)] if len(self.terms) <= MOST else []
        times = [f"{row.how} {1000 * row.seconds:.2g} ms" for row in self.rows if row.deviation is not None]
        measured = say("Measured here, all methods on dense arrays: {times}", times=listed(times))
        return box(title, *drawn, code(str(self)), sentences([measured]))

    def svg(self) -> str:
        """Return the sizes of the terms (t, k), of the full gradient and of each method that is not random, as an SVG.

        Raises ValueError for more than 32 steps.
        """
        maps = {say("full gradient"): Map(self.terms)}
        for row in self.rows:
            if row.terms is not None and row.dropped is not None and row.changed is not None:
                maps[str(row.how)] = Map(row.terms, np.where(row.dropped, row.changed, 0), row.first_dropped)
        legend = (
            say("10^-3 and less"),
            say("largest term"),
            say("what the method changes, the larger the more; framed: the first"),
        )
        return term_maps.svg(say("The terms (t, k) of the gradient"), maps, legend)

    def draw(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing of `svg` into a file that ends in .svg, and return its path."""
        return written(self.svg(), path)


def compare_online(
    cell: Cell,
    params: Mapping[str, Tensor],
    xs: Any,
    loss: Loss,
    ways: Sequence[OnlineWay] | None = None,
    state: Any = None,
    *,
    rng: np.random.Generator | None = None,
    draws: int = 100,
    exact: bool = False,
) -> OnlineComparison:
    """Compare methods forward in time with the full gradient: bias, variance, cosine by lag, and the first term lost.

    Arguments as for `online_gradient`. ways: all of them, if none are given. A random method is drawn `draws` times
    from `rng` (default: seed 0), or, with `exact`, taken over all its signs, at most 2^16 drawings. The term (t, k) is
    what dL_t/dtheta gets by the parameters of step k: of the full gradient delta_{t,k} times what step k reads.

    Raises TypeError for what is no method; ValueError for fewer than 2 draws, and with `exact` for more drawings than
    can be counted through.
    """
    if ways is not None and not isinstance(ways, Sequence):
        raise TypeError(f"compare_online: ways is {ways!r}\ngive a list of methods, as [bptt.SnAp(1), bptt.UORO()]")
    for how in ways or ():
        require_way("compare_online", how)
    require_generator("compare_online", rng)
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer):
        raise TypeError(f"compare_online: draws = {draws!r}\ngive a number of drawings, 2 or more")
    ways = (Exact(), SnAp(1), SnAp(2), EProp(), RFLO(), UORO(), KFRTRL()) if ways is None else ways
    steps = Influences("compare_online", cell, params, xs, loss, state)
    given = [*steps]
    full_terms = _terms(Exact(), given)
    full = full_terms.sum(axis=(0, 1)) + sum(at.direct for at in given)
    rng = np.random.default_rng(0) if rng is None else rng
    rows = []
    for how in ways:
        try:
            rows.append(_row(how, given, steps.shapes, full, full_terms, rng, None if exact else draws))
        except NotDefinedError as error:
            rows.append(OnlineRow(how, refused=str(error)))
    return OnlineComparison(tuple(rows), np.linalg.norm(full_terms, axis=-1))


def _row(
    how: OnlineWay,
    given: Sequence[StepInfluence],
    shapes: Shapes,
    full: Array,
    full_terms: Array,
    rng: np.random.Generator,
    draws: int | None,
) -> OnlineRow:
    began = time.perf_counter()
    gradient, held = by_steps(given, shapes, how, drawn_from(rng))
    seconds = time.perf_counter() - began
    work = _work(how, given, shapes)
    if isinstance(how, LinearWay):
        terms = _terms(how, given)
        apart = np.abs(terms - full_terms).max(axis=-1)
        return OnlineRow(
            how,
            deviation(full, gradient, 0.0, 1),
            held,
            seconds,
            np.linalg.norm(terms, axis=-1),
            np.array([_cosine(*(_of_lag(each, lag) for each in (terms, full_terms))) for lag in range(len(terms))]),
            apart > max(NEAR, 100 * given[0].eps) * np.max(np.abs(full_terms)),
            work=work,
            changed=_part(np.linalg.norm(terms - full_terms, axis=-1), np.linalg.norm(full_terms, axis=-1)),
        )
    if draws is None:
        mean, variance = _counted(how, given, shapes)
        return OnlineRow(how, deviation(full, mean, variance, 0), held, seconds, work=work)
    if draws < 2:
        raise ValueError(f"compare_online: draws = {draws}\ngive 2 or more, or exact=True")
    mean, variance = moments(by_steps(given, shapes, how, drawn_from(rng))[0] for _ in range(draws))
    return OnlineRow(how, deviation(full, mean, variance, draws), held, seconds, work=work)


def _terms(how: LinearWay, given: Sequence[StepInfluence]) -> Array:
    """Return the terms (T, T, P): dL_t/dtheta by the parameters of step k, at [t, k]."""
    T, P = len(given), given[0].I.shape[-1]
    terms = np.zeros((T, T, P))
    memory, by_step = None, list[Array]()
    for t, at in enumerate(given):
        memory = how.remembered(memory, at)
        by_step = [*(how.passed(M, at, memory) for M in by_step), at.I]
        for k, M in enumerate(by_step):
            terms[t, k] = np.einsum("bs,bsp->p", at.dL, M)
    return terms


def _work(how: OnlineWay, given: Sequence[StepInfluence], shapes: Shapes) -> int:
    """Return the multiply-adds of the step that takes the most, whatever the signs are."""
    carried, most = None, 0
    for at in given:
        before, carried = carried, how.step(carried, at, np.ones, shapes)
        most = max(most, how.work(before, carried, at))
    return most


def _counted(how: OnlineWay, given: Sequence[StepInfluence], shapes: Shapes) -> tuple[Array, float]:
    """Return the mean and the variance of a random method over all of its signs, which are equally likely."""
    count = 0

    def counting(shape: tuple[int, ...]) -> Array:
        nonlocal count
        count += int(np.prod(shape))
        return np.ones(shape)

    by_steps(given, shapes, how, counting)
    if 2**count > OUTCOMES:
        raise ValueError(
            f"compare_online: {how} draws {count} signs, too many to count through\n"
            "give fewer steps, units and examples, or draws= in the place of exact=True"
        )
    found = []
    for outcome in itertools.product((-1.0, 1.0), repeat=count):
        rest = iter(outcome)

        def signs(shape: tuple[int, ...], rest: Iterator[float] = rest) -> Array:
            return np.array([next(rest) for _ in range(int(np.prod(shape)))]).reshape(shape)

        found.append(by_steps(given, shapes, how, signs)[0])
    mean = np.mean(found, axis=0)
    return mean, float(np.mean([np.sum((g - mean) ** 2) for g in found]))


def _of_lag(terms: Array, lag: int) -> Array:
    """Return the sum of the terms with t - k = lag, a vector (P,)."""
    return np.asarray(np.trace(terms, offset=-lag))


def _part(changes: Array, sizes: Array) -> Array:
    """Return changes as parts of the sizes; where a size is zero, 1 for any change."""
    return np.where(sizes > 0, changes / np.where(sizes > 0, sizes, 1), changes > 0).astype(np.float64)


def _cosine_text(cosine: float) -> str:
    return say("none") if np.isnan(cosine) else f"{cosine:.3f}"


def _cosine(a: Array, b: Array) -> float:
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    return float(a / lengths[0] @ (b / lengths[1])) if all(lengths) else float("nan")
