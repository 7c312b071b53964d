"""Mistakes in different quantities at once: each is named, with those within one step found by their factors."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.diagnosis.multiplied import products


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(params, xs, state, dhs, slips=()):
    """BPTT of nn.lstm, with slips."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    (h, c), kept = state, []
    for x in xs:
        i, f, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        i, f, g, o, before = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o), (h, c)
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((x, *before, c, h, i, f, g, o))
    dW, dU, db, dh, dc = 0, 0, 0, 0, 0
    for t in reversed(range(len(xs))):
        x, h_prev, c_prev, c, h, i, f, g, o = kept[t]
        d = dhs[t] + dh
        D = dc + d * o * (1 - (c if "1 - c**2" in slips else np.tanh(c)) ** 2)
        dz = [
            D * (i if "i for g" in slips else g) * i * (1 - i),
            D * (c if "c[t] for c[t-1]" in slips else c_prev) * f * (1 - f),
            D * i * (g * (1 - g) if "a sigmoid's slope" in slips else 1 - g**2),
            d * np.tanh(c) * (1 if "no slope" in slips else o * (1 - o)),
        ]
        dz = np.concatenate(dz, axis=1)
        dW, dU, db = dW + dz.T @ x, dU + dz.T @ (h if "h[t] for h[t-1]" in slips else h_prev), db + dz.sum(0)
        dh, dc = dz @ U, D * (1 if "dc handed back" in slips else i if "i for f" in slips else f)
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db}


WORDS = {
    "1 - c**2": "in dc, the derivative of tanh(c[t]) is taken as 1 - c[t]**2",
    "c[t] for c[t-1]": "in df, dc[t] * c[t] stands in the place of dc[t] * c[t-1]",
    "i for g": "in di, dc[t] * i[t] stands in the place of dc[t] * g[t]",
    "a sigmoid's slope": "in dz_g, the derivative of g[t] is taken as g[t] * (1 - g[t])",
    "no slope": "in dz_o, the derivative of o[t] is missing",
    "h[t] for h[t-1]": "in dweight_hh, d[z_i, z_f, z_g, z_o][t].T @ h[t] stands",
    "dc handed back": "in dc, dc[t] stands in the place of dc[t] * f[t]",
    "i for f": "in dc, dc[t] * i[t] stands in the place of dc[t] * f[t]",
}
TOGETHER = [
    ("1 - c**2", "c[t] for c[t-1]", "h[t] for h[t-1]"),
    *(
        pytest.param(slips, marks=pytest.mark.slow)
        for slips in (
            ("1 - c**2", "a sigmoid's slope"),
            ("i for g", "c[t] for c[t-1]"),
            ("1 - c**2", "i for f"),
            ("c[t] for c[t-1]", "no slope", "a sigmoid's slope"),
            ("1 - c**2", "h[t] for h[t-1]"),
            ("1 - c**2", "c[t] for c[t-1]"),
            ("c[t] for c[t-1]", "dc handed back"),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("slips", TOGETHER, ids=" + ".join)
def test_each_of_several_is_named(slips):
    found = bptt.doctor(nn.lstm, partial(lstm, slips=slips))
    assert not found
    assert found.complete
    told = sorted(str(m) for m in (found.mistake, *found.others))
    wanted = sorted(WORDS[slip] for slip in slips)
    assert len(told) == len(wanted)
    assert all(t.startswith(w) for t, w in zip(told, wanted, strict=True)), told


def test_factors_that_multiply_are_found_among_many():
    rng = np.random.default_rng(0)
    true = rng.standard_normal(30)
    factors = np.exp(rng.standard_normal((500, 30))) * (rng.random((500, 30)) < 0.5)
    rows = true * np.where(factors == 0, 1, factors)
    assert (17, 230) in [tuple(sorted(p)) for p in products(rows, rows[17] * rows[230] / true, true)]
    assert (3, 17, 230) in [tuple(sorted(p)) for p in products(rows, rows[3] * rows[17] * rows[230] / true**2, true)]
    assert not list(products(rows, true * np.exp(rng.standard_normal(30)), true))
    assert not list(products(rows, np.zeros(30), true))
