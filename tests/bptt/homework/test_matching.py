"""Gradients are matched to arrays however they are called and nested; one that is wrong is called wrong."""

import numpy as np
import pytest
from people import few_fast

from tinygrad_rnn import bptt

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 3))


def weights():
    rng = np.random.default_rng(1)
    return {"W": rng.normal(0, 0.5, (4, 2)), "U": rng.normal(0, 0.5, (4, 4)), "V": rng.normal(0, 0.5, (3, 4))}


def passes(W, U, V, x, y, wrong=False):
    hs, loss = [np.zeros(4)], 0.0
    for t in range(len(x)):
        hs.append(np.tanh(W @ x[t] + U @ hs[t]))
        loss = loss + np.sum((V @ hs[-1] - y[t]) ** 2)
    dW, dU, dV, dh = 0 * W, 0 * U, 0 * V, np.zeros(4)
    for t in reversed(range(len(x))):
        e = 2 * (V @ hs[t + 1] - y[t])
        dz = (V.T @ e + dh) * (1 - hs[t + 1] ** 2)
        dW, dU, dV = dW + np.outer(dz, x[t]), dU + np.outer(dz, hs[t]), dV + np.outer(e, hs[t + 1])
        dh = (U if wrong else U.T) @ dz
    return loss, dW, dU, dV


def nested():
    w = weights()
    return {"rnn": {"W": w["W"], "U": w["U"]}, "out": {"W": w["V"]}}


def run_nested(made):
    """Code with nested parameters; made(dW, dU, dV) is how it gives its gradients."""

    def run(p, x, y, wrong=False):
        loss, *grads = passes(p["rnn"]["W"], p["rnn"]["U"], p["out"]["W"], x, y, wrong)
        return loss, made(*grads)

    return run


WAYS = {
    "a flat tuple": (lambda W, U, V: (W, U, V), {}),
    "a flat list": (lambda W, U, V: [W, U, V], {}),
    "a list of dicts": (lambda W, U, V: [{"W": W, "U": U}, {"W": V}], {}),
    "names of one word": (lambda W, U, V: {"W_rnn": W, "U_rnn": U, "W_out": V}, {}),
    "names the other way round": (lambda W, U, V: {"drnn_W": W, "drnn_U": U, "dout_W": V}, {}),
    "dotted names": (lambda W, U, V: {"rnn.W": W, "rnn.U": U, "out.W": V}, {}),
    "names to dotted ones": (lambda a, b, c: {"a": a, "b": b, "c": c}, {"a": "rnn.W", "b": "rnn.U", "c": "out.W"}),
    "names of a dict in a dict": (
        lambda a, b, c: {"k": {"a": a, "b": b}, "o": {"a": c}},
        {"k.a": "rnn.W", "b": "U", "o.a": "out.W"},
    ),
}


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("way", few_fast(WAYS, ["a flat tuple", "names of a dict in a dict"]))
def test_nested_parameters(way, wrong):
    made, names = WAYS[way]
    run = run_nested(made)
    found = bptt.examine(lambda p, x, y: run(p, x, y, wrong), nested(), X, Y, names=names)
    assert bool(found) is not wrong, str(found)
    assert set(found.gradients) == {"rnn.W", "U", "out.W"}
    assert not found.missing
    assert not wrong or set(found.wrong) == {"rnn.W", "U"}


@pytest.mark.slow
def test_two_layers_with_the_same_names_and_shapes():
    w = weights()
    params = {"first": {"U": w["U"]}, "second": {"U": w["U"].T.copy()}}

    def run(p, x, wrong):
        A, B = p["first"]["U"], p["second"]["U"]
        hs, ks, loss = [np.zeros(4)], [np.zeros(4)], 0.0
        for t in range(len(x)):
            hs.append(np.tanh(np.append(x[t], x[t]) + A @ hs[-1]))
            ks.append(np.tanh(hs[-1] + B @ ks[-1]))
            loss = loss + np.sum(ks[-1] ** 2)
        dA, dB, dh, dk = 0 * A, 0 * B, 0, 0
        for t in reversed(range(len(x))):
            dy = (2 * ks[t + 1] + dk) * (1 - ks[t + 1] ** 2)
            dz = (dy + dh) * (1 - hs[t + 1] ** 2)
            dA, dB = dA + np.outer(dz, hs[t]), dB + np.outer(dy, ks[t])
            dh, dk = A.T @ dz, B.T @ dy
        return loss, {"second": {"U": dB}, "first": {"U": dA + (wrong * 0.1)}}

    assert bptt.examine(lambda p, x: run(p, x, False), params, X).check()
    assert list(bptt.examine(lambda p, x: run(p, x, True), params, X).wrong) == ["first.U"]


KEYS = ["d", "g", "D", "G", "delta", "grad", "dv"]


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("key", few_fast(KEYS, ["d"]))
def test_gradients_beside_values_under_a_short_key(key, wrong):
    params = {name: {"v": w, key: np.zeros_like(w)} for name, w in weights().items()}

    def run(p, x, y):
        loss, *grads = passes(*(p[name]["v"] for name in "WUV"), x, y, wrong)
        for name, g in zip("WUV", grads, strict=True):
            p[name][key][...] = g
        return loss

    assert bool(bptt.examine(run, params, X, Y)) is not wrong


PAIRS = [("v", "d"), ("w", "g"), ("v", "dv"), ("W", "dW"), ("val", "grad"), ("p", "D")]


class Parameter:
    def __init__(self, value, names):
        self.__dict__ = {names[0]: value, names[1]: np.zeros_like(value)}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize(
    "names", [("v", "d"), ("w", "g"), ("v", "dv"), ("W", "dW"), ("val", "grad"), ("p", "D")], ids=str
)
def test_objects_with_a_value_and_a_gradient(names, wrong):
    class Net:
        def __init__(self):
            self.layers = [Parameter(w, names) for w in weights().values()]

        def values(self):
            return [getattr(p, names[0]) for p in self.layers]

        def forward(self, x, y):
            self.data = x, y
            return passes(*self.values(), x, y)[0]

        def backward(self):
            for p, g in zip(self.layers, passes(*self.values(), *self.data, wrong)[1:], strict=True):
                setattr(p, names[1], g)

    found = bptt.examine(Net(), X, Y)
    assert bool(found) is not wrong
    assert len(found.gradients) == 3
    assert all(name.startswith("layers[") for name in found.gradients)


TRANSPOSED = {"nameless": lambda W, U, V: (W, U, V.T), "one left": lambda W, U, V: {"W": W, "U": U, "dreadout": V.T}}


@pytest.mark.parametrize("way", TRANSPOSED)
def test_a_gradient_of_another_shape_is_wrong_where_its_place_says_whose_it_is(way):
    def run(p, x, y):
        loss, *grads = passes(*p.values(), x, y)
        return loss, TRANSPOSED[way](*grads)

    found = bptt.examine(run, weights(), X, Y)
    assert not found.missing
    assert list(found.wrong) == ["V"]
    assert "it has shape (4, 3), the array (3, 4)" in str(found)


def test_a_state_that_is_returned_is_not_taken_for_the_gradient_that_was_forgotten():
    def run(p, x, y):
        loss, dW, dU, dV = passes(p["W"], p["U"], p["V"], x, y + p["b"])
        h = np.tanh(p["W"] @ x[0])[:3]
        return loss, dW, dU, dV, h

    found = bptt.examine(run, {**weights(), "b": np.zeros(3)}, X, Y)
    assert found.missing == ("b",)
    assert not found.wrong


@pytest.mark.parametrize("names", ["Dgv", *(pytest.param(n, marks=pytest.mark.slow) for n in ("dgw", "vwp", "gdv"))])
def test_parameters_may_have_the_names_of_gradients_and_of_values(names):
    """D, d, g, v, w, p in a dict of parameters are parameters: each is judged, and a wrong one is called wrong."""
    given = dict(zip(names, weights().values(), strict=True))

    def run(p, x, y, wrong=False):
        loss, *gradients = passes(*(p[name] for name in names), x, y)
        if wrong:
            gradients[wrong - 1] = 1.1 * gradients[wrong - 1]
        return loss, {f"d{name}": g for name, g in zip(names, gradients, strict=True)}

    found = bptt.examine(run, given, X, Y)
    assert found, str(found)
    for k, name in enumerate(names, 1):

        def wrong(p, x, y, k=k):
            return run(p, x, y, k)

        def wrong_by_the_parameter_s_name(p, x, y, k=k):
            loss, gradients = run(p, x, y, k)
            return loss, {key[1:]: g for key, g in gradients.items()}

        for code in (wrong, wrong_by_the_parameter_s_name):
            found = bptt.examine(code, given, X, Y)
            assert not found
            assert f"wrong: d{name}" in str(found)
