"""Recurrent networks as ordinary forward code: cells, the loop over time, losses, initial parameters."""

from tinygrad_rnn.nn import init
from tinygrad_rnn.nn.cells import gru, gru_textbook, lstm, residual_rnn, rnn
from tinygrad_rnn.nn.layers import GRU, LSTM, RNN, Embedding, LayerNorm, Linear
from tinygrad_rnn.nn.losses import cross_entropy, mse
from tinygrad_rnn.nn.unroll import unroll

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Embedding",
    "LayerNorm",
    "Linear",
    "cross_entropy",
    "gru",
    "gru_textbook",
    "init",
    "lstm",
    "mse",
    "residual_rnn",
    "rnn",
    "unroll",
]
