"""Cells: plain functions `cell(params, x, *state) -> new state`, written in NumPy.

On arrays a cell just computes; on Tensors the tape records it. Shapes: x (B, I) or (I,), states (B, H) or (H,):
examples are rows. `params` is a dict with PyTorch's names and layout (G gates stacked along the first axis):
`weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` (G*H,), `bias_hh` (G*H,). Biases may be left out. A state that is
not given is zero. Other names in the dict are left alone.

Every cell raises ValueError where parameters, x and states do not fit each other: nothing is broadcast.

Any function of this form is a cell: `unroll`, the comparison and the drawings take it as they take these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import scope, where_text
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.nn.parameters import (
    Shapes,
    require_features,
    require_mapping,
    require_numbers,
    require_parameters,
    shape_of,
)
from tinygrad_rnn.operations.basics import relu, sigmoid

Array = Any
"""An ndarray or a Tensor."""

Params = Mapping[str, Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "relu": relu}


def rnn(params: Params, x: Array, h: Array = None, *, nonlinearity: str = "tanh") -> Array:
    """The simple (Elman) RNN: h_t = f(W x_t + b_ih + U h_{t-1} + b_hh), with f tanh or relu.

    torch.nn.RNNCell; NNDL (6.5)-(6.6), where the net input is z_t.
    """
    (h,) = started("rnn", 1, params, x, h=h)
    z = named("z", from_input(params, x) + from_state(params, h))
    return named("h", ACTIVATIONS[nonlinearity](z))


def residual_rnn(params: Params, x: Array, h: Array = None) -> Array:
    """h_t = h_{t-1} + g_t, with g_t = tanh(W x_t + b_ih + U h_{t-1} + b_hh): NNDL (6.50). Parameters as for `rnn`."""
    (h,) = started("residual_rnn", 1, params, x, h=h)
    z = named("z", from_input(params, x) + from_state(params, h))
    return named("h", h + named("g", np.tanh(z)))


def lstm(params: Params, x: Array, h: Array = None, c: Array = None) -> tuple[Array, Array]:
    """Long short-term memory (torch.nn.LSTMCell). Gate order i, f, g, o; g is the candidate, c~ in many books.

    z = W x_t + b_ih + U h_{t-1} + b_hh, cut into z_i, z_f, z_g, z_o
    i = sigmoid(z_i), f = sigmoid(z_f), g = tanh(z_g), o = sigmoid(z_o)
    c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)

    With `weight_hr` (P, H) among the parameters, h_t = W_hr (o * tanh(c_t)), of size P: torch's proj_size.
    """
    h, c = started("lstm", 4, params, x, projects=True, h=h, c=c)
    z_i, z_f, z_g, z_o = np.split(from_input(params, x) + from_state(params, h), 4, axis=-1)
    i, f = gate("i", sigmoid, z_i), gate("f", sigmoid, z_f)
    g, o = gate("g", np.tanh, z_g), gate("o", sigmoid, z_o)
    c = named("c", f * c + i * g)
    h = o * np.tanh(c)
    return named("h", h @ params["weight_hr"].T if "weight_hr" in params else h), c


def gru(params: Params, x: Array, h: Array = None) -> Array:
    """Gated recurrent unit, PyTorch's form: the reset gate acts *after* the matrix. Gate order r, z, n.

    r = sigmoid(W_r x_t + b_ir + U_r h_{t-1} + b_hr),  z = sigmoid(W_z x_t + b_iz + U_z h_{t-1} + b_hz)
    n = tanh(W_n x_t + b_in + r * (U_n h_{t-1} + b_hn))
    h_t = (1 - z) * n + z * h_{t-1}
    """
    (h,) = started("gru", 3, params, x, h=h)
    x_r, x_z, x_n = np.split(from_input(params, x), 3, axis=-1)
    h_r, h_z, h_n = np.split(from_state(params, h), 3, axis=-1)
    r, z = gate("r", sigmoid, x_r, h_r), gate("z", sigmoid, x_z, h_z)
    n = gate("n", np.tanh, x_n, r * h_n)
    return named("h", (1 - z) * n + z * h)


def gru_textbook(params: Params, x: Array, h: Array = None) -> Array:
    """Gated recurrent unit as in textbooks: the reset gate acts *before* the matrix. Gate order r, z, n.

    r and z as in `gru`;  n = tanh(W_n x_t + b_in + U_n (r * h_{t-1}) + b_hn);  h_t = (1 - z) * n + z * h_{t-1}
    (Cho et al. 2014; NNDL (6.59)-(6.62), where n is h~.)
    """
    (h,) = started("gru_textbook", 3, params, x, h=h)
    x_r, x_z, x_n = np.split(from_input(params, x), 3, axis=-1)
    of_r, of_z, of_n = by_gate(params, 3)
    r, z = gate("r", sigmoid, x_r, from_state(of_r, h)), gate("z", sigmoid, x_z, from_state(of_z, h))
    n = gate("n", np.tanh, x_n, from_state(of_n, r * h))
    return named("h", (1 - z) * n + z * h)


def from_input(params: Params, x: Array) -> Array:
    """W x + b_ih for every row of x: (B, I) -> (B, G*H)."""
    z = x @ params["weight_ih"].T
    return z + params["bias_ih"] if "bias_ih" in params else z


def from_state(params: Params, h: Array) -> Array:
    """U h + b_hh for every row of h: (B, H) -> (B, G*H)."""
    z = h @ params["weight_hh"].T
    return z + params["bias_hh"] if "bias_hh" in params else z


def by_gate(params: Params, gates: int) -> list[Params]:
    """The rows of `weight_hh` and `bias_hh` of each gate, for cells whose gates read different states."""
    names = [name for name in ("weight_hh", "bias_hh") if name in params]
    blocks = [np.split(params[name], gates) for name in names]
    return [dict(zip(names, block, strict=True)) for block in zip(*blocks, strict=True)]


def gate(name: str, activation: Callable[[Array], Array], *terms: Array) -> Array:
    """activation(sum of the terms), recorded under `scope(gate=name)`; the sum is named z_<name>, the result <name>."""
    with scope(gate=name):
        z = terms[0]
        for term in terms[1:]:
            z = z + term
        return named(name, activation(named(f"z_{name}", z)))


def normalized(a: Array, eps: float = 1e-5) -> Array:
    """(a - mean) / sqrt(var + eps) over the last axis, var the biased variance."""
    below = a - a.mean(axis=-1, keepdims=True)
    return below / np.sqrt((below * below).mean(axis=-1, keepdims=True) + eps)


def started(
    cell: str,
    gates: int,
    params: Params,
    x: Array,
    own: Mapping[str, int] | None = None,
    projects: bool = False,
    **states: Array,
) -> list[Array]:
    """The states that a cell starts from, by their names in order: as they were given, or zeros where they are None.

    `gates` is the number of blocks of H rows. `own` has the parameters of this cell beside the matrices and biases,
    each with its number of blocks of H entries. A cell that `projects` may have `weight_hr` (P, H): its h is of size P.

    Raises ValueError unless all parameters have their shapes, x is (..., I), and each state (..., H), with one batch.
    """
    require_mapping(cell, params)
    matrices = ["weight_ih", "weight_hh"]
    missing = [name for name in (*matrices, *(own or ())) if name not in params]
    if missing:
        raise ValueError(
            f"{cell}: the parameters lack {', '.join(missing)}; there are {', '.join(map(str, params)) or 'none'}"
            f"{where_text()}\n{gates} gates of H units have weight_ih ({gates} H, I) and weight_hh ({gates} H, H); "
            f"the names of a layer end in _l0: nn.{cell.upper().split('_')[0]}"
        )
    inputs, size = ((shape_of(params[name]) or (0,))[-1] for name in matrices)
    projection: tuple[int, ...] = ()
    if projects and "weight_hr" in params:
        projection = shape_of(params["weight_hr"]) or (0,)
    hidden = projection[-1] if projection else size
    shapes: Shapes = {"weight_hh": (gates * hidden, size), "weight_ih": (gates * hidden, inputs)}
    shapes |= {name: (gates * hidden,) for name in ("bias_ih", "bias_hh") if name in params}
    shapes |= {"weight_hr": (size, hidden)} if projection else {}
    shapes |= {name: (blocks * hidden,) for name, blocks in (own or {}).items()}
    require_parameters(cell, shapes, params)
    require_features(cell, x, inputs)
    sizes = {name: size if name == "h" else hidden for name in states}
    require_states(cell, x, {name: (states[name], sizes[name]) for name in states})
    return [initial_state(name, state, params, x, sizes[name]) for name, state in states.items()]


def require_states(cell: str, x: Array, states: Mapping[str, tuple[Array, int]]) -> None:
    """Raise ValueError unless each state, with its size, has one row for each row of x."""
    batch = shape_of(x)[:-1]
    for name, (state, size) in states.items():
        require_numbers(cell, f"the state {name}", state)
        if state is not None and shape_of(state) != (*batch, size):
            raise ValueError(
                f"{cell}: the state {name} has shape {shape_of(state)}, x has shape {shape_of(x)}{where_text()}\n"
                f"expected {name} of shape {(*batch, size)}: one row for each row of x"
            )


def initial_state(name: str, state: Array, params: Params, x: Array, size: int) -> Array:
    """The state itself; where it is None, zeros (B, size) of the dtype of the parameters, a Tensor if they are."""
    if state is not None:
        return state
    weight = params["weight_hh"]
    zeros = np.zeros((*np.shape(x)[:-1], size), weight.dtype)
    return Tensor(zeros, name=f"{name}0") if isinstance(weight, Tensor) else zeros
