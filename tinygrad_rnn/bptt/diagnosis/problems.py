"""The problems on which a derivation by hand is tried: lengths, batches, seeds, steps with an upstream gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.bptt.comparison.case import Array, Case, Gradients, as_array
from tinygrad_rnn.bptt.comparison.tolerance import JUDGED, Tolerance, tolerances
from tinygrad_rnn.bptt.diagnosis.failures import told
from tinygrad_rnn.bptt.diagnosis.model import CellModel
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, Precision, largest_entry
from tinygrad_rnn.bptt.diagnosis.submission import DoctorError, DoctorValueError
from tinygrad_rnn.bptt.diagnosis.symptoms import one_step_at_a_time
from tinygrad_rnn.bptt.diagnosis.truncated_answers import truncated
from tinygrad_rnn.bptt.truncation.ways import Way
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import as_tuple, cell_name

Example = Callable[[np.random.Generator, int, int], tuple[Any, Any, Any]]
"""`example(rng, T, B) -> params, xs, state`: a problem for a cell."""

LENGTHS, BATCHES, SEEDS = (1, 2, 3, 7), (1, 3), (0, 1)
LONG = 20
"""One more length, for mistakes that show only far from the end."""
SEARCHED = (4, 3)
"""T and B of the problem on which mistakes are looked for: neither is a size of anything else."""
LOUD = 2.0**20
"""The factor on the upstream gradients of one problem, so that clipping shows. A power of 2 rounds nothing."""


class Problem:
    """A case, its cell's model, and its gradients on the tape. `loud`: its upstream gradients are large."""

    def __init__(self, case: Case, loud: bool = False, way: Way | None = None) -> None:
        self.case, self.loud, self.way = case, loud, way
        self.T, self.B = len(case.xs), case.batch

    @cached_property
    def model(self) -> CellModel:
        """The cell's model, with the values of this case."""
        return CellModel(self.case, self.way)

    @cached_property
    def true(self) -> Gradients:
        """The gradients on the tape, truncated where that is meant."""
        if self.way is None:
            return self.case.tape_gradients()
        return truncated(self.case, self.way)

    @cached_property
    def largest(self) -> float:
        """The largest entry of any gradient."""
        return largest_entry(self.true.values())

    def same(self, name: str, hand: Array, precision: Precision) -> bool:
        """Return whether an answer is the true gradient, by the usual tolerance or by the rounding of this problem."""
        true = self.true[name]
        if hand.shape != true.shape or not np.isfinite(hand).all():
            return False
        return self.plainly_same(name, hand, precision) or (
            largest_entry([hand - true]) <= self._tolerances[name].rounding * precision.unit
        )

    def plainly_same(self, name: str, hand: Array, precision: Precision) -> bool:
        """Return whether an answer is the true gradient by the usual tolerance, which needs no run of the problem."""
        return precision.same(hand, self.true[name], self.largest)

    def is_judged(self, name: str, precision: Precision) -> bool:
        """Return whether a gradient is so much larger than rounding that a wrong one shows."""
        return self._tolerances[name].rounding * precision.unit <= JUDGED * largest_entry([self.true[name]])

    @cached_property
    def _tolerances(self) -> dict[str, Tolerance]:
        return tolerances(self.case)

    def is_zero(self, name: str) -> bool:
        """Return whether the true gradient is zero, but for rounding."""
        return largest_entry([self.true[name]]) <= DOUBLE.floor * self.largest


class Problems:
    """The problems of one cell, made once: `tried`, and `searched`, the problem for the search."""

    def __init__(
        self,
        cell: Cell,
        example: Example | None,
        columns: bool,
        with_dlast: bool,
        bias: bool = True,
        who: str = "doctor",
        zero: tuple[str, ...] = (),
        way: Way | None = None,
        volume: float = 1.0,
    ) -> None:
        self.way = way  # the way in which gradients are truncated
        self.volume = volume  # the factor on all upstream gradients
        self._followed: dict[Problem, list[Problem]] = {}
        self.zero = zero  # the parameters and initial states that are zero on all problems
        self.cell, self._example, self._with_dlast = cell, example or _standard(cell, bias, who), with_dlast
        self._who = who  # whom errors speak of
        self._columns = columns and example is not None  # whether the example gives time last

    def problem(self, T: int, B: int, seed: int) -> Problem:
        """Make the problem of that length, batch and seed, with upstream gradients at every step."""
        params, xs, state = drawn_from(self._example, np.random.default_rng(seed), T, B, self._who)
        params = {name: p * (name not in self.zero) for name, p in params.items()}
        xs = np.moveaxis(xs, -1, 0) if self._columns else xs
        if len(xs) != T:
            raise DoctorValueError(
                f"{self._who}: example(rng, T={T}, B={B}) gave xs of {counted(len(xs), 'step')}\ngive T of them"
            )
        self._finite({**params, "xs": xs, **{f"state[{k}]": s for k, s in enumerate(state or ())}}, T, B)
        try:
            case = Case(self.cell, params, xs, state, None, None, seed, self._with_dlast, who=self._who)
        except (DoctorError, KeyboardInterrupt):
            raise
        except BaseException as error:
            if str(error).startswith(f"{self._who}: "):
                raise
            raise DoctorValueError(
                f"{self._who}: the cell {cell_name(self.cell)} fails on its example: {told(error)}\n"
                "cell and example must fit: cell(params, x, *state), with what example gives"
            ) from error
        case.batch = int(xs.shape[2 if self._columns else 1])
        case.state = tuple(
            np.zeros_like(s) if name in self.zero else s for name, s in zip(case.state_names, case.state, strict=True)
        )
        if self.volume != 1:
            case = case.part(0, T, case.dhs * self.volume, tuple(d * self.volume for d in case.dlast))
        return Problem(case, way=self.way)

    def with_zero(self, zero: tuple[str, ...]) -> Problems:
        """Return the same problems, with some parameters and initial states zero."""
        return self._with(zero, self.way, self.volume)

    def truncated(self, way: Way) -> Problems:
        """Return the same problems, their gradients truncated."""
        return self._with(self.zero, way, self.volume)

    def quieter(self, volume: float) -> Problems:
        """Return the same problems with smaller upstream gradients, and none that is loud."""
        return self._with(self.zero, self.way, volume)

    def _with(self, zero: tuple[str, ...], way: Way | None, volume: float) -> Problems:
        given = self.cell, self._example, self._columns, self._with_dlast
        return Problems(*given, who=self._who, zero=zero, way=way, volume=volume)

    @cached_property
    def searched(self) -> Problem:
        """The problem for the search."""
        return self.problem(*SEARCHED, SEEDS[0])

    @cached_property
    def tried(self) -> list[Problem]:
        """Every length, batch and seed; for T = 3 an upstream gradient at one step alone, and large ones; a long one.

        Raises ValueError for an example that tests nothing.
        """
        asked = {(T, B, seed): self.problem(T, B, seed) for T in LENGTHS for B in BATCHES for seed in SEEDS}
        found, middle = [*asked.values()], asked[3, BATCHES[-1], SEEDS[0]]
        alone = [Problem(case, way=self.way) for _, case in one_step_at_a_time(middle.case)]
        tried = [*found, *alone, *([louder(middle)] if self.volume == 1 else [])]
        tried.append(self.problem(LONG, BATCHES[-1], SEEDS[0]))
        for p in tried:
            self._finite({f"d{name}": g for name, g in p.true.items()}, p.T, p.B)
        if not any(p.largest for p in tried):
            raise DoctorValueError(
                f"{self._who}: every gradient of {cell_name(self.cell)} is zero on every problem: nothing is tested\n"
                "give an example with parameters, inputs and states that differ from zero"
            )
        return tried

    def _finite(self, arrays: Mapping[str, Array], T: int, B: int) -> None:
        """Raise ValueError for an example that holds, or leads to, what is not finite."""
        names = [name for name, a in arrays.items() if a.dtype.kind in "fc" and not np.isfinite(a).all()]
        if names:
            raise DoctorValueError(
                f"{self._who}: example(rng, T={T}, B={B}) tests nothing: NaN or infinity in {', '.join(names)}\n"
                "give an example on which all values and gradients are finite"
            )

    @cached_property
    def stages(self) -> list[Problem]:
        """From the simplest on: T = 1, 2, 3; an upstream gradient at the last step alone, dlast alone, all of them."""
        found = []
        for T in (1, 2, 3):
            whole = self.problem(T, 3, SEEDS[0])
            alone = [Problem(one, way=self.way) for s, one in one_step_at_a_time(whole.case) if s in (T - 1, T)]
            found += [*(alone if len(alone) > 1 or T > 1 else []), whole]  # of one step, one alone is the whole
        return found

    @cached_property
    def single(self) -> Problem:
        """One step of one example."""
        return self.problem(1, 1, SEEDS[0])

    def followed(self, stage: Problem) -> list[Problem]:
        """Return problems that go on for a step or two after those of a stage, without an upstream gradient there."""
        if stage not in self._followed:
            wholes = [self.problem(T, 3, SEEDS[0]) for T in (stage.T + 1, stage.T + 2)]
            self._followed[stage] = [
                Problem(one, way=self.way)
                for whole in wholes
                for s, one in one_step_at_a_time(whole.case)
                if s == stage.T - 1
            ]
        return self._followed[stage]


def louder(problem: Problem) -> Problem:
    """Return the problem with upstream gradients a million times larger."""
    case = problem.case
    return Problem(case.part(0, problem.T, case.dhs * LOUD, tuple(d * LOUD for d in case.dlast)), True, problem.way)


def problems_of(cell: Cell, example: Example | None, columns: bool, with_dlast: bool, bias: bool = True) -> Problems:
    """Return the problems of a cell; for the cells of `nn` they are made once."""
    if example is None and cell in STANDARD:
        return _known(cell, columns, with_dlast, bias)
    return Problems(cell, example, columns, with_dlast, bias)  # somebody's cell may be another one by the next time


STANDARD = [getattr(nn, name) for name in nn.__all__ if hasattr(init, name)]


@lru_cache(maxsize=8)
def _known(cell: Cell, columns: bool, with_dlast: bool, bias: bool) -> Problems:
    return Problems(cell, None, columns, with_dlast, bias)


def drawn_from(example: Example, rng: np.random.Generator, T: int, B: int, who: str) -> tuple[Any, Any, Any]:
    """Return what an example gives, in double precision: params, xs, and the states as a tuple, or None.

    Raises ValueError, in words that begin with `who`, where it fails or gives something else.
    """
    try:
        params, xs, state = example(rng, T, B)
        params = {name: _double(p) for name, p in params.items()}
        return params, _double(xs), None if state is None else tuple(_double(s) for s in as_tuple(state))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise DoctorValueError(
            f"{who}: example(rng, T={T}, B={B}) failed: {told(error)}\n"
            "it returns (params, xs, state): a dict of arrays, xs of that length and batch, an array for each state"
        ) from error


def _double(value: Any) -> Any:
    """Return values in double precision; integers stay."""
    value = as_array(value)
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def _standard(cell: Cell, bias: bool, who: str = "doctor") -> Example:
    """Return problems for a cell of `nn`: 6 inputs, 5 hidden units, random states; with biases or without."""
    make = getattr(init, getattr(getattr(cell, "func", cell), "__name__", ""), None)
    if make is None:
        raise DoctorValueError(
            f"{who}: there are no problems for the cell {cell_name(cell)}\n"
            "give example(rng, T, B) -> params, xs, state, which makes them"
        )

    def example(rng: np.random.Generator, T: int, B: int) -> tuple[Any, Any, Any]:
        params = {
            name: rng.normal(0, 0.6, np.shape(p))
            for name, p in make(rng, 6, 5).items()
            if bias or not name.startswith("bias")
        }
        return params, rng.standard_normal((T, B, 6)), None

    return example
