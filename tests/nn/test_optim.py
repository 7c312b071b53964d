"""Optimisers, schedules, clipping: PyTorch's numbers over 50 steps, stored and live; errors."""

import json

import make_optim
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.nn import optim

STORED = json.loads(make_optim.PATH.read_text(encoding="utf-8"))
OURS = {
    "sgd": optim.SGD(rate=0.1),
    "sgd l2": optim.SGD(rate=0.1, l2=0.05),
    "sgd momentum": optim.SGD(rate=0.05, momentum=0.9, l2=0.01),
    "sgd nesterov": optim.SGD(rate=0.05, momentum=0.9, nesterov=True),
    "rmsprop": optim.RMSProp(rate=0.02, l2=0.01),
    "rmsprop momentum": optim.RMSProp(rate=0.02, decay=0.9, momentum=0.5),
    "adam": optim.Adam(rate=0.03, l2=0.01),
    "adamw": optim.AdamW(rate=0.03, decay=0.1),
    "adam cosine": optim.Adam(rate=optim.cosine(0.03, 40)),
    "sgd clip norm": optim.SGD(rate=0.1, momentum=0.5),
    "sgd clip value": optim.SGD(rate=0.1, momentum=0.5),
    "sgd step": optim.SGD(rate=optim.step_decay(0.1, 10, 0.5)),
    "sgd exponential": optim.SGD(rate=optim.exponential_decay(0.1, 0.9)),
}


def slope(params):
    """The gradient of the same bumpy function that the oracle descends."""
    return {name: make_optim.slope(np, p) for name, p in params.items()}


@pytest.mark.parametrize("name", OURS)
def test_fifty_steps_are_those_of_pytorch(name):
    params = {k: np.array(v) for k, v in make_optim.START.items()}
    state = OURS[name].init(params)
    for expected in STORED[name]:
        grads = slope(params)
        if "clip" in name:
            grads, _ = (optim.clip_by_norm if "norm" in name else optim.clip_by_value)(grads, 1.2)
        params, state = OURS[name].step(params, grads, state)
        for key, value in expected.items():
            np.testing.assert_allclose(params[key], value, rtol=1e-12, atol=1e-14)
    assert len(STORED[name]) == state["count"] == 50


def test_every_stored_rule_is_tested():
    assert set(OURS) == set(STORED)


@pytest.mark.needs_torch
def test_the_stored_numbers_are_those_of_this_pytorch():
    pytest.importorskip("torch")
    for name, steps in make_optim.by_torch().items():
        for found, expected in zip(steps, STORED[name], strict=True):
            for key, value in found.items():
                np.testing.assert_allclose(value, expected[key], rtol=1e-12, atol=1e-14)


def test_nothing_is_changed_in_place_and_kinds_are_kept():
    params = {"w": tg.Tensor(np.ones(3, np.float32), name="w"), "b": np.ones(2)}
    adam = optim.Adam()
    state = adam.init(params)
    new, after = adam.step(params, {"w": np.ones(3, np.float32)}, state)
    assert type(new["w"]) is tg.Tensor
    assert (new["w"].name, new["w"].dtype) == ("w", np.float32)
    assert new["b"] is params["b"]
    assert (params["w"].data == 1).all()
    assert (state["count"], after["count"]) == (0, 1)
    assert not state["mean"]["w"].any()
    assert after["mean"]["w"].any()
    assert after["mean"]["w"].dtype == np.float32


def test_l1_pulls_towards_zero():
    params = {"w": np.array([2.0, -3.0, 0.0])}
    sgd = optim.SGD(rate=0.5, l1=0.2)
    new, _ = sgd.step(params, {"w": np.zeros(3)}, sgd.init(params))
    np.testing.assert_allclose(new["w"], [1.9, -2.9, 0.0])


def test_warmup():
    rate = optim.warmup(4, optim.step_decay(1.0, 6, 0.5))
    assert [rate(k) for k in range(8)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5, 0.5]
    assert optim.warmup(2, 0.3)(0) == 0.15


@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_clipping_by_norm_and_by_value_returns_the_norm(scale):
    grads = {"a": scale * np.array([3.0, 0.0]), "b": scale * np.array([[4.0]])}
    clipped, norm = optim.clip_by_norm(grads, 2.0)
    assert norm == pytest.approx(5 * scale, rel=1e-15)
    factor = min(1.0, 2.0 / (5 * scale + 1e-6))
    np.testing.assert_allclose(clipped["a"], grads["a"] * factor)
    np.testing.assert_allclose(clipped["b"], grads["b"] * factor)
    clipped, norm = optim.clip_by_value(grads, 3.5)
    assert norm == pytest.approx(5 * scale, rel=1e-15)
    np.testing.assert_allclose(clipped["b"], [[min(4.0 * scale, 3.5)]])
    assert optim.clip_by_norm({"a": np.zeros(2)}, 1.0)[1] == 0
    assert optim.clip_by_norm({"a": np.ones(2, np.float32)}, 0.1)[0]["a"].dtype == np.float32


def test_wrong_gradients_are_named():
    params = {"w": np.ones(3)}
    sgd = optim.SGD(rate=0.1)
    with pytest.raises(ValueError, match="SGD: gradients for u, which are no parameters\nthe parameters are w"):
        sgd.step(params, {"u": np.ones(3)}, sgd.init(params))
    with pytest.raises(ValueError, match=r"SGD: the gradient of w has shape \(2,\), the parameter \(3,\)\na gradient"):
        sgd.step(params, {"w": np.ones(2)}, sgd.init(params))
    for bad in (np.nan, np.inf):
        with pytest.raises(FloatingPointError, match="the gradient of w has entries that are not finite\nrecord with"):
            optim.clip_by_norm({"w": np.array([1.0, bad])}, 1.0)


@pytest.mark.parametrize("clip", [optim.clip_by_norm, optim.clip_by_value])
@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_is_positive(clip, limit):
    with pytest.raises(ValueError, match=r"clip: limit .*\na limit is a positive number"):
        clip({"w": np.ones(2)}, limit)
