"""ADBench's LSTM: its objective, and a golden gradient from complex steps in long double, on data of our own."""

import json
from itertools import pairwise

import make_adbench
import numpy as np
import pytest

import tinygrad_rnn as tg

STORED = json.loads(make_adbench.PATH.read_text(encoding="utf-8"))
PARAMETERS = {"tiny": 11, "two layers": 266, "four layers": 490, "long": 266}
CASES = [pytest.param(name, marks=[pytest.mark.slow] if name == "long" else []) for name in make_adbench.SIZES]


def objective(main, extra, state, sequence):
    """ADBench's loss, see make_adbench: all products are entry by entry, and the sum of exponentials has a 2 in it."""
    states, total = [tuple(layer) for layer in state], 0
    for now, then in pairwise(sequence):
        x = extra[0] * now
        for k, (weight, bias) in enumerate(main):
            h, c = states[k]
            z = weight * np.stack([x, h, x, h]) + bias
            f, i, o = tg.sigmoid(z[0]), tg.sigmoid(z[1]), tg.sigmoid(z[2])
            c = f * c + i * np.tanh(z[3])
            x = o * np.tanh(c)
            states[k] = (x, c)
        y = extra[1] * x + extra[2]
        total = total + (then * (y - np.log(np.exp(y).sum() + 2))).sum()
    return -total / ((len(sequence) - 1) * sequence.shape[1])


def loss_of(arrays):
    state, sequence = arrays["state"], arrays["sequence"]
    return lambda main, extra: objective(main, extra, state, sequence)


def require_gold(name, loss, gradients, eps):
    assert sum(g.size for g in gradients) == PARAMETERS[name]
    np.testing.assert_allclose(loss, STORED[name]["loss"], rtol=20 * eps)
    for gradient, key in zip(gradients, ("main", "extra"), strict=True):
        gold = np.reshape(STORED[name][key], gradient.shape)
        np.testing.assert_allclose(gradient, gold, rtol=100 * eps, atol=20 * eps * np.abs(gold).max(), err_msg=key)


def test_there_is_gold_for_every_case():
    assert list(STORED) == list(make_adbench.SIZES) == list(PARAMETERS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_objective_and_gradient(name, dtype):
    arrays = {key: value.astype(dtype) for key, value in make_adbench.data(name).items()}
    f = loss_of(arrays)
    loss, gradients = tg.value_and_grad(f, argnums=(0, 1))(arrays["main"], arrays["extra"])
    assert all(g.dtype == dtype for g in gradients)
    require_gold(name, loss, gradients, float(np.finfo(dtype).eps))


@pytest.mark.parametrize("name", ["tiny", "two layers", "four layers"])
def test_compiled(name):
    arrays = make_adbench.data(name)
    loss, gradients = tg.compile(loss_of(arrays), argnums=(0, 1))(arrays["main"], arrays["extra"])
    require_gold(name, loss, gradients, float(np.finfo(float).eps))


@pytest.mark.parametrize("name", ["tiny", "two layers", "four layers"])
def test_the_gold_is_made_by_complex_steps(name):
    loss, *gradients = make_adbench.gradient(**make_adbench.data(name), dtype=complex)
    require_gold(name, loss, gradients, float(np.finfo(float).eps))
