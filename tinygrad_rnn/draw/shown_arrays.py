"""The arrays that a page shows: rounded to four digits, a large one as a corner, a range and a norm, each kept once."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_rnn.draw.rule_text import rounded
from tinygrad_rnn.tape.array_text import norm

LARGE = 60
"""The maximum number of entries of an array that is shown whole."""


class ShownArrays:
    """The arrays of a page, by number. `broken`: the positions at which one is not finite."""

    def __init__(self, whole: int = LARGE, corner: bool = True) -> None:
        """Show arrays of up to `whole` numbers whole. Of larger ones show a corner and the range, or the norm alone."""
        self.broken: list[int] = []
        self._whole, self._corner = whole, corner
        self._numbers: dict[str, int] = {}

    def data(self) -> list[dict[str, Any]]:
        """Return all arrays, ready for JSON: shape, rows and norm; of a large one the range, `from` and `to`."""
        return [json.loads(text) for text in self._numbers]

    def is_whole(self, size: int) -> bool:
        """Say whether all of this many numbers are shown."""
        return size <= self._whole

    def number(self, values: ArrayLike, position: int | None = None) -> int:
        """Return the number of an array, which is shown at a position of the player."""
        a = np.asarray(values)
        a = a.astype(np.float64) if a.dtype.kind == "f" else a
        matrix = a.reshape(-1, a.shape[-1]) if a.ndim and a.size else a.reshape(1, -1)
        whole = self.is_whole(a.size)
        if not whole:
            columns = min(matrix.shape[1], max(4, self._whole // len(matrix)))
            matrix = matrix[: max(1, self._whole // columns) if self._corner else 0, :columns]
        about: dict[str, Any] = {"shape": a.shape, "rows": [[shown(v) for v in row] for row in matrix.tolist()]}
        about["norm"] = shown(norm(a))
        finite = np.isfinite(a)
        if not finite.all():
            about["broken"] = int(a.size - finite.sum())
            if position is not None:
                self.broken.append(position)
        if not whole and self._corner and finite.any():
            about["from"], about["to"] = (shown(v) for v in (a[finite].min().item(), a[finite].max().item()))
        return self._numbers.setdefault(json.dumps(about), len(self._numbers))


def shown(v: float) -> float | str:
    """Return a number as it is shown. One that is not finite becomes a word, since JSON has no such number."""
    if isinstance(v, int):
        return int(v)
    if not np.isfinite(v):
        return str(v)
    v = rounded(v)
    return int(v) if v == int(v) and abs(v) < 1e15 else v
