"""Initial parameters: dicts of named Tensors in PyTorch's names, layout and distribution.

Every entry is drawn from U(-1/sqrt(H), 1/sqrt(H)), H the hidden size, as torch.nn.RNN, LSTM and GRU do; the draws are
those of the generator that you pass, in the order weight_ih, weight_hh, bias_ih, bias_hh.

>>> rng = np.random.default_rng(0)
>>> {name: p.shape for name, p in lstm(rng, input_size=3, hidden_size=5).items()}
{'weight_ih': (20, 3), 'weight_hh': (20, 5), 'bias_ih': (20,), 'bias_hh': (20,)}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

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
    return {name: Tensor(value.astype(dtype), name=name) for name, value in values.items()}


residual_rnn = rnn
leaky_rnn = rnn
gru_textbook = gru


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
    return {name: Tensor(rng.uniform(-bound, bound, shape).astype(dtype), name=name) for name, shape in shapes.items()}
