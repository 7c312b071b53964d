"""Two or three mistakes of one step that multiply: found by their factors, without trying every pair.

At T = 1 with one example, a mistake within the step multiplies entries of the gradients by factors; two mistakes, each
at a place of its own, multiply them by the products of theirs. So the logarithms add up, and so do the projections of
these on one direction: what is missing beside a first mistake is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array

CLOSE = 1e-7
"""How far projections may be apart that are the same."""
MOST_FOR_THREE = 600
"""The largest number of different factors, the commonest first, of which three are tried together."""
EACH = 3
"""The number of mistakes of the same factors to try."""


def products(rows: Array, hand: Array, true: Array) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of two rows, or three, whose factors on `true` multiply to those of `hand`.

    rows (N, D): the gradients under each mistake. hand, true (D,).
    """
    seen = (np.abs(true) > 1e-9 * np.max(np.abs(true), initial=0)) & (hand != 0)
    if not seen.any():
        return
    with np.errstate(all="ignore"):
        logs = np.log(np.abs(np.concatenate([rows, hand[None]])[:, seen] / true[seen]))
    way = np.random.default_rng(0).standard_normal(int(seen.sum()))
    values = logs @ way / np.sqrt(len(way))
    wanted, every = values[-1], values[:-1]
    told = np.flatnonzero(np.isfinite(every) & (np.abs(every) > CLOSE))
    keys, first = np.unique(np.round(every[told], 7), return_index=True)
    groups: dict[float, list[int]] = {}
    for k in told.tolist():
        groups.setdefault(float(np.round(every[k], 7)), []).append(k)

    def fits(chosen: tuple[int, ...]) -> bool:
        return bool(np.allclose(logs[list(chosen)].sum(axis=0), logs[-1], rtol=0, atol=1e-6))

    yield from filter(fits, _chosen(_sums(keys, wanted), groups))
    common = np.sort(keys[np.argsort(first)][:MOST_FOR_THREE])
    for n, key in enumerate(common):
        rest = [(key, *pair) for pair in _sums(common[n:], wanted - key)]
        yield from filter(fits, _chosen(rest, groups))


def _sums(keys: Array, wanted: float) -> list[tuple[float, ...]]:
    """Return the pairs of numbers, from a sorted list, that add up to a wanted one."""
    at = np.searchsorted(keys, wanted - keys)
    found = []
    for shift in (-1, 0):
        near = np.clip(at + shift, 0, len(keys) - 1)
        fits = np.flatnonzero((np.abs(keys + keys[near] - wanted) <= 4 * CLOSE) & (near >= np.arange(len(keys))))
        found += [(float(keys[k]), float(keys[near[k]])) for k in fits]
    return list(dict.fromkeys(found))


def _chosen(sums: list[tuple[float, ...]], groups: dict[float, list[int]]) -> Iterator[tuple[int, ...]]:
    choices: list[Array] = []
    for keys in sums:
        grid = np.meshgrid(*(groups[key][:EACH] for key in keys), indexing="ij")
        choices += [*np.stack(grid, -1).reshape(-1, len(keys))]
    for chosen in sorted(choices, key=sum):
        if len(set(chosen.tolist())) == len(chosen):
            yield tuple(chosen.tolist())
