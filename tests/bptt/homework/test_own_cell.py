"""`derive` takes what `examine` takes: the step of a person's loop, in the person's names."""

import numpy as np
import pytest
from people import load

from tinygrad_rnn import bptt


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class GRU:
    """One sequence of vectors, a loss at the last step, gradients that are not asked here."""

    def __init__(self):
        rng = np.random.default_rng(0)
        for gate in "zrn":
            setattr(self, "W" + gate, rng.normal(0, 0.5, (3, 2)))
            setattr(self, "U" + gate, rng.normal(0, 0.5, (3, 3)))
        self.bz = rng.normal(0, 0.5, 3)

    def step(self, x, h):
        z = sigmoid(self.Wz @ x + self.Uz @ h + self.bz)
        r = sigmoid(self.Wr @ x + self.Ur @ h)
        n = np.tanh(self.Wn @ x + self.Un @ (r * h))
        return z * h + (1 - z) * n

    def forward(self, xs, target):
        h = np.zeros(3)
        for x in xs:
            h = self.step(x, h)
        return np.sum((h - target) ** 2)

    def backward(self):
        return {"d" + name: np.zeros_like(p) for name, p in vars(self).items()}


XS, TARGET = np.random.default_rng(1).normal(size=(4, 2)), np.ones(3)


@pytest.fixture
def derivation():
    return bptt.derive(GRU(), XS, TARGET)


def test_formulas_have_the_person_s_names(derivation):
    lines = derivation.lines()
    assert lines["h"] == "h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ n_t"
    assert lines["z"] == "z_t = σ(z_{z,t})"
    assert lines["dUn"] == "∂L/∂U_n = Σ_t δ_{n,t} s_tᵀ"
    assert str(derivation).startswith("BPTT of GRU")


def test_derivatives_have_the_layout_that_is_asked_for(derivation):
    turned = bptt.derive(GRU(), XS, TARGET, layout="denominator").lines()
    assert derivation.lines()["dz_z/dh_prev"] == "∂z_{z,t}/∂h_{t-1} = U_z"
    assert turned["dz_z/dh_prev"] == "∂z_{z,t}/∂h_{t-1} = U_zᵀ"
    with pytest.raises(ValueError, match="layout of arrays"):
        bptt.derive(GRU(), XS, TARGET, layout="columns")


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_code_gives_the_complex_step_of_the_person_s_own_step(derivation, T, batch):
    rng = np.random.default_rng(T)
    net, xs, h0 = GRU(), rng.normal(size=(2, batch, T)), rng.normal(size=(3, batch))
    dhs = rng.normal(size=(3, batch, T))
    params = {name: p[:, None] if p.ndim == 1 else p for name, p in vars(net).items()}
    found = derivation.gradients(params, xs, (h0,), dhs)

    def loss():
        total = 0
        for b in range(batch):
            h = h0[:, b]
            for t in range(T):
                h = net.step(xs[:, b, t], h)
                total = total + dhs[:, b, t] @ h
        return total

    for name, p in vars(net).items():
        for place in np.ndindex(p.shape):
            moved = p.astype(complex)
            moved[place] += 1e-30j
            setattr(net, name, moved)
            assert np.isclose(found[name].reshape(p.shape)[place], loss().imag / 1e-30, rtol=1e-12, atol=1e-13)
        setattr(net, name, p)


def test_rows_and_columns_are_told_apart():
    def forward(x, h, params):
        hs = []
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ params["W"] + h @ params["U"])
            hs.append(h)
        return np.stack(hs, axis=1), None

    def backward(dhs, cache):
        return {"W": np.zeros((2, 3)), "U": np.zeros((3, 3))}

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(2, 3)), "U": rng.normal(size=(3, 3))}
    found = bptt.derive((forward, backward), rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 3)), params)
    assert found.lines()["h"] == "h_t = tanh(z_t)"
    assert found.lines()["dW"] == "∂L/∂W = Σ_t x_t δ_tᵀ"


def test_what_has_no_such_cell_is_refused_in_words():
    with pytest.raises(ValueError, match="give two steps of data or more"):
        bptt.derive(GRU(), XS[:1], TARGET)
    with pytest.raises(ValueError, match="leave them out"):
        bptt.derive(GRU(), XS, TARGET, layout="columns")


def test_columns_of_a_matrix_by_the_number_of_a_word():
    model = load("wildml")
    found = bptt.derive(model.OneSentence(7, 5, bptt_truncate=1000), np.array(model.x), np.array(model.y))
    assert "U e_{x_t}" in found.lines()["z"]


def with_an_embedding(p, xs, ys, columns=True):
    hs, loss = [np.zeros(3)], 0.0
    for t in range(len(xs)):
        h = hs[-1]
        h = np.tanh(p["E"][xs[t]] + (p["U"] @ h if columns else h @ p["U"]))
        hs.append(h)
        loss = loss + np.sum((h - ys[t]) ** 2)
    grads, dh = {name: np.zeros_like(w) for name, w in p.items()}, 0
    for t in reversed(range(len(xs))):
        dz = (2 * (hs[t + 1] - ys[t]) + dh) * (1 - hs[t + 1] ** 2)
        grads["E"][xs[t]] += dz
        grads["U"] += np.outer(dz, hs[t]) if columns else np.outer(hs[t], dz)
        dh = p["U"].T @ dz if columns else p["U"] @ dz
    return loss, grads


@pytest.mark.parametrize("columns", [True, False], ids=["U @ h", "h @ U"])
def test_derive_takes_rows_of_an_embedding(columns):
    rng = np.random.default_rng(0)
    p = {"E": rng.normal(0, 0.5, (6, 3)), "U": rng.normal(0, 0.5, (3, 3))}

    def own(p, xs, ys):
        return with_an_embedding(p, xs, ys, columns)

    given = p, [0, 1, 2, 1, 5], rng.normal(size=(5, 3))
    assert bptt.examine(own, *given).check()
    derivation = bptt.derive(own, *given)
    lines = derivation.lines()
    assert lines["z"] == f"z_t = Eᵀ e_{{x_t}} + {'U' if columns else 'Uᵀ'} h_{{t-1}}"
    assert lines["dE"] == "∂L/∂E = Σ_t e_{x_t} δ_tᵀ"
    assert "np.add.at" in derivation.numpy()
