"""Initial parameters: dicts of named Tensors in PyTorch's names, layout and distribution.

Every entry is drawn from U(-1/sqrt(H), 1/sqrt(H)), H the hidden size, as torch.nn.RNN, LSTM and GRU do, unless a
function says otherwise; the draws are those of the generator that you pass, in the order weight_ih, weight_hh, bias_ih,
bias_hh. Where no state meets a matrix, they are from U(-1/sqrt(I), 1/sqrt(I)), I the input size, as torch.nn.Linear.

>>> rng = np.random.default_rng(0)
>>> {name: p.shape for name, p in lstm(rng, input_size=3, hidden_size=5).items()}
{'weight_ih': (20, 3), 'weight_hh': (20, 5), 'bias_ih': (20,), 'bias_hh': (20,)}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.nn.parameters import require_sizes


def rnn(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.rnn`: one block of H rows."""
    return _recurrent(rng, 1, input_size, hidden_size, dtype)


def lstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.lstm`: gates i, f, g, o stacked, 4 H rows."""
    return _recurrent(rng, 4, input_size, hidden_size, dtype)


def gru(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.gru` and `nn.gru_textbook`: gates r, z, n stacked, 3 H rows."""
    return _recurrent(rng, 3, input_size, hidden_size, dtype)


def peephole_lstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.peephole_lstm`: those of `lstm`, and a peephole for each gate, (H,)."""
    peepholes: dict[str, tuple[int, ...]] = {f"weight_c{gate}": (hidden_size,) for gate in "ifo"}
    return _recurrent(rng, 4, input_size, hidden_size, dtype, peepholes)


def coupled_lstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.coupled_lstm`: gates f, g, o stacked, 3 H rows."""
    return _recurrent(rng, 3, input_size, hidden_size, dtype)


def layer_norm_lstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.layer_norm_lstm`: those of `lstm`, gains of one and a bias of zero."""
    gains = {"gain_ih": 4 * hidden_size, "gain_hh": 4 * hidden_size, "gain_c": hidden_size}
    norms = {name: Tensor(np.ones(size, dtype), name=name) for name, size in gains.items()}
    bias = {"bias_c": Tensor(np.zeros(hidden_size, dtype), name="bias_c")}
    return lstm(rng, input_size, hidden_size, dtype) | norms | bias


def mgu(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.mgu`: gates f, n stacked, 2 H rows."""
    return _recurrent(rng, 2, input_size, hidden_size, dtype)


def irnn(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64, scale: float = 1.0
) -> dict[str, Tensor]:
    """Draw parameters of `nn.rnn` with relu: U = scale * I, W from N(0, 0.001^2), biases 0 (Le et al. 2015)."""
    values = {
        "weight_ih": 0.001 * rng.standard_normal((hidden_size, input_size)),
        "weight_hh": scale * np.eye(hidden_size),
        "bias_ih": np.zeros(hidden_size),
        "bias_hh": np.zeros(hidden_size),
    }
    return _named(values, dtype)


def min_gru(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.min_gru`: blocks z, n, 2 H rows."""
    return _without_hidden(rng, 2, input_size, hidden_size, dtype)


def min_lstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.min_lstm` and `nn.qrnn`: three blocks, 3 H rows."""
    return _without_hidden(rng, 3, input_size, hidden_size, dtype)


def ind_rnn(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.ind_rnn`: `weight_hh` (H,) from U(0, 1), as Li et al. 2018 for relu."""
    params = _without_hidden(rng, 1, input_size, hidden_size, dtype)
    return params | _named({"weight_hh": rng.uniform(0, 1, hidden_size)}, dtype)


def sru(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.sru`, with biases of zero, and with `weight_p` where the two sizes differ."""
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (3 * hidden_size, input_size), "weight_c": (2 * hidden_size,)}
    if input_size != hidden_size:
        shapes["weight_p"] = (hidden_size, input_size)
    return _uniform(rng, shapes, dtype) | _named({"bias_ih": np.zeros(2 * hidden_size)}, dtype)


def slstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.slstm`: gates i, f, z, o stacked, with biases of f from 3 to 6, as the authors' code."""
    params = _recurrent(rng, 4, input_size, hidden_size, dtype)
    bias = params["bias_ih"].data.copy()
    bias[hidden_size : 2 * hidden_size] = np.linspace(3, 6, hidden_size)
    return params | _named({"bias_ih": bias}, dtype)


def mlstm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.mlstm`, with a bias of f of 3."""
    shapes: dict[str, tuple[int, ...]] = {f"weight_{name}": (hidden_size, input_size) for name in "qkvo"}
    shapes |= {f"weight_{name}": (1, input_size) for name in "if"}
    biases = {"bias_o": np.zeros(hidden_size), "bias_i": np.zeros(1), "bias_f": np.full(1, 3.0)}
    return _uniform(rng, shapes, dtype) | _named(biases, dtype)


def linear_attention(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.linear_attention`: `weight_q`, `weight_k`, `weight_v` (H, I)."""
    return _uniform(rng, {f"weight_{name}": (hidden_size, input_size) for name in "qkv"}, dtype)


def gated_delta_net(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.gated_delta_net`. At the start alpha is about 0.93: exp(-0.1 softplus(0))."""
    attention = linear_attention(rng, input_size, hidden_size, dtype)
    gates = _uniform(rng, {"weight_a": (1, input_size), "weight_b": (1, input_size)}, dtype)
    return attention | gates | _named({"bias_a": np.zeros(1), "log_decay": np.full(1, np.log(0.1))}, dtype)


def lru(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.lru`: |lambda| uniform over a ring, here from 0.4 to 1, any angle (Orvieto et al. 2023).

    gamma = sqrt(1 - |lambda|^2) normalizes the input. The hidden size is the number N of complex states.
    """
    require_sizes(f"init: input_size={input_size}, hidden_size={hidden_size}", input_size, hidden_size)
    square = rng.uniform(0.4**2, 1, hidden_size)
    angle = rng.uniform(0, 2 * np.pi, hidden_size)
    values = {
        "nu_log": np.log(-0.5 * np.log(square)),
        "theta_log": np.log(angle),
        "gamma_log": 0.5 * np.log(1 - square),
        **{f"B_{part}": _normal(rng, (hidden_size, input_size), 2 * input_size) for part in ("re", "im")},
        **{f"C_{part}": _normal(rng, (input_size, hidden_size), hidden_size) for part in ("re", "im")},
        "D": rng.standard_normal(input_size),
    }
    return _named(values, dtype)


def selective_ssm(
    rng: np.random.Generator, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64
) -> dict[str, Tensor]:
    """Draw parameters of `nn.selective_ssm`: A = -1, ..., -N, delta from 0.001 to 0.1 (Gu and Dao 2023, section 3.6).

    The hidden size is the number N of states of each channel.
    """
    drawn = _uniform(rng, {"weight_delta": (input_size, input_size)}, dtype)
    drawn |= _uniform(rng, dict.fromkeys(("weight_B", "weight_C"), (hidden_size, input_size)), dtype)
    delta = np.exp(rng.uniform(np.log(0.001), np.log(0.1), input_size))
    values = {
        "A_log": np.tile(np.log(np.arange(1.0, hidden_size + 1)), (input_size, 1)),
        "bias_delta": np.log(np.expm1(delta)),
        "D": np.ones(input_size),
    }
    return drawn | _named(values, dtype)


residual_rnn = rnn
leaky_rnn = rnn
gru_textbook = gru
qrnn = min_lstm


def _without_hidden(
    rng: np.random.Generator, gates: int, input_size: int, hidden_size: int, dtype: DTypeLike
) -> dict[str, Tensor]:
    rows = gates * hidden_size
    return _uniform(rng, {"weight_ih": (rows, input_size), "bias_ih": (rows,)}, dtype)


def _uniform(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]], dtype: DTypeLike) -> dict[str, Tensor]:
    """Draw each from U(-1/sqrt(n), 1/sqrt(n)), with n the number of inputs of the first: what torch.nn.Linear does."""
    first = next(iter(shapes.values()))
    require_sizes(f"init: {first[0]} rows, {first[-1]} columns", *first)
    bound = 1 / np.sqrt(first[-1])
    return _named({name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}, dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], inputs: int) -> NDArray[np.float64]:
    return np.asarray(rng.standard_normal(shape) / np.sqrt(inputs), np.float64)


def _named(values: dict[str, NDArray[np.float64]], dtype: DTypeLike) -> dict[str, Tensor]:
    return {name: Tensor(value.astype(dtype), name=name) for name, value in values.items()}


def _recurrent(
    rng: np.random.Generator,
    gates: int,
    input_size: int,
    hidden_size: int,
    dtype: DTypeLike,
    more: dict[str, tuple[int, ...]] | None = None,
) -> dict[str, Tensor]:
    require_sizes(f"init: input_size={input_size}, hidden_size={hidden_size}", input_size, hidden_size)
    rows, bound = gates * hidden_size, 1 / np.sqrt(hidden_size)
    shapes = {
        "weight_ih": (rows, input_size),
        "weight_hh": (rows, hidden_size),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
        **(more or {}),
    }
    return _named({name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}, dtype)
