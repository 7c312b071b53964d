"""A cell at its initial parameters: how a gradient fares over many steps, and the Jacobian of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.differences import require_jacobian, slope, with_shifts
from tinygrad_rnn.bptt.atlas.step_cost import zeros
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL
from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.gradient_flow.jacobians import step_jacobians
from tinygrad_rnn.bptt.gradient_flow.magnitude import flat, log10_norm
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
    ArithmeticError where the walk step by step and the plain gradient of the tape differ by more than 1e-9, and where a
    difference of two losses does not have the norm at 10 steps.
    """
    params, xs, start, upstream = _long_problem(facts)
    norms = _step_by_step(facts, params, xs, start, upstream[-1])
    if not np.allclose(norms, _at_once(facts, params, xs, start, upstream[-1]), rtol=0, atol=1e-9):
        raise ArithmeticError(f"atlas: two walks back through {facts.name} give other norms")
    curve = [float(v) for v in norms[::-1]]
    require_norm(facts, curve[MARKS[0]], MARKS[0])
    return curve


def _step_by_step(facts: Facts, params: Any, xs: Array, start: list[Array], arrives: Array) -> list[float]:
    """Return log10 of the norms of all states of each step, by a walk back over a tape of each step alone."""
    plain, before = {name: p.data for name, p in params.items()}, [tuple(start)]
    for x in xs[:-1]:
        before.append(tuple(np.asarray(s) for s in as_tuple(facts.cell(plain, x, *before[-1]))))
    norms, back = [], [arrives, *(np.zeros_like(s) for s in start[1:])]
    for x, state in zip(xs[::-1], before[::-1], strict=True):
        old = [Tensor(s) for s in state]
        with Tape() as tape:
            new = as_tuple(facts.cell(params, x, *old))
        found = tape.gradient(dict(zip(new, back, strict=True)), [*new, *old])
        norms.append(log10_norm(flat(found[: len(new)])))
        back = found[len(new) :]
    return norms[::-1]


def _at_once(facts: Facts, params: Any, xs: Array, start: list[Array], arrives: Array) -> list[float]:
    """Return the same by the plain gradient of one tape of all steps."""
    states: list[Any] = [tuple(start)]
    with Tape() as tape:
        for x in xs:
            states.append(as_tuple(facts.cell(params, x, *states[-1])))
    every = tape.gradient({states[-1][0]: arrives}, [s for state in states[1:] for s in state])
    return [log10_norm(flat(every[k : k + len(start)])) for k in range(0, len(every), len(start))]


def require_norm(facts: Facts, log10: float, distance: int) -> None:
    """Compare a norm of the curve with a difference of two losses, along the gradient itself.

    The states are shifted where they are made, so the loss sees all of their ways. Raises ArithmeticError.
    """
    drawn, xs, start, upstream = _long_problem(facts)
    params, cut = {name: p.data for name, p in drawn.items()}, len(xs) - distance - 1
    before = as_tuple(unroll(facts.cell, params, xs[:cut], tuple(start))[1])
    with Tape() as tape:
        state = as_tuple(facts.cell(drawn, Tensor(xs[cut]), *before))
        loss = (as_tuple(unroll(facts.cell, drawn, xs[cut + 1 :], state)[1])[0] * upstream[-1]).sum()
    gradient = [np.asarray(g) for g in tape.gradient(loss, list(state))]
    norm = float(np.sqrt(sum(np.sum(g * g) for g in gradient)))
    lines, ids = tape.lines(), [id(s) for s in state]

    def shifted(*shifts: Array) -> list[Array]:
        return [with_shifts(lines, loss, dict(zip(ids, shifts, strict=True)))]

    found = float(slope(shifted, [np.zeros_like(g) for g in gradient], [g / norm for g in gradient])[0])
    if not np.isclose(found, 10**log10, rtol=1e-4):
        raise ArithmeticError(f"atlas: |dL/ds_k| of {facts.name} is {found} at {distance} steps, not {10**log10}")


def _long_problem(facts: Facts) -> tuple[dict[str, Tensor], Array, list[Array], Array]:
    """Return initial parameters, inputs of 201 steps, states of zero, and the gradient of a loss of the last output."""
    rng = np.random.default_rng(0)
    params = facts.init(rng, *USUAL)
    xs = rng.standard_normal((DISTANCE + 1, BATCH, USUAL[0]))
    start = zeros(facts, params, xs[0])
    upstream = np.zeros((DISTANCE + 1, *start[0].shape))
    upstream[-1] = rng.standard_normal(start[0].shape)
    upstream[-1] /= np.linalg.norm(upstream[-1])
    return params, xs, start, upstream


def long_run(facts: Facts) -> tuple[Tape, dict[str, Tensor]]:
    """Record the run of `gradient_curve`: the tape, and the parameters."""
    params, xs, start, _ = _long_problem(facts)
    with Tape() as tape:
        unroll(facts.cell, params, xs, tuple(start))
    return tape, params


def block_norms(facts: Facts) -> dict[tuple[str, str], float]:
    """Return the spectral norms of ds_t/ds_{t-1}, of each block by (new, old) and of all by "s".

    It is that at the initial parameters, with I = 10 and H = 16.
    """
    found = _jacobians(facts, *MEDIUM, spread=0.0, pairs=1)[0, 0]
    names, sizes = state_names(facts.cell), _sizes(facts, *MEDIUM)
    edges = np.cumsum([0, *sizes])
    parts = [("s", slice(None)), *zip(names, map(slice, edges[:-1], edges[1:]), strict=True)]
    inside = {(new, old): found[rows, columns] for new, rows in parts for old, columns in parts}
    wanted = [("s", "s"), *((new, old) for new in names for old in names)]
    return {key: float(np.linalg.norm(inside[key], 2)) for key in wanted}


def _sizes(facts: Facts, inputs: int, hidden: int) -> list[int]:
    """Return the number of entries of each state of one example."""
    params = facts.init(np.random.default_rng(0), inputs, hidden)
    return [s.size for s in zeros(facts, params, np.zeros((1, inputs)))]


@dataclass(frozen=True)
class Pattern:
    """Which entries of ds_t/ds_{t-1} are not always zero, at I = 3 and H = 4, and the size of each state by name."""

    sizes: dict[str, int]
    entries: Array


def pattern(facts: Facts) -> Pattern:
    """Find the pattern of the step Jacobian, at parameters around the initial ones, over several runs.

    Raises ArithmeticError where other entries of the new state change with an entry of the old one.
    """
    runs = [_jacobians(facts, *SMALL, spread=0.1, pairs=3, seed=seed) for seed in range(4)]
    found = np.abs(runs).max(axis=(0, 1, 2))
    changed = np.any([_changed(facts, seed) for seed in range(4)], axis=0)
    if not np.array_equal(changed, found > 0):
        raise ArithmeticError(f"atlas: the pattern of the step Jacobian of {facts.name} is not that of what changes")
    return Pattern(dict(zip(state_names(facts.cell), _sizes(facts, *SMALL), strict=True)), found > 0)


def _changed(facts: Facts, seed: int) -> Array:
    """Return which entries of a new state change when an entry of the old one does, in a run of one example."""
    rng = np.random.default_rng(seed)
    drawn = facts.init(rng, *SMALL)
    params = {name: p.data + 0.1 * rng.standard_normal(p.shape) for name, p in drawn.items()}
    before = as_tuple(unroll(facts.cell, params, rng.standard_normal((WARM, 1, SMALL[0])))[1])
    edges = np.cumsum([0, *(s.size for s in before)])
    old = np.concatenate([np.ravel(s) for s in before])

    def new(state: Array, x: Array) -> Array:
        parts = zip(before, edges[:-1], edges[1:], strict=True)
        after = as_tuple(facts.cell(params, x, *(state[a:b].reshape(np.shape(s)) for s, a, b in parts)))
        return np.concatenate([np.ravel(s) for s in after])

    xs = 2 * rng.standard_normal((5, 1, SMALL[0]))
    shifts = rng.choice([-1, 1], (len(old), 1)) * np.eye(len(old))
    return np.array([np.any([new(old + shift, x) != new(old, x) for x in xs], axis=0) for shift in shifts]).T


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
    found = step_jacobians(tape, state_names(facts.cell))
    before = as_tuple(facts.cell(params, xs[0], *as_tuple(state)))
    require_jacobian(facts.name, lambda *s: as_tuple(facts.cell(params, xs[1], *s)), before, found[0, 0])
    return found
