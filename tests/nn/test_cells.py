"""The cells' forward code against plain NumPy written another way."""

import numpy as np
import pytest
from cells import WITH_HAND

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def sigma(z):
    return 1 / (1 + np.exp(-z))


def blocks(params, gates):
    """The parameters of each gate by name: W, U, b_ih, b_hh."""
    H = params["weight_hh"].shape[1]
    return {
        gate: [params[k][n * H : (n + 1) * H] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        for n, gate in enumerate(gates)
    }


def one(block, x, h):
    W, U, b, v = block
    return W @ x + b + U @ h + v


def reference(name, params, x, h, c):
    """One example, one step, column vectors, gate by gate."""
    if name in ("rnn", "residual_rnn"):
        g = np.tanh(one(blocks(params, "z")["z"], x, h))
        return (h + g if name == "residual_rnn" else g), c
    if name == "lstm":
        z = {k: one(block, x, h) for k, block in blocks(params, "ifgo").items()}
        c = sigma(z["f"]) * c + sigma(z["i"]) * np.tanh(z["g"])
        return sigma(z["o"]) * np.tanh(c), c
    b = blocks(params, "rzn")
    r, z = sigma(one(b["r"], x, h)), sigma(one(b["z"], x, h))
    W, U, b_in, b_hn = b["n"]
    inner = r * (U @ h + b_hn) if name == "gru" else U @ (r * h) + b_hn
    return (1 - z) * np.tanh(W @ x + b_in + inner) + z * h, c


@pytest.mark.parametrize("name", WITH_HAND)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 3])
def test_forward_is_the_formula(name, T, B):
    rng = np.random.default_rng(T)
    params = {k: p.data for k, p in getattr(nn.init, name)(rng, 4, 5).items()}
    xs, h0, c0 = rng.standard_normal((T, B, 4)), rng.standard_normal((B, 5)), rng.standard_normal((B, 5))
    state = (h0, c0) if name == "lstm" else h0
    hs, last = nn.unroll(getattr(nn, name), params, xs, state)
    assert type(hs) is np.ndarray
    for b in range(B):
        h, c = h0[b], c0[b]
        for t in range(T):
            h, c = reference(name, params, xs[t, b], h, c)
            np.testing.assert_allclose(hs[t, b], h, rtol=0, atol=1e-14)
    if name == "lstm":
        np.testing.assert_array_equal(last[0], hs[-1])
        np.testing.assert_allclose(last[1][-1], c, rtol=1e-13)
    else:
        np.testing.assert_array_equal(last, hs[-1])


@pytest.mark.parametrize("name", WITH_HAND)
def test_on_tensors_the_same_and_from_zeros_where_no_state_is_given(name):
    rng = np.random.default_rng(0)
    params, cell = getattr(nn.init, name)(rng, 4, 5), getattr(nn, name)
    xs = rng.standard_normal((3, 2, 4))
    arrays = {k: p.data for k, p in params.items()}
    zeros = (np.zeros((2, 5)),) * (2 if name == "lstm" else 1)
    expected, _ = nn.unroll(cell, arrays, xs, zeros)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs)
    assert isinstance(hs, tg.Tensor)
    np.testing.assert_array_equal(hs.data, expected)
    np.testing.assert_array_equal(nn.unroll(cell, arrays, xs)[0], expected)
    assert hs.dtype == np.float64
    assert tape.find("h0").shape == (2, 5)
    unbatched, _ = nn.unroll(cell, arrays, xs[:, 0])
    np.testing.assert_allclose(unbatched, expected[:, 0], rtol=0, atol=1e-14)


def test_every_gate_and_state_can_be_asked_for():
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        hs, (h, c) = nn.unroll(nn.lstm, nn.init.lstm(rng, 3, 4), rng.standard_normal((3, 2, 3)))
    assert tape.find("h", t=2) is h
    assert tape.find("c", t=2) is c
    assert tape.find("hs") is hs
    np.testing.assert_array_equal(tape.find("f", t=1, gate="f").data, tg.sigmoid(tape.find("z_f", t=1).data))
    assert {x.name for x in tape.leaves()} == {"x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"}
    assert [dict(e.scope)["gate"] for e in tape if dict(e.scope).get("t") == 0 and "gate" in dict(e.scope)] == list(
        "ifgo"
    )


def test_states_that_are_given_get_their_names():
    rng = np.random.default_rng(0)
    params, xs = nn.init.lstm(rng, 3, 4), tg.Tensor(rng.standard_normal((2, 1, 3)), name="my input")
    with tg.Tape() as tape:
        nn.unroll(nn.lstm, params, xs, (np.ones((1, 4)), tg.Tensor(np.ones((1, 4)), name="mine")))
    assert {"h0", "mine", "my input"} <= {x.name for x in tape.leaves()}


def test_anyones_function_is_a_cell():
    def three(params, x, a, b, c):
        return b, c, np.tanh(x + params["w"] * a)

    w, xs = tg.Tensor([0.5], name="w"), [np.array([float(t)]) for t in range(4)]
    with tg.Tape() as tape:
        outputs, (_, _, c) = nn.unroll(three, {"w": w}, xs, tuple(np.array([v]) for v in (1.0, 2.0, 3.0)))
    assert outputs.data.ravel()[:2].tolist() == [2.0, 3.0]
    third = np.tanh(3 + 0.5 * np.tanh(0 + 0.5 * 1.0))
    assert c.item() == pytest.approx(third, rel=1e-15)
    assert tape.find("c", t=3) is c


def test_initial_parameters():
    def draw(dtype=np.float64):
        return nn.init.gru(np.random.default_rng(7), 3, 16, dtype)

    first, second = draw(), draw()
    for name, p in first.items():
        assert p.name == name
        assert np.abs(p.data).max() <= 0.25
        np.testing.assert_array_equal(p.data, second[name].data)
        assert draw(np.float32)[name].dtype == np.float32
    assert {k: p.shape for k, p in first.items()} == {
        "weight_ih": (48, 3),
        "weight_hh": (48, 16),
        "bias_ih": (48,),
        "bias_hh": (48,),
    }
    assert np.abs(first["weight_hh"].data).max() > 0.24


def test_losses_are_means_over_everything():
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((4, 3, 5)), rng.standard_normal((4, 3, 5))
    assert nn.mse(y, target) == pytest.approx(np.mean((y - target) ** 2), rel=1e-14)
    classes = rng.integers(0, 5, (4, 3))
    p = np.exp(y) / np.exp(y).sum(-1, keepdims=True)
    by_hand = -np.mean([np.log(p[t, b, classes[t, b]]) for t in range(4) for b in range(3)])
    assert nn.cross_entropy(y, classes) == pytest.approx(by_hand, rel=1e-14)
    assert nn.cross_entropy(np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([0, 0])) == 1e4
