"""Complex numbers as pairs of reals: the last axis has length 2, the real part and the imaginary part."""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.core.table import Primitive, primitive
from tinygrad_rnn.core.values import Value


def conjugate(z: Value) -> Value:
    """Return the pairs with the other sign of the imaginary part, of the shape and dtype of z."""
    return z * np.array([1, -1], z.dtype)


def _complex_product(a: Value, b: Value) -> Value:
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    imaginary = a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]
    return np.stack([real, imaginary], axis=-1)


complex_multiply: Primitive = primitive(
    _complex_product,
    lambda g, y, a, b: complex_multiply(g, conjugate(b)),
    lambda g, y, a, b: complex_multiply(g, conjugate(a)),
    name="complex_multiply",
    kind="product",
)
"""Return the products of complex numbers, pairs (..., 2) that broadcast, as pairs (..., 2)."""
