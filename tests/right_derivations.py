"""Right derivations of many cells, sizes and values, written in several ways: a judge of them must find no fault."""

from functools import cache, partial

import numpy as np
from cells import EVERY

from tinygrad_rnn import bptt, nn

CELLS = {"rnn": nn.rnn, "rnn_relu": partial(nn.rnn, nonlinearity="relu")} | EVERY
SCALES = {"tiny": 1e-3, "as drawn": 1.0, "saturated": 8.0, "large": 40.0}
"""What the initial parameters are multiplied by."""
STEPS, BATCHES, SIZES = (1, 2, 3, 7, 50), (1, 3), ((4, 5), (1, 1), (1, 2), (2, 1))


def settings():
    """Every combination, as (cell, scale, dtype, T, B, sizes, way)."""
    return [
        (cell, scale, dtype, T, B, sizes, way)
        for cell in CELLS
        for scale in SCALES
        for dtype in ("float64", "float32")
        for T in STEPS
        for B in BATCHES
        for sizes in SIZES
        for way in ("written", "derived")
        if way == "derived" or written(cell)
    ]


def problem(setting, seed):
    """The arguments of `compare`: cell, params, xs, and a right derivation."""
    cell, scale, dtype, T, B, (inputs, hidden), way = setting
    rng = np.random.default_rng([seed, T, B, inputs, hidden])
    drawn = getattr(nn.init, cell if hasattr(nn.init, cell) else "rnn")(rng, inputs, hidden)
    params = {name: (p.data * SCALES[scale]).astype(dtype) for name, p in drawn.items()}
    hand = written(cell) if way == "written" else derived(cell)
    hand = (hand, one_by_one(hand), in_long_double(hand))[seed % 3]
    return CELLS[cell], params, rng.standard_normal((T, B, inputs)).astype(dtype), hand


def written(cell):
    """The derivation by hand of `bptt.by_hand`, where there is one."""
    if cell == "rnn_relu":
        return partial(bptt.by_hand.rnn, nonlinearity="relu")
    return getattr(bptt.by_hand, cell, None)


@cache
def derived(cell):
    """What `bptt.derive` writes."""
    return bptt.derive(CELLS[cell]).gradients


def one_by_one(hand):
    """The same, example by example: another order of each sum over the batch."""

    def backward(params, xs, state, dhs, dlast=None):
        found = [
            hand(
                params,
                xs[:, [b]],
                tuple(s[[b]] for s in state),
                dhs[:, [b]],
                **({} if dlast is None else {"dlast": tuple(d[[b]] for d in dlast)}),
            )
            for b in range(xs.shape[1])
        ]
        return {
            name: np.concatenate([g[name] for g in found], axis=1 if name == "x" else 0)
            if name == "x" or (name.endswith("0") and name not in params)
            else sum(g[name] for g in found)
            for name in found[0]
        }

    return backward


def in_long_double(hand):
    """The same in numbers of more digits: what the others are near to."""

    def backward(params, xs, state, dhs, dlast=None):
        dtype, wide = xs.dtype, partial(np.asarray, dtype=np.longdouble)
        more = {} if dlast is None else {"dlast": tuple(map(wide, dlast))}
        found = hand({k: wide(p) for k, p in params.items()}, wide(xs), tuple(map(wide, state)), wide(dhs), **more)
        return {name: np.asarray(g, dtype) for name, g in found.items()}

    return backward


def worst_ratio(report):
    """The largest difference of a report over what was allowed."""
    ratios = [0.0]
    for row in report.rows:
        if row.hand:
            ratios.append(row.hand.absolute / (row.tolerance.absolute(report.rtol) or 1.0))
        if row.numeric and not row.numeric.corner:
            ratios.append(row.numeric.relative / (row.numeric.tolerance or 1.0))
    return max(ratios)
