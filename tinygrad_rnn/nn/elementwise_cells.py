"""Cells whose states meet no matrix: each unit reads its own past alone.

The form is that of `cells`: `cell(params, x, *state) -> new state`, x (B, I), states (B, H). In `min_gru`, `min_lstm`
and `qrnn` gates read x alone, so that the recurrence is linear in the state.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked
from tinygrad_rnn.nn.cells import ACTIVATIONS, from_input, gate
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.basics import sigmoid


@checked({"weight_ih": "2H I", "bias_ih?": "2H"}, h="H")
def min_gru(params: Params, x: Array, h: Array = None) -> Array:
    """Compute the minGRU (Feng et al. 2024, section 3.1). Gate order z, n; n is h~ there.

    z = sigmoid(W_z x_t + b_z),  n = W_n x_t + b_n,  h_t = (1 - z) * h_{t-1} + z * n
    """
    x_z, x_n = np.split(from_input(params, x), 2, axis=-1)
    z, n = gate("z", sigmoid, x_z), named("n", x_n)
    return named("h", (1 - z) * h + z * n)


@checked({"weight_ih": "3H I", "bias_ih?": "3H"}, h="H")
def min_lstm(params: Params, x: Array, h: Array = None) -> Array:
    """Compute the minLSTM, length-independent (Feng et al. 2024, section 3.2). Gate order f, i, n; n is h~ there.

    f = sigmoid(W_f x_t + b_f), i = sigmoid(W_i x_t + b_i), n = W_n x_t + b_n
    h_t = f / (f + i) * h_{t-1} + i / (f + i) * n
    """
    x_f, x_i, x_n = np.split(from_input(params, x), 3, axis=-1)
    f, i, n = gate("f", sigmoid, x_f), gate("i", sigmoid, x_i), named("n", x_n)
    return named("h", (f * h + i * n) / (f + i))


@checked({"weight_ih": "H I", "weight_hh": "H", "bias_ih?": "H"}, h="H")
def ind_rnn(params: Params, x: Array, h: Array = None, *, nonlinearity: str = "relu") -> Array:
    """Compute the independently recurrent network (Li et al. 2018, section 3): h_t = relu(W x_t + u * h_{t-1} + b).

    `weight_hh` is the vector u (H,): each unit reads its own past.
    """
    z = named("z", from_input(params, x) + params["weight_hh"] * h)
    return named("h", ACTIVATIONS[nonlinearity](z))


def of_sru(params: Params) -> dict[str, str]:
    """Return the shapes of an SRU's parameters: with `weight_p` the input need not have the size of the state."""
    inputs = "I" if "weight_p" in params else "H"
    projection = {"weight_p": f"H {inputs}"} if "weight_p" in params else {}
    return {"weight_c": "2H", "bias_ih": "2H", "weight_ih": f"3H {inputs}"} | projection


@checked(of_sru, h="H", c="H")
def sru(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute the simple recurrent unit (Lei et al. 2018, equations 1 to 4). Blocks u, f, r of `weight_ih`.

    f = sigmoid(W_f x_t + v_f * c_{t-1} + b_f),  r = sigmoid(W_r x_t + v_r * c_{t-1} + b_r)
    c_t = f * c_{t-1} + (1 - f) * (W_u x_t),  h_t = r * c_t + (1 - r) * x_t

    `weight_c` stacks v_f and v_r, `bias_ih` b_f and b_r. With `weight_p` (H, I), W_p x_t stands in h_t for x_t; without
    it I is H. No step reads the h before it.
    """
    u, x_f, x_r = np.split(x @ params["weight_ih"].T, 3, axis=-1)
    (v_f, v_r), (b_f, b_r) = np.split(params["weight_c"], 2), np.split(params["bias_ih"], 2)
    f, r = gate("f", sigmoid, x_f, v_f * c, b_f), gate("r", sigmoid, x_r, v_r * c, b_r)
    c = named("c", f * c + (1 - f) * u)
    beside = x @ params["weight_p"].T if "weight_p" in params else x
    return named("h", r * c + (1 - r) * beside), c


@checked({"weight_ih": "3H I", "bias_ih?": "3H"}, h="H", c="H")
def qrnn(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute the fo-pooling of a quasi-recurrent network (Bradbury et al. 2017, equation 4). Block order z, f, o.

    z = tanh(W_z x_t + b_z), f = sigmoid(W_f x_t + b_f), o = sigmoid(W_o x_t + b_o)
    c_t = f * c_{t-1} + (1 - f) * z,  h_t = o * c_t

    The convolution before it has a width of one step here: give x_{t-1} beside x_t for a width of two. No step reads
    the h before it.
    """
    x_z, x_f, x_o = np.split(from_input(params, x), 3, axis=-1)
    z, f, o = gate("z", np.tanh, x_z), gate("f", sigmoid, x_f), gate("o", sigmoid, x_o)
    c = named("c", f * c + (1 - f) * z)
    return named("h", o * c), c
