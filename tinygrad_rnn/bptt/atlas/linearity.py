"""Is a cell linear in its state, and can it run as a scan?"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.starting import SMALL
from tinygrad_rnn.bptt.atlas.step_cost import read_states, recorded_step
from tinygrad_rnn.core.trees import flattened
from tinygrad_rnn.nn.linear_scan import scan
from tinygrad_rnn.nn.time_loop import as_tuple, unroll

STEPS, BATCH = 7, 2
NEAR = 1e-10


class Linear(Enum):
    """How a new state depends on the old one."""

    SCAN = "entry by entry"
    MIXED = "linear"
    NO = "no"


def linearity(facts: Facts) -> tuple[Linear, str]:
    """Return whether the new states that a step reads are affine in the old ones, and why `nn.scan` refuses the cell.

    Affine means that the midpoint of two states leads to the midpoint of the new ones. Where `nn.scan` takes the cell,
    it is asked for the outputs of `unroll`. Raises ArithmeticError where these differ, or where `nn.scan` takes a cell
    that is not affine.
    """
    rng = np.random.default_rng(0)
    params = {name: p.data for name, p in facts.init(rng, *SMALL).items()}
    xs = rng.standard_normal((STEPS, BATCH, SMALL[0]))
    affine = _is_affine(facts, params, xs, rng)
    try:
        found = scan(facts.cell, params, xs)
    except ValueError as refusal:
        return (Linear.MIXED if affine else Linear.NO), str(refusal).splitlines()[0].removeprefix("scan: ")
    pairs = zip(_leaves(found), _leaves(unroll(facts.cell, params, xs)), strict=True)
    if not affine or not all(np.allclose(a, b, rtol=NEAR, atol=NEAR) for a, b in pairs):
        raise ArithmeticError(f"atlas: nn.scan of {facts.name} gives other numbers than nn.unroll")
    return Linear.SCAN, ""


def _is_affine(facts: Facts, params: Any, xs: Any, rng: np.random.Generator) -> bool:
    tape, _, _, before, after = recorded_step(facts, *SMALL)
    like = as_tuple(facts.cell(params, xs[0]))
    one, other = ([rng.standard_normal(s.shape) for s in like] for _ in range(2))
    middle = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    news = [as_tuple(facts.cell(params, xs[0], *state)) for state in (one, other, middle)]
    read = read_states(tape, before, after)
    return all(np.allclose((news[0][k] + news[1][k]) / 2, news[2][k], rtol=NEAR, atol=NEAR) for k in read)


def _leaves(tree: Any) -> list[Any]:
    return [leaf for _, leaf in flattened(tree)[0]]
