"""Elementwise arithmetic. Arguments broadcast; the walk back sums a cotangent over the broadcast axes.

Ties: `maximum` and `minimum` give each of two equal arguments half of the cotangent; `absolute` has slope 0 at 0.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives.comparisons import equal, greater, less, sign
from tinygrad_rnn.engine.tensor import primitive


def _one_less(b: Any) -> Any:
    """B - 1, and 0 where b is 0: there the derivative is 0 * a**0, also at a = 0. A number stays a number."""
    return (b or 1) - 1 if isinstance(b, int | float) else np.where(b == 0, 1, b) - 1


add = primitive(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
subtract = primitive(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
multiply = primitive(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
divide = primitive(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
negative = primitive(np.negative, lambda g, y, x: -g)

power = primitive(
    np.power,
    lambda g, y, a, b: g * b * np.power(a, _one_less(b)),
    lambda g, y, a, b: g * y * np.log(np.where(a == 0, 1, a)),
)
square = primitive(np.square, lambda g, y, x: g * (2 * x))
sqrt = primitive(np.sqrt, lambda g, y, x: g / (2 * y))

exp = primitive(np.exp, lambda g, y, x: g * y)
log = primitive(np.log, lambda g, y, x: g / x)
tanh = primitive(np.tanh, lambda g, y, x: g - g * (y * y))  # g (1 - y^2), without a number for NumPy to convert
sin = primitive(np.sin, lambda g, y, x: g * np.cos(x))
cos = primitive(np.cos, lambda g, y, x: -g * np.sin(x))

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
where = primitive(
    lambda condition, a, b: np.where(condition, a, b),
    None,
    lambda g, y, condition, a, b: np.where(condition, g, 0),
    lambda g, y, condition, a, b: np.where(condition, 0, g),
    name="where",
    numpy=np.where,
)
