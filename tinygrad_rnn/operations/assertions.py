"""Requirements on values as operations: recorded, so that `tape.rerun` and a compiled program make the check again."""

import numpy as np

from tinygrad_rnn.core.table import Primitive, primitive
from tinygrad_rnn.core.values import Value


def _in_range(x: Value, low: float, high: float, refusal: str) -> Value:
    values = np.asarray(x)
    if values.size and not (values.min() >= low and values.max() <= high):  # so that NaN is refused as well
        raise ValueError(refusal.format(values.min(), values.max()))
    return values


in_range: Primitive = primitive(
    _in_range,
    lambda g, y, x, low, high, refusal: g,
    name="in_range",
    analytic=False,
    kind="elementwise",
)
"""`in_range(x, low=, high=, refusal=)`: x itself, if low <= x <= high everywhere. Raises ValueError otherwise, with the
text `refusal`, in which {0} and {1} are the smallest and the largest entry."""
