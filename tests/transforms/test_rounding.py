"""How far rounding carries: as far as other right ways to compute a gradient are apart, and not much farther."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.transforms.rounding import SAFETY, Moved, rounding


def spread_of(f, *values):
    """The gradients of sum(f), how far apart right ones can be, and the same for the result."""
    xs = [tg.Tensor(v) for v in values]
    with tg.Tape() as tape:
        y = f(*xs)
    seeds = {y: np.ones(y.shape)}
    spread = Moved(tape, xs).spread(seeds)
    return tape.gradient(seeds, xs), [rounding(d) for d in spread.gradients], rounding(spread.results[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_well_conditioned_gradient_is_moved_by_a_few_last_places(dtype):
    x = np.random.default_rng(0).uniform(0.5, 1.5, (3, 4)).astype(dtype)
    (g,), (apart,), _ = spread_of(lambda x: np.tanh(x) * x, x)
    eps = np.finfo(dtype).eps
    assert apart.shape == g.shape
    assert (apart > eps * np.abs(g)).all()
    assert (apart < 10 * SAFETY * eps * np.abs(g)).all()


def test_a_difference_of_large_numbers_is_moved_by_their_last_places():
    _, _, apart = spread_of(lambda x: (x + 1e8) - 1e8, np.array([1.0]))
    assert 1e-8 < apart[0] < 1e-5  # 1e8 has places of 1.5e-8


@pytest.mark.parametrize("bias", [5.0, 12.0, 30.0])
def test_a_saturated_gate_is_moved_as_far_as_its_formulas_are_apart(bias):
    z = np.linspace(bias - 1, bias + 1, 7)
    _, (apart,), _ = spread_of(tg.sigmoid, z)
    f = 1 / (1 + np.exp(-z))
    small = np.exp(-z)
    ways = [f * (1 - f), f - f * f, small / (1 + small) ** 2]  # the last has all its digits
    for way in ways:
        assert (np.abs(way - ways[-1]) <= apart).all()
    assert (apart < 100 * np.finfo(float).eps).all()


def test_a_gradient_that_cancels_is_moved_by_its_terms():
    x = np.random.default_rng(0).normal(size=(2, 5))
    weights = np.arange(10.0).reshape(2, 5)
    _, (apart,), _ = spread_of(lambda s: tg.softmax(x + s) * weights, np.array(0.3))  # 0 in exact numbers
    assert 1e-16 < apart < 1e-13


def test_integers_and_what_leaves_its_domain_stay_as_they_are():
    x, at = np.array([1.0, 0.5, -1.0]), np.array([2, 0])
    (g,), (apart,), y = spread_of(lambda x: np.arcsin(0.5 * x)[at], x)
    assert g.tolist() == pytest.approx([0.5 / np.sqrt(0.75), 0, 0.5 / np.sqrt(0.75)], rel=1e-14)
    assert apart[1] == 0
    assert y.shape == (2,)


def test_the_draws_are_the_same_at_each_call():
    x = np.ones(3)
    np.testing.assert_array_equal(spread_of(np.tanh, x)[1], spread_of(np.tanh, x)[1])
