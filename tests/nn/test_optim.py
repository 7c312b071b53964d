"""Optimisers, schedules, clipping: PyTorch's numbers over 50 steps, stored and live; errors."""

import json
import re

import make_optim
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.core.trees import by_name, mapped
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
    with pytest.raises(ValueError, match=r"clip: limit .*\ngive a positive number"):
        clip({"w": np.ones(2)}, limit)


def amsgrad_by_hand(w, grads, rate, l2=0.0, decay=0.0, b1=0.9, b2=0.999, eps=1e-8):
    """Return the parameter after each step, by the formulas of torch.optim.Adam, written out with numbers alone."""
    m, v, most, found = 0.0 * w, 0.0 * w, 0.0 * w, []
    for t, g in enumerate(grads, 1):
        w = w - rate * decay * w
        g = g + l2 * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        most = np.where(v > most, v, most)
        w = w - rate * (m / (1 - b1**t)) / (np.sqrt(most / (1 - b2**t)) + eps)
        found.append(w)
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [(), (1,), (3, 2)])
def test_amsgrad_divides_by_the_largest_square_so_far(size, dtype):
    rng = np.random.default_rng(0)
    w = np.asarray(rng.standard_normal(size), dtype)
    grads = [np.asarray(rng.standard_normal(size) * (100.0 if t == 3 else 0.1), dtype) for t in range(30)]
    for rule, options in (
        (optim.Adam(rate=0.03, beta2=0.9, amsgrad=True, l2=0.01), {"l2": 0.01}),
        (optim.AdamW(rate=0.03, beta2=0.9, amsgrad=True, decay=0.1), {"decay": 0.1}),
    ):
        by_hand = amsgrad_by_hand(w.astype(np.float64), [g.astype(np.float64) for g in grads], 0.03, b2=0.9, **options)
        params, state = {"w": w}, rule.init({"w": w})
        for g, expected in zip(grads, by_hand, strict=True):
            params, state = rule.step(params, {"w": g}, state)
            assert params["w"].dtype == dtype
            np.testing.assert_allclose(params["w"], expected, rtol=0, atol=20 * np.finfo(dtype).eps * 3)
        plain, state = {"w": w}, optim.Adam(rate=0.03, beta2=0.9).init({"w": w})
        for g in grads:
            plain, state = optim.Adam(rate=0.03, beta2=0.9).step(plain, {"w": g}, state)
        assert (np.abs(plain["w"] - params["w"]) > 1e-3).all()  # the spike at step 3 is forgotten without it


@pytest.mark.needs_torch
def test_amsgrad_is_that_of_this_pytorch():
    torch = pytest.importorskip("torch")
    for ours, theirs in (
        (optim.Adam(rate=0.03, beta2=0.9, amsgrad=True, l2=0.01), {"weight_decay": 0.01}),
        (optim.AdamW(rate=0.03, beta2=0.9, amsgrad=True), {}),
    ):
        params = {k: np.array(v) for k, v in make_optim.START.items()}
        state = ours.init(params)
        leaves = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in make_optim.START.items()}
        rule = getattr(torch.optim, type(ours).__name__)(leaves.values(), 0.03, (0.9, 0.9), amsgrad=True, **theirs)
        for _ in range(50):
            for p in leaves.values():
                p.grad = make_optim.slope(torch, p.detach())
            rule.step()
            params, state = ours.step(params, slope(params), state)
            for k, p in leaves.items():
                np.testing.assert_allclose(params[k], p.detach().numpy(), rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------------------------------- trees


def tree_of(make):
    """Return parameters in dicts, lists and tuples."""
    return {"cell": {"W": make((3, 2)), "b": make(2)}, "layers": [(make((2, 2)), make(1)), {"only": np.array(make())}]}


@pytest.mark.parametrize("name", OURS)
def test_a_tree_is_stepped_as_its_leaves_are(name):
    rng, rule = np.random.default_rng(0), OURS[name]
    params, grads = tree_of(rng.standard_normal), tree_of(rng.standard_normal)
    flat, flat_grads = by_name(params), by_name(grads)
    state, flat_state = rule.init(params), rule.init(flat)
    for _ in range(3):
        params, state = rule.step(params, grads, state)
        flat, flat_state = rule.step(flat, flat_grads, flat_state)
        assert by_name(params).keys() == flat.keys()
        for path, value in by_name(params).items():
            assert np.array_equal(value, flat[path])
    assert type(params["layers"]) is list
    assert type(params["layers"][0]) is tuple
    for clip in (optim.clip_by_norm, optim.clip_by_value):
        (clipped, norm), (flat_clipped, flat_norm) = clip(grads, 0.5), clip(flat_grads, 0.5)
        assert norm == flat_norm
        assert [g.tolist() for g in by_name(clipped).values()] == [g.tolist() for g in flat_clipped.values()]
        assert type(clipped["layers"][0]) is tuple


def test_gradients_of_a_tree_from_the_tape_and_from_transforms():
    params = tree_of(np.random.default_rng(0).standard_normal)

    def f(p):
        return sum(np.sum(np.square(leaf)) for leaf in by_name(p).values())

    tensors = mapped(tg.Tensor, params)
    with tg.Tape() as tape:
        loss = f(tensors)
    sgd = optim.SGD(rate=0.25)
    for given, grads in ((tensors, tape.gradient(loss, tensors)), (params, tg.grad(f)(params))):
        new, _ = sgd.step(given, grads, sgd.init(given))
        for path, value in by_name(new).items():
            assert type(value) is type(by_name(given)[path])
            np.testing.assert_allclose(getattr(value, "data", value), by_name(params)[path] / 2)
    value, grads = tg.compile(f)(params)
    assert all(np.array_equal(g, 2 * p) for g, p in zip(by_name(grads).values(), by_name(params).values(), strict=True))


def test_gradients_that_are_missing_and_that_do_not_fit_a_tree():
    rng = np.random.default_rng(0)
    params, grads, adam = tree_of(rng.standard_normal), tree_of(rng.standard_normal), optim.Adam()
    state = adam.init(params)
    part = {"cell": {"b": grads["cell"]["b"]}, "layers": [(None, grads["layers"][0][1]), None]}
    new, _ = adam.step(params, part, state)
    moved = [path for path, p in by_name(new).items() if not np.array_equal(p, by_name(params)[path])]
    assert moved == ["cell.b", "layers.0.1"]
    for wrong, words in (
        (
            {"cell": {"V": np.ones(2)}},
            "gradients for ['cell']['V'], which are no parameters\nthe parameters are ['cell']['W']",
        ),
        ({"cell": np.ones(2)}, "the gradient of cell is a ndarray, the parameter a dict of 2"),
        ({"layers": grads["layers"][:1]}, "the gradient of layers is a list of 1, the parameter a list of 2"),
        ({"cell": {"b": np.ones(3)}}, "the gradient of ['cell']['b'] has shape (3,), the parameter (2,)"),
        ({"cell": {"b": [1.0, 2.0]}}, "the gradient of ['cell']['b'] is a list of 2, the parameter a ndarray"),
        (grads["cell"], "gradients for W, b, which are no parameters\nthe parameters are cell, layers"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"Adam: {words}")):
            adam.step(params, wrong, state)
    with pytest.raises(FloatingPointError, match=r"the gradient of \['cell'\]\['b'\] has entries that are not finite"):
        optim.clip_by_norm({"cell": {"b": np.array([np.nan])}}, 1.0)
    for params in ({"a": {"w": np.arange(3)}}, {"a": {"w": None}}, {"a": {"w": "w"}}):
        with pytest.raises(
            TypeError, match=r"Adam: the parameter \['a'\]\['w'\] is a .*\nparameters and gradients are"
        ):
            adam.init(params)
    with pytest.raises(TypeError, match=r"Adam: the gradient w is a ndarray of complex128"):
        adam.step({"w": np.ones(2)}, {"w": 1j * np.ones(2)}, adam.init({"w": np.ones(2)}))
    for other in (optim.SGD(rate=1.0).init({"w": np.ones(2)}), adam.init({"u": np.ones(2)})):
        with pytest.raises(ValueError, match=r"Adam: the state has no 'mean' for these parameters\nbegin with state"):
            adam.step({"w": np.ones(2)}, {"w": np.ones(2)}, other)


def test_clipping_leaves_a_gradient_that_is_not_there():
    grads = {"a": None, "b": [np.array([3.0, 4.0]), None]}
    for clip in (optim.clip_by_norm, optim.clip_by_value):
        clipped, norm = clip(grads, 10.0)
        assert norm == 5
        assert clipped["a"] is clipped["b"][1] is None
        np.testing.assert_array_equal(clipped["b"][0], [3.0, 4.0])
