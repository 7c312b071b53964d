"""The Jacobian of a step: by copies of the states where they run on the lines of the step, else row by row."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.gradient_flow import dense_jacobian as room
from tinygrad_rnn.bptt.gradient_flow.jacobians import step_parts

RNG = np.random.default_rng(0)
U, V = RNG.normal(size=(6, 6)), RNG.normal(size=(6, 6))
B = 3


def plain(h):
    return np.tanh(h @ U)


def by_shape(h):
    """A shape that is written out: the copies do not fit."""
    return np.tanh(h.reshape((B, 2, 3)) * 2).reshape((B, 6)) @ U


def with_constants(h):
    """A constant for each example, and a matrix with as many rows as there are examples."""
    return np.where(np.arange(B)[:, None] > 0, h @ U, h * np.arange(B)[:, None]) + (h[:, :3] @ V[:3])


def joined(h):
    return np.concatenate([np.tanh(h[:, :2]), np.ones((B, 1)) * 2.0, h[:, 3:] ** 2], axis=1)


def by_rows_of_one(h):
    """Batch normalization of one example: its copies would meet."""
    return np.tanh(h @ U - h.mean(axis=0)) + h


def reading_the_first(h):
    return np.tanh(h @ U) + h[:1] * 0.5


def recorded(f, rows):
    with tg.Tape() as tape:
        h = tg.Tensor(RNG.standard_normal((rows, 6)))
        states = []
        for t in range(2):
            with tg.scope(t=t):
                h = tg.named("h", f(h))
                states.append((h,))
    return step_parts(tape, states)[1], *states


def one_by_one(part, before, after, rows):
    """Independent: each entry of each example has a walk of its own."""
    found = np.zeros((rows, 6, 6))
    for b in range(rows):
        for i in range(6):
            seed = np.zeros((rows, 6))
            seed[b, i] = 1
            found[b, i] = part.gradient({after[0]: seed}, before)[0][b]
    return found


@pytest.mark.parametrize(
    ("f", "rows", "copies"),
    [
        pytest.param(plain, B, True, id="rows"),
        pytest.param(plain, 1, True, id="one row"),
        pytest.param(with_constants, B, True, id="constants of examples"),
        pytest.param(joined, B, True, id="parts and a constant"),
        pytest.param(by_shape, B, False, id="a shape written out"),
        pytest.param(by_rows_of_one, 1, False, id="copies that meet"),
        pytest.param(reading_the_first, 1, False, id="copies that read the first"),
    ],
)
def test_copies_give_the_jacobian_or_are_not_taken(monkeypatch, f, rows, copies):
    monkeypatch.setattr(room, "FEW", 4)
    part, before, after = recorded(f, rows)
    found = room._of_copies(part, before, after, rows, 6)
    assert (found is not None) == copies
    np.testing.assert_allclose(
        room.dense_jacobian(part, before, after, rows), one_by_one(part, before, after, rows), rtol=1e-12, atol=1e-14
    )


def test_what_the_copies_give_is_compared_with_a_walk(monkeypatch):
    part, before, after = recorded(plain, B)
    right = room.dense_jacobian(part, before, after, B)
    monkeypatch.setattr(room, "FEW", 4)
    monkeypatch.setattr(room, "_of_copies", lambda *_: right * 1.001)
    np.testing.assert_allclose(room.dense_jacobian(part, before, after, B), right, rtol=1e-13)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_rows_that_meet_are_found_whichever_they_are(rows):
    part, before, after = recorded(plain, rows)
    assert not room.rows_meet(part, before, after, rows)
    for a in range(rows):
        for b in range(rows):
            if a != b:
                link = np.zeros((rows, rows))
                link[a, b] = 1e-9
                part, before, after = recorded(lambda h, link=link: np.tanh(h @ U) + link @ h, rows)
                assert room.rows_meet(part, before, after, rows)


def test_a_chain_of_matrices_is_taken_row_by_row():
    params = nn.init.gated_delta_net(RNG, 2, 4)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.gated_delta_net, params, RNG.standard_normal((5, 3, 2)))
        loss = (hs**2).sum()
    found = bptt.scan_gradient(tape, loss, params)
    (chain,) = found.chains
    assert (chain.rows, chain.size) == (3 * 4, 4)
    for name, g in tape.gradient(loss, params).items():
        assert np.abs(found.gradients[name] - g).max() <= 1e-12 * np.abs(g).max()
