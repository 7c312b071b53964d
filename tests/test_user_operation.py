"""An operation from outside of the package: one statement and one row, and everything knows it."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.core.table import PRIMITIVES
from tinygrad_rnn.tape.notation import NOTATION


@pytest.fixture(scope="module", autouse=True)
def the_operation():
    others = {name: PRIMITIVES.pop(name) for name in ["softsign"] if name in PRIMITIVES}  # a page's, run before
    global softsign
    softsign = tg.primitive(
        lambda z: z / (1 + np.abs(z)),
        lambda g, y, z: g / np.square(1 + np.abs(z)),
        name="softsign",
        kind="elementwise",
        analytic=False,
    )
    tg.notation(softsign, python="def softsign(z):\n    return z / (1 + np.abs(z))")
    yield
    del PRIMITIVES["softsign"], NOTATION[softsign]
    PRIMITIVES.update(others)


def cell(params, x, h):
    return softsign(x @ params["W"] + h @ params["U"] + params["b"])


def example(rng, T, B):
    shapes = {"W": (3, 4), "U": (4, 4), "b": (4,)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return params, rng.standard_normal((T, B, 3)), rng.standard_normal((B, 4))


def loss(params, xs, h0):
    return (nn.unroll(cell, params, xs, h0)[0] ** 2).sum()


def by_hand(params, xs, state, dhs, power=2):
    W, U, b = params["W"], params["U"], params["b"]
    hs, zs = [state[0]], []
    for x in xs:
        zs.append(x @ W + hs[-1] @ U + b)
        hs.append(zs[-1] / (1 + np.abs(zs[-1])))
    grads, dh = {name: np.zeros_like(p) for name, p in params.items()}, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) / (1 + np.abs(zs[t])) ** power
        grads["W"] += xs[t].T @ dz
        grads["U"] += hs[t].T @ dz
        grads["b"] += dz.sum(axis=0)
        dh = dz @ U.T
    return grads


@pytest.mark.parametrize("T", [1, 2, 7])
def test_it_is_differentiated_in_both_modes_twice_and_compiled(T):
    params, xs, h0 = example(np.random.default_rng(T), T, 3)
    tg.check_grads(lambda p: loss(p, xs, h0), (params,), order=2)
    hs, kept = h0, []
    for x in xs:
        hs = cell(params, x, hs)
        kept.append(hs)
    exact = by_hand(params, xs, [h0], 2 * np.stack(kept))
    for gradients in (tg.grad(loss)(params, xs, h0), tg.compile(loss)(params, xs, h0)[1]):
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, exact[name], rtol=1e-12, atol=1e-12)


def test_it_is_drawn_by_its_name():
    params, xs, h0 = example(np.random.default_rng(0), 2, 1)
    with tg.Tape() as tape:
        nn.unroll(cell, {name: tg.Tensor(p, name=name) for name, p in params.items()}, xs, h0)
    assert "softsign(x_0 @ W + h_{-1} @ U + b)" in draw.text(tape)
    assert "softsign" in str(draw.graph(tape))


def test_it_is_derived_as_a_formula_and_as_numpy():
    derivation = bptt.derive(cell, example=example)
    text = str(derivation)
    assert "h_t = softsign(z_t)" in text
    assert "δ_t = dh_t/((1 + |z_t|)²)" in text
    assert "∂h_t/∂z_t = diag(softsign'(z_t)) = diag(1/((1 + |z_t|)²))" in text
    source = derivation.numpy()
    assert "def softsign(z):" in source
    names = {}
    exec(compile(source, "derived", "exec"), names)
    params, xs, h0 = example(np.random.default_rng(1), 3, 2)
    dhs = np.random.default_rng(2).standard_normal((3, 2, 4))
    found = names["gradients"](params, xs, (h0,), dhs)
    for name, gradient in by_hand(params, xs, [h0], dhs).items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-12)


def test_a_mistake_in_its_slope_is_named():
    assert bptt.doctor(cell, by_hand, example=example)
    found = bptt.doctor(cell, lambda params, xs, state, dhs: by_hand(params, xs, state, dhs, power=1), example=example)
    assert not found
    assert "(1 + absolute(x[t] @ W + h[t-1] @ U + b)) stands in the place of" in str(found)
    assert "this explains every gradient" in str(found)
