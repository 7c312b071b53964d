"""Linear recurrences between two readings: the linear recurrent unit and a selective state space model, both diagonal.

Shapes: x (B, I) or (I,), output y (B, I). The first state is the output, y; no step reads the y before it.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.tensor import named
from tinygrad_rnn.nn.cell_check import checked
from tinygrad_rnn.nn.matrix_memory import read
from tinygrad_rnn.nn.parameters import Array, Params
from tinygrad_rnn.operations.activations import softplus

LRU = {"nu_log": "N", "theta_log": "N", "gamma_log": "N", "B_re": "N I", "B_im": "N I"}
LRU |= {"C_re": "I N", "C_im": "I N", "D": "I"}
"""The shapes of the parameters of `lru`."""

SSM = {"A_log": "I N", "weight_delta": "I I", "bias_delta": "I", "weight_B": "N I", "weight_C": "N I", "D": "I"}
"""The shapes of the parameters of `selective_ssm`."""


@checked(LRU, y="I", re="N", im="N")
def lru(params: Params, x: Array, y: Array = None, re: Array = None, im: Array = None) -> tuple[Array, Array, Array]:
    """Compute the linear recurrent unit (Orvieto et al. 2023), its complex state as a pair of reals.

    lambda = exp(-exp(nu_log) + i exp(theta_log)), so |lambda| < 1
    h_t = lambda * h_{t-1} + exp(gamma_log) * (B x_t),  y_t = Re(C h_t) + D * x_t

    States: y (B, I), and re and im (B, N), the parts of h.
    """
    size, angle = np.exp(-np.exp(params["nu_log"])), np.exp(params["theta_log"])
    lambda_re, lambda_im = size * np.cos(angle), size * np.sin(angle)
    gamma = np.exp(params["gamma_log"])
    u_re, u_im = gamma * (x @ params["B_re"].T), gamma * (x @ params["B_im"].T)
    re, im = lambda_re * re - lambda_im * im + u_re, lambda_re * im + lambda_im * re + u_im
    re, im = named("re", re), named("im", im)
    return named("y", re @ params["C_re"].T - im @ params["C_im"].T + params["D"] * x), re, im


@checked(SSM, y="I", h="I N")
def selective_ssm(params: Params, x: Array, y: Array = None, h: Array = None) -> tuple[Array, Array]:
    """Compute the selective state space model S6, diagonal (Gu and Dao 2023, Mamba, algorithm 2).

    delta = softplus(W_delta x_t + b_delta) (B, I),  B_t = W_B x_t, C_t = W_C x_t (B, N),  A = -exp(A_log) (I, N)
    h_t = exp(delta A) * h_{t-1} + (delta * x_t) B_t^T,  y_t = h_t C_t + D * x_t

    As in the authors' code B is discretised by Euler's rule, and A by a zero-order hold. W_delta has full rank here.
    States: y (B, I), h (B, I, N): N numbers for each channel.
    """
    delta = named("delta", softplus(x @ params["weight_delta"].T + params["bias_delta"]))
    B, C = named("B", x @ params["weight_B"].T), named("C", x @ params["weight_C"].T)
    A = named("A_bar", np.exp(delta[..., None] * -np.exp(params["A_log"])))
    h = named("h", A * h + (delta * x)[..., None] * B[..., None, :])
    return named("y", read(h, C) + params["D"] * x), h
