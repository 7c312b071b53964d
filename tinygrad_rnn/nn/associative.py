"""The associative scan of a linear recurrence s_t = A_t s_{t-1} + b_t, in log2 T rounds.

A step is a pair (A, b), the map s -> A s + b. Two steps one after the other are a pair again,

    (A_2, b_2) after (A_1, b_1) = (A_2 A_1, A_2 b_1 + b_2),

and this composition is associative: the maps of all prefixes can be made in a tree (Blelloch 1990; Martin and Cundy
2018). The order of the rounds is Sklansky's (1960): the fewest rounds, half of T products in each.

>>> from tinygrad_rnn.nn.associative import rounds
>>> [[(int(i), int(j)) for i, j in zip(*one)] for one in rounds(4)]
[[(1, 0), (3, 2)], [(2, 1), (3, 1)]]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.nn.parameters import Array

Indices = NDArray[np.intp]


def rounds(T: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield the products of each round: the places i that change, and the place j before each, whose map goes first.

    After a round with blocks of 2 n places, place i holds the map of all steps of its block up to i.
    """
    n = 1
    while n < T:
        places = np.arange(T)
        i = places[(places // n) % 2 == 1]
        yield i, i // n * n - 1
        n *= 2


def prefixes(A: Array, b: Array) -> tuple[Array, Array]:
    """Return the maps of all prefixes, (A_t ... A_1, s_t for s_0 = 0), of steps along the first axis.

    A (T, ..., m, m) and b (T, ..., m), or both of one shape (T, ...), where each A is a number for each entry of b.
    Arrays or Tensors; what is recorded is a few operations for each round.
    """
    T, numbers = len(b), A.ndim == b.ndim
    for i, j in rounds(T):
        place = np.argsort(np.concatenate([np.setdiff1d(np.arange(T), i), i]))
        kept, later, earlier = np.setdiff1d(np.arange(T), i), A[i], (A[j], b[j])
        product = later * earlier[0] if numbers else later @ earlier[0]
        moved = later * earlier[1] if numbers else (later @ earlier[1][..., None])[..., 0]
        A = np.concatenate([A[kept], product])[place]
        b = np.concatenate([b[kept], moved + b[i]])[place]
    return A, b
