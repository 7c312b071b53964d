"""Derivations of cells whose states are matrices."""

import itertools

import numpy as np
import pytest

from tinygrad_rnn import Tape, Tensor, bptt, nn
from tinygrad_rnn.operations.activations import softmax
from tinygrad_rnn.operations.basics import detach, sigmoid

CELLS = (nn.linear_attention, nn.gated_delta_net, nn.mlstm, nn.selective_ssm)


def of_cell(cell):
    return cell.__name__


@pytest.fixture(scope="module")
def derived():
    made = {}

    def get(cell):
        if cell not in made:
            made[cell] = bptt.derive(cell)
        return made[cell]

    return get


def attention_example(rng, T, B):
    """A problem with keys of 4 entries and values of 5."""
    params = {f"W_{name}": rng.normal(size=(n, 3)) / 2 for name, n in (("q", 4), ("k", 4), ("v", 5))}
    state = rng.normal(size=(B, 5)), rng.normal(size=(B, 5, 4))
    return params, rng.normal(size=(T, B, 3)), state


def with_einsum(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = S + np.einsum("bi,bj->bij", v, k)
    return np.einsum("bij,bj->bi", S, q), S


def with_matmul(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = S + v[:, :, None] @ k[:, None, :]
    return (S @ q[:, :, None])[:, :, 0], S


def with_sums(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = S + v[..., None] * k[:, None]
    return (S * q[:, None, :]).sum(axis=-1), S


def with_expand_dims(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = S + np.expand_dims(v, 2) * np.expand_dims(k, 1)
    return np.squeeze(S @ np.expand_dims(q, -1), axis=2), S


def with_transposes(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = S + np.swapaxes(k[..., None] * v[:, None, :], 1, 2)
    return (q[:, None] @ S.transpose(0, 2, 1))[:, 0], S


def with_einsum_of_parameters(params, x, y, S):
    q, k, v = (np.einsum("bi,ji->bj", x, params[f"W_{name}"]) for name in "qkv")
    S = S + np.einsum("bi,bj->bij", v, k)
    return np.einsum("bk,bvk->bv", q, S), S


STYLES = (with_einsum, with_matmul, with_sums, with_expand_dims, with_transposes, with_einsum_of_parameters)


# ------------------------------------------------------------------------------------------------------ the formulas


@pytest.mark.parametrize("cell", STYLES, ids=of_cell)
def test_outer_products_and_reads_are_the_same_formulas_however_they_are_written(cell):
    lines = bptt.derive(cell, example=attention_example).lines()
    assert lines["S"] == "S_t = S_{t-1} + v_t k_tᵀ"
    assert lines["y"] == "y_t = S_t q_t"
    assert lines["dS"] == "dS_t = dS_{t+1} + dy_t q_tᵀ"
    assert lines["dq"] == "dq_t = S_tᵀ dy_t"
    assert lines["dv"] == "dv_t = dS_t k_t"
    assert lines["dk"] == "dk_t = (dS_t)ᵀ v_t"
    assert lines["dW_k"] == "∂L/∂W_k = Σ_t dk_t x_tᵀ"


def test_the_lines_of_gated_delta_net(derived):
    lines = derived(nn.gated_delta_net).lines()
    assert lines["e"] == "e_t = S_{t-1} k_t"
    assert lines["w"] == "w_t = S_{t-1} - β_t e_t k_tᵀ"
    assert lines["S"] == "S_t = a_t + β_t v_t k_tᵀ"
    assert lines["dv"] == "dv_t = β_t dS_t k_t"
    assert lines["dalpha"] == "dα_t = sum(dS_t ⊙ w_t)"
    assert lines["dbeta"] == "dβ_t = v_tᵀ dS_t k_t - α_t (e_tᵀ dS_t k_t)"


def test_the_lines_of_mlstm(derived):
    lines = derived(nn.mlstm).lines()
    assert lines["C"] == "C_t = f_t C_{t-1} + i_t v_t k_tᵀ"
    assert lines["df"] == "df_t = (dn_t)ᵀ n_{t-1} + sum(dC_t ⊙ C_{t-1})"
    assert lines["di"] == "di_t = (dn_t)ᵀ k_t + v_tᵀ dC_t k_t"
    assert lines["dk"] == "dk_t = i_t dn_t + i_t (dC_t)ᵀ v_t"
    assert lines["dC0"] == "∂L/∂C_0 = f_1 dC_1"


def test_a_number_for_each_channel_is_a_diagonal_matrix(derived):
    lines = derived(nn.selective_ssm).lines()
    assert lines["A_bar"] == "A_{bar,t} = exp(- diag(δ_t) exp(A_{log}))"
    assert lines["h"] == "h_t = A_{bar,t} ⊙ h_{t-1} + (δ_t ⊙ x_t) B_tᵀ"
    assert lines["ddelta"] == "dδ_t = dv_t ⊙ x_t - (du_t ⊙ exp(A_{log})) 1"


@pytest.mark.parametrize("cell", CELLS, ids=of_cell)
@pytest.mark.parametrize("to", ["latex", "markdown", "html", "text"])
def test_every_style_writes_every_line(cell, to, derived):
    text = derived(cell).write(to, reasons=True, entries=True)
    assert len(text) > 1000
    assert "None" not in text


# ---------------------------------------------------------------------------------------------------------- the code


@pytest.mark.parametrize("cell", [*CELLS, *STYLES], ids=of_cell)
def test_the_code_gives_the_gradients_of_the_tape(cell, derived):
    derivation = bptt.derive(cell, example=attention_example) if cell in STYLES else derived(cell)
    for T, B in itertools.product((1, 2, 3, 7, 50), (1, 3)):
        r = derivation._setting.record(T, B, seed=3)
        wrt = {**r.params, "x": r.xs, **{f"{name}0": s for name, s in r.states.items()}}
        true = r.tape.gradient(r.loss, wrt)
        mine = derivation.gradients(
            {name: p.data for name, p in r.params.items()},
            r.xs.data,
            tuple(s.data for s in r.states.values()),
            r.per_step.data,
            tuple(d.data for d in r.dlast.values()),
        )
        assert set(mine) == set(true)
        largest = max(np.abs(g).max() for g in true.values())
        for name, g in true.items():
            assert mine[name].shape == g.shape, name
            assert np.abs(mine[name] - g).max() <= 1e-12 * largest, name


def test_the_code_is_right_for_another_number_of_units(derived):
    """The scale of the keys of mlstm is 1 / sqrt(H)."""
    assert "H**-0.5" in derived(nn.mlstm).numpy()
    rng = np.random.default_rng(0)
    params = nn.init.mlstm(rng, 3, 7)
    xs, hs = Tensor(rng.normal(size=(4, 2, 3))), rng.normal(size=(4, 2, 7))
    state = tuple(Tensor(rng.normal(size=(2, *shape))) for shape in ((7,), (7, 7), (7,), (1,)))
    with Tape() as tape:
        loss = (nn.unroll(nn.mlstm, params, xs, state)[0] * hs).sum()
    true = tape.gradient(loss, params | {"C0": state[1]})
    mine = derived(nn.mlstm).gradients(
        {name: p.data for name, p in params.items()}, xs.data, tuple(s.data for s in state), hs
    )
    for name, g in true.items():
        np.testing.assert_allclose(mine[name], g, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS, ids=of_cell)
def test_a_product_that_is_read_twice_is_computed_once(cell, derived):
    calls = [line for line in derived(cell).numpy().splitlines() if "einsum" in line]
    calls = [call.split("  # ")[0].partition("np.einsum")[2].partition(")")[0] for call in calls]
    assert len(set(calls)) == len(calls)


# ------------------------------------------------------------------------------------------------------ other cells


def parameters(rng, **shapes):
    return {name: rng.normal(size=shape) / 2 for name, shape in shapes.items()}


def example_with(**shapes):
    def example(rng, T, B):
        params, xs, state = attention_example(rng, T, B)
        return params | parameters(rng, **shapes), xs, state

    return example


def qkv(params, x):
    return [x @ params[f"W_{name}"].T for name in "qkv"]


def gated(params, x, y, S):
    q, k, v = qkv(params, x)
    a = sigmoid(x @ params["W_a"].T)
    S = a[:, :, None] * S + v[:, :, None] * k[:, None, :]
    return (S @ q[..., None])[..., 0], S


def gated_on_both_sides(params, x, y, S):
    q, k, v = qkv(params, x)
    a, b = sigmoid(x @ params["W_a"].T), sigmoid(x @ params["W_b"].T)
    S = np.einsum("bi,bij,bj->bij", a, S, b) + np.einsum("bi,bj->bij", v, k)
    return np.einsum("bij,bj->bi", S, q), S


def with_matrix_products(params, x, y, S):
    q, k, v = qkv(params, x)
    S = np.einsum("bij,bjk->bik", S, np.einsum("bi,bj->bij", k, q)) + v[..., None] @ k[:, None]
    return np.einsum("bij,bj->bi", S, q), S


def with_parameters_on_both_sides(params, x, y, S):
    q, k, v = qkv(params, x)
    S = np.tanh(params["N"] @ S @ params["M"] + v[..., None] * k[:, None] + params["P"])
    return (S @ q[..., None])[..., 0], S


def with_numbers(params, x, y, S):
    q, k, v = qkv(params, x)
    S = params["lam"] * S + params["eta"] * v[..., None] * k[:, None] + 0.3
    return (S @ q[..., None])[..., 0], S


def with_broadcast_parameters(params, x, y, S):
    q, k, v = qkv(params, x)
    S = params["c"] * S * params["row"] + v[..., None] * k[:, None] + params["r"] + params["column"][:, None]
    return (S @ q[..., None])[..., 0] + S @ params["row"], S


def fast_weights(params, x, y, S):
    q, k, v = qkv(params, x)
    S = 0.9 * S + 0.5 * y[..., None] * k[:, None]
    return np.tanh(v + np.einsum("bij,bj->bi", S, q)), S


def with_a_norm(params, x, y, S):
    q, k, v = qkv(params, x)
    S = S + v[..., None] * k[:, None]
    S = S / np.sqrt((S * S).sum(axis=(1, 2), keepdims=True) + 1)
    return (S @ q[..., None])[..., 0], S


def with_a_number_of_each_example(params, x, y, S):
    q, k, v = qkv(params, x)
    g = sigmoid(np.einsum("bi,bi->b", q, k))
    S = g[:, None, None] * S + np.einsum("b,bi,bj->bij", 1 - g, v, k)
    return np.einsum("bij,bj->bi", S, q), S


def with_parts(params, x, y, S):
    u = x @ params["W_c"].T
    q, k, v = u[:, :4], u[:, 4:8], u[:, 8:]
    S = 0.9 * S + v[..., None] * softmax(k)[:, None]
    return np.einsum("bij,bj->bi", S, q), S


def with_where(params, x, y, S):
    q, k, v = qkv(params, x)
    S = np.where(S > 0, 0.9 * S, 0.1 * S) + v[..., None] * k[:, None]
    return (np.maximum(S, 0) @ q[..., None])[..., 0], S


def with_means(params, x, y, S):
    q, k, v = qkv(params, x)
    S = S - S.mean(axis=2, keepdims=True) + v[..., None] * k[:, None]
    return np.tanh(S.sum(axis=2)) + S.mean(axis=(1, 2))[:, None] + (S.mean(axis=1) * q).sum(axis=1, keepdims=True), S


def cubic(params, x, y, S):
    q, k, v = qkv(params, x)
    S = 0.5 * S + 0.1 * v[..., None] * k[:, None] - 0.01 * (S @ np.swapaxes(S, 1, 2) @ S)
    return np.einsum("bij,bj->bi", S, q), S


def cut(params, x, y, S):
    q, k, v = qkv(params, x)
    S = 0.9 * S + (v - np.einsum("bij,bj->bi", detach(S), k))[..., None] * k[:, None]
    return np.einsum("bij,bj->bi", S, q), S


OTHERS = {
    gated: {"W_a": (5, 3)},
    gated_on_both_sides: {"W_a": (5, 3), "W_b": (4, 3)},
    with_matrix_products: {},
    with_parameters_on_both_sides: {"M": (4, 4), "N": (5, 5), "P": (5, 4)},
    with_numbers: {"lam": (1,), "eta": ()},
    with_broadcast_parameters: {"c": (5, 1), "r": (1, 4), "row": (4,), "column": (5,)},
    fast_weights: {},
    with_a_norm: {},
    with_a_number_of_each_example: {},
    with_parts: {"W_c": (13, 3)},
    with_where: {},
    with_means: {},
    cubic: {},
    cut: {},
}


@pytest.mark.parametrize("cell", OTHERS, ids=of_cell)
def test_other_cells_are_derived_and_all_that_is_printed_is_checked(cell):
    """`derive` itself runs the code against the tape, and evaluates both sides of each formula."""
    derivation = bptt.derive(cell, example=example_with(**OTHERS[cell]))
    assert derivation.numpy()
    assert {"S", "y", "dS0"} <= set(derivation.lines())


def test_vectors_that_are_broadcast_are_diagonal_matrices():
    one, other = gated_on_both_sides, with_parameters_on_both_sides
    lines = bptt.derive(one, example=example_with(**OTHERS[one])).lines()
    assert lines["S"] == "S_t = diag(a_t) S_{t-1} diag(b_t) + v_t k_tᵀ"
    lines = bptt.derive(other, example=example_with(**OTHERS[other])).lines()
    assert lines["dM"] == "∂L/∂M = Σ_t a_tᵀ δ_t"
    assert lines["step_S"] == "∂S_t/∂S_{t-1} = X ↦ (1 - S_t²) ⊙ (N X M)"


def test_einsum_serves_cells_with_vectors_as_states_too():
    def cell(params, x, h):
        return np.tanh(np.einsum("bi,ih->bh", x, params["W"]) + np.einsum("hj,bj->bh", params["U"], h))

    def example(rng, T, B):
        return parameters(rng, W=(3, 4), U=(4, 4)), rng.normal(size=(T, B, 3)), (rng.normal(size=(B, 4)),)

    derivation = bptt.derive(cell, example=example)
    assert derivation.lines()["z"] == "z_t = Wᵀ x_t + U h_{t-1}"
    assert derivation.lines()["step_h"] == "∂h_t/∂h_{t-1} = diag(1 - h_t²) U"
    assert "h = np.tanh(x @ W + h_prev @ U.T)" in derivation.numpy()


def test_a_readout_and_a_loss_stand_behind_a_matrix_state():
    def example(rng, T, B):
        params, xs, state = example_with(W_a=(5, 3), V=(2, 5))(rng, T, B)
        return params, xs, state, rng.normal(size=(T, B, 2))

    derivation = bptt.derive(
        gated, example=example, readout=lambda p, h: h @ p["V"].T, loss=lambda y, target: ((y - target) ** 2).sum() / 2
    )
    lines = derivation.lines()
    assert lines["L"] == "L_t = 0.5 ((u_t - target_t)ᵀ (u_t - target_t))"
    assert lines["du"] == "du_t = u_t - target_t"
    assert lines["dy"] == "dy_t = Vᵀ du_t"
    assert lines["dV"] == "∂L/∂V = Σ_t du_t y_tᵀ"
    assert "loss += 0.5 * ((u - target) ** 2).sum()" in derivation.numpy()


def test_indices_choose_rows_beside_a_matrix_state():
    def cell(params, x, y, S):
        e = params["E"][x[:, 0]]
        return with_einsum(params, e, y, S)

    def example(rng, T, B):
        params, _, state = example_with(E=(7, 3))(rng, T, B)
        return params, rng.integers(0, 7, size=(T, B, 1)), state

    derivation = bptt.derive(cell, example=example)
    assert derivation.lines()["dE"] == "∂L/∂E = Σ_t e_{x_t} (de_t)ᵀ"
    assert "np.add.at(dE, xs[t][:, 0], de)" in derivation.numpy()


# ------------------------------------------------------------------------------------------------ maps, and refusals


def test_the_derivative_of_a_matrix_is_a_linear_map(derived):
    lines = derived(nn.gated_delta_net).lines()
    assert lines["step_S"] == "∂S_t/∂S_{t-1} = M ↦ α_t (M - β_t M k_t k_tᵀ)"
    assert lines["dS/dk"] == "∂S_t/∂k_t = m ↦ β_t v_t mᵀ"
    assert lines["dy/dS"] == "∂y_t/∂S_t = M ↦ M q_t"
    assert r"M \mapsto M q_{t}" in derived(nn.gated_delta_net).lines("latex")["dy/dS"]
    text = str(derived(nn.gated_delta_net))
    assert "is a linear map and no matrix" in text
    assert "a number, a column vector or a matrix" in text
    assert "no short formula" not in text


def test_a_linear_map_that_is_wrong_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import linear_maps

    right = linear_maps.times
    monkeypatch.setattr(linear_maps, "times", lambda a, b: linear_maps.product(linear_maps.Num(2), right(a, b)))
    with pytest.raises(ArithmeticError, match="the formula dy/dS of gated_delta_net does not hold"):
        bptt.derive(nn.gated_delta_net).lines()


def test_a_local_derivative_beside_matrices_that_is_wrong_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import formulas as module

    right = module.slope_of_one
    monkeypatch.setattr(module, "slope_of_one", lambda line, by: module.product(module.Num(2), right(line, by)))
    with pytest.raises(ArithmeticError, match="the formula dy/dq of gated_delta_net does not hold"):
        bptt.derive(nn.gated_delta_net).lines()


def test_an_error_term_of_a_matrix_that_is_wrong_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import one_example

    right = one_example.times
    monkeypatch.setattr(one_example, "times", lambda a, b: one_example.product(one_example.Num(2), right(a, b)))
    with pytest.raises(ArithmeticError, match="does not hold"):
        bptt.derive(nn.gated_delta_net).lines()


def test_delta_with_a_matrix_beside_it_is_no_error_term(derived):
    lines = derived(nn.selective_ssm).lines()
    assert lines["delta"].startswith("δ_t = softplus")
    assert lines["dz"] == "δ_{z,t} = dδ_t ⊙ σ(z_t)"


@pytest.mark.parametrize("cell", CELLS, ids=of_cell)
@pytest.mark.parametrize("how", [{"notation": "nndl"}, {"layout": "rows,denominator"}, {"first_step": 0}], ids=str)
def test_other_notations(cell, how):
    derivation = bptt.derive(cell, **how)
    assert derivation.lines().keys() >= {f"d{state}0" for state in derivation.recurrence.states}


def test_what_cannot_be_written_is_refused_by_its_name():
    def part(params, x, y, S):
        _, k, v = qkv(params, x)
        S = S + v[..., None] * k[:, None]
        return S[:, :, 0] + 0 * v, S

    def flat(params, x, y, S):
        _, k, v = qkv(params, x)
        S = S + v[..., None] * k[:, None]
        return v + (S.reshape(len(x), 20) @ params["W_f"]), S

    with pytest.raises(ValueError, match=r"reads a part of an array \(\d+, 5, 4\), for which there is no formula"):
        bptt.derive(part, example=attention_example)
    with pytest.raises(ValueError, match=r"no formula for reshape of \(\d+, 5, 4\)"):
        bptt.derive(flat, example=example_with(W_f=(20, 5)))


def test_chains_through_matrices_are_refused(derived):
    with pytest.raises(ValueError, match="the chains of gated_delta_net run through matrices"):
        derived(nn.gated_delta_net).chains(2)


def fast_weights(params, x, h, S):
    """A memory that is read before it is written, so that no loss reads what the last step writes."""
    v = np.einsum("bij,bj->bi", S, h)
    return np.tanh(v + x @ params["W"]), 0.9 * S + 0.5 * np.tanh(v)[:, :, None] * h[:, None, :]


def test_a_memory_that_is_read_before_it_is_written():
    def example(rng, T, B):
        state = rng.normal(size=(B, 4)), rng.normal(size=(B, 4, 4)) / 2
        return {"W": rng.normal(size=(3, 4)) / 2}, rng.normal(size=(T, B, 3)), state

    derivation = bptt.derive(fast_weights, example=example)
    lines = derivation.lines()
    assert lines["S"] == "S_t = 0.9 S_{t-1} + 0.5 tanh(v_t) h_{t-1}ᵀ"
    assert lines["dS"] == "dS_t = 0.9 dS_{t+1} + δ_{v,t+1} h_tᵀ"
    assert "np.einsum" in derivation.numpy()


def test_an_array_that_finds_no_formula_is_refused_in_words():
    def third_axis(params, x, h):
        return np.tanh((h[:, :, None] * np.ones((1, 1, 2))).mean(axis=2) * 0.7) + 0.3 * np.tanh(x @ params["W"])

    def example(rng, T, B):
        return {"W": rng.normal(size=(3, 4))}, rng.normal(size=(T, B, 3)), rng.normal(size=(B, 4))

    with pytest.raises(ValueError, match=r"makes an array \(\d, 4, 1\) on its way, and there is no formula .*\nwrite"):
        str(bptt.derive(third_axis, example=example))
