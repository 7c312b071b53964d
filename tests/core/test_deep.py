"""Long tapes: no recursion in recording, walking, printing, copying or freeing, and no cost beyond linear."""

import copy
import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def long_rnn(T):
    rng = np.random.default_rng(0)
    x, W, U = (
        tg.Tensor(0.3 * rng.standard_normal(s), name=n) for n, s in (("x", (T, 1, 3)), ("W", (3, 4)), ("U", (4, 4)))
    )
    h, hs = np.zeros((1, 4)), []
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t):
                h = np.tanh(x[t] @ W + h @ U)
            hs.append(h)
        loss = (np.stack(hs) ** 2).sum()
    return tape, loss, {"x": x, "W": W, "U": U}


@pytest.mark.slow
def test_a_hundred_thousand_steps_record_go_backward_print_and_are_freed(no_collector):
    T = 100_000
    tape, loss, leaves = long_rnn(T)
    assert len(tape) == 5 * T + 3
    gradients = tape.gradient(loss, leaves)
    hs = tape.gradient(loss, tape[-3].out)
    # the same backward pass, by hand
    states = tape[-3].out.data
    dU, carry = np.zeros((4, 4)), np.zeros((1, 4))
    for t in reversed(range(T)):
        dz = (hs[t] + carry) * (1 - states[t] ** 2)
        dU += (states[t - 1] if t else np.zeros((1, 4))).T @ dz
        carry = dz @ leaves["U"].data.T
    np.testing.assert_allclose(gradients["U"], dU, rtol=1e-10)
    assert gradients["x"].shape == (T, 1, 3)
    assert len(str(tape).splitlines()) == 42
    assert len(tape.table(ends=1_000).splitlines()) == 2_002
    assert sum(1 for _ in tape.rewind(loss)) == len(tape)
    gone = weakref.ref(tape)
    del tape
    assert gone() is None


@pytest.mark.slow
def test_a_long_tape_is_pickled_copied_and_run_again(no_collector):
    tape, loss, leaves = long_rnn(5_000)
    copied, copied_loss, U = pickle.loads(pickle.dumps((tape, loss, leaves["U"])))
    np.testing.assert_array_equal(copied.gradient(copied_loss, U), tape.gradient(loss, leaves["U"]))
    again = copy.deepcopy(tape)
    again_U = again.find("U")
    assert again_U is not leaves["U"]
    np.testing.assert_array_equal(again.gradient(again[-1].out, again_U), tape.gradient(loss, leaves["U"]))
    again, new = tape.rerun({leaves["x"]: leaves["x"].data})
    np.testing.assert_array_equal(again.gradient(new[loss], leaves["U"]), tape.gradient(loss, leaves["U"]))


def test_a_long_gradient_is_recorded_and_differentiated(no_collector):
    T = 2_000
    x = tg.Tensor(np.linspace(-1, 1, T))
    with tg.Tape() as outer:
        with tg.Tape() as tape:
            y = sum((x[t] * x[t] * x[t] for t in range(T)), tg.Tensor(0.0))
        g = tape.gradient(y, x)
        total = g.sum()
    np.testing.assert_allclose(outer.gradient(total, x), 6 * x.data, rtol=1e-12)


@pytest.mark.slow
def test_reading_every_row_of_x_costs_linear_memory():
    def peak(T):
        tape, loss, leaves = long_rnn(T)
        for step in tape.rewind(loss):
            if step.entry.op.name == "getitem":
                assert (
                    sum(g.size for _, part in step.parts for _, g in part.parts) == 3
                )  # one row, not an array of x's size
        tracemalloc.start()
        tape.gradient(loss, leaves["x"])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(16_000) < 12 * peak(2_000)  # by T^2 it would be 64 times


@pytest.mark.slow
def test_hundreds_of_iterations_that_keep_every_loss_hold_flat_memory(no_collector):
    rng = np.random.default_rng(0)
    params = nn.init.gru(rng, 3, 8)
    xs, targets = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 2, 8))
    losses, sizes = [], []
    tracemalloc.start()
    for k in range(400):
        with tg.Tape() as tape:
            loss = nn.mse(nn.unroll(nn.gru, params, xs)[0], targets)
        gradients = tape.gradient(loss, params)
        params = {name: tg.Tensor(p.data - 0.1 * gradients[name], name=name) for name, p in params.items()}
        losses.append(loss)
        if k in (99, 399):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert losses[-1].item() < losses[0].item()
    assert sizes[1] - sizes[0] < 300 * 2_000  # a kept loss: a Tensor and its array, far less than a tape of 200 kB
