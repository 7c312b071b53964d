"""The loop and the scan from one definition: the same numbers, the same gradients, and cells that are refused."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.core.tensor import Tensor

LINEAR = ["min_gru", "min_lstm", "qrnn", "linear_attention", "lru", "selective_ssm"]


def wide_qrnn(p, x, c, before):
    """A state that is the input of the step before, which the gates read through a matrix."""
    z, f = np.tanh(x @ p["W"] + before @ p["V"]), tg.sigmoid(x @ p["F"])
    return f * c + (1 - f) * z, x


def two_by_two(p, x, a, b, out):
    """Two states that turn, and an output that is not linear in them."""
    new_a, new_b = p["c"] * a - p["s"] * b + x @ p["W"], p["s"] * a + p["c"] * b
    return new_a, new_b, np.tanh(new_a * b)


def problem(name, T, batch=2, dtype="float64"):
    rng = np.random.default_rng(T)
    if name == "wide_qrnn":
        params = {k: rng.standard_normal((3, 4)) for k in "WVF"}
        return wide_qrnn, params, rng.standard_normal((T, batch, 3)), tuple(np.zeros((batch, n)) for n in (4, 3))
    if name == "two_by_two":
        params = {"W": rng.standard_normal((3, 4)), "c": rng.standard_normal(4), "s": rng.standard_normal(4)}
        return two_by_two, params, rng.standard_normal((T, batch, 3)), tuple(np.ones((batch, 4)) for _ in range(3))
    params = {k: p.data for k, p in getattr(nn.init, name)(rng, 3, 4, dtype).items()}
    return getattr(nn, name), params, rng.standard_normal((T, batch, 3)).astype(dtype), None


@pytest.mark.parametrize("T", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("name", [*LINEAR, "wide_qrnn", "two_by_two"])
def test_the_scan_is_the_loop(name, T):
    cell, params, xs, state = problem(name, T)
    results = []
    for run in (nn.unroll, nn.scan):
        leaves = {k: Tensor(p, name=k) for k, p in params.items()} | {"x": Tensor(xs, name="x")}
        with tg.Tape() as tape:
            hs, last = run(cell, {k: leaves[k] for k in params}, leaves["x"], state)
            last = last if isinstance(last, tuple) else (last,)
            loss = (hs**3).sum() + sum((s**2).sum() for s in last)
        results.append(([hs.data, *(s.data for s in last)], tape.gradient(loss, leaves)))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)
    for key, g in results[0][1].items():
        np.testing.assert_allclose(results[1][1][key], g, rtol=1e-10, atol=1e-11 * np.abs(g).max(), err_msg=key)


@pytest.mark.parametrize("name", LINEAR)
def test_a_given_state_and_arrays(name):
    cell, params, xs, _ = problem(name, 5)
    last = nn.unroll(cell, params, xs)[1]
    found, expected = nn.scan(cell, params, xs, last), nn.unroll(cell, params, xs, last)
    assert type(found[0]) is np.ndarray
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-13)
    for a, b in zip(*(r[1] if isinstance(r[1], tuple) else (r[1],) for r in (found, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_float32_stays_float32():
    cell, params, xs, _ = problem("min_gru", 7, dtype="float32")
    hs, last = nn.scan(cell, params, xs)
    assert hs.dtype == last.dtype == np.float32
    np.testing.assert_allclose(hs, nn.unroll(cell, params, xs)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rnn", "rnn makes the new h of the old by tanh, which is not linear"),
        ("ind_rnn", "ind_rnn makes the new h of the old by relu, which is not linear"),
        ("sru", "sru makes the new c of the old by multiply, which is not linear"),
        ("mlstm", "mlstm makes the new m of the old by maximum, which is not linear"),
        ("gated_delta_net", "makes the new S of the old by multiply, which mixes entries of different places"),
    ],
)
def test_a_cell_that_is_not_linear_is_refused(name, words):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=f"scan: .*{words}"):
        nn.scan(getattr(nn, name), getattr(nn.init, name)(rng, 3, 4), rng.standard_normal((4, 2, 3)))


def test_a_cell_that_joins_what_it_must_not_is_refused():
    def over_the_batch(p, x, h=None):
        h = np.zeros_like(x) if h is None else h
        return p["a"] * h + x - x.mean(axis=0)

    xs = np.random.default_rng(0).standard_normal((4, 3, 2))
    with pytest.raises(ValueError, match="over_the_batch gives other numbers on all steps at once"):
        nn.scan(over_the_batch, {"a": np.array(0.5)}, xs)
    with pytest.raises(ValueError, match="scan: xs is no array of steps"):
        nn.scan(nn.min_gru, {}, [])
