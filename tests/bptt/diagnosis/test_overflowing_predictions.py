"""A mistake whose numbers are infinite explains no finite answer: a division by a state of zeros, for one."""

import numpy as np
import pytest

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.precision import DOUBLE, SINGLE


@pytest.mark.parametrize("precision", [DOUBLE, SINGLE])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_the_same_as_nothing(precision, bad):
    finite, overflown = np.ones(3), np.array([1, bad, 1])
    assert precision.same(finite, finite, 1.0)
    assert not precision.same(finite, overflown, 1.0)
    assert not precision.same(overflown, finite, 1.0)
    assert not precision.same(overflown, overflown, 1.0)
    assert not precision.same(finite, np.full(3, bad), 1.0)


def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])


def example(rng, T, B):
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2)), np.zeros((B, 3))


@pytest.mark.parametrize(("shift", "words"), [(0, None), (1, "in dU, h[t].T @ ")])
def test_from_a_state_of_zeros_the_mistake_is_still_the_one_that_was_made(shift, words):
    def by_hand(params, xs, state, dhs):
        hs, dU, carry = [state[0]], 0, 0
        for x in xs:
            hs.append(cell(params, x, hs[-1]))
        for t in reversed(range(len(xs))):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dU, carry = dU + hs[t + shift].T @ dz, dz @ params["U"].T
        return {"U": dU}

    found = bptt.doctor(cell, by_hand, example=example)
    assert bool(found) == (words is None)
    assert words is None or words in str(found.mistake)


@pytest.mark.parametrize("slip", [False, True])
def test_examine_names_it_too(slip):
    def loss_and_gradients(params, xs, targets):
        W, U = params["W"], params["U"]
        hs, loss, dW, dU, carry = [np.zeros(3)], 0.0, 0, 0, 0
        for x, target in zip(xs, targets, strict=True):
            hs.append(np.tanh(W @ x + U @ hs[-1]))
            loss += np.sum((hs[-1] - target) ** 2)
        for t in reversed(range(len(xs))):
            dz = (2 * (hs[t + 1] - targets[t]) + carry) * (1 - hs[t + 1] ** 2)
            dW, dU = dW + np.outer(dz, xs[t]), dU + np.outer(dz, hs[t + 1] if slip else hs[t])
            carry = U.T @ dz
        return loss, dW, dU

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (3, 2)), "U": rng.normal(0, 0.5, (3, 3))}
    found = bptt.examine(loss_and_gradients, params, rng.normal(size=(4, 2)), rng.normal(size=(4, 3)))
    assert bool(found) == (not slip)
    assert all(" / " not in words for words in found.mistakes), found
