"""The doctor reads a cell as its author wrote it: a sigmoid however it is spelled, and local names."""

from functools import partial

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt

SPELLINGS = {
    "one over": lambda z: 1 / (1 + np.exp(-z)),
    "exp above": lambda z: np.exp(z) / (1 + np.exp(z)),
    "by tanh": lambda z: 0.5 * (1 + np.tanh(z / 2)),
    "ours": tg.sigmoid,
}
SLOPES = {
    "1 - {y}**2: that is the derivative of tanh": lambda y: 1 - y**2,
    "s * (1 - s) with s = sigmoid({y}): at the output, once more": lambda y: (s := 1 / (1 + np.exp(-y))) * (1 - s),
    "{y}: the factor 1 - {y} is missing": lambda y: y,
    "1 - {y}: the factor {y} is missing": lambda y: 1 - y,
    "missing": lambda y: 1,
}


def example(rng, T, B):
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2)), rng.standard_normal((B, 3))


def by_hand(p, xs, state, dhs, *, slope):
    hs = [state[0]]
    for x in xs:
        hs.append(1 / (1 + np.exp(-(x @ p["W"] + hs[-1] @ p["U"]))))
    dW, dU, carry = 0, 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + carry) * slope(hs[t + 1])
        dW, dU, carry = dW + xs[t].T @ dz, dU + hs[t].T @ dz, dz @ p["U"].T
    return {"W": dW, "U": dU}


@pytest.mark.slow
@pytest.mark.parametrize(
    "spelling", [pytest.param(s, marks=[pytest.mark.slow] if k > 1 else []) for k, s in enumerate(SPELLINGS)]
)
def test_a_sigmoid_is_a_sigmoid_however_it_is_spelled(spelling):
    def cell(p, x, h):
        return SPELLINGS[spelling](x @ p["W"] + h @ p["U"])

    bptt.doctor(cell, partial(by_hand, slope=lambda y: y * (1 - y)), example=example).check()
    for words, slope in SLOPES.items():
        found = bptt.doctor(cell, partial(by_hand, slope=slope), example=example)
        taken = "" if words == "missing" else "taken as "
        assert str(found.mistake).endswith(f"the derivative of h[t] is {taken}{words.format(y='h[t]')}")
        assert found.complete


def test_gates_have_the_names_of_local_variables():
    def cell(p, x, h):
        gate = 1 / (1 + np.exp(-(x @ p["Wg"])))
        new = np.tanh(x @ p["W"] + h @ p["U"])
        return gate * h + (1 - gate) * new

    def example(rng, T, B):
        params = {name: rng.normal(0, 0.5, (3 if name == "U" else 2, 3)) for name in ("Wg", "W", "U")}
        return params, rng.standard_normal((T, B, 2)), rng.standard_normal((B, 3))

    def by_hand(p, xs, state, dhs, *, wrong):
        h, kept = state[0], []
        for x in xs:
            gate, new = 1 / (1 + np.exp(-(x @ p["Wg"]))), np.tanh(x @ p["W"] + h @ p["U"])
            kept.append((x, h, gate, new))
            h = gate * h + (1 - gate) * new
        found, carry = dict.fromkeys(p, 0), 0
        for (x, h, gate, new), dh in zip(kept[::-1], dhs[::-1], strict=True):
            dh = dh + carry
            dz_gate = dh * (h - new) * (1 if wrong else gate * (1 - gate))
            dz = dh * (1 - gate) * (1 - new**2)
            for name, g in (("Wg", x.T @ dz_gate), ("W", x.T @ dz), ("U", h.T @ dz)):
                found[name] = found[name] + g
            carry = dh * gate + dz @ p["U"].T
        return found

    bptt.doctor(cell, partial(by_hand, wrong=False), example=example).check()
    found = bptt.doctor(cell, partial(by_hand, wrong=True), example=example)
    assert found.complete
    assert str(found.mistake) == "in d(x @ Wg), the derivative of gate[t] is missing"
