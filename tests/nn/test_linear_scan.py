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


def test_a_state_of_float32_in_a_cell_of_float64():
    def masked(p, x, h):
        return (x[..., :1] > 0) * 0.9 * h + x

    xs = np.random.default_rng(0).standard_normal((7, 2, 3)).astype("float32")
    h0 = np.ones((2, 3), "float32")
    hs, last = nn.scan(masked, {"b": np.ones(1)}, xs, h0)
    expected, end = nn.unroll(masked, {"b": np.ones(1)}, xs, h0)
    assert hs.dtype == expected.dtype == np.float64
    np.testing.assert_allclose(hs, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(last, end, rtol=1e-12, atol=1e-14)


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


def values(x):
    return x.data if isinstance(x, Tensor) else x


def gated(A):
    """A cell h = A h + x W, A a function of (p, x)."""
    return lambda p, x, h: A(p, x) * h + x @ p["W"]


OWN = {
    "a reset by where": lambda p, x, h: np.where(x[..., :1] > 0, h, 0.0) + x @ p["W"],
    "a choice of two factors": lambda p, x, h: np.where(x[..., :1] > 0, 0.9 * h, -h) + x @ p["W"],
    "a factor of numbers": gated(lambda p, x: 0.5),
    "a factor of a parameter": gated(lambda p, x: p["a"]),
    "twice the state": lambda p, x, h: tg.sigmoid(x @ p["W"]) * h + 0.3 * h - h / 5,
    "nothing of the state": lambda p, x, h: x @ p["W"],
}


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("name", OWN)
def test_the_scan_is_the_loop_for_cells_of_ones_own(name, T):
    rng = np.random.default_rng(T)
    xs, h0 = rng.standard_normal((T, 2, 3)), rng.standard_normal((2, 4))
    p = {"W": Tensor(rng.standard_normal((3, 4)), name="W"), "a": Tensor(rng.standard_normal(4), name="a")}
    found = []
    for run in (nn.unroll, nn.scan):
        with tg.Tape() as tape:
            hs, last = run(OWN[name], p, xs, h0)
            loss = (hs**3).sum() + (last**2).sum()
        found.append((hs.data, tape.gradient(loss, p)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12, atol=1e-13)
    for key, g in found[0][1].items():
        np.testing.assert_allclose(found[1][1][key], g, rtol=1e-10, atol=1e-12 * max(np.abs(g).max(), 1))


def test_parameters_of_any_depth():
    rng = np.random.default_rng(0)
    p = {"lower": [Tensor(rng.standard_normal((3, 4)), name="W")], "a": (Tensor(0.5, name="a"),)}
    xs = rng.standard_normal((5, 2, 3))

    def cell(p, x, h):
        return p["a"][0] * h + x @ p["lower"][0]

    found = [run(cell, p, xs, np.ones((2, 4)))[0] for run in (nn.unroll, nn.scan)]
    assert isinstance(found[1], Tensor)
    np.testing.assert_allclose(found[1].data, found[0].data, rtol=1e-12)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        pytest.param(
            gated(lambda p, x: 0.5 if values(x).sum() > 0 else 0.2),
            "gives another h at t=1 on all steps at once, .* they differ by .*\n.*decide nothing from values",
            id="a factor by a decision",
        ),
        pytest.param(
            lambda p, x, h: 0.5 * h + np.cumsum(x @ p["W"], axis=0),
            "gives another h at t=1 on all steps at once",
            id="a sum over the batch, of one",
        ),
        pytest.param(
            lambda p, x, h: 0.5 * h + x.sum(axis=1, keepdims=True),
            r"does not run on all steps at once, x \(4, 1, 3\): add: shapes .* do not fit together\ncount axes from",
            id="an axis counted from the first",
        ),
        pytest.param(
            lambda p, x, h: np.ones((1, 4)) * p["W"][0],
            r"its states have the shapes \(1, 4\), for \(4, 1, 4\)",
            id="a shape written out",
        ),
        pytest.param(
            lambda p, x, h, n: (0.5 * h + x @ p["W"] / (n + 1), n + 1),
            "the state n .* is int64",
            id="a state that counts",
        ),
    ],
)
def test_a_cell_that_is_another_on_all_steps_is_refused(cell, words):
    rng = np.random.default_rng(3)
    xs = np.abs(rng.standard_normal((4, 1, 3))) * np.array([1, -1, 1, -1]).reshape(4, 1, 1)
    p = {"W": rng.standard_normal((3, 4))}
    state = (np.zeros((1, 4)), np.zeros((1, 1), np.int64)) if "int64" in words else np.ones((1, 4))
    with pytest.raises(ValueError, match=f"scan: .*{words}"):
        nn.scan(cell, p, xs, state)


def test_a_product_that_overflows_is_refused():
    xs = np.zeros((8, 1, 2))
    xs[:, 0, 0] = [1, 0, 1e200, 1e200, 1, 1, 1, 1]
    xs[6:, 0, 1] = 1

    def cell(p, x, h):
        return x[..., :1] * h + x[..., 1:] * p["b"]

    p = {"b": np.ones(1)}
    assert np.isfinite(nn.unroll(cell, p, xs, np.ones((1, 1)))[0]).all()
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"scan: h at t=3 is not .* overflows\nuse unroll"):
        nn.scan(cell, p, xs, np.ones((1, 1)))


def test_a_compiled_function_is_told_to_unroll():
    cell, params, xs, _ = problem("min_gru", 4)
    with pytest.raises(TypeError, match=r"scan: in a compiled function .*\nuse unroll there"):
        tg.compile(lambda p, x: nn.scan(cell, p, x)[0].sum())(params, xs)


def test_a_cell_that_joins_what_it_must_not_is_refused():
    def over_the_batch(p, x, h=None):
        h = np.zeros_like(x) if h is None else h
        return p["a"] * h + x - x.mean(axis=0)

    xs = np.random.default_rng(0).standard_normal((4, 3, 2))
    with pytest.raises(ValueError, match="over_the_batch gives another h at t=0 on all steps at once"):
        nn.scan(over_the_batch, {"a": np.array(0.5)}, xs)
    with pytest.raises(ValueError, match="scan: xs is no array of steps"):
        nn.scan(nn.min_gru, {}, [])
