"""Arrays in the room of a box: a few numbers, or their range and norm, or a tiny heat map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FEW = 4
"""Arrays of up to so many numbers are written out."""

MOST_CELLS = 12
"""The largest number of rows and columns of a heat map; of larger arrays every n-th is shown."""

Heat = tuple[tuple[float, ...], ...]
"""Rows of numbers from -1 to 1, NaN among them: the array divided by its largest size."""


def number(value: Any) -> str:
    """Three digits, as short as can be."""
    return f"{float(value):.3g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−")


def summary(array: Any) -> str:
    """`0.12, −0.3` of a small array, else `−1.2 … 0.9  norm 3.4`: lowest, highest, Euclidean norm; NaNs are counted."""
    a = np.asarray(array)
    if a.size <= FEW:
        return ", ".join(number(v) for v in a.ravel())
    a = a.astype(float)
    finite = a[np.isfinite(a)]
    odd = a.size - finite.size
    text = f"{number(finite.min())} … {number(finite.max())}  norm {number(norm(finite))}" if finite.size else ""
    return f"{text}  {odd} not finite".strip() if odd else text


def norm(array: Any) -> float:
    """The Euclidean norm, of numbers of any size: scaled by the largest, so that no square overflows or vanishes."""
    a = np.abs(np.asarray(array, float)).ravel()
    largest = float(a.max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum((a / largest) ** 2)))


def log10_norm(array: Any) -> float:
    """log10 of the norm: minus infinity for zero, NaN where a NaN is among the numbers."""
    size = norm(array)
    return math.log10(size) if size > 0 else (-math.inf if size == 0 else math.nan)


def heat(array: Any) -> Heat:
    """An array as a tiny heat map: the last axis to the right, all others downwards; what is not finite is NaN."""
    a = np.asarray(array, float)
    if a.size == 0:
        return ()
    rows = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
    rows = rows[:: -(-rows.shape[0] // MOST_CELLS), :: -(-rows.shape[1] // MOST_CELLS)]
    largest = np.max(np.abs(a[np.isfinite(a)]), initial=0.0)
    finite = np.where(np.isfinite(rows), rows, np.nan)
    scaled = finite / largest if largest else finite
    return tuple(tuple(float(v) for v in row) for row in scaled)
