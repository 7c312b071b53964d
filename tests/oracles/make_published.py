"""Writes published.npz: outputs, last states and all gradients of the cells of `nn` by published code, float64.

    pip install torch && pip install --no-deps -r tests/published.txt
    python tests/oracles/make_published.py NAME...

Parameters, inputs, states and cotangents are drawn here from a seed, the same for the test; only the answers stand in
the file. Names of rows choose what is made anew; without one, all of it. The code for `layer_norm_lstm` is the folder
`frameworks/pytorch` of the source distribution of haste_pytorch_cpu 0.5.5, whose build needs CUDA: copy it to a folder
`haste_pytorch` on PYTHONPATH.
"""

import sys
from pathlib import Path

import numpy as np

from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.nn.time_loop import as_tuple, state_names, unroll

PATH = Path(__file__).with_name("published.npz")
INPUT, HIDDEN = 2, 4

RUNS = [(T, B, True) for T in (1, 2, 3, 7) for B in (1, 3)]
"""The number of steps, of examples, and whether the initial states are drawn; else they are zeros."""
FROM_ZEROS = [(3, 3, False)]
ALWAYS_FROM_ZEROS = [(T, B, False) for T, B, _ in RUNS]

OTHER_WAYS = {
    "min_gru_scan": ("min_gru", RUNS),
    "min_lstm_scan": ("min_lstm", ALWAYS_FROM_ZEROS),
    "mlstm_parallel": ("mlstm", ALWAYS_FROM_ZEROS),
    "gated_delta_net_chunk": ("gated_delta_net", RUNS),
    "selective_ssm_scan": ("selective_ssm", ALWAYS_FROM_ZEROS),
    "sru_square": ("sru", RUNS),
}
"""Further rows: other code of the same package for a cell, all steps at once, or other sizes."""

ROWS = {name: (name, RUNS + FROM_ZEROS) for name in PUBLISHED} | OTHER_WAYS
"""What the file has: the cell of each row and its runs."""


def drawn(row, T, B, with_state):
    """Parameters, inputs, initial states, and cotangents of the outputs and of the last states.

    From zeros, the last states other than h have no cotangent: the scale of a stabiliser is free there.
    """
    name, _ = ROWS[row]
    rng = np.random.default_rng([T, B, *row.encode()])
    inputs = HIDDEN if row == "sru_square" else INPUT
    shapes = {key: p.shape for key, p in FACTS[name].init(rng, inputs, HIDDEN).items()}
    params = {key: rng.uniform(-0.7, 0.7, shape) for key, shape in shapes.items()}
    xs = rng.standard_normal((T, B, inputs))
    if name in ("min_gru", "min_lstm"):  # the published candidates are g(W x + b), which is linear where they are large
        params["bias_ih"][-HIDDEN:] += 4
    outputs, last = unroll(FACTS[name].cell, params, xs)
    states = {
        key: rng.standard_normal(s.shape) for key, s in zip(state_names(FACTS[name].cell), as_tuple(last), strict=True)
    }
    for key in POSITIVE.get(name, ()):
        states[key] = 0.5 + abs(states[key])
    to_output = rng.standard_normal(outputs.shape)
    to_last = {key: rng.standard_normal(s.shape) * with_state for key, s in states.items()}
    return params, xs, states if with_state else {key: 0 * s for key, s in states.items()}, to_output, to_last


POSITIVE = {"slstm": "n", "linear_attention": "z", "min_gru": "h"}
"""States that are sums of what is positive."""


def answers(row):
    """The answers of the published code for all runs of a row, one after the other."""
    return np.concatenate([by_published(row, *run) for run in ROWS[row][1]])


def by_published(row, T, B, with_state):
    """Outputs, last states, and the gradient by every parameter, x and initial state, in one row of numbers."""
    import published_cells
    import torch
    from published_loading import in_double

    params, xs, states, to_output, to_last = drawn(row, T, B, with_state)
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in [*params.items(), ("xs", xs)]}
    starts = [torch.tensor(value, requires_grad=True) for value in states.values()]
    with in_double():
        given = {key: leaf.clone() for key, leaf in leaves.items()}
        run = getattr(published_cells, PUBLISHED_BY.get(row, row))
        outputs, last = run({key: given[key] for key in params}, given["xs"], *(s.clone() for s in starts))
    loss = (outputs * torch.tensor(to_output)).sum()
    if with_state:
        loss = loss + sum((s * torch.tensor(g)).sum() for s, g in zip(last, to_last.values(), strict=True))
    wanted = [*leaves.values(), *(starts if with_state else [])]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    answers = [outputs, *(last if with_state else []), *gradients]
    assert all(a.dtype == torch.float64 for a in answers), f"{row}: not in float64"
    return np.concatenate([a.detach().numpy().ravel() for a in answers])


PUBLISHED_BY = {name: f"torch_{name}" for name in ("rnn", "irnn", "lstm", "gru", "coupled_lstm")} | {
    "sru_square": "sru"
}
"""The functions of `published_cells` that have other names than their rows."""


def main():
    """Write the file."""
    stored = dict(np.load(PATH)) if PATH.exists() else {}
    for row in sys.argv[1:] or ROWS:
        stored[row] = answers(row)
    np.savez(PATH, **stored)


if __name__ == "__main__":
    main()
