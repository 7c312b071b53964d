"""More cells, a few lines each, in the same form: `cell(params, x, *state) -> new state`.

Parameters have PyTorch's names and layout, as in `cells`; the docstring of a cell names those that it has beside them.
For initial parameters of a cell, `nn.init` has a function of the same name.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked, gated
from tinygrad_rnn.nn.cells import by_gate, from_input, from_state, gate, normalized
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.basics import sigmoid

NORMS = {"bias_ih": "4H", "bias_hh": "4H", "gain_ih": "4H", "gain_hh": "4H", "gain_c": "H", "bias_c": "H"}
"""What `layer_norm_lstm` needs beside the matrices, with their shapes."""


@checked(gated(4, weight_ci="H", weight_cf="H", weight_co="H"), h="H", c="H")
def peephole_lstm(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute the LSTM with gates that see the cell (Gers, Schraudolph, Schmidhuber 2002). Gate order i, f, g, o.

    i and f see c_{t-1}, o sees c_t, through `weight_ci`, `weight_cf`, `weight_co` of shape (H,), elementwise:
    i = sigmoid(z_i + p_i * c_{t-1}), f = sigmoid(z_f + p_f * c_{t-1}), c_t = f * c_{t-1} + i * tanh(z_g),
    o = sigmoid(z_o + p_o * c_t), h_t = o * tanh(c_t)
    """
    z_i, z_f, z_g, z_o = np.split(from_input(params, x) + from_state(params, h), 4, axis=-1)
    i, f = gate("i", sigmoid, z_i, params["weight_ci"] * c), gate("f", sigmoid, z_f, params["weight_cf"] * c)
    c = named("c", f * c + i * gate("g", np.tanh, z_g))
    o = gate("o", sigmoid, z_o, params["weight_co"] * c)
    return named("h", o * np.tanh(c)), c


@checked(gated(3), h="H", c="H")
def coupled_lstm(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute the LSTM with input and forget gate coupled, i = 1 - f (Greff et al. 2015, CIFG). Gate order f, g, o.

    c_t = f * c_{t-1} + (1 - f) * tanh(z_g),  h_t = sigmoid(z_o) * tanh(c_t)
    """
    z_f, z_g, z_o = np.split(from_input(params, x) + from_state(params, h), 3, axis=-1)
    f, g, o = gate("f", sigmoid, z_f), gate("g", np.tanh, z_g), gate("o", sigmoid, z_o)
    c = named("c", f * c + (1 - f) * g)
    return named("h", o * np.tanh(c)), c


@checked(gated(4, **NORMS), h="H", c="H")
def layer_norm_lstm(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute the LSTM with layer normalization (Ba, Kiros, Hinton 2016, equations 20 to 22). Gate order i, f, g, o.

    z = LN(W x_t) * gain_ih + LN(U h_{t-1}) * gain_hh + b_ih + b_hh, h_t = o * tanh(LN(c_t) * gain_c + bias_c), where
    LN(a) = (a - mean) / sqrt(var + 1e-5) over the features; `gain_ih`, `gain_hh` (4H,), `gain_c`, `bias_c` (H,).
    """
    z = normalized(x @ params["weight_ih"].T) * params["gain_ih"] + params["bias_ih"]
    z = z + normalized(h @ params["weight_hh"].T) * params["gain_hh"] + params["bias_hh"]
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=-1)
    i, f = gate("i", sigmoid, z_i), gate("f", sigmoid, z_f)
    g, o = gate("g", np.tanh, z_g), gate("o", sigmoid, z_o)
    c = named("c", f * c + i * g)
    return named("h", o * np.tanh(normalized(c) * params["gain_c"] + params["bias_c"])), c


@checked(gated(2), h="H")
def mgu(params: Params, x: Array, h: Array = None) -> Array:
    """Compute the minimal gated unit (Zhou et al. 2016). Gate order f, n.

    f = sigmoid(z_f), n = tanh(W_n x_t + b_in + U_n (f * h_{t-1}) + b_hn), h_t = (1 - f) * h_{t-1} + f * n
    """
    x_f, x_n = np.split(from_input(params, x), 2, axis=-1)
    of_f, of_n = by_gate(params, 2)
    f = gate("f", sigmoid, x_f, from_state(of_f, h))
    n = gate("n", np.tanh, x_n, from_state(of_n, f * h))
    return named("h", (1 - f) * h + f * n)


@checked(gated(1), h="H")
def leaky_rnn(params: Params, x: Array, h: Array = None, *, rate: float = 0.2) -> Array:
    """Compute the simple RNN in continuous time, an Euler step of dt / tau = `rate`; `rate` 1 is `nn.rnn`.

    h_t = (1 - rate) h_{t-1} + rate * tanh(W x_t + b_ih + U h_{t-1} + b_hh)
    """
    z = named("z", from_input(params, x) + from_state(params, h))
    return named("h", (1 - rate) * h + rate * np.tanh(z))
