"""A gate is a sigmoid however its author spells it, and values have its author's names, whatever wraps the cell."""

import functools

import numpy as np
import own_cells
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.problems import Problems


def divided(z):
    return 1 / (1 + np.exp(-z))


def quotient(z):
    return np.exp(z) / (1 + np.exp(z))


def half_a_tanh(z):
    return 0.5 * (1 + np.tanh(z / 2))


def in_lines(z):
    e = np.exp(-z)
    below = 1.0 + e
    return below**-1


SPELLINGS = [divided, quotient, half_a_tanh, in_lines]
EXAMPLE = own_cells.of({k + g: (3 if k == "W" else 4, 4) for k in "WU" for g in "fig"}, states=2)


def lstm_with(sigmoid):
    def lstm(p, x, h, c):
        f = sigmoid(x @ p["Wf"] + h @ p["Uf"])
        i = sigmoid(x @ p["Wi"] + h @ p["Ui"])
        g = np.tanh(x @ p["Wg"] + h @ p["Ug"])
        c = f * c + i * g
        return np.tanh(c), c

    return lstm


def code_is_the_tapes(cell, example, columns=False):
    """The written code against the tape of the cell as it is spelled."""
    gradients = bptt.derive(cell, example=example).gradients
    for T in (1, 2, 3, 7):
        for B in (1, 3):
            problem = Problems(cell, example, columns, with_dlast=True).problem(T, B, seed=3)
            case = problem.case
            found = gradients(case.params, case.xs, case.state, case.dhs, case.dlast)
            for name, true in problem.true.items():
                np.testing.assert_allclose(found[name], true, rtol=1e-10, atol=1e-13, err_msg=f"{name} {T} {B}")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spelled_gate_is_derived_as_a_sigmoid(spelling):
    mine = bptt.derive(lstm_with(spelling), example=EXAMPLE)
    textbook = bptt.derive(lstm_with(tg.sigmoid), example=EXAMPLE)
    assert mine.lines() == textbook.lines()
    assert mine.lines("latex") == textbook.lines("latex")
    assert mine.numpy() == textbook.numpy()
    assert mine.lines()["df/dz_f"] == "∂f_t/∂z_{f,t} = diag(σ'(z_{f,t})) = diag(f_t ⊙ (1 - f_t))"
    assert "dz_f = dc * c_prev * f * (1 - f)" in mine.numpy()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_code_of_a_spelled_gate_has_the_numbers_of_its_spelling(spelling):
    code_is_the_tapes(lstm_with(spelling), EXAMPLE)


def test_a_minus_in_each_term_is_no_other_gate():
    """1 / (1 + exp(-a - b)): no value is the net input."""

    def spread(p, x, h, c):
        f = 1 / (1 + np.exp(-x @ p["Wf"] - h @ p["Uf"]))
        i = 1 / (np.exp(-h @ p["Ui"] - x @ p["Wi"]) + 1)
        g = np.tanh(x @ p["Wg"] + h @ p["Ug"])
        c = f * c + i * g
        return np.tanh(c), c

    mine = bptt.derive(spread, example=EXAMPLE)
    lines = bptt.derive(lstm_with(tg.sigmoid), example=EXAMPLE).lines()

    def terms(line):
        """The terms of a sum; their order is that in which the cell reads h."""
        left, *right = line.split(" = ")
        return left, [sorted(side.split(" + ")) for side in right]

    for name in lines.keys() - {"z_i"}:
        assert terms(mine.lines()[name]) == terms(lines[name])
    assert "f = sigmoid(x @ Wf + h_prev @ Uf)" in mine.numpy()
    code_is_the_tapes(spread, EXAMPLE)


def test_an_exponential_that_is_no_gate_stays():
    def cell(p, x, h):
        return np.exp(-x @ p["W"] - h @ p["U"] - 2) * h

    example = own_cells.of(own_cells.WU, scale=0.1)
    assert bptt.derive(cell, example=example).lines()["z"].startswith("z_t = - Wᵀ x_t - Uᵀ h_{t-1}")


def test_what_is_almost_a_sigmoid_is_none():
    def leaky(p, x, h):
        return 1 / (1.1 + np.exp(-(x @ p["W"] + h @ p["U"])))

    example = own_cells.of(own_cells.WU)
    assert "sigmoid" not in bptt.derive(leaky, example=example).numpy()
    code_is_the_tapes(leaky, example)


def test_a_state_inside_of_a_spelling_stays():
    def cell(p, x, h, c):
        c = np.exp(-(x @ p["W"] + h @ p["U"]) + 0.1 * np.tanh(c))
        return 1 / (1 + c), c

    example = own_cells.of(own_cells.WU, states=2)
    assert bptt.derive(cell, example=example).lines()["c"].startswith("c_t = exp(")
    code_is_the_tapes(cell, example)

    def plain(p, x, h, c):
        c = np.exp(-(x @ p["W"] + h @ p["U"]))
        return 1 / (1 + c), c

    lines = bptt.derive(plain, example=example).lines()
    assert lines["h"] == "h_t = 1/(1 + c_t)"
    code_is_the_tapes(plain, example)


# ------------------------------------------------------------------------------------------------ names, and wrappers


def named_by_its_author(parameters, x, h, *, scale=1.0):
    Wg, Ug = parameters["Wg"], parameters["Ug"]
    gate = tg.sigmoid(x @ Wg + h @ Ug)
    memory = gate * h
    pre = scale * (x @ parameters["W"]) + memory
    return np.tanh(pre)


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def wrapped_without_wraps(function):
    def wrapper(params, x, h):
        result = function(params, x, h)
        return 1.0 * result

    return wrapper


class Author:
    def method(self, parameters, x, h):
        return named_by_its_author(parameters, x, h)

    @staticmethod
    def static(parameters, x, h):
        return named_by_its_author(parameters, x, h)

    def __call__(self, parameters, x, h):
        return self.method(parameters, x, h)


WRAPPED = {
    "plain": named_by_its_author,
    "partial": functools.partial(named_by_its_author, scale=1.0),
    "wraps": wrapped(named_by_its_author),
    "no wraps": wrapped_without_wraps(named_by_its_author),
    "twice": wrapped(functools.partial(wrapped_without_wraps(named_by_its_author))),
    "method": Author().method,
    "static": Author.static,
    "object": Author(),
    "lambda": lambda params, x, h: named_by_its_author(params, x, h, scale=1.0),
    "lambda that gives a tuple": lambda params, x, h: (named_by_its_author(params, x, h, scale=1.0),),
}


@pytest.mark.parametrize("cell", WRAPPED.values(), ids=WRAPPED)
def test_names_come_through_wrappers(cell):
    example = own_cells.of({"W": (3, 4), "Wg": (3, 4), "Ug": (4, 4)})
    lines = bptt.derive(cell, example=example).lines()
    assert {"gate", "memory", "pre"} <= set(lines)
    assert lines["memory"] == "memory_t = gate_t ⊙ h_{t-1}"
    assert lines["dWg"] == "∂L/∂W_g = Σ_t x_t δ_tᵀ"


def test_a_helper_that_is_called_for_each_gate_names_nothing():
    def gate(p, x, h, k):
        net = x @ p["W" + k] + h @ p["U" + k]
        return tg.sigmoid(net)

    def cell(p, x, h, c):
        f, i = gate(p, x, h, "f"), gate(p, x, h, "i")
        g = np.tanh(x @ p["Wg"] + h @ p["Ug"])
        c = f * c + i * g
        return np.tanh(c), c

    lines = bptt.derive(cell, example=EXAMPLE).lines()
    assert {"z_f", "z_i", "f", "i", "g"} <= set(lines)
    assert "net" not in lines


def test_the_argument_of_a_helper_names_nothing():
    def squash(value):
        return np.tanh(value)

    def cell(p, x, h):
        return squash(x @ p["W"] + h @ p["U"])

    assert "z" in bptt.derive(cell, example=own_cells.of(own_cells.WU)).lines()
