"""A derivation that begins at zeros of its own: `compare` says at which step it goes wrong, as for any other."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt


def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])


def by_hand(params, xs, state, dhs, own=True, slip=""):
    hs = [np.zeros((xs.shape[1], 3)) if own else state[0]]
    for x in xs:
        hs.append(cell(params, x, hs[-1]))
    dW, dU, carry = np.zeros_like(params["W"]), np.zeros_like(params["U"]), 0
    for t in reversed(range(len(xs))):
        slope = 1 - hs[t + 1] ** 2
        dz = (dhs[t] + carry) * (1 if slip == "no slope" else slope)
        dW, dU = dW + xs[t].T @ dz, dU + hs[t + (slip == "h_t")].T @ dz
        carry = dz @ (params["U"] if slip == "carry" else params["U"].T)
    return {"W": dW, "U": dU}


def problem(T=4, B=2):
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2))


@pytest.mark.parametrize("T", [2, 3, 5])
@pytest.mark.parametrize("slip", ["carry", "no slope", "h_t"])
def test_the_same_numbers_give_the_same_place(slip, T):
    params, xs = problem(T)
    told = []
    for own in (True, False):
        report = bptt.compare(
            cell, params, xs, partial(by_hand, own=own, slip=slip), state=np.zeros((2, 3)), torch=False
        )
        told.append([words for words in report.findings if words[:2] in ("W:", "U:")])
    for mine, theirs in zip(*told, strict=True):
        assert mine.rstrip(".") in theirs or mine.startswith(theirs.rstrip("."))
        assert "somewhere in" not in mine


def test_where_the_state_that_is_given_is_not_zero_it_is_zero_for_the_comparison():
    params, xs = problem()
    report = bptt.compare(cell, params, xs, partial(by_hand, slip="carry"), state=np.ones((2, 3)), torch=False)
    assert not report
    assert "convention: it does not read h0, so h0 is zero here" in report.findings
    assert "with an upstream gradient at step 1 alone, the contribution of step 0 is the first" in str(report)
