"""Arrays for values that live for a while: what is given back is given out again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Memory:
    """Hands out arrays; with `reuse`, also those that were given back, to whoever needs as many bytes."""

    def __init__(self, reuse: bool) -> None:
        self.nbytes = 0
        self.buffers = 0
        self._reuse = reuse
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """An array with nothing of use in it, and the bytes that it lies in, by which it is given back."""
        size = math.prod(shape) * dtype.itemsize
        waiting = self._free.get(size)
        if waiting:
            raw = waiting.pop()
        else:
            raw = np.empty(size, np.uint8)
            self.nbytes += size
            self.buffers += 1
        return raw.view(dtype).reshape(shape), raw

    def back(self, raw: NDArray[np.uint8]) -> None:
        """Nobody reads this any more."""
        if self._reuse:
            self._free.setdefault(raw.nbytes, []).append(raw)
