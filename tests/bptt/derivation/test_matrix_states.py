"""Derivations of cells whose states are matrices."""

import itertools

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn

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
