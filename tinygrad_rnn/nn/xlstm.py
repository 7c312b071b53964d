"""The two cells of xLSTM (Beck et al. 2024): exponential gates, with their stabiliser, and a matrix as memory."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked, gated
from tinygrad_rnn.nn.cells import from_input, from_state, gate
from tinygrad_rnn.nn.matrix_memory import column, outer, read
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.activations import softplus
from tinygrad_rnn.operations.basics import sigmoid


@checked(gated(4), h="H", c="H", n="H", m="H")
def slstm(
    params: Params, x: Array, h: Array = None, c: Array = None, n: Array = None, m: Array = None
) -> tuple[Array, Array, Array, Array]:
    """Compute the sLSTM with one head (Beck et al. 2024, equations 8 to 17). Gate order i, f, z, o.

    a = W x_t + b_ih + U h_{t-1} + b_hh, cut into a_i, a_f, a_z, a_o;  log f = log sigmoid(a_f)
    m_t = max(log f + m_{t-1}, a_i),  i' = exp(a_i - m_t),  f' = exp(log f + m_{t-1} - m_t)
    c_t = f' * c_{t-1} + i' * tanh(a_z),  n_t = f' * n_{t-1} + i',  h_t = sigmoid(a_o) * c_t / n_t

    The stabiliser m scales c and n alike, so h does not depend on it. States (h, c, n, m), each (B, H).
    """
    a_i, a_f, a_z, a_o = np.split(from_input(params, x) + from_state(params, h), 4, axis=-1)
    i, f, m = exponential_gates(a_i, a_f, m)
    c = named("c", f * c + i * gate("z", np.tanh, a_z))
    n = named("n", f * n + i)
    return named("h", gate("o", sigmoid, a_o) * c / n), c, n, m


MLSTM = {f"weight_{name}": "H I" for name in "qkvo"} | {"bias_o": "H"}
MLSTM |= {"weight_i": "1 I", "weight_f": "1 I", "bias_i": "1", "bias_f": "1"}
"""The shapes of the parameters of `mlstm`."""


@checked(MLSTM, h="H", C="H H", n="H", m="1")
def mlstm(
    params: Params, x: Array, h: Array = None, C: Array = None, n: Array = None, m: Array = None
) -> tuple[Array, Array, Array, Array]:
    """Compute the mLSTM with one head (Beck et al. 2024, equations 19 to 27): its memory C is a matrix.

    q = W_q x_t,  k = W_k x_t / sqrt(H),  v = W_v x_t,  o = sigmoid(W_o x_t + b_o);  one number for each example:
    a_i = w_i x_t + b_i, a_f = w_f x_t + b_f, and m, i', f' as in `slstm`
    C_t = f' C_{t-1} + i' v k^T,  n_t = f' n_{t-1} + i' k,  h_t = o * (C_t q) / max(|n_t^T q|, exp(-m_t))

    States: h (B, H), C (B, H, H), n (B, H), m (B, 1). No step reads the h before it.
    """
    q, k, v = (x @ params[f"weight_{name}"].T for name in "qkv")
    q, k, v = named("q", q), named("k", k * k.shape[-1] ** -0.5), named("v", v)
    a_i, a_f = (x @ params[f"weight_{name}"].T + params[f"bias_{name}"] for name in "if")
    i, f, m = exponential_gates(a_i, a_f, m)
    C = named("C", column(f) * C + column(i) * outer(v, k))
    n = named("n", f * n + i * k)
    scale = np.maximum(np.abs((n * q).sum(axis=-1, keepdims=True)), np.exp(-m))
    o = gate("o", sigmoid, x @ params["weight_o"].T, params["bias_o"])
    return named("h", o * read(C, q) / scale), C, n, m


def exponential_gates(a_i: Array, a_f: Array, m: Array) -> tuple[Array, Array, Array]:
    """Compute i = exp(a_i) and f = sigmoid(a_f), both scaled by exp(-m_t), and the stabiliser m_t."""
    log_f = -softplus(-named("z_f", a_f))
    new = named("m", np.maximum(log_f + m, named("z_i", a_i)))
    return named("i", np.exp(a_i - new)), named("f", np.exp(log_f + m - new)), new
