"""The gradient forward in time, by any of the methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.online.influence import Influences, StepInfluence
from tinygrad_rnn.bptt.online.ways_online import OnlineWay, Signs
from tinygrad_rnn.bptt.truncation.stepwise import Cell, Loss
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.notebook.html_parts import box, sentences
from tinygrad_rnn.tape.rich_values import tree_form


class Online(NamedTuple):
    """The loss, its gradients by name, and how many numbers are held from step to step, at most, for one example."""

    value: float
    gradients: dict[str, Array]
    held: int

    def __repr__(self) -> str:
        names = ", ".join(self.gradients)
        return f"<Online: loss {self.value:.6g}, gradients of {names}; {self.held:,} numbers held>"

    def _repr_html_(self) -> str:
        title = say("A gradient forward in time: the loss is {value}", value=f"{self.value:.6g}")
        held = say("{count} numbers are held from step to step, for one example", count=f"{self.held:,}")
        return box(title, sentences([held]), tree_form(self.gradients, say("its gradients")))


def online_gradient(
    cell: Cell,
    params: Mapping[str, Tensor],
    xs: Any,
    loss: Loss,
    how: OnlineWay,
    state: Any = None,
    *,
    rng: np.random.Generator | None = None,
) -> Online:
    """Return the loss sum_t loss(t, h_t) and its gradient by the parameters, forward in time, as `how` approximates it.

    Arguments as for `rtrl`; a random method draws its signs from `rng`. All methods begin from the exact Jacobians of
    each step, which take one walk back for each number of the state: this shows what a method leaves out, not how fast
    it is.

    Examples that meet, as under batch normalization, are taken for one.

    Raises TypeError for what is no method; ValueError for a random one without rng, and where a method is not defined
    for the cell.
    """
    require_way("online_gradient", how)
    require_generator("online_gradient", rng)
    if how.random and rng is None:
        raise ValueError(f"online_gradient: {how} is random\ngive rng=np.random.default_rng(seed)")
    steps = Influences("online_gradient", cell, params, xs, loss, state)
    gradient, held = by_steps(steps, steps.shapes, how, drawn_from(rng))
    return Online(steps.value, steps.unpacked(gradient), held)


def require_way(who: str, how: object) -> None:
    """Raise TypeError unless `how` is a method forward in time."""
    if not isinstance(how, OnlineWay):
        raise TypeError(
            f"{who}: {how!r} is no method forward in time\n"
            "give one as bptt.SnAp(1) or bptt.UORO(), an object and not its class; of ways to truncate: truncated_bptt"
        )


def require_generator(who: str, rng: object) -> None:
    """Raise TypeError unless rng is a generator or None."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"{who}: rng is {rng!r}\ngive rng=np.random.default_rng(seed)")


def by_steps(
    steps: Iterable[StepInfluence], shapes: dict[str, tuple[int, ...]], how: OnlineWay, signs: Signs
) -> tuple[Array, int]:
    """Return the gradient (P,), all parameters side by side, and how many numbers are held at most."""
    carried, held = None, 0
    total = np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()))
    for at in steps:
        carried = how.step(carried, at, signs, shapes)
        total = total + np.einsum("bs,bsp->p", at.dL, how.influence(carried, at)) + at.direct
        held = max(held, how.held(carried))
    return total, held


def drawn_from(rng: np.random.Generator | None) -> Signs:
    """Return the signs of a generator."""

    def signs(shape: tuple[int, ...]) -> Array:
        if rng is None:
            raise ValueError("signs are asked for, and there is no generator")
        return rng.choice(np.array([-1.0, 1.0]), shape)

    return signs
