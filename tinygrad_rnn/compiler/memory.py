"""Memory for values that are needed for a while: buffers that are given back are used again."""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.graph.graph import Array, DType

Bytes = NDArray[np.uint8]
"""The bytes of a buffer."""

LINE = 64
"""Bytes of a cache line, and of the widest registers: arrays that begin at a multiple of it are read faster."""


def _aligned(size: int) -> Bytes:
    raw = np.empty(size + LINE, np.uint8)
    start = -address(raw) % LINE
    return raw[start : start + size]


def address(array: Array) -> int:
    """Return the address of the first entry."""
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]  # NumPy gives it no type


class Memory:
    """Hands out arrays; with `reuse`, those that were given back serve again where as many bytes are needed."""

    def __init__(self, reuse: bool) -> None:
        self.nbytes = 0
        self._held: list[Bytes] = []
        self._starts: list[tuple[int, int]] = []  # the address and the number of each buffer, by address
        self._reuse = reuse
        self._free: dict[int, list[Bytes]] = {}

    def array(self, shape: tuple[int, ...], dtype: DType) -> tuple[Array, Bytes]:
        """Return an array of any contents, and its bytes, by which it is given back."""
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
        """The number of buffers."""
        return len(self._held)

    def name(self, array: Array) -> str:
        """Return the name of an array without a name of its own: its buffer, and the columns."""
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

    def number(self, array: Array) -> int | None:
        """Return the number of the buffer that an array lies in, or None for an array elsewhere."""
        here = address(array)
        at = bisect.bisect_right(self._starts, (here, len(self._held))) - 1
        if at < 0:
            return None
        start, number = self._starts[at]
        return number if here < start + self._held[number].nbytes else None

    def back(self, raw: Bytes) -> None:
        """Take back bytes that nobody reads from here on."""
        if self._reuse:
            self._free.setdefault(raw.nbytes, []).append(raw)
