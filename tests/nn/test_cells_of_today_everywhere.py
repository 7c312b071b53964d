"""The cells of today, some with matrices or single numbers as states, in all tools that take a cell."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.nn.time_loop import as_tuple, state_names

NAMES = ["ind_rnn", "min_gru", "min_lstm", "qrnn", "sru", "slstm", "mlstm", "linear_attention", "gated_delta_net"]
NAMES += ["lru", "selective_ssm"]
T, B, I, H = 4, 3, 3, 3  # B, I and H are equal, so that an axis in the wrong place is not told by its length


def problem(name, dtype="float64"):
    rng = np.random.default_rng(0)
    params = getattr(nn.init, name)(rng, I, H, dtype)
    return getattr(nn, name), params, rng.standard_normal((T, B, I)).astype(dtype)


def recorded(name):
    cell, params, xs = problem(name)
    with tg.Tape(lines=True) as tape:
        hs, _ = nn.unroll(cell, params, xs)
        loss = tg.named("L", (hs**3).sum())
    return tape, loss, params, tape.gradient(loss, params)


def by_steps(t, h):
    return (h**3).sum()


def require_equal(found, expected, tolerance=1e-12):
    largest = max(np.abs(g).max() for g in expected.values())
    for name, g in expected.items():
        assert np.abs(found[name] - g).max() <= tolerance * largest, name


@pytest.mark.parametrize("name", NAMES)
def test_compare_agrees_and_finds_a_wrong_entry(name):
    cell, params, xs = problem(name)
    assert bptt.compare(cell, params, xs)
    _, _, _, gradients = recorded(name)
    wrong = {k: g.copy() for k, g in gradients.items()}
    key = max(wrong, key=lambda k: np.abs(wrong[k]).max())
    wrong[key].flat[np.abs(wrong[key]).argmax()] *= 1.01
    for given, right in ((gradients, True), (wrong, False)):
        assert bool(bptt.compare_gradients(name, gradients, given)) is right


@pytest.mark.parametrize("name", NAMES)
def test_lengths_stop_each_sequence_at_its_own_end(name):
    cell, params, xs = problem(name)
    lengths = [4, 2, 1]
    hs, last = nn.unroll(cell, params, xs, lengths=lengths)
    for b, n in enumerate(lengths):
        alone, end = nn.unroll(cell, params, xs[:n, b : b + 1])
        np.testing.assert_allclose(hs.data[:n, b], alone.data[:, 0], rtol=1e-12)
        assert not hs.data[n:, b].any()
        for s, e in zip(as_tuple(last), as_tuple(end), strict=True):
            np.testing.assert_allclose(s.data[b], e.data[0], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_and_the_methods_forward_in_time_give_the_gradient(name):
    cell, params, xs = problem(name)
    _, _, _, gradients = recorded(name)
    require_equal(bptt.checkpointed(cell, params, xs, by_steps, every=2)[1], gradients)
    require_equal(bptt.rtrl(cell, params, xs, by_steps).gradients, gradients)
    require_equal(bptt.truncated_bptt(cell, params, xs, by_steps, bptt.Full())[1], gradients)


@pytest.mark.parametrize("name", NAMES)
def test_the_compiled_program_gives_the_gradient(name):
    cell, params, xs = problem(name)
    arrays = nn.weights.arrays(params)
    program = tg.compile(lambda p, x: (nn.unroll(cell, p, x)[0] ** 3).sum())
    _, loss, _, gradients = recorded(name)
    for _ in range(2):
        value, found = program(arrays, xs)
        assert float(value) == pytest.approx(float(loss.data), rel=1e-12)
        require_equal(found, gradients)


@pytest.mark.parametrize("name", NAMES)
def test_the_flow_has_the_norms_of_the_cotangents_of_all_states(name):
    tape, loss, _, _ = recorded(name)
    found = bptt.flow(tape, loss)
    for state, norms in found.states.items():
        for t in range(T - 1):
            x = tape.find(state, t=t)
            assert norms[t] <= np.log10(np.linalg.norm(tape.gradient(loss, x)) + 1e-300) + 1e-9
    assert set(found.states) <= set(state_names(getattr(nn, name)))
    assert f"{found}"


@pytest.mark.parametrize("name", NAMES)
def test_the_step_jacobians_are_those_of_differences(name):
    cell, params, xs = problem(name)
    tape, _, _, _ = recorded(name)
    carried = tuple(chain_names for chain in bptt.scan_gradient(*_of(name)).chains for chain_names in chain.names)
    J = bptt.step_jacobians(tape, carried)
    names = state_names(cell)
    states = {n: tape.find(n, t=1).data for n in names}
    rng = np.random.default_rng(1)
    v = {n: rng.standard_normal(states[n].shape) for n in carried}

    def moved(e):
        after = as_tuple(cell(nn.weights.arrays(params), xs[2], *(states[n] + e * v.get(n, 0) for n in names)))
        return np.concatenate([dict(zip(names, after, strict=True))[n].reshape(B, -1) for n in carried], axis=1)

    expected = (moved(1e-5) - moved(-1e-5)) / 2e-5
    direction = np.concatenate([v[n].reshape(B, -1) for n in carried], axis=1)
    found = (J[1] @ direction[..., None])[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


def _of(name):
    tape, loss, params, _ = recorded(name)
    return tape, loss, params


@pytest.mark.parametrize("level", ["ops", "gates", "cells"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_drawn_at_every_level(name, level, tmp_path):
    tape, loss, _, _ = recorded(name)
    drawn = draw.render(tape, tmp_path / "a.svg", loss=loss, level=level, engine="grid").path.read_text("utf-8")
    assert drawn.count("<title>") >= T


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_is_played_and_examined(name, tmp_path):
    tape, loss, params, _ = recorded(name)
    assert draw.play(tape, loss, tmp_path / "p.html").exists()
    cell, _, xs = problem(name)

    def forward(p, x):
        return (nn.unroll(cell, p, x)[0] ** 3).sum()

    def backward(p, x):
        return tg.grad(forward)(p, x)

    arrays = nn.weights.arrays(params)
    assert bptt.examine((forward, backward), arrays, xs)

    def wrong(p, x):
        found = backward(p, x)
        key = max(found, key=lambda k: np.abs(found[k]).max())
        return {**found, key: found[key] * 1.1}

    assert not bptt.examine((forward, wrong), arrays, xs)


@pytest.mark.parametrize("name", ["lru", "selective_ssm", "mlstm", "gated_delta_net"])
def test_the_doctor_takes_a_right_derivation(name):
    cell, _, _ = problem(name)

    def backward(params, xs, state, dhs, dlast):
        leaves = {k: tg.Tensor(p) for k, p in params.items()}
        start = tuple(tg.Tensor(s) for s in as_tuple(state))
        with tg.Tape() as tape:
            hs, last = nn.unroll(cell, leaves, xs, start)
        seeds = {hs: dhs, **dict(zip(as_tuple(last), as_tuple(dlast), strict=True))}
        return tape.gradient(seeds, leaves)

    assert bptt.doctor(cell, backward)
