"""Cells made of cells: noise that regularizes. The masks are given, so that a run can be repeated."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import current, scope_text, where_text
from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import initial_state
from tinygrad_rnn.nn.parameters import Array, Cell, Params


def variational_dropout(cell: Cell, on_x: Array, on_h: Array) -> Cell:
    """Return the cell with the same dropout at every step (Gal and Ghahramani 2016): x * on_x, h_{t-1} * on_h.

    The masks, of shapes (B, I) and (B, H), are 0 where a unit is dropped and 1 / (1 - p) where it is kept, as
    `dropout_mask` draws them. Raises ValueError for a mask of another shape.
    """

    @functools.wraps(cell)
    def dropped(params: Params, x: Array, h: Array = None, *state: Array) -> Array | tuple[Array, ...]:
        if h is None:
            if "weight_hh" not in params:
                raise ValueError("variational_dropout: the first state is not given\ngive the initial state, an array")
            U = params["weight_hh"]
            h = initial_state("h", h, U, (*np.shape(x)[:-1], np.shape(U)[-1]))
        for name, mask, value in (("on_x", on_x, x), ("on_h", on_h, h)):
            if np.shape(mask) != np.shape(value):
                raise ValueError(
                    f"variational_dropout: {name} has shape {np.shape(mask)}, and {name[3:]} {np.shape(value)}"
                    f"{where_text()}\ngive masks (B, I) and (B, H): one entry for each that may be dropped"
                )
        return cell(params, x * on_x, h * on_h, *state)

    return dropped


def zoneout(cell: Cell, *held: Array) -> Cell:
    """Return the cell in which units keep their state for a step (Krueger et al. 2017).

    `held` has, for each state, booleans of shape (T, B, H), true where step t keeps the old value: the step is that of
    `unroll`. In their place a number p is the expectation, p * old + (1 - p) * new, for evaluation.

    Raises ValueError, when the cell runs, for masks that are no booleans of this shape, and for p outside of 0 to 1.
    """

    @functools.wraps(cell)
    def zoned(params: Params, x: Array, *state: Array) -> Array | tuple[Array, ...]:
        new = cell(params, x, *state)
        several = isinstance(new, tuple)
        results = new if several else (new,)
        if len(results) != len(held) or len(state) != len(held):
            raise ValueError(
                f"zoneout: {counted(len(held), 'mask')} for a cell with {counted(len(results), 'state')}, "
                f"started with {len(state)}\n"
                "give one for each state, and the initial states"
            )
        mixed = tuple(
            named(f"{getattr(s, 'name', None) or 'state'}_held", _held(old, s, keep))
            for old, s, keep in zip(state, results, held, strict=True)
        )
        return mixed if several else mixed[0]

    return zoned


def dropout_mask(rng: np.random.Generator, p: float, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> Array:
    """Draw a mask: 0 with probability p, else 1 / (1 - p). Raise ValueError unless 0 <= p < 1."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p = {p}\ngive the share that is dropped, 0 <= p < 1")
    return ((rng.random(shape) >= p) / (1 - p)).astype(dtype)


def _held(old: Array, new: Array, keep: Array) -> Array:
    if np.ndim(keep) == 0:
        if not 0 <= keep <= 1:
            raise ValueError(
                f"zoneout: p = {keep}{where_text()}\ngive the share of units that keep their state, 0 to 1"
            )
        return keep * old + (1 - keep) * new
    labels = current()[1]
    t = dict(labels).get("t")
    if t is None or not 0 <= t < len(keep):
        raise ValueError(
            f"zoneout: masks for {counted(len(keep), 'step')}, called at {scope_text(labels) or 'no step'}\n"
            "run the cell with unroll, and give masks (T, B, H) for all of its steps"
        )
    if np.shape(keep)[1:] != np.shape(new) or keep[t].dtype != bool:
        raise ValueError(
            f"zoneout: masks of shape {np.shape(keep)} and dtype {keep[t].dtype} for states {np.shape(new)}"
            f"{where_text()}\ngive booleans (T, B, H), true where a unit keeps its state"
        )
    return np.where(keep[t], old, new)
