"""Activation functions that NumPy lacks. On arrays they are plain functions; on Tensors they are recorded.

All keep shape and dtype. Those over an axis are stable at logits of +-1e4: the maximum is taken off first.
At 0, where `relu` has two slopes, the one to the left counts: 0.
"""

import math

import numpy as np

from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import Axes, sigmoid

softplus = primitive(
    lambda x: np.logaddexp(x, 0),  # log(1 + exp(x)) without overflow
    lambda g, y, x: g * sigmoid(x),
    name="softplus",
    analytic=False,
    kind="elementwise",
)
"""Return log(1 + exp(x)), of the shape and float dtype of x, without overflow. Its derivative is `sigmoid`."""
_elu = primitive(
    lambda x, alpha: np.where(np.greater(x, 0), x, alpha * np.expm1(np.minimum(x, 0))),
    lambda g, y, x, alpha: g * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    name="elu",
    analytic=False,
    kind="elementwise",
)
normal_pdf = primitive(
    lambda x: _normal_pdf(x),
    lambda g, y, x: g * (-x * y),
    name="normal_pdf",
    analytic=False,  # as it is computed, by parts of x that are rounded
    kind="elementwise",
)
normal_cdf = primitive(
    lambda x: _normal_cdf(x),
    lambda g, y, x: g * normal_pdf(x),
    name="normal_cdf",
    analytic=False,  # math.erfc is for real numbers
    kind="elementwise",
)
softmax_over = primitive(
    lambda x, axis: _stable_softmax(x, axis),
    lambda g, y, x, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)),
    name="softmax",
)
_log_softmax = primitive(
    lambda x, axis: _stable_log_softmax(x, axis),
    lambda g, y, x, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
    name="log_softmax",
)


def elu(x: Value, alpha: float = 1.0) -> Value:
    """Return x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015)."""
    return _elu(x, alpha=alpha)


def gelu(x: Value) -> Value:
    """Return x Phi(x), with the distribution function Phi of the standard normal: GELU (Hendrycks and Gimpel, 2016).

    Exact to rounding in float64, far out to the left too, and so are its derivatives.
    """
    return x * normal_cdf(x)


def gelu_tanh(x: Value) -> Value:
    """Return x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GELU in its tanh form (Hendrycks and Gimpel, 2016)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def softmax(x: Value, axis: int = -1) -> Value:
    """Return exp(x) / sum(exp(x)) along `axis`."""
    return softmax_over(x, axis=axis)


def log_softmax(x: Value, axis: int = -1) -> Value:
    """Return x - log(sum(exp(x))) along `axis`."""
    return _log_softmax(x, axis=axis)


def _normal_pdf(x: Value) -> Value:
    """Return exp(-x^2 / 2) / sqrt(2 pi). The square is of a short number, and so exact; the rest is small."""
    x = np.asarray(x)
    whole = np.clip(x.astype(float), -40, 40)  # beyond them it is 0
    short = np.rint(whole * 16) / 16
    found = np.exp(short * short / -2) * np.exp((whole - short) * (whole + short) / -2) / math.sqrt(2 * math.pi)
    return found.astype(x.dtype if x.dtype.kind == "f" else float)


def _normal_cdf(x: Value) -> Value:
    """Return erfc(-x / sqrt(2)) / 2, with the rounding of the division taken back, which grows with x^2."""
    x = np.asarray(x)
    z, rest = _over_root_two(np.clip(x.astype(float), -40, 40))  # beyond them it is 0 or 1
    tails = np.fromiter(map(math.erfc, np.negative(z).ravel().tolist()), float, z.size).reshape(z.shape)
    found = (tails + 2 / math.sqrt(math.pi) * np.exp(-z * z) * rest) / 2
    return found.astype(x.dtype if x.dtype.kind == "f" else float)


def _over_root_two(x: Value) -> tuple[Value, Value]:
    """Return x / sqrt(2) as the nearest number and the rest to the exact one (Dekker's product)."""
    z = x * _ROOT_HALF
    high = x * _SPLIT - (x * _SPLIT - x)
    low = x - high
    error = ((high * _HIGH - z) + high * _LOW + low * _HIGH) + low * _LOW
    return z, error + x * _REST


_ROOT_HALF = math.sqrt(0.5)
_REST = -4.833646656726457e-17  # sqrt(1/2) less _ROOT_HALF
_SPLIT = 2.0**27 + 1
_HIGH = _ROOT_HALF * _SPLIT - (_ROOT_HALF * _SPLIT - _ROOT_HALF)
_LOW = _ROOT_HALF - _HIGH


def _stable_softmax(x: Value, axis: Axes) -> Value:
    powers = np.exp(x - largest(x, axis))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _stable_log_softmax(x: Value, axis: int) -> Value:
    below = x - largest(x, axis)
    with np.errstate(divide="ignore" if np.size(x) == 0 else None):  # the sum of nothing, which nothing reads
        return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))


def largest(x: Value, axis: Axes) -> Value:
    """Return the largest entry along an axis, 0 where there is none."""
    return (np.max if np.size(x) else np.sum)(x, axis=axis, keepdims=True)
