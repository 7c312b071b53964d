"""Arrays in the room of a box or of a cell of a table: a few numbers, or their range and norm, or a tiny heat map."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

FEW = 4
"""The maximum size of an array whose numbers are written out."""

MOST_CELLS = 12
"""The largest number of rows and columns of a heat map; of larger arrays every n-th is shown."""

Heat = tuple[tuple[float, ...], ...]
"""Rows of numbers from -1 to 1, NaN among them: the array divided by its largest size."""


def number(value: float) -> str:
    """Return three digits, as short as possible."""
    return f"{float(value):.3g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−")


def summary(array: ArrayLike) -> str:
    """Return `0.12, −0.3` for a small array, else lowest, highest and norm: `−1.2 … 0.9  norm 3.4  1 not finite`."""
    a = np.asarray(array)
    if a.size <= FEW:
        return ", ".join(number(v) for v in a.ravel())
    a = a.astype(float)
    finite = a[np.isfinite(a)]
    odd = a.size - finite.size
    text = f"{number(finite.min())} … {number(finite.max())}  norm {number(norm(finite))}" if finite.size else ""
    return f"{text}  {odd} not finite".strip() if odd else text


def norm(array: ArrayLike) -> float:
    """Return the Euclidean norm. It is scaled by the largest number, so that no square overflows or vanishes."""
    a = np.abs(np.asarray(array, float)).ravel()
    largest = float(a.max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum((a / largest) ** 2)))


def log10_norm(array: ArrayLike) -> float:
    """Return log10 of the norm: minus infinity for zero, NaN where a NaN is among the numbers."""
    size = norm(array)
    return math.log10(size) if size > 0 else (-math.inf if size == 0 else math.nan)


def heat(array: ArrayLike) -> Heat:
    """Return an array as a tiny heat map: the last axis to the right, the others downwards, NaN where not finite."""
    a = np.asarray(array, float)
    if a.size == 0:
        return ()
    rows = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
    rows = rows[:: -(-rows.shape[0] // MOST_CELLS), :: -(-rows.shape[1] // MOST_CELLS)]
    largest = np.max(np.abs(a[np.isfinite(a)]), initial=0.0)
    finite = np.where(np.isfinite(rows), rows, np.nan)
    scaled = finite / largest if largest else finite
    return tuple(tuple(float(v) for v in row) for row in scaled)
