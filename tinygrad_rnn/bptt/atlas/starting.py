"""A cell at its initial parameters: how a gradient fares over many steps, and the Jacobian of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.step_cost import zeros
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL
from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.flow import flow
from tinygrad_rnn.bptt.gradient_flow.jacobians import singular_values, step_jacobians
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.time_loop import as_tuple, state_names, unroll
from tinygrad_rnn.tape.full_tape import Tape

DISTANCE, BATCH = 200, 4
MARKS = (10, 50, 200)
"""The distances whose numbers the atlas shows."""
WARM = 3
"""The number of steps before those whose Jacobians are looked at."""
MEDIUM = (10, 16)
"""I and H of the spectral norm: a matrix as state has H² entries, and its Jacobian their square."""
SMALL = (3, 4)
"""I and H of the pattern of a Jacobian."""


def gradient_curve(facts: Facts) -> list[float]:
    """Return log10 |dL/ds_k| at the distances 0, 1, ..., 200 of step k from the last, for a loss of the last output.

    dL/dh_T has the norm 1, s is the whole state, inputs are standard normal, and there are 4 examples. Raises
    ArithmeticError where the walk step by step and the plain gradient of the tape differ by more than 1e-9.
    """
    rng = np.random.default_rng(0)
    params = facts.init(rng, *USUAL)
    xs = rng.standard_normal((DISTANCE + 1, BATCH, USUAL[0]))
    start = zeros(facts, params, xs[0])
    upstream = np.zeros((DISTANCE + 1, *start[0].shape))
    upstream[-1] = rng.standard_normal(start[0].shape)
    upstream[-1] /= np.linalg.norm(upstream[-1])
    found = flow(facts.cell, params, xs, tuple(start), upstream, rows=0)
    if not np.allclose(found.norms, found.held, rtol=0, atol=1e-9):
        raise ArithmeticError(f"atlas: two walks back through {facts.name} give other norms")
    return [float(v) for v in found.norms[::-1]]


def spectral_norm(facts: Facts) -> float:
    """Return the spectral norm of ds_t/ds_{t-1} of the whole state, at the initial parameters, I = 10 and H = 16."""
    return float(singular_values(_jacobians(facts, *MEDIUM, spread=0.0, pairs=1))[0, 0, 0])


@dataclass(frozen=True)
class Pattern:
    """Which entries of ds_t/ds_{t-1} are not always zero, at I = 3 and H = 4, and the size of each state by name."""

    sizes: dict[str, int]
    entries: Array


def pattern(facts: Facts) -> Pattern:
    """Find the pattern of the step Jacobian, at parameters around the initial ones, over several runs."""
    runs = [_jacobians(facts, *SMALL, spread=0.1, pairs=10, seed=seed) for seed in range(4)]
    found = np.abs(runs).max(axis=(0, 1, 2))
    params = facts.init(np.random.default_rng(0), *SMALL)
    sizes = zip(state_names(facts.cell), zeros(facts, params, np.zeros((1, SMALL[0]))), strict=True)
    return Pattern({name: s.size for name, s in sizes}, found > 0)


def _jacobians(facts: Facts, inputs: int, hidden: int, spread: float, pairs: int, seed: int = 0) -> Array:
    """Return the Jacobians of the last steps of a run of one example (pairs, 1, S, S); spread: noise on parameters."""
    rng = np.random.default_rng(seed)
    drawn = facts.init(rng, inputs, hidden)
    params = {name: p.data + (spread and spread * rng.standard_normal(p.shape)) for name, p in drawn.items()}
    state: Any = unroll(facts.cell, params, rng.standard_normal((WARM, 1, inputs)))[1]
    xs = rng.standard_normal((pairs + 1, 1, inputs))
    with Tape() as tape:
        named = {name: Tensor(p, name=name) for name, p in params.items()}
        unroll(facts.cell, named, xs, as_tuple(state))
    return step_jacobians(tape, state_names(facts.cell))
