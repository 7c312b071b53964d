"""The immediate derivative by a matrix W that acts as z = W a: a product of D = ds/dz and a, for each example."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.online.influence import NotDefinedError


class Factor(NamedTuple):
    """The derivative of the state by one parameter (R, C): A (B, S, R) times a (B, C)."""

    A: Array
    a: Array

    def product(self) -> Array:
        """Return the derivative, (B, S, R C)."""
        B, S, R = self.A.shape
        return np.asarray(self.A[..., None] * self.a[:, None, None, :]).reshape(B, S, R * self.a.shape[1])


def factors_of(I: Array, shapes: dict[str, tuple[int, ...]]) -> list[Factor]:
    """Return the immediate derivative (B, S, P) by each parameter as a product. A vector is a matrix of one column.

    Raises NotDefinedError for a parameter whose derivative is no such product.
    """
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    parts = np.split(I, np.cumsum(sizes)[:-1], axis=-1)
    return [_factor(name, part, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)]


def _factor(name: str, part: Array, shape: tuple[int, ...]) -> Factor:
    if len(shape) not in (1, 2):
        raise NotDefinedError(f"KFRTRL: {name} has shape {shape}\ngive matrices and vectors, or take UORO")
    B, S, _ = part.shape
    R, C = shape if len(shape) == 2 else (shape[0], 1)
    u, sizes, vt = np.linalg.svd(part.reshape(B, S * R, C), full_matrices=False)
    if np.any(sizes[:, 1:2] > 1e-8 * sizes[:, :1] + np.finfo(part.dtype).tiny):
        raise NotDefinedError(
            f"KFRTRL: what {name} does to the state is no product of a matrix and one vector\n"
            "it is defined for parameters that act as z = W a, all rows on the same a; UORO takes any"
        )
    return Factor(u[:, :, 0].reshape(B, S, R), sizes[:, :1] * vt[:, 0])
