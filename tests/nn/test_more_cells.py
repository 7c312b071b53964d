"""The further cells and the wrappers: each against its equations written out gate by gate, and the checkers."""

import functools

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.transforms.numerical import central_differences

RNG = np.random.default_rng(0)
B, I, H = 2, 3, 4


def s(z):
    return 1 / (1 + np.exp(-z))


def blocks(p, x, h, gates):
    """W x + b_ih and U h + b_hh of each gate, by its own rows."""
    rows = [slice(k * H, (k + 1) * H) for k in range(gates)]
    from_x = [x @ p["weight_ih"][r].T + p["bias_ih"][r] for r in rows]
    return from_x, [h @ p["weight_hh"][r].T + p["bias_hh"][r] for r in rows]


def peephole_lstm(p, x, h, c):
    (xi, xf, xg, xo), (hi, hf, hg, ho) = blocks(p, x, h, 4)
    new = s(xf + hf + p["weight_cf"] * c) * c + s(xi + hi + p["weight_ci"] * c) * np.tanh(xg + hg)
    return s(xo + ho + p["weight_co"] * new) * np.tanh(new), new


def coupled_lstm(p, x, h, c):
    (xf, xg, xo), (hf, hg, ho) = blocks(p, x, h, 3)
    f = s(xf + hf)
    new = f * c + (1 - f) * np.tanh(xg + hg)
    return s(xo + ho) * np.tanh(new), new


def ln(a):
    return np.array([(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in a])


def layer_norm_lstm(p, x, h, c):
    z = ln(x @ p["weight_ih"].T) * p["gain_ih"] + ln(h @ p["weight_hh"].T) * p["gain_hh"] + p["bias_ih"] + p["bias_hh"]
    i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
    new = s(f) * c + s(i) * np.tanh(g)
    return s(o) * np.tanh(ln(new) * p["gain_c"] + p["bias_c"]), new


def mgu(p, x, h):
    (xf, xn), (hf, _) = blocks(p, x, h, 2)
    f = s(xf + hf)
    n = np.tanh(xn + (f * h) @ p["weight_hh"][H:].T + p["bias_hh"][H:])
    return (1 - f) * h + f * n


def leaky_rnn(p, x, h):
    (z,), (u,) = blocks(p, x, h, 1)
    return 0.8 * h + 0.2 * np.tanh(z + u)


REFERENCES = [peephole_lstm, coupled_lstm, layer_norm_lstm, mgu, leaky_rnn]


def problem(name, T, batch=B):
    rng = np.random.default_rng(T)
    params = getattr(nn.init, name)(rng, I, H)
    params = {k: tg.Tensor(p.data + 0.1 * rng.standard_normal(p.shape), name=k) for k, p in params.items()}
    states = tuple(rng.standard_normal((batch, H)) for _ in range(2 if "lstm" in name else 1))
    return params, rng.standard_normal((T, batch, I)), states


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("reference", REFERENCES)
def test_a_cell_computes_its_equations(reference, T):
    params, xs, states = problem(reference.__name__, T)
    hs, last = nn.unroll(getattr(nn, reference.__name__), params, xs, states)
    p = {name: value.data for name, value in params.items()}
    for t in range(T):
        states = reference(p, xs[t], *states)
        states = states if isinstance(states, tuple) else (states,)
        np.testing.assert_allclose(hs.data[t], states[0], rtol=1e-13, atol=1e-14)
    for found, expected in zip(last if isinstance(last, tuple) else (last,), states, strict=True):
        np.testing.assert_allclose(found.data, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", [f.__name__ for f in REFERENCES])
def test_its_gradients_are_those_of_differences(name, T, batch):
    params, xs, states = problem(name, T, batch)
    cell = getattr(nn, name)

    def loss(p, x, *start):
        hs, _ = nn.unroll(cell, p, x, start)
        return (hs * hs * hs).sum()

    tg.check_grads(loss, ({k: p.data for k, p in params.items()}, xs, *states), order=1)


@pytest.mark.parametrize("name", [f.__name__ for f in REFERENCES])
def test_every_diagnosis_takes_it(name, tmp_path):
    params, xs, states = problem(name, 3)
    cell = getattr(nn, name)
    report = bptt.compare(cell, params, xs, state=states)
    assert report
    with tg.Tape() as tape:
        nn.unroll(cell, params, xs)
    assert tape.find("h", t=2).shape == (B, H)
    assert draw.render(tape, tmp_path / "cell.svg", engine="grid").path.exists()
    single = {k: p.data.astype(np.float32) for k, p in params.items()}
    assert nn.unroll(cell, single, xs.astype(np.float32))[0].dtype == np.float32


def test_special_cases_meet_the_cells_they_extend():
    params, xs, (h, c) = problem("peephole_lstm", 3)
    without = {k: p.data * 0 if k.startswith("weight_c") else p.data for k, p in params.items()}
    found, _ = nn.unroll(nn.peephole_lstm, without, xs, (h, c))
    np.testing.assert_allclose(found, nn.unroll(nn.lstm, without, xs, (h, c))[0], rtol=1e-14)
    params, xs, (h,) = problem("leaky_rnn", 3)
    whole, _ = nn.unroll(functools.partial(nn.leaky_rnn, rate=1.0), params, xs, h)
    np.testing.assert_allclose(whole.data, nn.unroll(nn.rnn, params, xs, h)[0].data, rtol=1e-14)


def test_irnn_begins_as_the_identity():
    params = nn.init.irnn(np.random.default_rng(0), I, H)
    xs = np.zeros((5, B, I))
    h = RNG.uniform(0.1, 1, (B, H))
    hs, _ = nn.unroll(functools.partial(nn.rnn, nonlinearity="relu"), params, xs, h)
    np.testing.assert_array_equal(hs.data[-1], h)
    assert 0 < np.abs(params["weight_ih"].data).max() < 0.01


# ---------------------------------------------------------------------------------------------- wrappers


def test_variational_dropout_is_the_same_mask_at_every_step():
    params, xs, (h,) = problem("leaky_rnn", 4)
    on_x = nn.dropout_mask(np.random.default_rng(1), 0.5, (B, I))
    on_h = nn.dropout_mask(np.random.default_rng(2), 0.5, (B, H))
    assert set(np.unique(on_h)) == {0, 2}
    found, _ = nn.unroll(nn.variational_dropout(nn.rnn, on_x, on_h), params, xs, h)
    p = {k: v.data for k, v in params.items()}
    for t in range(4):
        h = nn.rnn(p, xs[t] * on_x, h * on_h)
        np.testing.assert_allclose(found.data[t], h, rtol=1e-14)
    lstm_params = nn.init.lstm(np.random.default_rng(0), I, H)
    wrapped = nn.variational_dropout(nn.lstm, on_x, on_h)
    assert bptt.compare(wrapped, lstm_params, xs)


def test_zoneout_keeps_units_where_its_mask_says_so():
    params, xs, states = problem("peephole_lstm", 4)
    masks = [RNG.random((4, B, H)) < 0.5 for _ in range(2)]
    hs, _ = nn.unroll(nn.zoneout(nn.lstm, *masks), params, xs, states)
    p = {k: v.data for k, v in params.items()}
    for t in range(4):
        new = nn.lstm(p, xs[t], *states)
        states = tuple(np.where(m[t], old, n) for m, old, n in zip(masks, states, new, strict=True))
        np.testing.assert_allclose(hs.data[t], states[0], rtol=1e-14)
    _, _, start = problem("peephole_lstm", 4)
    assert bptt.compare(nn.zoneout(nn.lstm, *masks), params, xs, state=start)


def test_zoneout_by_its_expectation():
    params, xs, (h,) = problem("leaky_rnn", 3)
    hs, _ = nn.unroll(nn.zoneout(nn.rnn, 0.25), params, xs, h)
    p = {k: v.data for k, v in params.items()}
    for t in range(3):
        h = 0.25 * h + 0.75 * nn.rnn(p, xs[t], h)
        np.testing.assert_allclose(hs.data[t], h, rtol=1e-14)


def test_wrong_masks():
    params, xs, states = problem("peephole_lstm", 4)
    with pytest.raises(ValueError, match="1 mask for a cell with 2 states, started with 2\ngive one for each"):
        nn.unroll(nn.zoneout(nn.lstm, 0.5), params, xs, states)
    with pytest.raises(ValueError, match="zoneout: masks for 2 steps, called at t=2\nrun the cell with unroll"):
        nn.unroll(nn.zoneout(nn.lstm, *[np.zeros((2, B, H), bool)] * 2), params, xs, states)
    with pytest.raises(ValueError, match=r"dropout: p = 1\.0\ngive the share"):
        nn.dropout_mask(RNG, 1.0, (2,))


def test_a_mask_is_a_constant_of_the_derivative():
    params, xs, (h,) = problem("leaky_rnn", 3)
    cell = nn.zoneout(nn.rnn, RNG.random((3, B, H)) < 0.5)
    v = RNG.standard_normal(h.shape)

    def loss(start):
        return float((nn.unroll(cell, {k: p.data for k, p in params.items()}, xs, start)[0] ** 2).sum())

    leaf = tg.Tensor(h)
    with tg.Tape() as tape:
        total = (nn.unroll(cell, params, xs, leaf)[0] ** 2).sum()
    assert (tape.gradient(total, leaf) * v).sum() == pytest.approx(central_differences(loss, h, v).value, rel=1e-9)
