"""Recurrent networks as ordinary forward code: cells, the loop over time, losses, initial parameters."""

from tinygrad_rnn.nn import init, optim, weights
from tinygrad_rnn.nn.cells import gru, gru_textbook, lstm, residual_rnn, rnn
from tinygrad_rnn.nn.elementwise_cells import ind_rnn, min_gru, min_lstm, qrnn, sru
from tinygrad_rnn.nn.layers import Embedding, LayerNorm, Linear
from tinygrad_rnn.nn.linear_scan import scan
from tinygrad_rnn.nn.losses import binary_cross_entropy, cross_entropy, mse
from tinygrad_rnn.nn.matrix_memory import gated_delta_net, linear_attention
from tinygrad_rnn.nn.more_cells import coupled_lstm, layer_norm_lstm, leaky_rnn, mgu, peephole_lstm
from tinygrad_rnn.nn.onnx import onnx_node
from tinygrad_rnn.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tinygrad_rnn.nn.state_space import lru, selective_ssm
from tinygrad_rnn.nn.time_loop import unroll
from tinygrad_rnn.nn.wrappers import dropout_mask, variational_dropout, zoneout
from tinygrad_rnn.nn.xlstm import mlstm, slstm

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "RNNCell",
    "binary_cross_entropy",
    "coupled_lstm",
    "cross_entropy",
    "dropout_mask",
    "gated_delta_net",
    "gru",
    "gru_textbook",
    "ind_rnn",
    "init",
    "layer_norm_lstm",
    "leaky_rnn",
    "linear_attention",
    "lru",
    "lstm",
    "mgu",
    "min_gru",
    "min_lstm",
    "mlstm",
    "mse",
    "onnx_node",
    "optim",
    "peephole_lstm",
    "qrnn",
    "residual_rnn",
    "rnn",
    "scan",
    "selective_ssm",
    "slstm",
    "sru",
    "unroll",
    "variational_dropout",
    "weights",
    "zoneout",
]
