"""Two mistakes in different quantities of a person's step are both named, in the person's names."""

import numpy as np
import pytest

from tinygrad_rnn import bptt

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4))
WEIGHTS = {name: RNG.normal(0, 0.5, (4, 7)) for name in ("Wf", "Wi", "Wg", "Wo")}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(p, x, y, slope, read):
    h, c, kept, loss = np.zeros(4), np.zeros(4), [], 0.0
    for t in range(len(x)):
        z = np.concatenate([h, x[t]])
        f, i, o = sigmoid(p["Wf"] @ z), sigmoid(p["Wi"] @ z), sigmoid(p["Wo"] @ z)
        g, c_prev = np.tanh(p["Wg"] @ z), c
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        kept.append((z, f, i, o, g, c_prev, c, h))
        loss = loss + 0.5 * np.sum((h - y[t]) ** 2)
    grads, dh, dc = {name: np.zeros_like(w) for name, w in p.items()}, 0, 0
    for t in reversed(range(len(x))):
        z, f, i, o, g, c_prev, c, h = kept[t]
        dh = dh + h - y[t]
        dc = dc + dh * o * slope(c)
        dzs = {
            "Wf": dc * read(c, c_prev) * f * (1 - f),
            "Wi": dc * g * i * (1 - i),
            "Wg": dc * i * (1 - g**2),
            "Wo": dh * np.tanh(c) * o * (1 - o),
        }
        dz = 0
        for name, d in dzs.items():
            grads[name] += np.outer(d, z)
            dz = dz + p[name].T @ d
        dh, dc = dz[:4], dc * f
    return loss, grads


@pytest.mark.slow
def test_a_slope_and_a_step_that_is_one_too_late():
    def run(p, x, y):
        return lstm(p, x, y, slope=lambda c: 1 - c**2, read=lambda c, c_prev: c)

    found = bptt.examine(run, WEIGHTS, X, Y)
    assert len(found.mistakes) == 2, str(found)
    assert found.mistakes[0].startswith("in dc, the derivative of tanh(c[t]) is taken as 1 - c[t]**2")
    assert found.mistakes[1] == "in df, dc[t] * c[t] stands in the place of dc[t] * c[t-1]"


def test_the_same_code_without_slips_is_right():
    right = bptt.examine(
        lambda p, x, y: lstm(p, x, y, lambda c: 1 - np.tanh(c) ** 2, lambda c, c_prev: c_prev), WEIGHTS, X, Y
    )
    assert right.check()
