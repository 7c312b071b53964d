"""The run of a cell on a small problem in which no two sizes are equal, and the names that its author gives."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array, Case
from tinygrad_rnn.bptt.derivation.spelled_gates import with_gates
from tinygrad_rnn.bptt.diagnosis.problems import Example, Problems
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.nn.time_loop import as_tuple, unroll
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.local_names import local_names

OF_STEP = "loss of the step"
"""The name of the loss of a step. No variable has this name."""
STEPS, BATCHES = (4, 5, 3, 7, 11), (7, 11, 13, 17, 19, 23)


@dataclass(frozen=True)
class Recorded:
    """A cell on a tape: the tape, its loss, and its inputs as Tensors.

    The loss is sum(dhs * hs) + sum(dlast * last state), for random upstream gradients dhs and dlast. For a cell with a
    loss of its own, the sum of the losses of the steps stands in the place of sum(dhs * hs).
    """

    cell: Cell
    columns: bool
    case: Case
    tape: Tape
    loss: Tensor
    upstream_loss: Tensor  # the loss without the term of the last state
    params: dict[str, Tensor]
    xs: Tensor
    states: dict[str, Tensor]  # by the cell's name for each: h, c
    per_step: Tensor  # dhs, or the targets
    dlast: dict[str, Tensor]
    target: str = ""  # the name of the target in the loss; "" where there is none

    @property
    def batch(self) -> int:
        """The number of examples; no axis but that of the batch has this length."""
        return int(self.case.batch)


class Setting:
    """A cell, a readout and a loss where they are given, and the problems to run them on."""

    def __init__(
        self,
        cell: Cell,
        example: Example | None,
        columns: bool,
        bias: bool,
        readout: Cell | None = None,
        loss: Cell | None = None,
    ) -> None:
        self.cell, self.columns, self.readout, self.loss = cell, columns, readout, loss
        self._states_alone = _giving_states_alone(cell)
        self._example = example
        if loss is not None and example is None:
            raise ValueError("derive: a loss needs targets\ngive example(rng, T, B) -> params, xs, state, targets")
        if readout is not None and loss is None:
            raise ValueError("derive: a readout without a loss has no gradient\ngive loss(y, target) as well")
        self.problems = Problems(
            self._states_alone, self._of_cell if loss else example, columns, True, bias, who="derive"
        )

    def _of_cell(self, rng: np.random.Generator, T: int, B: int) -> tuple[Any, Any, Any]:
        made = self._made(rng, T, B)
        if not isinstance(made, tuple) or len(made) != 4:
            raise ValueError("with a loss, example returns (params, xs, state, targets)")
        return made[0], made[1], made[2]

    def _made(self, rng: np.random.Generator, T: int, B: int) -> Any:
        return self._example(rng, T, B) if self._example else None

    def small(self) -> Recorded:
        """Record the cell on a problem in which no two sizes are equal. A sigmoid that is spelled out is one line.

        Raises ValueError for states that are neither a vector nor a matrix for each example.
        """
        sizes: set[int] = set()
        for batch in (2, 3):
            known = self.problems.problem(2, batch, 0).case
            for name, s in zip(known.state_names, known.state, strict=True):
                if s.ndim not in (2, 3) or (s.ndim == 3 and 1 in s.shape[1:]):
                    raise ValueError(
                        f"derive: the initial state {name} has shape {s.shape}, for a batch of {batch}\n"
                        "derive takes states of examples and units, (B, H), and of examples and matrices, (B, H, K): "
                        "give one unit an axis of length 1, a vector one axis, and lay other entries side by side"
                    )
            sizes |= {n for p in (*known.params.values(), *known.state, known.xs[0]) for n in p.shape if n != batch}
        T = next(n for n in STEPS if n not in sizes)
        r = self.record(T, next(n for n in BATCHES if n not in sizes and n != T), seed=0)
        return replace(r, tape=with_gates(r.tape, [r.loss, r.upstream_loss]))

    def record(self, T: int, B: int, seed: int) -> Recorded:
        """Run the cell through `unroll` on a problem of that size, and name each value as its author does.

        Raises ValueError for a cell that cannot be run, and for one without example problems.
        """
        case = self.problems.problem(T, B, seed).case
        params = {name: Tensor(p, name=name) for name, p in case.params.items()}
        names = [name[:-1] for name in case.state_names]
        xs = Tensor(case.xs, name="xs")
        states = {name: Tensor(s, name=f"{name}0") for name, s in zip(names, case.state, strict=True)}
        dlast = {name: Tensor(d) for name, d in zip(names, case.dlast, strict=True)}
        per_step = Tensor(self._targets(T, B, seed) if self.loss else case.dhs, name="per_step")
        losses: list[Tensor] = []

        def then(params: Any, h: Any) -> None:
            losses.append(self._loss(params, h, per_step[len(losses)]))

        run = _making_its_states(self._states_alone, then if self.loss else None)
        with Tape() as tape, local_names(self.cell, self.readout, self.loss) as called:
            hs, last = unroll(run, params, xs, tuple(states.values()))
            upstream_loss = np.stack(losses).sum() if self.loss else (hs * per_step).sum()
            of_last = zip(as_tuple(last), dlast.values(), strict=True)
            loss = upstream_loss + sum((s * d).sum() for s, d in of_last)
        for _, _, _, out, _ in tape.lines():
            if out.name is None and id(out) in called:
                out.name = called[id(out)]
        return Recorded(
            *(self.cell, self.columns, case, tape, loss, upstream_loss, params, xs, states, per_step, dlast),
            target=list(inspect.signature(self.loss).parameters)[1] if self.loss else "",
        )

    def _targets(self, T: int, B: int, seed: int) -> Array:
        targets = np.asarray(self._made(np.random.default_rng(seed), T, B)[3], np.float64)
        if (targets.shape[-1] if self.columns else len(targets)) != T:
            raise ValueError(
                f"derive: example gave targets {targets.shape}, for T = {T}\ngive one for each step, like xs"
            )
        return np.moveaxis(targets, -1, 0) if self.columns else targets

    def _loss(self, params: Any, h: Any, target: Any) -> Tensor:
        """Return the loss of one step. Raises ValueError where it is not a scalar on the tape."""
        y = h if self.readout is None else named("y", self.readout(params, h))
        found = self.loss(y, target) if self.loss else None
        if not isinstance(found, Tensor) or found.shape != ():
            shape = f"shape {found.shape}" if isinstance(found, Tensor) else f"type {type(found).__name__}"
            raise ValueError(f"derive: loss(y, target) has {shape}\nreturn a scalar, summed over the batch: .sum()")
        found.name = OF_STEP
        return found


def _giving_states_alone(cell: Cell) -> Cell:
    """Return the cell without what it gives besides its states, such as a prediction and a cache behind them.

    A cell of nn gives its states alone.
    """
    if str(getattr(getattr(cell, "func", cell), "__module__", "")).startswith(f"{init.__package__}."):
        return cell

    @functools.wraps(cell)
    def alone(params: Any, x: Any, *state: Any) -> Any:
        given = cell(params, x, *state)
        return given[: len(state) or None] if isinstance(given, tuple | list) else given

    return alone


def _making_its_states(cell: Cell, then: Cell | None = None) -> Cell:
    """Return the cell with every state read, and each new state a value of its own; `then` runs after each step.

    A state that the cell does not read, or returns unchanged, is recorded as an identity.
    """

    @functools.wraps(cell)
    def making(params: Any, x: Any, *state: Any) -> Any:
        state = tuple(np.positive(s) for s in state)
        seen = {id(s) for s in (x, *state, *params.values())}
        after = []
        for s in as_tuple(cell(params, x, *state)):
            after.append(np.positive(s) if id(s) in seen else s)
            seen.add(id(s))
        if then is not None:
            then(params, after[0])
        return tuple(after)

    return making
