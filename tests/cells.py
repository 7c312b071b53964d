"""The cells of `nn` by name, a problem for each, and a recording of it: what the tests of many rooms share."""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn

WITH_HAND = {cell.__name__: cell for cell in (nn.rnn, nn.residual_rnn, nn.lstm, nn.gru, nn.gru_textbook)}
"""The cells with a derivation by hand."""
FURTHER = {
    cell.__name__: cell for cell in (nn.peephole_lstm, nn.coupled_lstm, nn.layer_norm_lstm, nn.mgu, nn.leaky_rnn)
}
EVERY = WITH_HAND | FURTHER


def problem(cell, T=4, B=3, H=5, dtype="float64", seed=0):
    """(the cell, its parameters, T steps of B examples of 4 numbers), for the cell of this name."""
    rng = np.random.default_rng(seed)
    params = getattr(nn.init, cell)(rng, 4, H, dtype)
    return EVERY[cell], params, rng.standard_normal((T, B, 4)).astype(dtype)


def recorded(cell, T=4, B=3, H=5, dtype="float64"):
    """(tape, loss, parameters, hidden states) of the problem: the loss L weights each number of each state."""
    function, params, xs = problem(cell, T, B, H, dtype)
    rng = np.random.default_rng(1)
    with tg.Tape(lines=True) as tape:
        hs, _ = nn.unroll(function, params, xs)
        loss = tg.named("L", (hs * rng.standard_normal(hs.shape).astype(dtype)).sum())
    return tape, loss, params, hs
