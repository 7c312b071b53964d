"""Cells with a matrix as memory, which a key writes and a query reads.

Shapes: x (B, I) or (I,), queries, keys and values (B, H), memories (B, H, H). The first state is the output, y; no step
reads the y before it.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked
from tinygrad_rnn.nn.cells import gate
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.activations import elu, softplus
from tinygrad_rnn.operations.basics import sigmoid

ATTENTION = {"weight_q": "H I", "weight_k": "H I", "weight_v": "H I"}
"""The shapes of the matrices that make queries, keys and values."""

DELTA = ATTENTION | {"weight_a": "1 I", "bias_a": "1", "log_decay": "1", "weight_b": "1 I"}
"""The shapes of the parameters of `gated_delta_net`."""


@checked(ATTENTION, y="H", S="H H", z="H")
def linear_attention(
    params: Params, x: Array, y: Array = None, S: Array = None, z: Array = None
) -> tuple[Array, Array, Array]:
    """Compute causal linear attention with one head (Katharopoulos et al. 2020, equations 16 to 20).

    q = phi(W_q x_t), k = phi(W_k x_t), v = W_v x_t, with phi(a) = elu(a) + 1, which is positive
    S_t = S_{t-1} + k v^T,  z_t = z_{t-1} + k,  y_t = S_t^T q / (z_t^T q)

    States: y (B, H), S (B, H, H), z (B, H).
    """
    q, k, v = (x @ params[f"weight_{name}"].T for name in "qkv")
    q, k, v = named("q", elu(q) + 1), named("k", elu(k) + 1), named("v", v)
    S, z = named("S", S + outer(k, v)), named("z", z + k)
    return named("y", (q[..., None, :] @ S)[..., 0, :] / (z * q).sum(axis=-1, keepdims=True)), S, z


@checked(DELTA, y="H", S="H H")
def gated_delta_net(params: Params, x: Array, y: Array = None, S: Array = None) -> tuple[Array, Array]:
    """Compute the gated delta rule with one head (Yang, Kautz, Hatamizadeh 2024, equation 10).

    q = W_q x_t and k = W_k x_t, both divided by their norm, with 1e-6 added to its square as in the authors' code,
    v = W_v x_t;  one number for each example:
    beta = sigmoid(w_b x_t),  alpha = exp(-exp(log_decay) softplus(w_a x_t + b_a))
    S_t = S_{t-1} alpha (I - beta k k^T) + beta v k^T,  y_t = S_t q

    States: y (B, H), S (B, H, H). With alpha = 1 it is DeltaNet, with beta k k^T left out too linear attention.
    """
    q, k, v = (x @ params[f"weight_{name}"].T for name in "qkv")
    q, k, v = named("q", normed(q)), named("k", normed(k)), named("v", v)
    decay = softplus(x @ params["weight_a"].T + params["bias_a"])
    alpha = named("alpha", np.exp(-np.exp(params["log_decay"]) * decay))
    beta = gate("beta", sigmoid, x @ params["weight_b"].T)
    kept = column(alpha) * (S - column(beta) * outer(read(S, k), k))
    S = named("S", kept + column(beta) * outer(v, k))
    return named("y", read(S, q)), S


def outer(a: Array, b: Array) -> Array:
    """Compute a b^T for each example: (B, H), (B, K) -> (B, H, K)."""
    return a[..., :, None] * b[..., None, :]


def read(S: Array, q: Array) -> Array:
    """Compute S q for each example: (B, H, K), (B, K) -> (B, H)."""
    return (S @ q[..., :, None])[..., 0]


def column(a: Array) -> Array:
    """Return numbers of each example as factors of a matrix: (B, 1) -> (B, 1, 1)."""
    return a[..., None]


def normed(a: Array, eps: float = 1e-6) -> Array:
    """Compute a / sqrt(sum a^2 + eps) over the last axis."""
    return a / np.sqrt((a * a).sum(axis=-1, keepdims=True) + eps)
