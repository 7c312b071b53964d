"""Conventions are told and are no mistakes; a mistake beside one is named as it is without."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients
from tinygrad_rnn.bptt.diagnosis.problems import problems_of


def rnn(params, xs, state, dhs, *, scale=lambda T, B: 1.0, cut=lambda t: False, window=None, slip="", clip=np.inf):
    """BPTT of nn.rnn: by a loop, or with a window for the loss of each step."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    T, B = len(xs), len(state[0])
    hs = [state[0]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    dW, dU, db = 0, 0, 0
    walks = [(range(T), dhs)]
    if window is not None:
        walks = [(range(max(0, s - window + 1), s + 1), dhs * (np.arange(T) == s)[:, None, None]) for s in range(T)]
    for steps, upstream in walks:
        carry = 0
        for t in reversed(steps):
            carry = 0 if cut(t) else carry
            dh = upstream[t] + carry
            dz = dh * (1 if slip == "no slope" else 1 - hs[t + 1] ** 2)
            dW, dU, db = dW + dz.T @ xs[t], dU + dz.T @ (hs[t + 1] if slip == "h_t" else hs[t]), db + dz.sum(0)
            carry = (dh if slip == "dh back" else dz) @ U
    found = {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db}
    return {name: np.clip(scale(T, B) * g, -clip, clip) for name, g in found.items()}


MEANS = {
    "a mean over T": lambda T, B: 1 / T,
    "a mean over the batch": lambda T, B: 1 / B,
    "a mean over T and the batch": lambda T, B: 1 / (T * B),
}
SLIPS = {
    "no slope": "in dz, the derivative of h[t] is missing",
    "h_t": "in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]",
    "dh back": "in dh, dh[t] @ weight_hh stands in the place of dz[t] @ weight_hh",
}


@pytest.mark.parametrize("mean", MEANS)
def test_a_mean_is_no_mistake_and_hides_none(mean):
    found = bptt.doctor(nn.rnn, partial(rnn, scale=MEANS[mean])).check()
    assert str(found).startswith(f"rnn, BPTT of rnn: right; gradients are {mean}\n")
    for slip, words in SLIPS.items():
        found = bptt.doctor(nn.rnn, partial(rnn, scale=MEANS[mean], slip=slip))
        assert not found
        assert found.complete
        assert str(found.mistake) == words
        assert f"convention: gradients are {mean}" in str(found)


def test_a_mean_of_the_parameters_gradients_alone_is_a_mean():
    def of_params(params, xs, state, dhs):
        found = bptt.by_hand.rnn(params, xs, state, dhs)
        return {name: g / len(state[0]) if name in params else g for name, g in found.items()}

    found = bptt.doctor(nn.rnn, of_params).check()
    assert "right; gradients of parameters are a mean over the batch" in str(found)


def test_a_mean_of_one_gradient_among_others_is_a_mistake():
    def one(params, xs, state, dhs):
        found = rnn(params, xs, state, dhs)
        return {**found, "weight_hh": found["weight_hh"] / len(xs)}

    found = bptt.doctor(nn.rnn, one)
    assert not found
    assert "dweight_hh: divided by the number of steps T" in str(found.mistake)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, *(pytest.param(k, marks=pytest.mark.slow) for k in (3, 4, 5, 10))])
def test_truncation_is_recognised_and_may_be_said(k):
    ways = {bptt.Window(k): partial(rnn, window=k), bptt.Chunked(k): partial(rnn, cut=lambda t: (t + 1) % k == 0)}
    for way, function in ways.items():
        found = bptt.doctor(nn.rnn, function)
        what = "windows of" if isinstance(way, bptt.Window) else "chunks of"
        assert "right, if the truncation is meant\n" in str(found)
        assert f"this is BPTT truncated to {what} {k};" in str(found)
        bptt.doctor(nn.rnn, function, truncation=way).check()
        assert not bptt.doctor(nn.rnn, rnn, truncation=way)


def test_a_mistake_in_truncated_bptt_is_named():
    found = bptt.doctor(nn.rnn, partial(rnn, window=3, slip="no slope"), truncation=bptt.Window(3))
    assert found.complete
    assert str(found.mistake) == SLIPS["no slope"]


def test_no_carry_at_all_is_a_mistake_and_no_truncation():
    found = bptt.doctor(nn.rnn, partial(rnn, window=1))
    assert not found
    assert "the carry of dh from step t+1 is missing" in str(found.mistake)


@pytest.mark.parametrize("way", [bptt.Window, 5, bptt.Scaled([1.0]), bptt.Randomized(0.5)])
def test_a_truncation_that_cannot_be_examined_is_refused(way):
    with pytest.raises(TypeError, match=r"give bptt\.Window"):
        bptt.doctor(nn.rnn, rnn, truncation=way)


@pytest.mark.parametrize("way", [bptt.Full(), bptt.Window(1), bptt.Window(3), bptt.Chunked(2), bptt.WilliamsPeng(2, 3)])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm])
def test_the_model_truncates_as_the_tape_does(cell, T, way):
    problem = problems_of(cell, None, False, True).truncated(way).problem(T, 3, 0)
    made = gradients(problem.model)
    for name, g in problem.true.items():
        np.testing.assert_allclose(made[name], g, rtol=1e-9, atol=1e-12 * problem.largest)


@pytest.mark.parametrize("bound", [2.0, 5.0])
def test_clipping_is_a_convention_and_means_of_one_are_not_taken_for_it(bound):
    found = bptt.doctor(nn.rnn, partial(rnn, clip=bound)).check()
    assert f"clipped to values between -{bound:g} and {bound:g}" in str(found)

    def mean_in_bias(params, xs, state, dhs):
        found = rnn(params, xs, state, dhs)
        return {**found, **{name: found[name] / len(state[0]) for name in ("bias_ih", "bias_hh")}}

    found = bptt.doctor(nn.rnn, mean_in_bias)
    assert not found
    assert "dbias_ih and dbias_hh: divided by the batch size B" in str(found.mistake)


def test_zero_states_and_a_mean_are_said_together():
    def mine(params, xs, state, dhs):
        return rnn(params, xs, (np.zeros_like(state[0]),), dhs, scale=lambda T, B: 1 / T)

    found = bptt.doctor(nn.rnn, mine).check()
    assert "right, for an initial state of zero; gradients are a mean over T\n" in str(found)
