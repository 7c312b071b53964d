"""The formulas that `derive` prints: the textbook's, and each one's numbers are the tape's."""

import functools
import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import own_cells
import pytest
from derived_cells import CELLS, derivation

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.derivation.evaluation import evaluate
from tinygrad_rnn.bptt.derivation.expressions import Ref
from tinygrad_rnn.bptt.derivation.numbers import Numbers


def simple_rnn(params, x, h):
    """NNDL (6.5)-(6.6), column vectors."""
    z = params["U"] @ h + params["W"] @ x + params["b"]
    return np.tanh(z)


simple_example = own_cells.of({"U": (4, 4), "W": (4, 3), "b": (4, 1)}, columns=True)


@functools.cache
def simple():
    return bptt.derive(simple_rnn, example=simple_example, layout="columns")


def test_steps_are_counted_from_one_or_from_zero():
    """All numbers of steps are one less from 0, and nothing else differs: t, t-1 and t+1 stay."""
    one, zero = (bptt.derive(nn.rnn, first_step=k).write("text", steps=2) for k in (1, 0))
    assert "t = 1, ..., T." in one
    assert "t = T, ..., 1. Every term of step T+1 is zero" in one
    for said in (
        "t = 0, ..., T-1.",
        "t = T-1, ..., 0. Every term of step T is zero",
        "∂L/∂h_{-1} = Uᵀ δ_0",
        "∂L_0/∂U = diag(1 - h_0²) ∂L_0/∂h_0 h_{-1}ᵀ",
    ):
        assert said in zero
    chains = [text.split("Chains.")[1] for text in (one, zero)]
    assert re.sub(r"_([0-2])", lambda m: f"_{int(m[1]) - 1}", chains[0]).replace("_-1", "_{-1}") == chains[1]
    sheet = bptt.derive(nn.rnn, first_step=0).worksheet("text", blanks=["dh0"])
    assert "h_{-1}" in sheet.answers
    with pytest.raises(ValueError, match="first_step=2\ngive 0 or 1"):
        bptt.derive(nn.rnn, first_step=2)


def test_the_simple_rnn_is_the_textbooks_term_by_term():
    lines = simple().lines("latex")
    assert {name: lines[name] for name in ("z", "h", "dh/dz", "dz/dh_prev", "dz", "dU", "dW", "db", "dx", "dh0")} == {
        "z": r"z_{t} = U h_{t-1} + W x_{t} + b",
        "h": r"h_{t} = \tanh(z_{t})",
        "dh/dz": r"\frac{\partial h_{t}}{\partial z_{t}} = \operatorname{diag}(\tanh'(z_{t})) "
        r"= \operatorname{diag}(1 - h_{t}^{2})",
        "dz/dh_prev": r"\frac{\partial z_{t}}{\partial h_{t-1}} = U",
        "dz": r"\delta_{t} = \operatorname{diag}(\tanh'(z_{t})) "
        r"\left(U^{\top} \delta_{t+1} + \frac{\partial L_{t}}{\partial h_{t}}\right) "
        r"= \operatorname{diag}(1 - h_{t}^{2}) "
        r"\left(U^{\top} \delta_{t+1} + \frac{\partial L_{t}}{\partial h_{t}}\right)",
        "dU": r"\frac{\partial L}{\partial U} = \sum_{t=1}^{T} \delta_{t} h_{t-1}^{\top}",
        "dW": r"\frac{\partial L}{\partial W} = \sum_{t=1}^{T} \delta_{t} x_{t}^{\top}",
        "db": r"\frac{\partial L}{\partial b} = \sum_{t=1}^{T} \delta_{t}",
        "dx": r"\frac{\partial L}{\partial x_{t}} = W^{\top} \delta_{t}",
        "dh0": r"\frac{\partial L}{\partial h_{0}} = U^{\top} \delta_{1}",
    }
    assert simple().lines()["step_h"] == "∂h_t/∂h_{t-1} = diag(1 - h_t²) U"


def test_rows_give_the_same_formulas():
    def in_rows(params, x, h):
        z = h @ params["U"].T + x @ params["W"].T + params["b"]
        return np.tanh(z)

    lines = bptt.derive(in_rows, example=own_cells.of({"U": (4, 4), "W": (4, 3), "b": (4,)})).lines("latex")
    assert lines == simple().lines("latex")


def test_the_lstm_has_the_standard_formulas():
    lines = bptt.derive(nn.lstm).lines()
    assert [lines[name] for name in ("dh", "dc", "dz_i", "dz_f", "dz_g", "dz_o", "dz", "dU", "step_c")] == [
        "dh_t = Uᵀ δ_{t+1} + ∂L_t/∂h_t",
        "dc_t = dc_{t+1} ⊙ f_{t+1} + dh_t ⊙ o_t ⊙ (1 - tanh²(c_t))",
        "δ_{i,t} = dc_t ⊙ g_t ⊙ i_t ⊙ (1 - i_t)",
        "δ_{f,t} = dc_t ⊙ c_{t-1} ⊙ f_t ⊙ (1 - f_t)",
        "δ_{g,t} = dc_t ⊙ i_t ⊙ (1 - g_t²)",
        "δ_{o,t} = dh_t ⊙ tanh(c_t) ⊙ o_t ⊙ (1 - o_t)",
        "δ_t = [δ_{i,t}; δ_{f,t}; δ_{g,t}; δ_{o,t}]",
        "∂L/∂U = Σ_t δ_t h_{t-1}ᵀ",
        "∂c_t/∂c_{t-1} = diag(f_t)",
    ]


def test_the_grus_have_the_standard_formulas():
    lines = bptt.derive(nn.gru_textbook).lines()
    assert [lines[name] for name in ("dz_n", "ds", "dz_z", "dz_r")] == [
        "δ_{n,t} = dh_t ⊙ (1 - z_t) ⊙ (1 - n_t²)",
        "ds_t = U_nᵀ δ_{n,t}",
        "δ_{z,t} = dh_t ⊙ (h_{t-1} - n_t) ⊙ z_t ⊙ (1 - z_t)",
        "δ_{r,t} = ds_t ⊙ h_{t-1} ⊙ r_t ⊙ (1 - r_t)",
    ]
    assert lines["dh"] == (
        "dh_t = dh_{t+1} ⊙ z_{t+1} + ds_{t+1} ⊙ r_{t+1} + U_zᵀ δ_{z,t+1} + U_rᵀ δ_{r,t+1} + ∂L_t/∂h_t"
    )
    assert bptt.derive(nn.gru).lines()["dz_r"] == "δ_{r,t} = δ_{n,t} ⊙ h_{n,t} ⊙ r_t ⊙ (1 - r_t)"


def test_the_residual_update_has_the_identity():
    lines = bptt.derive(nn.residual_rnn).lines()
    assert lines["step_h"] == "∂h_t/∂h_{t-1} = I + diag(1 - g_t²) U"
    assert lines["dh"] == "dh_t = dh_{t+1} + Uᵀ δ_{t+1} + ∂L_t/∂h_t"


# ----------------------------------------------------------------------------------------------------- on numbers


@pytest.mark.parametrize("name", CELLS)
def test_every_formula_holds_on_the_tapes_numbers(name):
    found = derivation(name)
    numbers = Numbers(found.recorded, found.formulas.rec)
    checked = 0
    for f in found.formulas.all:
        if f.section in ("forward", "errors", "gradients"):
            for t in range(numbers.T):
                first, *others = numbers.sides(f, t)
                for other in others:
                    np.testing.assert_allclose(other, first, rtol=1e-10, atol=1e-12, err_msg=f"{f.name} at {t}")
                    checked += 1
    assert checked > numbers.T


def test_the_numbers_are_those_of_a_loop_written_by_hand():
    """So that the table of numbers itself is not taken on trust."""
    found = simple()
    numbers = Numbers(found.recorded, found.formulas.rec)
    r = found.recorded
    U, W, b = (r.params[k].data for k in "UWb")
    hs = [r.states["h"].data]
    for x in r.xs.data:
        hs.append(np.tanh(U @ hs[-1] + W @ x + b))
    delta = np.zeros_like(hs[0])
    for t in reversed(range(len(r.xs))):
        delta = (1 - hs[t + 1] ** 2) * (U.T @ delta + r.per_step.data[t])
        np.testing.assert_allclose(numbers.value(Ref("dz"), t), delta, rtol=1e-12)
        np.testing.assert_allclose(numbers.value(Ref("h", -1), t), hs[t], rtol=1e-12)


def of_one(numbers, t, example, instead=None):
    """Values at step t of one example, with some others in their place."""

    def value(ref):
        if instead and ref in instead:
            return instead[ref]
        found = numbers.value(ref, t)
        return found if ref.step is None else found[:, [example]]

    return value


@pytest.mark.parametrize("name", CELLS)
def test_local_derivatives_and_jacobians_of_a_step_are_the_complex_steps(name):
    found = derivation(name)
    formulas = found.formulas
    numbers = Numbers(found.recorded, formulas.rec)
    smooth = name not in ("deep", "leaking", "clipped")  # a complex step needs analytic functions
    for f in formulas.all:
        if f.section not in ("slopes", "steps") or not smooth:
            continue
        for side, (t, example) in itertools.product(f.left, ((0, 0), (2, 1))):
            mine = [np.asarray(evaluate(right, of_one(numbers, t, example))) for right in f.right]
            at = of_one(numbers, t, example)(side.below)
            columns = []
            for k in range(len(at)):
                moved = at.astype(complex)
                moved[k] += 1e-30j
                known = {side.below: moved}
                if f.section == "steps":
                    for e in formulas.rec.forward:
                        values = evaluate(e.right, of_one(numbers, t, example, known))
                        known |= dict(zip(e.targets, values if len(e.targets) > 1 else [values], strict=True))
                    columns.append(known[side.above].imag / 1e-30)
                    continue
                right, _, part = formulas.lines[side.above.name]
                value = evaluate(right, of_one(numbers, t, example, known))
                columns.append((np.split(value, part[1])[part[0]] if part else value).imag / 1e-30)
            true = np.concatenate(columns, axis=1)
            for matrix in mine:  # that which is zero is the number 0
                np.testing.assert_allclose(matrix, true, rtol=1e-10, atol=1e-13, err_msg=f.name)


def test_a_formula_that_does_not_hold_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import formulas as module

    right = module.with_diagonal
    monkeypatch.setattr(module, "with_diagonal", lambda x: module.product(x, x) if x.name == "multiply" else right(x))
    with pytest.raises(ArithmeticError, match="the formula dz of residual_rnn does not hold at t=1"):
        bptt.derive(nn.residual_rnn).lines()


def test_a_local_derivative_that_is_wrong_is_not_printed(monkeypatch):
    from tinygrad_rnn.bptt.derivation import formulas as module

    right = module.line_slope
    monkeypatch.setattr(module, "line_slope", lambda line, by: module.product(module.Num(2), right(line, by)))
    with pytest.raises(ArithmeticError, match="the formula dh/dz of rnn does not hold at t=2"):
        bptt.derive(nn.rnn).lines()


# -------------------------------------------------------------------------------------------------- chains, entries


def test_the_chains_of_exercise_1():
    chains = simple().chains(3)
    assert chains["dL1_dU"] == "∂L_1/∂U = diag(1 - h_1²) ∂L_1/∂h_1 h_0ᵀ"
    assert chains["dL2_dU"] == (
        "∂L_2/∂U = diag(1 - h_2²) ∂L_2/∂h_2 h_1ᵀ + diag(1 - h_1²) Uᵀ diag(1 - h_2²) ∂L_2/∂h_2 h_0ᵀ"
    )
    assert chains["dL3_dU"].endswith("+ diag(1 - h_1²) Uᵀ diag(1 - h_2²) Uᵀ diag(1 - h_3²) ∂L_3/∂h_3 h_0ᵀ")
    assert chains["dL3_db"].count("∂L_3") == 4


@pytest.mark.parametrize("cell", [nn.rnn, nn.residual_rnn, nn.leaky_rnn])
@pytest.mark.parametrize("T", [1, 2, 3])
def test_the_chains_add_up_to_the_tapes_gradient(cell, T):
    from tinygrad_rnn.bptt.derivation.chains import chains

    found = bptt.derive(cell)
    numbers = Numbers(found.recorded, found.formulas.rec)
    case = found.recorded.case.part(
        0, T, found.recorded.per_step.data[:T], tuple(0 * d for d in found.recorded.case.dlast)
    )
    true = case.tape_gradients()
    sums = {}
    for f in chains(found.formulas, T):
        name = f.left[0].below.name
        sums[name] = sums.get(name, 0) + numbers.evaluate(f.right[0], 0)
    np.testing.assert_allclose(sums["U"], true["weight_hh"], rtol=1e-12)
    np.testing.assert_allclose(sums["W"], true["weight_ih"], rtol=1e-12)
    np.testing.assert_allclose(sums["b_ih"][:, 0], true["bias_ih"], rtol=1e-12)


def test_chains_that_are_too_many_are_refused():
    with pytest.raises(ValueError, match="joined from parts"):
        bptt.derive(nn.lstm).chains(2)
    with pytest.raises(ValueError, match="too many"):
        bptt.derive(own_cells.three_states, example=own_cells.CELLS[own_cells.three_states][0]).chains(4)


def test_each_formula_says_which_entries_of_the_tape_it_came_from():
    found = bptt.derive(nn.lstm)
    by_name = {f.name: f for f in found.formulas.all}
    lines = found.recorded.tape.lines()
    assert [lines[n][0].name for n in by_name["c"].entries] == ["add"] * len(found.recorded.xs)
    assert [lines[n][0].name for n in by_name["dz_i"].entries] == ["sigmoid"] * len(found.recorded.xs)
    assert [tg.tape.steps.time_of(lines[n][4]) for n in by_name["h"].entries] == [*range(len(found.recorded.xs))]
    assert re.search(r"i_t = σ\(z_\{i,t\}\)    \(entries \d+, \d+, \d+, \d+\)", found.write("text", entries=True))


# ------------------------------------------------------------------------------------------------------ documents


@pytest.mark.parametrize("name", CELLS)
def test_documents_are_whole(name):
    found = derivation(name)
    latex = found.write("latex", entries=True)
    assert latex.count(r"\begin{") == latex.count(r"\end{")
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    page = found.write("html", entries=True)
    ET.fromstring(page.split("\n", 1)[1].replace("<meta charset='utf-8'>", ""))
    assert page.count("<math display") == len(found.formulas.all)
    assert "the losses $L_t$" in latex
    assert name.replace("_", r"\_") in latex
    markdown = found.write("markdown")
    assert markdown.count("$$") == 2 * len(found.formulas.all)
    assert str(found) == found.write("text")
    assert len(found.lines("latex")) == len(found.formulas.all)  # each name once
    assert found.write("numpy") == found.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rnn", "residual_rnn", "lstm", "gru_textbook", "three_states", "course"])
def test_the_latex_is_set_by_a_typesetter(name):
    """matplotlib's, which knows no matrices: they are left out."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    for line in derivation(name).lines("latex").values():
        if "bmatrix" not in line:
            assert parser.parse(f"${line}$").glyphs


def test_writing_is_deterministic():
    for to in ("latex", "markdown", "html", "text", "numpy"):
        assert bptt.derive(nn.gru).write(to) == bptt.derive(nn.gru).write(to)


def test_two_names_are_never_one_symbol():
    def cell(params, x, h):
        a_1 = x @ params["W1"] + h @ params["U"]
        z_1 = x @ params["W_1"] - h @ params["U"]
        return np.tanh(a_1) * np.tanh(z_1)

    lines = bptt.derive(cell, example=own_cells.of({"W1": (3, 4), "W_1": (3, 4), "U": (4, 4)})).lines()
    assert lines["a_1"] == "a_{1,t} = W_1ᵀ x_t + Uᵀ h_{t-1}"
    assert lines["z_1"] == "z_{1,t} = W_{1'}ᵀ x_t - Uᵀ h_{t-1}"
    assert {lines["da_1"].split(" = ")[0], lines["dz_1"].split(" = ")[0]} == {"δ_{1,t}", "δ_{1',t}"}
    assert len({line.split(" = ")[0] for line in lines.values()}) == len(lines)


@pytest.mark.parametrize("name", CELLS)
def test_no_two_formulas_have_one_left_side(name):
    """But for a derivative that one line and the whole step have alike."""
    whole = derivation(name)
    lines = whole.lines("latex")
    same = [f for f in whole.formulas.section("slopes") for g in whole.formulas.section("steps") if f.left == g.left]
    assert all(f.right[-1:] in {g.right for g in whole.formulas.section("steps")} for f in same)
    assert len({line.split(" = ")[0] for line in lines.values()}) == len(lines) - len(same)


def test_greek_letters_and_words_as_names():
    def cell(params, x, h):
        alpha = np.tanh(x @ params["W_in"] + h @ params["Wrec"])
        memory = alpha * h
        return memory + np.sin(memory)

    lines = bptt.derive(cell, example=own_cells.of({"W_in": (3, 4), "Wrec": (4, 4)})).lines("latex")
    assert lines["memory"] == r"\mathrm{memory}_{t} = \alpha_{t} \odot h_{t-1}"
    assert r"W_{\mathrm{in}}^{\top} x_{t} + W_{\mathrm{rec}}^{\top} h_{t-1}" in lines["z"]


def test_a_parameter_that_no_loss_of_a_short_sequence_sees_has_gradient_zero():
    """h_t is made of c_{t-1} alone, so W is first seen by the loss of step 2."""

    def delayed(params, x, h, c):
        return -np.tanh(c), np.tanh(x @ params["W"])

    found = bptt.derive(delayed, example=own_cells.of({"W": (3, 4)}, states=2))
    assert found.chains(1) == {"dL1_dW": "∂L_1/∂W = 0"}
    assert list(found.chains(2)) == ["dL1_dW", "dL2_dW"]
    assert found.chains(2)["dL1_dW"] == "∂L_1/∂W = 0"
