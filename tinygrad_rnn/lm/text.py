"""Text as the network reads it: cleaned to letters and spaces, cut into windows, one-hot.

>>> clean("The Time-Traveller, (for so...)")
'the time traveller for so '
"""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_rnn import files
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.lm.alphabet import LETTERS, Indices

ALPHABET = LETTERS.characters


def load(path: str | os.PathLike[str] | None = None) -> str:
    """Return the text of a UTF-8 file, cleaned; without a path, that of Python's own help texts."""
    if path is not None:
        return clean(files.read_text(path))
    from pydoc_data.topics import topics

    return clean("\n".join(topics[name] for name in sorted(topics)))


def clean(text: str) -> str:
    """Return the text in lower-case letters a to z and spaces: every run of anything else is one space."""
    return re.sub("[^a-z]+", " ", text.lower())


def windows(text: str, steps: int, count: int) -> Indices:
    """Return `count` windows of steps + 1 characters, evenly spread over a cleaned text: indices (steps + 1, count).

    `w[:-1]` are the inputs and `w[1:]` the next characters, their targets. Raises ValueError for too short a text.
    """
    if len(text) < steps + count:
        raise ValueError(
            f"windows: {len(text)} letters and spaces are too few for {counted(count, 'window')} of "
            f"{steps + 1}\n"
            "give a longer text (only a-z and spaces count)"
        )
    starts = np.linspace(0, len(text) - steps - 1, count).astype(int)
    return np.array([[ALPHABET.index(c) for c in text[s : s + steps + 1]] for s in starts]).T


def indices(text: str) -> Indices:
    """Return the index of each character in the alphabet. Raise ValueError with the characters that are not in it."""
    return LETTERS.indices(text)


def streams(text: str | Indices, batch: int, window: int, offset: int = 0) -> Indices:
    """Cut a text into `batch` streams, and these into windows: indices (windows, window + 1, batch).

    text: cleaned to letters and spaces, or the indices of its characters in another alphabet, (n,). Stream b reads its
    own part of the text from the beginning to the end, a window after the other, so that the state after one window is
    the one to begin the next with. A window's last character is the next one's first: inputs are `w[:-1]`, targets
    `w[1:]`. The first `offset` characters are left out. Raises ValueError for too short a text.
    """
    length = (len(text) - offset - 1) // batch
    if length < window:
        raise ValueError(
            f"streams: {len(text)} characters are too few for {counted(batch, 'stream')} of windows of {window}\n"
            f"give a text of at least {batch * window + offset + 1} characters, or a smaller batch or window"
        )
    values = indices(text) if isinstance(text, str) else text
    starts = offset + length * np.arange(batch)
    count = length // window
    places = starts[None, None, :] + window * np.arange(count)[:, None, None] + np.arange(window + 1)[None, :, None]
    return np.asarray(values[places])


def one_hot(indices: Indices, size: int = len(ALPHABET), dtype: DTypeLike = np.float64) -> NDArray[np.floating]:
    """Return 1 at each index and 0 elsewhere: (...) integers -> (..., size)."""
    return np.asarray(np.eye(size, dtype=dtype)[indices])
