"""Right code on problems where rounding is large, or numbers are: it is right, and its axis of time is found."""

import numpy as np
import pytest
from people import load

from tinygrad_rnn import bptt

STEPS = load("habits").steps_given


def problem(T, size, weights, data):
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(size, size)), "U": rng.normal(size=(size, size)), "b": rng.normal(size=size)}
    params = {name: weights * p for name, p in params.items()}
    return params, data * rng.normal(size=(T, size)), rng.normal(size=(T, size)), T


@pytest.mark.parametrize(
    ("T", "size", "weights", "data"),
    [(60, 20, 1.5, 1), (6, 20, 1e-6, 1), (6, 20, 0.05, 255), (6, 20, 15, 10), (7, 1, 1, 1), (3, 1, 1, 1), (2, 3, 1, 1)],
    ids=["chaos", "small weights", "pixels", "saturated", "one unit", "three steps", "two steps"],
)
def test_it_is_right_and_time_is_found(T, size, weights, data):
    found = bptt.examine(STEPS, *problem(T, size, weights, data))
    assert found, str(found)
    assert max(T for T, _, _ in found.trials) == T


def test_large_gradients_that_are_clipped_in_chaos():
    model = load("min_char")
    model.Whh = np.random.default_rng(0).normal(size=model.Whh.shape) * 1.5
    found = bptt.examine(model.lossFun, model.inputs * 4, model.targets * 4, np.zeros((6, 1)))
    assert found, str(found)
    assert "clipped to [-5, 5]" in found.verdict


def narrow(dtype):
    kinds, rng = load("number_kinds"), np.random.default_rng(0)
    data = [rng.normal(size=s).astype(dtype) for s in ((5, 3, 3), (3, 4), (5, 3, 4))]
    return kinds.time_first, kinds.weights(dtype), *data


def test_half_precision_is_judged_at_its_own_rounding():
    found = bptt.examine(*narrow(np.float16))
    assert found, str(found)
    assert found.verdict == "right, where it computes in float16, and is judged at that"


def test_bfloat16_is_judged_at_its_own_rounding():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="NumPy has no bfloat16 of its own")
    found = bptt.examine(*narrow(ml_dtypes.bfloat16))
    assert found, str(found)
    assert "bfloat16" in found.verdict
