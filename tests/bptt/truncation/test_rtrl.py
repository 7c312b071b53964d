"""Real-time recurrent learning: forward in time, the numbers of BPTT."""

import numpy as np
import pytest
from cells import EVERY
from step_losses import H, assert_alike, gradients, problem

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn


@pytest.mark.parametrize("cell", EVERY.values())
def test_it_equals_bptt_for_every_cell(cell):
    params, xs, loss = problem(cell, 4)
    value, found, _ = bptt.rtrl(cell, params, xs, loss)
    expected_value, expected = gradients(cell, params, xs, loss)
    expected.pop("x")
    assert_alike(found, expected, 1e-10)
    assert abs(value - expected_value) <= 1e-13 * expected_value


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lengths_batches_and_dtypes(T, B, dtype):
    params, xs, loss = problem(nn.lstm, T, B, dtype, hidden=2)
    state = tuple(np.full((B, 2), 0.2, dtype) for _ in range(2))
    _, found, _ = bptt.rtrl(nn.lstm, params, xs, loss, state)
    _, expected = gradients(nn.lstm, params, xs, loss, state)
    assert_alike(found, {name: expected[name] for name in params}, 1e-10 if dtype == "float64" else 1e-4)


def test_the_recursion_of_williams_and_zipser():
    """S_t = h'(z_t) (h_{t-1} + w S_{t-1}) for h_t = tanh(w h_{t-1} + x_t), written out."""
    xs, w, h, S, expected = np.array([[0.3], [-1.0], [0.7]]), 0.8, 0.5, 0.0, 0.0
    for x in xs[:, 0]:
        before, h = h, np.tanh(w * h + x)
        S = (1 - h * h) * (before + w * S)
        expected += 2 * h * S
    params = {"w": tg.Tensor(w)}
    found = bptt.rtrl(
        lambda params, x, h: np.tanh(params["w"] * h + x), params, xs, lambda t, h: (h * h).sum(), np.array([0.5])
    )
    assert abs(found.gradients["w"] - expected) < 1e-14


def test_a_loss_at_the_last_step_alone():
    params, xs, every_step = problem(nn.gru, 5)

    def loss(t, h):
        return every_step(t, h) if t == 4 else 0.0

    _, expected = gradients(nn.gru, params, xs, loss)
    assert_alike(bptt.rtrl(nn.gru, params, xs, loss).gradients, {name: expected[name] for name in params}, 1e-10)


def test_its_cost_is_reported_and_its_memory_does_not_grow():
    costs = []
    for T in (2, 4, 8):
        params, xs, loss = problem(nn.lstm, T)
        costs.append(bptt.rtrl(nn.lstm, params, xs, loss).cost)
    entries = sum(p.size for name, p in params.items() if name != "V")  # the cell does not read V
    assert {cost.tangents for cost in costs} == {entries}
    assert {cost.nbytes for cost in costs} == {entries * 2 * (2 * H) * 8}  # for each entry h and c, (2, H) of 8 bytes
    lines = [cost.operations // entries for cost in costs]
    assert lines[2] - lines[1] == 2 * (lines[1] - lines[0])
    assert all(cost.seconds > 0 for cost in costs)
    assert f"{entries} tangents" in str(costs[0])
