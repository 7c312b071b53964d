"""Clipping inside of the loop, a carry that begins with something, and mistakes beside clipping and truncation."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn


def rnn(params, xs, state, dhs, *, inside="", start="", end=np.inf, window=None, chunk=None, slip="", bound=0.5):
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    T, hs = len(xs), [state[0]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    dW, dU = 0, 0
    walks = [(range(T), dhs)]
    if window:
        walks = [(range(max(0, s - window + 1), s + 1), dhs * (np.arange(T) == s)[:, None, None]) for s in range(T)]
    for steps, upstream in walks:
        carry = {"": 0, "ones": 1.0, "the state": hs[-1], "dhs": dhs[-1]}[start]
        for t in reversed(steps):
            carry = 0 if chunk and (t + 1) % chunk == 0 else carry
            dz = (upstream[t] + carry) * (1 if slip == "no slope" else 1 - hs[t + 1] ** 2)
            dz = np.clip(dz, -bound, bound) if inside == "dz" else dz
            dW, dU = dW + dz.T @ xs[t], dU + dz.T @ (hs[t + 1] if slip == "h_t" else hs[t])
            carry = dz @ U
            carry = np.clip(carry, -bound, bound) if inside == "carry" else carry
    return {"weight_ih": np.clip(dW, -end, end), "weight_hh": np.clip(dU, -end, end)}


SLIPS = {
    "no slope": "in dz, the derivative of h[t] is missing",
    "h_t": "in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]",
}


def named(words, **how):
    found = bptt.doctor(nn.rnn, partial(rnn, **how))
    assert not found
    assert found.complete, str(found)
    assert str(found.mistake) == words
    return str(found)


@pytest.mark.parametrize("bound", [pytest.param(0.5, marks=pytest.mark.slow), 7.0])
def test_clipping_inside_of_the_loop(bound):
    ending = f"is clipped to [-{bound:g}, {bound:g}] at every step, inside of the loop"
    named(f"dz {ending}", inside="dz", bound=bound)
    named(f"dh, as it is handed to step t-1, {ending}", inside="carry", bound=bound)


STARTS = {
    "ones": "ones",
    "the state": "h[T-1], the last state itself",
    "dhs": "the upstream gradient of the last step, which is added there too",
}


@pytest.mark.parametrize("start", STARTS)
def test_a_carry_that_begins_with_something(start):
    named(f"the carry of dh begins with {STARTS[start]}, in the place of zeros", start=start)


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("end", [pytest.param(5.0, marks=pytest.mark.slow), 200.0])
def test_a_mistake_beside_clipping(slip, end):
    assert f"clipped to values between -{end:g} and {end:g}" in named(SLIPS[slip], slip=slip, end=end)


WAYS = {"windows of 3": {"window": 3}, "chunks of 2": {"chunk": 2}, "windows of 5": {"window": 5}}


@pytest.mark.parametrize("way", ["windows of 3", *(pytest.param(w, marks=pytest.mark.slow) for w in [*WAYS][1:])])
def test_a_mistake_beside_a_truncation_that_was_not_said(way):
    assert f"this is BPTT truncated to {way}" in named(SLIPS["no slope"], slip="no slope", **WAYS[way])


def with_an_embedding(p, x, h):
    return np.tanh(p["E"][x[:, 0]] + h @ p["U"])


@pytest.mark.parametrize("once", [False, True])
def test_rows_that_a_batch_reads_twice(once):
    def example(rng, T, B):
        p = {"E": rng.normal(0, 0.5, (4, 3)), "U": rng.normal(0, 0.5, (3, 3))}
        return p, rng.integers(0, 4, (T, B, 1)), rng.normal(size=(B, 3))

    def by_hand(p, xs, state, dhs):
        hs = [state[0]]
        for x in xs:
            hs.append(with_an_embedding(p, x, hs[-1]))
        dE, dU, carry = np.zeros_like(p["E"]), 0, 0
        for t in reversed(range(len(xs))):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dU, carry = dU + hs[t].T @ dz, dz @ p["U"].T
            if once:
                dE[xs[t][:, 0]] += dz
            else:
                np.add.at(dE, xs[t][:, 0], dz)
        return {"E": dE, "U": dU}

    found = bptt.doctor(with_an_embedding, by_hand, example=example)
    assert bool(found) is not once
    assert not once or str(found.mistake).startswith("in dE, rows that a batch reads twice are added once")
