"""Nonlinearities that NumPy lacks. On arrays they are plain functions; on Tensors they are recorded.

All keep shape and dtype. Those over an axis are stable at logits of +-1e4: the maximum is taken off first.
At 0, where `relu` has two slopes, the one to the left counts: 0.
"""

import math
from typing import Any

import numpy as np

from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.operations.basics import sigmoid

softplus = primitive(
    lambda x: np.logaddexp(x, 0),  # log(1 + exp(x)) without overflow
    lambda g, y, x: g * sigmoid(x),
    name="softplus",
    analytic=False,
    kind="elementwise",
)
_elu = primitive(
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    lambda g, y, x, alpha: g * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    name="elu",
    analytic=False,
    kind="elementwise",
)
_softmax = primitive(
    lambda x, axis: _stable_softmax(x, axis),
    lambda g, y, x, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)),
    name="softmax",
)
_log_softmax = primitive(
    lambda x, axis: _stable_log_softmax(x, axis),
    lambda g, y, x, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
    name="log_softmax",
)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """X where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015)."""
    return _elu(x, alpha=alpha)


def gelu_tanh(x: Any) -> Any:
    """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GELU in its tanh form (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along `axis`."""
    return _softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """X - log(sum(exp(x))) along `axis`."""
    return _log_softmax(x, axis=axis)


def _stable_softmax(x: Any, axis: int) -> Any:
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _stable_log_softmax(x: Any, axis: int) -> Any:
    below = x - np.max(x, axis=axis, keepdims=True)
    return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))
