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


def lean_rounds(T: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield the products of a scan with few of them, fewer than 2 T, in up to 2 log2 T rounds (Brent and Kung 1982).

    The up-sweep joins neighbours to blocks of 2, 4, ... steps, as a tree; the down-sweep gives the places between what
    the blocks before them hold (Blelloch 1990).

    >>> [[(int(i), int(j)) for i, j in zip(*one)] for one in lean_rounds(4)]
    [[(1, 0), (3, 2)], [(3, 1)], [(2, 1)]]
    """
    steps = np.arange(1, T + 1)  # up to each place
    sizes = [2**k for k in range(T.bit_length())]
    up = [np.flatnonzero(steps % (2 * n) == 0) for n in sizes]
    down = [np.flatnonzero((steps % (2 * n) == n) & (steps > n)) for n in sizes]
    for i, n in [*zip(up, sizes, strict=True), *reversed([*zip(down, sizes, strict=True)])]:
        if len(i):
            yield i, i - n


def prefixes(A: Array, b: Array) -> tuple[Array, Array]:
    """Return the maps of all prefixes, (A_t ... A_1, s_t for s_0 = 0), of steps along the first axis.

    A (T, ..., m, m) and b (T, ..., m), or both of one shape (T, ...), where each A is a number for each entry of b.
    Arrays or Tensors; what is recorded is a few operations for each round.
    """
    for products in rounds(len(b)):
        A, b = joined(A, b, *products)
    return A, b


def joined(A: Array, b: Array, i: Indices, j: Indices) -> tuple[Array, Array]:
    """Return the pairs after one round: those at the places i after those at j, all others as they are."""
    places, numbers = np.arange(len(b)), A.ndim == b.ndim
    kept = np.setdiff1d(places, i)
    order = np.argsort(np.concatenate([kept, i]))
    later, earlier = A[i], (A[j], b[j])
    product = later * earlier[0] if numbers else later @ earlier[0]
    moved = later * earlier[1] if numbers else (later @ earlier[1][..., None])[..., 0]
    return np.concatenate([A[kept], product])[order], np.concatenate([b[kept], moved + b[i]])[order]
