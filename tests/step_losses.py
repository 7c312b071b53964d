"""A cell with a loss at each step, and the gradients of one tape of all steps."""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn.time_loop import as_tuple

I, H = 3, 4


def problem(cell, T, B=2, dtype="float64", hidden=H):
    """Parameters with a readout among them, inputs, and the loss of each step."""
    rng = np.random.default_rng(0)
    params = getattr(nn.init, cell.__name__)(rng, I, hidden, dtype)
    params["V"] = tg.Tensor(rng.standard_normal((2, hidden)).astype(dtype), name="V")
    xs, targets = rng.standard_normal((T, B, I)).astype(dtype), rng.standard_normal((T, B, 2)).astype(dtype)

    def loss(t, h):
        apart = h @ params["V"].T - targets[t]
        return (apart * apart).sum()

    return params, xs, loss


def one_tape(cell, params, xs, loss, state=()):
    """All steps on one tape, in a plain loop: the tape, the losses, and x and the initial state as Tensors."""
    leaves = [tg.Tensor(s) for s in as_tuple(state)]
    inputs, states, losses = [tg.Tensor(x) for x in xs], tuple(leaves), []
    with tg.Tape() as tape:
        for t, x in enumerate(inputs):
            with tg.scope(t=t):
                states = as_tuple(cell(params, x, *states))
                one = loss(t, states[0])
            losses += [one] if isinstance(one, tg.Tensor) else []
    return tape, losses, inputs, leaves


def gradients(cell, params, xs, loss, state=()):
    tape, losses, inputs, leaves = one_tape(cell, params, xs, loss, state)
    found = tape.gradient({x: np.ones(x.shape, x.dtype) for x in losses}, [*params.values(), *inputs, *leaves])
    named = dict(zip(params, found, strict=False))
    named["x"] = np.stack(found[len(params) : len(params) + len(xs)])
    named |= {f"{name}0": g for name, g in zip("hc", found[len(params) + len(xs) :], strict=False)}
    return sum(x.item() for x in losses), named


def assert_alike(found, expected, rtol):
    assert set(found) == set(expected)
    for name in expected:
        assert found[name].shape == expected[name].shape
        assert found[name].dtype == expected[name].dtype
        assert np.abs(found[name] - expected[name]).max() <= rtol * np.abs(expected[name]).max(), name
