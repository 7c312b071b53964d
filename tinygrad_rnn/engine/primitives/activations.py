"""Nonlinearities that NumPy lacks. On arrays they are plain functions; on Tensors they are recorded.

All keep shape and dtype. Those over an axis are stable at logits of +-1e4: the maximum is taken off first.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import primitive

sigmoid = primitive(
    lambda x: 0.5 * np.tanh(0.5 * x) + 0.5,  # 1 / (1 + exp(-x)) without overflow
    lambda g, y, x: g * (y - y * y),
    name="sigmoid",
)
relu = primitive(
    lambda x: np.maximum(x, 0),
    lambda g, y, x: g * (x > 0),  # slope 0 at 0
    name="relu",
    analytic=False,
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
