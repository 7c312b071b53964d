"""Cells: plain functions `cell(params, x, *state) -> new state`, written in NumPy.

On arrays a cell just computes; on Tensors the tape records it. Shapes: x (B, I) or (I,), states (B, H) or (H,):
examples are rows. `params` is a dict with PyTorch's names and layout (G gates stacked along the first axis):
`weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` (G*H,), `bias_hh` (G*H,). Biases may be left out. A state that is
not given is zero. Other names in the dict are left alone.

Every cell raises ValueError where parameters, x and states do not fit each other: nothing is broadcast.

Any function of this form is a cell: `unroll`, the comparison and the drawings take it as they take these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked, gated
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.basics import relu, sigmoid

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "relu": relu}


def with_projection(params: Params) -> dict[str, str]:
    """Return the shapes of an LSTM: with `weight_hr` (H, C) the state h is smaller than c, which is of size C."""
    if "weight_hr" not in params:
        return gated(4)
    of_c = {"weight_hh": "4C H", "weight_ih": "4C I", "bias_ih?": "4C", "bias_hh?": "4C"}
    return of_c | {"weight_hr": "H C", "c": "C"}


@checked(gated(1), h="H")
def rnn(params: Params, x: Array, h: Array = None, *, nonlinearity: str = "tanh") -> Array:
    """Compute the simple (Elman) RNN: h_t = f(W x_t + b_ih + U h_{t-1} + b_hh), with f tanh or relu.

    torch.nn.RNNCell; NNDL (6.5)-(6.6), where the net input is z_t.
    """
    z = named("z", from_input(params, x) + from_state(params, h))
    return named("h", ACTIVATIONS[nonlinearity](z))


@checked(gated(1), h="H")
def residual_rnn(params: Params, x: Array, h: Array = None) -> Array:
    """Compute h_t = h_{t-1} + g_t, g_t = tanh(W x_t + b_ih + U h_{t-1} + b_hh): NNDL (6.50). Parameters of `rnn`."""
    z = named("z", from_input(params, x) + from_state(params, h))
    return named("h", h + named("g", np.tanh(z)))


@checked(with_projection, h="H", c="H")
def lstm(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Compute long short-term memory (torch.nn.LSTMCell). Gate order i, f, g, o; g is the candidate, c~ in many books.

    z = W x_t + b_ih + U h_{t-1} + b_hh, cut into z_i, z_f, z_g, z_o
    i = sigmoid(z_i), f = sigmoid(z_f), g = tanh(z_g), o = sigmoid(z_o)
    c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)

    With `weight_hr` (P, H) among the parameters, h_t = W_hr (o * tanh(c_t)), of size P: torch's proj_size.
    """
    z_i, z_f, z_g, z_o = np.split(from_input(params, x) + from_state(params, h), 4, axis=-1)
    i, f = gate("i", sigmoid, z_i), gate("f", sigmoid, z_f)
    g, o = gate("g", np.tanh, z_g), gate("o", sigmoid, z_o)
    c = named("c", f * c + i * g)
    h = o * np.tanh(c)
    return named("h", h @ params["weight_hr"].T if "weight_hr" in params else h), c


@checked(gated(3), h="H")
def gru(params: Params, x: Array, h: Array = None) -> Array:
    """Compute the gated recurrent unit, PyTorch's form: the reset gate acts *after* the matrix. Gate order r, z, n.

    r = sigmoid(W_r x_t + b_ir + U_r h_{t-1} + b_hr),  z = sigmoid(W_z x_t + b_iz + U_z h_{t-1} + b_hz)
    n = tanh(W_n x_t + b_in + r * (U_n h_{t-1} + b_hn))
    h_t = (1 - z) * n + z * h_{t-1}
    """
    x_r, x_z, x_n = np.split(from_input(params, x), 3, axis=-1)
    h_r, h_z, h_n = np.split(from_state(params, h), 3, axis=-1)
    r, z = gate("r", sigmoid, x_r, h_r), gate("z", sigmoid, x_z, h_z)
    n = gate("n", np.tanh, x_n, r * h_n)
    return named("h", (1 - z) * n + z * h)


@checked(gated(3), h="H")
def gru_textbook(params: Params, x: Array, h: Array = None) -> Array:
    """Compute the gated recurrent unit of textbooks: the reset gate acts *before* the matrix. Gate order r, z, n.

    r and z as in `gru`;  n = tanh(W_n x_t + b_in + U_n (r * h_{t-1}) + b_hn);  h_t = (1 - z) * n + z * h_{t-1}
    (Cho et al. 2014; NNDL (6.65)-(6.69), where n is h~.)
    """
    x_r, x_z, x_n = np.split(from_input(params, x), 3, axis=-1)
    of_r, of_z, of_n = by_gate(params, 3)
    r, z = gate("r", sigmoid, x_r, from_state(of_r, h)), gate("z", sigmoid, x_z, from_state(of_z, h))
    n = gate("n", np.tanh, x_n, from_state(of_n, r * h))
    return named("h", (1 - z) * n + z * h)


def from_input(params: Params, x: Array) -> Array:
    """Compute W x + b_ih for every row of x: (B, I) -> (B, G*H)."""
    z = x @ params["weight_ih"].T
    return z + params["bias_ih"] if "bias_ih" in params else z


def from_state(params: Params, h: Array) -> Array:
    """Compute U h + b_hh for every row of h: (B, H) -> (B, G*H)."""
    z = h @ params["weight_hh"].T
    return z + params["bias_hh"] if "bias_hh" in params else z


def by_gate(params: Params, gates: int) -> list[Params]:
    """Return the rows of `weight_hh` and `bias_hh` of each gate, for cells whose gates read different states."""
    names = [name for name in ("weight_hh", "bias_hh") if name in params]
    blocks = [np.split(params[name], gates) for name in names]
    return [dict(zip(names, block, strict=True)) for block in zip(*blocks, strict=True)]


def gate(name: str, activation: Callable[[Array], Array], *terms: Array) -> Array:
    """Compute activation(sum of the terms) under `scope(gate=name)`. The sum is named z_<name>, the result <name>."""
    with scope(gate=name):
        z = terms[0]
        for term in terms[1:]:
            z = z + term
        return named(name, activation(named(f"z_{name}", z)))


def normalized(a: Array, eps: float = 1e-5) -> Array:
    """Compute (a - mean) / sqrt(var + eps) over the last axis, with var the biased variance."""
    below = a - a.mean(axis=-1, keepdims=True)
    return below / np.sqrt((below * below).mean(axis=-1, keepdims=True) + eps)
