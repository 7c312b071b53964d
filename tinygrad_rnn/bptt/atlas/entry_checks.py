"""The gradients of a cell against derivatives by numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import Facts
from tinygrad_rnn.bptt.atlas.starting import SMALL
from tinygrad_rnn.nn.time_loop import as_tuple, unroll
from tinygrad_rnn.transforms.check_grads import check_grads

STEPS, BATCH = 5, 2


def require_right_gradients(facts: Facts) -> None:
    """Check the gradients by parameters, inputs and initial states, over 5 steps, against complex step or differences.

    Raises AssertionError at the first difference.
    """
    rng = np.random.default_rng(0)
    drawn = facts.init(rng, *SMALL)
    params = {name: p.data + 0.1 * rng.standard_normal(p.shape) for name, p in drawn.items()}
    xs = rng.standard_normal((STEPS, BATCH, SMALL[0]))
    state = as_tuple(unroll(facts.cell, params, xs[:2])[1])

    def run(params: Any, xs: Any, state: Any) -> Any:
        return unroll(facts.cell, params, xs, state)

    check_grads(run, (params, xs, state), order=1, modes=("rev",))
