"""A tape rolled up into loops, and the walk back over them: the same numbers as the tape's own."""

import numpy as np
import pytest
from cells import EVERY
from interpreter import interpreted

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.graph.differentiate import differentiated
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.tape.full_tape import Tape


def check(tape, loss, wrt, loops=None):
    """The rolled graph gives the tape's loss and gradients; as many loops as said, forward and backward."""
    graph = roll(tape.lines(), wrt, [loss])
    if loops is not None:
        assert len(graph.loops()) == loops
    graph = differentiated(graph, graph.results[0], graph.inputs)
    found = interpreted(graph, [x.data for x in wrt])
    exact = 1e-12 if loss.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found[0], loss.data, rtol=exact)
    for x, mine, g in zip(wrt, found[1:], tape.gradient(loss, wrt), strict=True):
        assert mine.shape == g.shape
        assert mine.dtype == g.dtype
        assert np.abs(mine - g).max(initial=0) <= exact * np.abs(g).max(initial=1e-300), x.name
    return graph


def problem(cell, steps, batch, dtype=np.float64):
    rng = np.random.default_rng(steps + 7 * batch)
    params = getattr(nn.init, cell)(rng, 3, 5, dtype)
    xs = Tensor(rng.standard_normal((steps, batch, 3)).astype(dtype), name="xs")
    weights = rng.standard_normal((steps, batch, 5)).astype(dtype)
    return params, xs, weights


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("cell", EVERY)
def test_every_cell(cell, steps, batch, dtype):
    params, xs, weights = problem(cell, steps, batch, dtype)
    with Tape() as tape:
        hs, last = nn.unroll(EVERY[cell], params, xs)
        last = last if isinstance(last, tuple) else (last,)
        loss = (hs * weights).sum() + sum((s * s).sum() for s in last)
    graph = check(tape, loss, [*params.values(), xs], loops=int(steps > 1))
    assert len(graph.loops()) == 2 * int(steps > 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_layers_and_directions_are_loops_of_their_own(steps):
    rng = np.random.default_rng(0)
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    params = layer.init(rng)
    xs = Tensor(rng.standard_normal((steps, 2, 3)), name="xs")
    with Tape() as tape:
        hs, (h, c) = layer(params, xs)
        loss = (hs * hs).sum() + (h * c).sum()
    check(tape, loss, [*params.values(), xs], loops=4 * int(steps > 1))


def test_where_sequences_end_the_loop_is_two():
    rng = np.random.default_rng(0)
    layer = nn.GRU(3, 4, bidirectional=True)
    params = layer.init(rng)
    xs = Tensor(rng.standard_normal((7, 3, 3)), name="xs")
    with Tape() as tape:
        hs, h = layer(params, xs, lengths=np.array([7, 4, 4]))
        loss = (hs * hs).sum() + h.sum()
    check(tape, loss, [*params.values(), xs], loops=4)


def test_a_loop_written_by_hand_with_its_loss_in_the_steps():
    rng = np.random.default_rng(0)
    w, u, h0 = (Tensor(rng.standard_normal(s), n) for s, n in (((3, 4), "w"), ((4, 4), "u"), ((2, 4), "h0")))
    xs = Tensor(rng.standard_normal((6, 2, 3)), "xs")
    with Tape() as tape:
        h, loss = h0, 0.0
        for t, x in enumerate(xs):
            with tg.scope(t=t):
                h = np.tanh(x @ w + h @ u)
            loss = loss + (h * h).sum() * 0.5
    # The reading of x and the loss stand outside of the labels: the first step begins differently from the others.
    check(tape, loss, [w, u, h0, xs], loops=1)


def test_time_on_the_second_axis_backwards_and_two_apart():
    rng = np.random.default_rng(0)
    u, h0 = Tensor(rng.standard_normal((4, 4)), "u"), Tensor(rng.standard_normal((2, 4)), "h0")
    xs = Tensor(rng.standard_normal((2, 12, 4)), "xs")
    with Tape() as tape:
        h, out = h0, []
        for t in range(6):
            with tg.scope(t=t):
                h = np.tanh(xs[:, t] + xs[:, -1 - 2 * t] + h @ u)
            out.append(h)
        loss = (np.stack(out, axis=1) ** 2).sum() + (out[2] * out[4]).sum()
    check(tape, loss, [u, h0, xs], loops=1)


def test_masks_that_differ_and_two_steps_back():
    rng = np.random.default_rng(0)
    u, h0 = Tensor(rng.standard_normal((4, 4)), "u"), Tensor(rng.standard_normal((2, 4)), "h0")
    masks = rng.random((5, 2, 4)) < 0.5
    with Tape() as tape:
        h = before = h0
        for t in range(5):
            with tg.scope(t=t):
                h, before = np.tanh(h * masks[t] @ u + 0.3 * before), h
        loss = (h * h).sum()
    check(tape, loss, [u, h0])


def test_steps_without_labels_stay_calls():
    u, h = Tensor(np.eye(2) * 0.5, "u"), Tensor([[1.0, 2.0]], "h")
    h0 = h
    with Tape() as tape:
        for _ in range(4):
            h = np.tanh(h @ u)
        loss = h.sum()
    check(tape, loss, [u, h0], loops=0)


def test_contributions_that_cancel_are_nothing():
    rng = np.random.default_rng(0)
    u, h0 = Tensor(rng.standard_normal((4, 4)), "u"), Tensor(rng.standard_normal((2, 4)), "h0")
    with Tape() as tape:
        h = h0
        for t in range(3):
            with tg.scope(t=t):
                z = np.sin(h)
                h = np.tanh(h @ u) + (z - z)
        loss = (h * h).sum()
    check(tape, loss, [u, h0], loops=1)
