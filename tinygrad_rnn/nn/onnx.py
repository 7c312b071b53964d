"""The recurrent nodes of ONNX (opset 14: RNN, LSTM, GRU), run by `unroll`, so that a tape records every gate of them.

Gates are stacked i, o, f, c and z, r, h; activations, clipping, direction, lengths and layout are as the node says.
`weights.from_onnx` turns the weights of a plain node into those of one of our cells instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.parameters import Array, Cell, Params
from tinygrad_rnn.nn.time_loop import as_tuple, unroll
from tinygrad_rnn.operations.activations import elu, softplus
from tinygrad_rnn.operations.basics import relu, sigmoid

Activation = Callable[[Array], Array]
ACTIVATIONS: dict[str, tuple[Callable[..., Array], float | None, float | None]] = {
    "Relu": (lambda x, a, b: relu(x), None, None),
    "Tanh": (lambda x, a, b: np.tanh(x), None, None),
    "Sigmoid": (lambda x, a, b: sigmoid(x), None, None),
    "Softsign": (lambda x, a, b: x / (1 + np.abs(x)), None, None),
    "Softplus": (lambda x, a, b: softplus(x), None, None),
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "LeakyRelu": (lambda x, a, b: np.where(x >= 0, x, a * x), 0.01, None),
    "ThresholdedRelu": (lambda x, a, b: np.where(x > a, x, 0), 1.0, None),
    "ScaledTanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "Elu": (lambda x, a, b: elu(x, a), 1.0, None),
}
"""The activations by name, each with its default alpha and beta, or None."""

DEFAULTS = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}


def onnx_node(
    op_type: str,
    X: Array,
    W: Array,
    R: Array,
    B: Array = None,
    sequence_lens: ArrayLike | None = None,
    initial_h: Array = None,
    initial_c: Array = None,
    P: Array = None,
    *,
    direction: str = "forward",
    layout: int = 0,
    linear_before_reset: int = 0,
    clip: float | None = None,
    activations: Sequence[str] | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    input_forget: int = 0,
) -> tuple[Array, ...]:
    """Compute the outputs of a node: (Y, Y_h), for an LSTM (Y, Y_h, Y_c). Inputs and attributes have ONNX's names.

    X (T, B, I), W (D, G H, I), R (D, G H, H), B (D, 2 G H), P (D, 3 H: i, o, f), initial_h and initial_c (D, B, H);
    Y (T, D, B, H), Y_h and Y_c (D, B, H). With `layout` 1, X (B, T, I), states (B, D, H), Y (B, T, D, H).
    `activation_alpha` and `_beta` are given in order to those that have them.

    `clip` bounds what goes into the activation of every gate and candidate, and of an RNN's state. The last activation
    of an LSTM reads the cell, h_t = o * h(C_t), and C_t is not bounded. ONNX's text allows either; onnxruntime does
    this.

    Raises ValueError for another op_type, direction or activation, for inputs whose shapes do not fit, for a negative
    `clip`, and for `input_forget`.
    """
    if op_type not in GATES or direction not in DIRECTIONS or input_forget:
        raise ValueError(
            f"onnx_node: {op_type}, direction={direction!r}, input_forget={input_forget}\n"
            f"choose one of {', '.join(GATES)} and one of {', '.join(DIRECTIONS)}; gates cannot be coupled"
        )
    if clip is not None and not clip >= 0:
        raise ValueError(f"onnx_node: clip={clip}\ngive a positive number, or None for no bound")
    several, gates = DIRECTIONS[direction], GATES[op_type]
    if np.ndim(X) != 3 or np.ndim(R) != 3 or (gates != 4 and initial_c is not None):
        raise ValueError(
            f"onnx_node: the {op_type} has X of shape {np.shape(X)}, R of shape {np.shape(R)}, "
            f"{'no initial_c' if initial_c is None else 'an initial_c'}\n"
            f"expected X {'(B, T, I)' if layout else '(T, B, I)'}, R (D, G H, H), initial_c for an LSTM alone"
        )
    hidden = np.shape(R)[-1]
    xs = np.swapaxes(X, 0, 1) if layout else X
    expected: dict[str, tuple[int, ...]]
    expected = {"W": (len(several), gates * hidden, xs.shape[-1]), "R": (len(several), gates * hidden, hidden)}
    given = {"W": W, "R": R, "B": B, "P": P}
    expected |= {"B": (len(several), 2 * gates * hidden)} | ({"P": (len(several), 3 * hidden)} if gates == 4 else {})
    for name, value in given.items():
        if value is not None and np.shape(value) != expected.get(name):
            raise ValueError(
                f"onnx_node: {name} of the {op_type} has shape {np.shape(value)}\n"
                f"expected {expected.get(name, 'none')}: {counted(len(several), 'direction')}, "
                f"{counted(gates, 'gate')} of {hidden}"
            )
    states = {"initial_h": initial_h, "initial_c": initial_c}
    batch = (xs.shape[1], len(several)) if layout else (len(several), xs.shape[1])
    for name, value in states.items():
        if value is not None and np.shape(value) != (*batch, hidden):
            raise ValueError(
                f"onnx_node: {name} of the {op_type} has shape {np.shape(value)}\nexpected {(*batch, hidden)}"
            )
    functions = _activations(op_type, len(several), activations, activation_alpha, activation_beta, clip)
    starts = [initial_h, initial_c] if gates == 4 else [initial_h]
    shape = (xs.shape[1], hidden)
    outputs, ends = [], []
    for d, way in enumerate(several):
        own = {"W": W[d], "R": R[d], **({"B": B[d]} if B is not None else {}), **({"P": P[d]} if P is not None else {})}
        state = tuple(np.zeros(shape, xs.dtype) if s is None else (s[:, d] if layout else s[d]) for s in starts)
        with scope(direction=way):
            cell = _CELLS[op_type](functions[d], bool(linear_before_reset))
            hs, last = unroll(cell, own, xs, state, reverse=way == "reverse", lengths=sequence_lens)
        outputs.append(hs)
        ends.append(as_tuple(last))
    Y = np.stack(outputs, axis=1)  # (T, D, B, H)
    last_states = [np.stack(parts) for parts in zip(*ends, strict=True)]  # (D, B, H)
    if layout:
        return (np.transpose(Y, (2, 0, 1, 3)), *(np.swapaxes(s, 0, 1) for s in last_states))
    return (Y, *last_states)


def _pre(params: Params, x: Array, h: Array, gates: int) -> tuple[list[Array], list[Array]]:
    """Compute the part of each gate that comes from x, and that from h, biases included."""
    from_x, from_h = x @ params["W"].T, h @ params["R"].T
    if "B" in params:
        to_x, to_h = np.split(params["B"], 2)
        from_x, from_h = from_x + to_x, from_h + to_h
    if gates == 1:
        return [from_x], [from_h]
    return np.split(from_x, gates, axis=-1), np.split(from_h, gates, axis=-1)


def _rnn(functions: list[Activation], _: bool) -> Cell:
    (f,) = functions

    def onnx_rnn(params: Params, x: Array, h: Array) -> Array:
        (of_x,), (of_h,) = _pre(params, x, h, 1)
        return named("h", f(named("z", of_x + of_h)))

    return onnx_rnn


def _gru(functions: list[Activation], linear_before_reset: bool) -> Cell:
    f, g = functions

    def onnx_gru(params: Params, x: Array, h: Array) -> Array:
        (x_z, x_r, x_h), (h_z, h_r, h_h) = _pre(params, x, h, 3)
        z, r = named("z", f(x_z + h_z)), named("r", f(x_r + h_r))
        if not linear_before_reset:
            h_h = (r * h) @ np.split(params["R"], 3)[2].T
            if "B" in params:
                h_h = h_h + np.split(params["B"], 6)[5]
            candidate = g(x_h + h_h)
        else:
            candidate = g(x_h + r * h_h)
        return named("h", (1 - z) * candidate + z * h)

    return onnx_gru


def _lstm(functions: list[Activation], _: bool) -> Cell:
    f, g, out = functions

    def onnx_lstm(params: Params, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        z_i, z_o, z_f, z_c = (a + b for a, b in zip(*_pre(params, x, h, 4), strict=True))
        if "P" in params:
            p_i, p_o, p_f = np.split(params["P"], 3)
            z_i, z_f = z_i + p_i * c, z_f + p_f * c
        new = named("c", named("f", f(z_f)) * c + named("i", f(z_i)) * g(z_c))
        if "P" in params:
            z_o = z_o + p_o * new
        return named("h", named("o", f(z_o)) * out(new)), new

    return onnx_lstm


_CELLS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}


def _activations(
    op_type: str,
    directions: int,
    names: Sequence[str] | None,
    alphas: Sequence[float] | None,
    betas: Sequence[float] | None,
    clip: float | None,
) -> list[list[Activation]]:
    """Return the functions of the cell for each direction. Those of a pre-activation clip it first."""
    chosen = list(names or DEFAULTS[op_type] * directions)
    count = len(DEFAULTS[op_type])
    unknown = [name for name in chosen if name not in ACTIVATIONS]
    if unknown or len(chosen) != count * directions:
        raise ValueError(
            f"onnx_node: activations {', '.join(chosen)}\n"
            f"expected {count} for each of {directions} directions, of {', '.join(ACTIVATIONS)}"
        )
    given_alphas, given_betas = list(alphas or ()), list(betas or ())
    made = []
    for place, name in enumerate(chosen):
        function, alpha, beta = ACTIVATIONS[name]
        a = given_alphas.pop(0) if alpha is not None and given_alphas else alpha
        b = given_betas.pop(0) if beta is not None and given_betas else beta
        reads_cell = op_type == "LSTM" and place % count == 2
        made.append(_clipped(function, a, b, None if reads_cell else clip))
    return [made[k : k + count] for k in range(0, len(made), count)]


def _clipped(function: Callable[..., Array], a: float | None, b: float | None, clip: float | None) -> Activation:
    if not clip:
        return lambda x: function(x, a, b)
    return lambda x: function(np.clip(x, -clip, clip), a, b)
