"""What is zero stands on the page as 0: terms that cancel, parameters without a gradient, and paths that are cut."""

import numpy as np
import own_cells
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.derivation.cancelling import without_zeros
from tinygrad_rnn.bptt.derivation.expressions import Num, Op, Ref, matmul, negative, product, total
from tinygrad_rnn.bptt.diagnosis.problems import Problems


def tape_agrees(cell, example, lengths=(1, 2, 3, 7), batches=(1, 3)):
    """The written code against the tape."""
    gradients = bptt.derive(cell, example=example).gradients
    for T in lengths:
        for B in batches:
            problem = Problems(cell, example, False, with_dlast=True).problem(T, B, seed=3)
            case = problem.case
            found = gradients(case.params, case.xs, case.state, case.dhs, case.dlast)
            for name, true in problem.true.items():
                np.testing.assert_allclose(found[name], true, rtol=1e-10, atol=1e-13, err_msg=f"{name} {T} {B}")


# ------------------------------------------------------------------------------------------------- terms that cancel


def test_terms_cancel_and_nothing_else_goes():
    a, b, c = (Ref(name, 0, (3, 2)) for name in "abc")
    assert without_zeros(Op("add", (a, negative(a)), (), a.shape)) == Num(0)
    assert without_zeros(Op("add", (Num(1), negative(a), a), (), a.shape)) == Num(1)
    assert without_zeros(Op("add", (product(a, b), negative(product(b, a)), c), (), a.shape)) == c
    assert without_zeros(total(a, a)) == total(a, a)
    assert without_zeros(total(a, negative(b))) == total(a, negative(b))
    assert without_zeros(product(c, Op("add", (a, negative(a)), (), a.shape))) == Num(0)
    zero = Op("add", (a, negative(a)), (), a.shape)
    assert without_zeros(total(matmul(Ref("W", None, (3, 3)), zero), b)) == b
    assert without_zeros(Op("tanh", (zero,), (), a.shape)) != Num(0)  # of a function nothing is known: cos(0) is 1


def gate_of_nothing(p, x, h):
    u = tg.sigmoid(x @ p["Wu"] + h @ p["Uu"])
    n = np.tanh(x @ p["Wn"] + h @ p["Un"])
    return (1 - u) * n + u * n


GATES = own_cells.of({"Wu": (3, 4), "Uu": (4, 4), "Wn": (3, 4), "Un": (4, 4)})


def test_a_parameter_without_a_gradient_stands_on_the_page():
    derivation = bptt.derive(gate_of_nothing, example=GATES)
    lines = derivation.lines()
    assert lines["dWu"] == "∂L/∂W_u = ∂L/∂U_u = 0"
    assert lines["dh/du"] == "∂h_t/∂u_t = 0"
    assert lines["dh/dn"] == "∂h_t/∂n_t = I"
    assert lines["step_h"] == "∂h_t/∂h_{t-1} = diag(1 - n_t²) U_nᵀ"
    assert "du" not in derivation.numpy().replace("return", "")
    tape_agrees(gate_of_nothing, GATES)


def test_a_parameter_that_no_state_reads_has_the_gradient_zero():
    def cell(p, x, h):
        p["V"].sum()
        return np.tanh(x @ p["W"] + h @ p["U"])

    example = own_cells.of({"W": (3, 4), "U": (4, 4), "V": (4, 2)})
    assert bptt.derive(cell, example=example).lines()["dV"] == "∂L/∂V = 0"
    tape_agrees(cell, example)


def test_a_part_of_a_joined_cotangent_may_be_zero():
    def cell(p, x, h):
        z = x @ p["W"] + h @ p["U"]
        u, n = tg.sigmoid(z[:, :4]), np.tanh(z[:, 4:])
        return (1 - u) * n + u * n

    tape_agrees(cell, own_cells.of({"W": (3, 8), "U": (4, 8)}))


def test_an_initial_state_without_a_gradient_is_said():
    def cell(p, x, h, c):
        c = 0.5 * c + x @ p["W"]
        return np.tanh(c), c

    assert bptt.derive(cell, example=own_cells.of({"W": (3, 4)}, states=2)).lines()["dh0"] == "∂L/∂h_0 = 0"


# ------------------------------------------------------------------------------------------------- paths that are cut


def gate_sees_the_old_state(p, x, h, c):
    """The forget gate sees c_{t-1} and hands nothing back to it."""
    f = tg.sigmoid(x @ p["W"] + tg.stop_gradient(c) * p["p"])
    c = f * c + x @ p["G"]
    return np.tanh(c), c


def gate_sees_the_new_state(p, x, h, c):
    """The output gate sees c_t and hands nothing back to it."""
    c = 0.5 * c + x @ p["G"]
    o = tg.sigmoid(x @ p["W"] + tg.stop_gradient(c) * p["p"])
    return o * np.tanh(c), c


def under_a_name(p, x, h, c):
    frozen = tg.stop_gradient(h @ p["U"] + c)
    c = np.tanh(c * frozen + x @ p["G"]) + h
    return np.sin(c) * frozen, c


CUT = own_cells.of({"W": (3, 4), "p": (4,), "G": (3, 4), "U": (4, 4)}, states=2)


@pytest.mark.parametrize("cell", [gate_sees_the_old_state, gate_sees_the_new_state, under_a_name])
def test_numbers_of_a_cut_are_the_tapes(cell):
    derivation = bptt.derive(cell, example=CUT)
    assert "its path cut" in str(derivation)  # every formula is checked before it is printed
    tape_agrees(cell, CUT)


def test_local_derivatives_and_the_step_respect_a_cut():
    lines = bptt.derive(gate_sees_the_old_state, example=CUT).lines()
    assert lines["z"] == "z_t = Wᵀ x_t + sg(c_{t-1}) ⊙ p"
    assert lines["dz/dc_prev"] == "∂z_t/∂c_{t-1} = 0"
    assert lines["step_c"] == "∂c_t/∂c_{t-1} = diag(f_t)"
    assert lines["dc"] == "dc_t = dc_{t+1} ⊙ f_{t+1} + dh_t ⊙ (1 - h_t²)"
    assert lines["dp"] == "∂L/∂p = Σ_t δ_t ⊙ c_{t-1}"


def test_the_other_placing_of_a_cut():
    lines = bptt.derive(gate_sees_the_new_state, example=CUT).lines()
    assert lines["dz/dc"] == "∂z_t/∂c_t = 0"
    assert lines["step_h/c"] == "∂h_t/∂c_{t-1} = 0.5 diag(o_t ⊙ (1 - tanh²(c_t)))"
    assert lines["dc"] == "dc_t = 0.5 dc_{t+1} + dh_t ⊙ o_t ⊙ (1 - tanh²(c_t))"


def test_a_cut_value_keeps_its_name():
    lines = bptt.derive(under_a_name, example=CUT).lines()
    assert lines["frozen"] == "frozen_t = sg(Uᵀ h_{t-1} + c_{t-1})"
    assert lines["dW"] == "∂L/∂W = ∂L/∂p = ∂L/∂U = 0"


def test_a_page_without_a_cut_says_nothing_of_one():
    assert "sg(" not in str(bptt.derive(gate_of_nothing, example=GATES))


@pytest.mark.parametrize("to", ["latex", "html", "markdown"])
def test_every_style_writes_a_cut(to):
    assert "sg" in bptt.derive(gate_sees_the_old_state, example=CUT).write(to)


# --------------------------------------------------------------------------- cotangents that are handed on as they are


def state_plus_state(p, x, h, c):
    c = np.tanh(c + x @ p["G"]) + h
    return np.sin(c), c


def context(p, x, h, c):
    """A state that no step changes, such as what an encoder hands over."""
    return np.tanh(c + x @ p["G"]), c


def counter(p, x, h, c):
    c = c + h + x @ p["G"]
    return np.tanh(c), c


@pytest.mark.parametrize("cell", [state_plus_state, context, counter])
def test_a_cotangent_may_be_handed_on_whole(cell):
    example = own_cells.of({"G": (3, 4)}, states=2)
    assert bptt.derive(cell, example=example).lines()
    tape_agrees(cell, example)


def test_a_cut_beside_a_bias():
    def cell(p, x, h, c):
        c = np.tanh(tg.stop_gradient(h) + x @ p["G"] + p["p"]) + c
        return np.sin(tg.stop_gradient(c) + h + p["p"]), c

    text = str(bptt.derive(cell, example=CUT))
    assert "total derivative" not in text  # h_t depends on c_t by a path that is cut
    tape_agrees(cell, CUT)
