"""`compare` and conventions: clipping, truncation and float32 are no mistakes; mistakes beside them are still found."""

import numpy as np
import pytest

from tinygrad_rnn import bptt


def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])


def by_hand(params, xs, state, dhs, reach=99, dtype=float, wrong=False):
    """BPTT of the cell, each loss reaching so many steps back; states kept in a dtype."""
    hs = [state[0].astype(dtype)]
    for x in xs:
        hs.append(cell(params, x, hs[-1]).astype(dtype))
    dW, dU = np.zeros_like(params["W"]), np.zeros_like(params["U"])
    for last in range(len(xs)):
        dh = dhs[last]
        for t in range(last, max(-1, last - reach), -1):
            dz = dh * (1 - hs[t + 1] ** 2)
            dW, dU = dW + xs[t].T @ dz, dU + hs[t].T @ dz
            dh = dz @ (params["U"] if wrong else params["U"].T)
    return {"W": dW, "U": dU}


def clipped(*arguments, **options):
    return {name: np.clip(g, -0.5, 0.5) for name, g in by_hand(*arguments, **options).items()}


def by_norm(*arguments, **options):
    found = by_hand(*arguments, **options)
    norm = np.sqrt(sum((g**2).sum() for g in found.values()))
    return {name: g * 0.7 / max(norm, 0.7) for name, g in found.items()}


RIGHT = {
    "by norm": (by_norm, {}, "convention: gradients are scaled down to a norm of 0.7 at most"),
    "clipped": (clipped, {}, "convention: gradients are clipped to [-0.5, 0.5]"),
    "windows": (by_hand, {"reach": 3}, "convention: this is BPTT truncated to windows of 3; if that is meant"),
    "float32": (by_hand, {"dtype": np.float32}, "precision: it computes in float32 somewhere"),
    "float32, clipped": (clipped, {"dtype": np.float32}, "convention: gradients are clipped"),
    "float32, windows": (by_hand, {"dtype": np.float32, "reach": 2}, "convention: this is BPTT truncated to windows"),
}


def compared(function, options, **more):
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    xs, h0 = rng.normal(size=(6, 2, 2)), rng.normal(size=(2, 3))

    def asked(params, xs, state, dhs):
        return function(params, xs, state, dhs, **options)

    return bptt.compare(cell, params, xs, asked, state=h0, torch=False, **more)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_convention_is_no_mistake(kind):
    function, options, said = RIGHT[kind]
    report = compared(function, options)
    assert report, str(report)
    assert any(words.startswith(said) for words in report.findings)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_mistake_beside_it_is_wrong(kind):
    function, options, _ = RIGHT[kind]
    assert not compared(function, {**options, "wrong": True})


def test_no_way_back_at_all_is_no_truncation():
    assert not compared(by_hand, {"reach": 1})


def test_a_truncation_that_is_said_is_asked_for():
    assert compared(by_hand, {"reach": 3}, truncation=bptt.Window(3))
    assert not compared(by_hand, {"reach": 3}, truncation=bptt.Window(4))
    assert not compared(by_hand, {}, truncation=bptt.Window(4))


def scaled(by):
    return lambda params, xs, state, dhs: {k: g * by(len(xs)) for k, g in by_hand(params, xs, state, dhs).items()}


def test_a_mean_over_steps_needs_a_loss_at_several_steps():
    every, last = np.ones((6, 2, 3)), np.zeros((6, 2, 3))
    last[-1] = 1
    assert compared(scaled(lambda T: 1 / T), {}, dhs=every)
    assert not compared(scaled(lambda T: 1 / T), {}, dhs=last)


def test_a_factor_that_is_no_mean_at_another_length_is_no_mean():
    assert not compared(scaled(lambda T: 1 / 6), {}, dhs=np.ones((6, 2, 3)))


def test_gradients_with_a_largest_value_that_grows_with_them_are_not_clipped():
    def cut(params, xs, state, dhs):
        found = by_hand(params, xs, state, dhs)
        top = np.sort(np.abs(np.concatenate([g.ravel() for g in found.values()])))[-4]
        return {k: np.clip(g, -top, top) for k, g in found.items()}

    assert not compared(cut, {})
