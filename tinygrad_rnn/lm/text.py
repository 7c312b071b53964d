"""Text as the network sees it: cleaned to letters and spaces, cut into windows, one-hot.

>>> clean("The Time-Traveller, (for so...)")
'the time traveller for so '
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import files

ALPHABET = " abcdefghijklmnopqrstuvwxyz"


def load(path: str | os.PathLike[str] | None = None) -> str:
    """The text of a UTF-8 file, cleaned; without a path, the help texts that Python itself brings along."""
    if path is not None:
        return clean(files.read_text(path))
    from pydoc_data.topics import topics

    return clean("\n".join(topics[name] for name in sorted(topics)))


def clean(text: str) -> str:
    """Lower-case letters a to z and spaces: every run of anything else is one space."""
    return re.sub("[^a-z]+", " ", text.lower())


def windows(text: str, steps: int, count: int) -> NDArray[Any]:
    """`count` windows of steps + 1 characters, evenly spread over a cleaned text: indices, (steps + 1, count).

    `w[:-1]` are the inputs and `w[1:]` the next characters, their targets. Raises ValueError for too short a text.
    """
    if len(text) < steps + count:
        raise ValueError(
            f"windows: {len(text)} letters and spaces are too few for {count} windows of {steps + 1}\n"
            "give a longer text (only a-z and spaces count)"
        )
    starts = np.linspace(0, len(text) - steps - 1, count).astype(int)
    return np.array([[ALPHABET.index(c) for c in text[s : s + steps + 1]] for s in starts]).T


def one_hot(indices: NDArray[Any], size: int = len(ALPHABET), dtype: Any = np.float64) -> NDArray[Any]:
    """1 at each index, 0 elsewhere: (...) integers -> (..., size)."""
    return np.asarray(np.eye(size, dtype=dtype)[indices])
