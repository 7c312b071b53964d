"""Elementwise arithmetic. Arguments broadcast; the walk back sums a cotangent over the broadcast axes.

Ties: `maximum` and `minimum` give each of two equal arguments half of the cotangent; `absolute` has slope 0 at 0.
`a // b` is constant between its jumps: slope 0 everywhere. So `a % b` has the slopes 1 and `-(a // b)`, at jumps too.
"""

import math

import numpy as np

from tinygrad_rnn.core.table import TABLE, primitive
from tinygrad_rnn.core.values import Value
from tinygrad_rnn.operations.basics import power, sigmoid, where
from tinygrad_rnn.operations.comparisons import equal, floor_divide, greater, isnan, less, sign

cbrt = primitive(np.cbrt, lambda g, y, x: g / (3 * y * y), analytic=False)  # NumPy has it for real numbers only
reciprocal = primitive(np.reciprocal, lambda g, y, x: -g * y * y)

exp2 = primitive(np.exp2, lambda g, y, x: g * y * math.log(2))
expm1 = primitive(np.expm1, lambda g, y, x: g * np.exp(x))
log2 = primitive(np.log2, lambda g, y, x: g / (x * math.log(2)))
log10 = primitive(np.log10, lambda g, y, x: g / (x * math.log(10)))
log1p = primitive(np.log1p, lambda g, y, x: g / (1 + x))
logaddexp = primitive(  # exp(a - y), without the rounding of y, which grows with a
    np.logaddexp, lambda g, y, a, b: g * sigmoid(a - b), lambda g, y, a, b: g * sigmoid(b - a), analytic=False
)
hypot = primitive(np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y, analytic=False)

sin = primitive(np.sin, lambda g, y, x: g * np.cos(x))
cos = primitive(np.cos, lambda g, y, x: -g * np.sin(x))
tan = primitive(np.tan, lambda g, y, x: g * (1 + y * y))
# (1 - x) (1 + x) keeps the digits near 1, where 1 - x^2 has lost them: 1 - x is exact there.
arcsin = primitive(np.arcsin, lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)))
arccos = primitive(np.arccos, lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)))
arctan = primitive(np.arctan, lambda g, y, x: g / (1 + x * x))
arctan2 = primitive(
    np.arctan2,
    lambda g, y, a, b: g * (b / np.hypot(a, b)) / np.hypot(a, b),  # a^2 + b^2 leaves the range of floats
    lambda g, y, a, b: -g * (a / np.hypot(a, b)) / np.hypot(a, b),
    analytic=False,
)
sinh = primitive(np.sinh, lambda g, y, x: g * np.cosh(x))
cosh = primitive(np.cosh, lambda g, y, x: g * np.sinh(x))
arcsinh = primitive(np.arcsinh, lambda g, y, x: g / np.sqrt(1 + x * x))
arccosh = primitive(np.arccosh, lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)))
arctanh = primitive(np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)))

absolute = primitive(np.absolute, lambda g, y, x: g * sign(x), analytic=False)
maximum = primitive(
    np.maximum,
    lambda g, y, a, b: np.where(equal(a, b), g / 2, np.where(greater(a, b), g, 0)),
    lambda g, y, a, b: np.where(equal(a, b), g / 2, np.where(less(a, b), g, 0)),
    analytic=False,
)
minimum = primitive(
    np.minimum,
    lambda g, y, a, b: np.where(equal(a, b), g / 2, np.where(less(a, b), g, 0)),
    lambda g, y, a, b: np.where(equal(a, b), g / 2, np.where(greater(a, b), g, 0)),
    analytic=False,
)
remainder = primitive(np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_divide(a, b), analytic=False)


def divmod(a: Value, b: Value) -> tuple[Value, Value]:
    """Return `a // b`, which has slope 0, and `a % b`, as np.divmod."""
    return floor_divide(a, b), remainder(a, b)


def float_power(a: Value, b: Value) -> Value:
    """Return `a ** b` in float64, as np.float_power."""
    return power(a.astype(float) if hasattr(a, "__apply__") else np.asarray(a, float), b)


def fmax(a: Value, b: Value) -> Value:
    """Return the larger of two entries, or the one that is no NaN, as np.fmax; ties as of `maximum`."""
    return maximum(where(isnan(a), b, a), where(isnan(b), a, b))


def fmin(a: Value, b: Value) -> Value:
    """Return the smaller of two entries, or the one that is no NaN, as np.fmin; ties as of `minimum`."""
    return minimum(where(isnan(a), b, a), where(isnan(b), a, b))


def clip(x: Value, a_min: Value = None, a_max: Value = None, *, min: Value = None, max: Value = None) -> Value:
    """Return each entry kept between two bounds (None: no bound), as np.clip; slope 0 beyond them, 1/2 on them."""
    a_min, a_max = (min if a_min is None else a_min), (max if a_max is None else a_max)
    above = x if a_min is None else maximum(x, a_min)
    return above if a_max is None else minimum(above, a_max)


for ours in (divmod, float_power, fmax, fmin, clip):
    TABLE[getattr(np, ours.__name__)] = ours
