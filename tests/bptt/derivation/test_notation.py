"""The layout of derivatives, the notation of NNDL, and the reasons of lines: each printed formula is evaluated."""

import functools

import numpy as np
import own_cells
import pytest
from derived_cells import CELLS

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, cli, nn, sigmoid
from tinygrad_rnn.bptt.derivation.checking import require_equal
from tinygrad_rnn.bptt.derivation.evaluation import evaluate
from tinygrad_rnn.bptt.derivation.expressions import Num, Op
from tinygrad_rnn.bptt.derivation.formula_line import Formula
from tinygrad_rnn.bptt.derivation.numbers import Numbers

FEW = ("rnn", "lstm")
"""The cells of which the tests take little time."""


@functools.cache
def derived(name, **more):
    cell, example, data = CELLS[name]
    layout = (data, more.pop("layout")) if "layout" in more else data
    return bptt.derive(cell, example=example, layout=layout, **more)


def of_one(numbers, t):
    """The quantities of the first example at step t."""

    def value(ref):
        found = numbers.value(ref, t)
        return found if ref.step is None or np.ndim(found) < 2 else found[:, :1]

    return value


ONE_EACH = [pytest.param(name, marks=() if name in FEW else pytest.mark.slow, id=name) for name in CELLS]


@pytest.mark.parametrize("name", ONE_EACH)
def test_in_denominator_layout_each_jacobian_is_the_transpose(name):
    """The numbers of the printed expressions, without the checks that derive makes itself."""
    pairs = zip(derived(name).formulas.all, derived(name, layout="denominator").formulas.all, strict=True)
    numbers = Numbers(derived(name).recorded, derived(name).formulas.rec)
    jacobians = 0
    for one, other in pairs:
        assert (one.section, one.name, one.left) == (other.section, other.name, other.left)
        if one.section not in ("slopes", "steps"):
            assert one.right == other.right
            continue
        for a, b in zip(one.right, other.right, strict=True):
            if a == Num(0):
                assert b == Num(0)
                continue
            a, b = (np.asarray(evaluate(x, of_one(numbers, 1))) for x in (a, b))
            np.testing.assert_allclose(a.T, b, rtol=1e-13, atol=1e-15)
            jacobians += 1
    assert jacobians


@pytest.mark.parametrize("name", ONE_EACH)
def test_lines_of_each_loss_hold_in_both_layouts(name):
    """Derive evaluates each line for each loss before it gives it; the error terms are those of the tape."""
    for layout in ("numerator", "denominator"):
        found = derived(name, notation="nndl", layout=layout)
        assert any(f.at == "k" for f in found.formulas.all)


def test_a_wrong_line_of_a_loss_is_found():
    """The check of each line is a check: with a sign, a step or a layout changed it raises."""
    found = derived("rnn", notation="nndl")
    numbers = Numbers(found.recorded, found.formulas.rec)
    require_equal(found.formulas, numbers, "rnn")
    lines = list(found.formulas.all)
    for k, f in enumerate(lines):
        if f.section == "forward" or ((f.section, f.at) == ("slopes", "") and isinstance(f.right[0], Num)):
            continue
        right = Op("multiply", (Num(-1), f.right[0]), (), f.right[0].shape)
        found.formulas.all = [*lines[:k], Formula(**{**vars(f), "right": (right, *f.right[1:])}), *lines[k + 1 :]]
        with pytest.raises(ArithmeticError, match="does not hold"):
            require_equal(found.formulas, numbers, "rnn")
    found.formulas.all = lines


def test_the_simple_rnn_is_the_book_formula_by_formula():
    def simple_rnn(params, x, h):
        z = params["U"] @ h + params["W"] @ x + params["b"]
        return np.tanh(z)

    example = own_cells.of({"U": (4, 4), "W": (4, 3), "b": (4, 1)}, columns=True)
    lines = bptt.derive(simple_rnn, example=example, layout="columns", notation="nndl").lines("latex")
    loss = r"\frac{\partial L_{t}}{\partial h_{t}}"
    assert {
        name: lines[name] for name in ("dh/dz", "dz/dh_prev", "step_h", "dz(t,t)", "dz", "dU", "dW", "db", "dx")
    } == {
        "dh/dz": r"\frac{\partial h_{t}}{\partial z_{t}} = \operatorname{diag}(\tanh'(z_{t})) "
        r"= \operatorname{diag}(1 - h_{t}^{2})",
        "dz/dh_prev": r"\frac{\partial z_{t}}{\partial h_{t-1}} = U^{\top}",
        "step_h": r"\frac{\partial h_{t}}{\partial h_{t-1}} = U^{\top} \operatorname{diag}(1 - h_{t}^{2})",
        "dz(t,t)": rf"\delta_{{t,t}} = \operatorname{{diag}}(\tanh'(z_{{t}})) {loss} "
        rf"= \operatorname{{diag}}(1 - h_{{t}}^{{2}}) {loss}",
        "dz": r"\delta_{t,k} = \operatorname{diag}(\tanh'(z_{k})) U^{\top} \delta_{t,k+1} "
        r"= \operatorname{diag}(1 - h_{k}^{2}) U^{\top} \delta_{t,k+1}",
        "dU": r"\frac{\partial L}{\partial U} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k} h_{k-1}^{\top}",
        "dW": r"\frac{\partial L}{\partial W} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k} x_{k}^{\top}",
        "db": r"\frac{\partial L}{\partial b} = \sum_{t=1}^{T} \sum_{k=1}^{t} \delta_{t,k}",
        "dx": r"\frac{\partial L_{t}}{\partial x_{k}} = W^{\top} \delta_{t,k}",
    }


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(nn.lstm, id="lstm"),
        pytest.param(nn.peephole_lstm, id="peephole_lstm", marks=pytest.mark.slow),
        pytest.param(nn.coupled_lstm, id="coupled_lstm", marks=pytest.mark.slow),
    ],
)
def test_the_candidate_of_an_lstm_is_c_with_a_tilde(cell):
    found = bptt.derive(cell, notation="nndl")
    assert found.lines()["c_tilde"] == "c̃_t = tanh(z_{c,t})"
    assert found.lines("latex")["c_tilde"] == r"\tilde{c}_{t} = \tanh(z_{c,t})"
    assert "<mover accent='true'><mi>c</mi><mo>~</mo></mover>" in found.lines("html")["c_tilde"]
    assert "c_tilde = np.tanh(z_c)" in found.numpy()
    assert "g = np.tanh(z_g)" in bptt.derive(cell).numpy()


def test_the_candidate_of_a_gru_is_h_with_a_tilde():
    lines = bptt.derive(nn.gru_textbook, notation="nndl").lines()
    assert lines["h"] == "h_t = (1 - z_t) ⊙ h̃_t + z_t ⊙ h_{t-1}"
    assert lines["dz_h"] == "δ_{h,t,k} = dh_{t,k} ⊙ (1 - z_k) ⊙ (1 - h̃_k²)"


def test_names_are_given_to_local_variables_too():
    def cell(params, x, h):
        z = sigmoid(params["W"] @ x + params["U"] @ h)
        cand = np.tanh(params["V"] @ h)
        return z * h + (1 - z) * cand

    example = own_cells.of({"W": (4, 3), "U": (4, 4), "V": (4, 4)}, columns=True)
    found = bptt.derive(cell, example=example, layout="columns", names={"h_tilde": "cand", "V_h": "V"})
    assert found.lines()["h_tilde"].startswith("h̃_t = tanh(")
    assert "V_h" in found.lines()["dV_h"]
    with pytest.raises(ValueError, match=r"no such parameters\nits parameters are W, U, V; its other names are cand"):
        bptt.derive(cell, example=example, layout="columns", names={"a": "b"})
    with pytest.raises(ValueError, match="no such parameters"):  # a state has the name of the argument
        bptt.derive(cell, example=example, layout="columns", names={"s": "h"})


def test_with_a_loss_of_its_own_a_term_of_the_loss_alone_is_a_single_sum():
    """dy_{t,k} is zero for k < t: the line of the readout is a sum over t."""

    def cell(params, x, h):
        return np.tanh(params["W"] @ x + params["U"] @ h)

    def readout(params, h):
        return params["V"] @ h

    def loss(y, target):
        return ((y - target) ** 2).sum() / 2

    def example(rng, T, B):
        params = {name: rng.standard_normal(s) for name, s in {"W": (4, 3), "U": (4, 4), "V": (2, 4)}.items()}
        return params, rng.standard_normal((3, B, T)), rng.standard_normal((4, B)), rng.standard_normal((2, B, T))

    found = bptt.derive(cell, example=example, readout=readout, loss=loss, layout="columns", notation="nndl").lines()
    assert found["dV"] == "∂L/∂V = Σ_t dy_{t,t} h_tᵀ"
    assert found["dU"] == "∂L/∂U = Σ_t Σ_{k≤t} δ_{t,k} h_{k-1}ᵀ"
    assert "dy" not in found
    assert found["dy(t,t)"] == "dy_{t,t} = y_t - target_t"


def test_the_layout_is_one_word_or_two():
    text = bptt.derive(nn.rnn, layout="denominator").lines()["step_h"]
    assert text == "∂h_t/∂h_{t-1} = Uᵀ diag(1 - h_t²)"
    assert bptt.derive(nn.rnn, layout="rows, denominator").lines()["step_h"] == text
    assert bptt.derive(nn.rnn, layout=("denominator", "rows")).lines()["step_h"] == text
    nndl = bptt.derive(nn.rnn, notation="nndl")
    assert nndl.lines()["step_h"] == text
    assert nndl.chains(3) == bptt.derive(nn.rnn).chains(3), "a chain of gradients is a column in both layouts"
    assert nndl.lines_by_name()["dz"].startswith("δ_{t,k} = ")
    numerator = bptt.derive(nn.rnn).lines()["step_h"]
    assert numerator == "∂h_t/∂h_{t-1} = diag(1 - h_t²) U"
    assert bptt.derive(nn.rnn, notation="nndl", layout="numerator").lines()["step_h"] == numerator
    for wrong in ("diagonal", "rows,columns", "numerator,denominator", "", ("rows", "x"), ()):
        with pytest.raises(ValueError, match=r"give one of rows, columns for the cell's arrays, one of numerator"):
            bptt.derive(nn.rnn, layout=wrong)
    with pytest.raises(ValueError, match="notation 'book'\ngive one of own, nndl"):
        bptt.derive(nn.rnn, notation="book")


def test_sums_begin_at_the_first_step():
    assert r"\sum_{t=0}^{T-1}" in bptt.derive(nn.rnn, first_step=0).lines("latex")["dU"]
    both = bptt.derive(nn.rnn, first_step=0, notation="nndl").lines("latex")["dU"]
    assert r"\sum_{t=0}^{T-1} \sum_{k=0}^{t}" in both


# ------------------------------------------------------------------------------------------------ reasons


@pytest.mark.parametrize("name", ONE_EACH)
def test_the_lines_of_the_walk_back_have_reasons(name):
    """Reasons are asked for; each error term and each gradient has one, and no place of a quantity is left open."""
    found = derived(name)
    text = found.write("text", reasons=True)
    assert not any("\ue000" <= c <= "\uf8ff" for c in text)
    assert "{" not in "".join(line for line in text.splitlines() if line.startswith("        ") and "_{" not in line)
    assert found.write("text") == "\n".join(line for line in text.splitlines() if not line.startswith(" " * 8)) + "\n"
    lines = text.splitlines()
    for f in found.formulas.all:
        of_a_line = found.formulas.rec.cotangents.get(getattr(f.left[0], "name", "")) in found.formulas.lines
        if (f.section == "errors" and of_a_line) or (f.section == "gradients" and f.summed):
            below = lines[lines.index(f"    {found.lines()[f.name]}") + 1]
            assert below.startswith(" " * 8), f.name


def test_reasons_say_which_line_reads_what():
    text = derived("lstm").write("text", reasons=True)
    for line, why in (
        (
            "∂c_t/∂c_{t-1} = diag(f_t)",
            "c_t multiplies c_{t-1} entry by entry: the other factor stands on the diagonal.",
        ),
        ("∂z_t/∂h_{t-1} = U", "z_t is linear in h_{t-1}: the matrix before it."),
        ("∂h_t/∂c_t = ", "h_t reads c_t entry by entry: a diagonal matrix."),
        ("dc_t = ", "c_t is read by c_{t+1} and h_t: one term for each."),
        ("∂L/∂U = ", "Every step reads U, in the line of z_t: the sum over the steps."),
        ("∂L/∂c_0 = ", "Only the first step reads it, in the line of c_1."),
    ):
        at = next(k for k, said in enumerate(text.splitlines()) if said.startswith(f"    {line}"))
        assert text.splitlines()[at + 1].strip().startswith(why)


@pytest.mark.parametrize("to", ["markdown", "latex", "html", "text"])
def test_reasons_in_chinese_have_the_same_formulas(to):
    english = derived("gru_textbook", notation="nndl").write(to, reasons=True)
    with tg.speak("zh"):
        chinese = derived("gru_textbook", notation="nndl").write(to, reasons=True)
    assert chinese.count("δ" if to in ("text", "html") else "delta") == english.count(
        "δ" if to in ("text", "html") else "delta"
    )
    assert "误差项" in chinese
    assert "净输入" in chinese
    assert "Error terms" not in chinese
    assert "is read by" not in chinese


def test_the_command_line_takes_layout_notation_and_reasons(capsys):
    assert cli.main(["derive", "--cell", "rnn", "--layout", "denominator", "--reasons"]) == 0
    said = capsys.readouterr().out
    assert "∂z_t/∂h_{t-1} = Uᵀ\n        z_t is linear in h_{t-1}: the matrix before it, transposed.\n" in said
    assert cli.main(["derive", "--cell", "gru_textbook", "--notation", "nndl", "--to", "latex"]) == 0
    assert r"\tilde{h}_{t}" in capsys.readouterr().out
    for wrong in (["--reasons", "--to", "numpy"], ["--reasons", "--blank", "2"]):
        assert cli.main(["derive", "--cell", "rnn", *wrong]) == 2
        assert "--steps, --entries and --reasons" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["derive", "--cell", "rnn", "--layout", "rows,columns"])
    assert "layout 'rows,columns'\ngive one of rows, columns for" in capsys.readouterr().err
