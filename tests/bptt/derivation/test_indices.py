"""Inputs that are indices: an embedding has a formula, and its gradient adds to the rows that were read."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt
from tinygrad_rnn.nn.time_loop import as_tuple, unroll

WORDS, H = 5, 4


def example(rng, T, B):
    params = {"E": rng.normal(0, 0.5, (WORDS, H)), "U": rng.normal(0, 0.5, (H, H)), "V": rng.normal(0, 0.5, (WORDS, H))}
    return params, rng.integers(0, WORDS, (T, B, 2)), rng.standard_normal((B, H))


def embedded(p, x, h):
    return np.tanh(p["E"][x[:, 0]] + h @ p["U"])


def named_index(p, x, h):
    word = x[:, 0]
    row = p["E"][word]
    return np.tanh(row @ p["U"] + h)


def two_lookups_in_one_table(p, x, h):
    return np.tanh(p["E"][x[:, 0]] - p["E"][x[:, 1]] + h @ p["U"])


def two_tables(p, x, h):
    return np.tanh(p["E"][x[:, 0]] * tg.sigmoid(p["V"][x[:, 1]]) + h @ p["U"])


def table_and_matrix(p, x, h):
    return np.tanh(p["E"][x[:, 0]] + (h @ p["E"].T) @ p["V"])


CELLS = [embedded, named_index, two_lookups_in_one_table, two_tables, table_and_matrix]


def on_the_tape(cell, params, xs, h, dhs, dlast, columns=False):
    """The gradients of the cell's own loop, which knows nothing of formulas."""
    tensors = {name: tg.Tensor(p) for name, p in params.items()}
    start = tg.Tensor(h)
    with tg.Tape() as tape:
        hs, last = unroll(cell, tensors, np.moveaxis(xs, -1, 0) if columns else xs, (start,))
        above = np.moveaxis(dhs, -1, 0) if columns else dhs
        loss = (hs * above).sum() + (as_tuple(last)[0] * dlast).sum()
    return tape.gradient(loss, {**tensors, "h0": start})


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_code_of_an_embedding_is_the_tapes(cell, B, T):
    rng = np.random.default_rng(T * 10 + B)
    params, xs, h = example(rng, T, B)
    dhs, dlast = rng.standard_normal((T, B, H)), rng.standard_normal((B, H))
    derivation = bptt.derive(cell, example=example)
    assert derivation.lines()  # each formula is checked before it is printed
    found = derivation.gradients(params, xs, (h,), dhs, (dlast,))
    true = on_the_tape(cell, params, xs, h, dhs, dlast)
    assert set(found) == set(true)  # an index has no gradient
    for name, g in true.items():
        np.testing.assert_allclose(found[name], g, rtol=1e-10, atol=1e-13, err_msg=name)


def test_a_row_that_several_examples_read_gets_all_of_them():
    params, _, h = example(np.random.default_rng(0), 3, 3)
    xs = np.full((3, 3, 2), 2)
    dhs = np.ones((3, 3, H))
    found = bptt.derive(embedded, example=example).gradients(params, xs, (h,), dhs)["E"]
    assert not found[[0, 1, 3, 4]].any()
    np.testing.assert_allclose(found, on_the_tape(embedded, params, xs, h, dhs, np.zeros_like(h))["E"], rtol=1e-12)


def test_the_formulas_of_an_embedding():
    derivation = bptt.derive(embedded, example=example)
    lines = derivation.lines()
    assert lines["z"] == "z_t = Eᵀ e_{x_t,1} + Uᵀ h_{t-1}"
    assert lines["dE"] == "∂L/∂E = Σ_t e_{x_t,1} δ_tᵀ"
    assert lines["step_h"] == "∂h_t/∂h_{t-1} = diag(1 - h_t²) Uᵀ"
    assert "dx" not in lines
    assert "x holds indices" in str(derivation)
    assert "np.add.at(dE, xs[t][:, 0], dz)" in derivation.numpy()
    assert "dxs" not in derivation.numpy()
    assert "e_{x_t,1}" in derivation.write("latex")


def test_columns_of_a_matrix_by_index():
    def cell(p, x, h):
        return np.tanh(p["W"][:, x[0]] + p["U"] @ h)

    def in_columns(rng, T, B):
        params = {"W": rng.normal(0, 0.5, (H, WORDS)), "U": rng.normal(0, 0.5, (H, H))}
        return params, rng.integers(0, WORDS, (1, B, T)), rng.standard_normal((H, B))

    derivation = bptt.derive(cell, example=in_columns, layout="columns")
    assert derivation.lines()["z"] == "z_t = W e_{x_t} + U h_{t-1}"
    assert derivation.lines()["dW"] == "∂L/∂W = Σ_t δ_t e_{x_t}ᵀ"
    for T, B in ((1, 1), (7, 3)):
        rng = np.random.default_rng(T)
        params, xs, h = in_columns(rng, T, B)
        dhs, dlast = rng.standard_normal((H, B, T)), rng.standard_normal((H, B))
        found = derivation.gradients(params, xs, (h,), dhs, (dlast,))
        for name, g in on_the_tape(cell, params, xs, h, dhs, dlast, columns=True).items():
            np.testing.assert_allclose(found[name], g, rtol=1e-10, atol=1e-13, err_msg=name)


def test_an_index_of_two_axes_is_refused_with_what_to_do():
    def cell(p, x, h):
        return np.tanh(p["E"][x].sum(axis=1) + h @ p["U"])

    with pytest.raises(ValueError, match=r"indexes an array with an array\ngive a vector of one index for each"):
        bptt.derive(cell, example=example)
