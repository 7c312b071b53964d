"""The immediate derivative by a parameter that acts as z = W a: a product of D = ds/dz and a, for each example."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.online.influence import NotDefinedError, StepInfluence


class Factor(NamedTuple):
    """The derivative of the state by one parameter: A (B, S, R) times a (B, C), with a along one axis of size C.

    shape: the parameter's, one column for a vector or a number. R is the product of its other sizes: `W @ a` reads a
    along the last axis, `a @ W` along the first.
    """

    A: Array
    a: Array
    axis: int
    shape: tuple[int, ...]

    def product(self) -> Array:
        """Return the derivative, (B, S, P)."""
        B, S, _ = self.A.shape
        others = [size for k, size in enumerate(self.shape) if k != self.axis]
        found = (self.A[..., None] * self.a[:, None, None, :]).reshape(B, S, *others, self.a.shape[1])
        return np.asarray(np.moveaxis(found, -1, self.axis + 2)).reshape(B, S, -1)


def factors_of(at: StepInfluence, shapes: dict[str, tuple[int, ...]]) -> list[dict[int, Factor]]:
    """Return the immediate derivative by each parameter as a product: by the axis of a, all that there are.

    Where the derivative is zero there is a product along every axis. Raises NotDefinedError for a parameter whose
    derivative is no such product.
    """
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    parts = np.split(at.I, np.cumsum(sizes)[:-1], axis=-1)
    return [_factors(name, part, shape, at.eps) for (name, shape), part in zip(shapes.items(), parts, strict=True)]


def _factors(name: str, part: Array, shape: tuple[int, ...], eps: float) -> dict[int, Factor]:
    columns = shape if len(shape) > 1 else (*shape, 1)
    each = [(axis, _factor(part, columns, axis, eps)) for axis in reversed(range(len(columns)))]
    if not (found := {axis: factor for axis, factor in each if factor is not None}):
        raise no_product(name)
    return found


def no_product(name: str) -> NotDefinedError:
    """Return the error for a parameter that does not act as W a."""
    return NotDefinedError(
        f"KFRTRL: what {name} does to the state is no product of a matrix and one vector\n"
        "it is defined for parameters that act as z = W a, all rows on the same a; UORO takes any"
    )


def _factor(part: Array, shape: tuple[int, ...], axis: int, eps: float) -> Factor | None:
    B, S, _ = part.shape
    C = shape[axis]
    moved = np.moveaxis(part.reshape(B, S, *shape), axis + 2, -1).reshape(B, -1, C)
    if not np.isfinite(moved).all():
        return Factor(np.full((B, S, moved.shape[1] // S), np.nan), np.full((B, C), np.nan), axis, shape)
    u, sizes, vt = np.linalg.svd(moved, full_matrices=False)
    if np.any(sizes[:, 1:2] > np.sqrt(eps) * sizes[:, :1] + np.finfo(np.float64).tiny):
        return None
    return Factor(u[:, :, 0].reshape(B, S, -1), sizes[:, :1] * vt[:, 0], axis, shape)
