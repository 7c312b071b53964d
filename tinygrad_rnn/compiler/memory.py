"""Arrays for values that live for a while: what is given back is given out again."""

from __future__ import annotations

import bisect
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line, and of the widest registers: arrays that begin at a multiple of it are read faster."""


def _aligned(size: int) -> NDArray[np.uint8]:
    raw = np.empty(size + LINE, np.uint8)
    start = -address(raw) % LINE
    return raw[start : start + size]


def address(array: NDArray[Any]) -> int:
    """Return the address of the first entry."""
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]  # NumPy types it as Any


class Memory:
    """Hands out arrays; with `reuse`, also those that were given back, to whoever needs as many bytes."""

    def __init__(self, reuse: bool) -> None:
        self.nbytes = 0
        self._held: list[NDArray[np.uint8]] = []
        self._starts: list[tuple[int, int]] = []  # the address and the number of each buffer, by address
        self._reuse = reuse
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """An array with nothing of use in it, and the bytes that it lies in, by which it is given back."""
        size = math.prod(shape) * dtype.itemsize
        waiting = self._free.get(size)
        if waiting:
            raw = waiting.pop()
        else:
            raw = _aligned(size)
            self.nbytes += size
            if size:
                bisect.insort(self._starts, (address(raw), len(self._held)))
            self._held.append(raw)
        return raw.view(dtype).reshape(shape), raw

    @property
    def buffers(self) -> int:
        """How many buffers there are."""
        return len(self._held)

    def name(self, array: NDArray[Any]) -> str:
        """What an array is called that has no name of its own: its buffer, and which columns of it."""
        number = self.number(array)
        if number is None:
            return "constant"
        width = array.shape[-1] * array.itemsize if array.ndim else 0
        row = array.strides[-2] if array.ndim > 1 and array.shape[-2] > 1 else width
        if row <= width or array.strides[-1] != array.itemsize:
            return f"b{number}"
        start = address(array) - address(self._held[number])
        first = start % row // array.itemsize
        return f"b{number}[..., {first}:{first + array.shape[-1]}]"

    def number(self, array: NDArray[Any]) -> int | None:
        """The number of the buffer that an array lies in; None for one that does not lie here."""
        here = address(array)
        at = bisect.bisect_right(self._starts, (here, len(self._held))) - 1
        if at < 0:
            return None
        start, number = self._starts[at]
        return number if here < start + self._held[number].nbytes else None

    def back(self, raw: NDArray[np.uint8]) -> None:
        """Nobody reads this any more."""
        if self._reuse:
            self._free.setdefault(raw.nbytes, []).append(raw)
