"""A cell that also predicts: what does not reach a state is left out, and the page says so."""

import numpy as np
import own_cells
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.diagnosis.problems import Problems


def softmax(x):
    e = np.exp(x - np.max(x, axis=0))
    return e / e.sum(axis=0)


def alone(params, x, a_prev):
    z = params["U"] @ a_prev + params["W"] @ x
    return np.tanh(z)


def computed_and_dropped(params, x, a_prev):
    z = params["U"] @ a_prev + params["W"] @ x
    a_next = np.tanh(z)
    prediction = softmax(params["V"] @ a_next + params["c"])
    assert prediction.shape[0] == 2
    return a_next


def returned(params, x, a_prev):
    z = params["U"] @ a_prev + params["W"] @ x
    a_next = np.tanh(z)
    prediction = softmax(params["V"] @ a_next + params["c"])
    return a_next, prediction


def returned_with_a_cache(params, x, a_prev):
    a_next, prediction = returned(params, x, a_prev)
    return a_next, prediction, (a_next, a_prev, x, params)


SHAPES = {"U": (4, 4), "W": (4, 3), "V": (2, 4), "c": (2, 1)}
EXAMPLE = own_cells.of(SHAPES, columns=True)
PREDICTING = [computed_and_dropped, returned, returned_with_a_cache]


@pytest.mark.parametrize("cell", PREDICTING)
def test_a_prediction_is_left_out_and_said_to_be(cell):
    found = bptt.derive(cell, example=EXAMPLE, layout="columns")
    plain = bptt.derive(alone, example=EXAMPLE, layout="columns")
    assert found.lines() == plain.lines()
    assert found.title == cell.__name__
    assert "Lines that do not reach a state are left out: e, prediction." in str(found)
    assert "left out" not in str(plain)
    assert found.lines()["dV"] == "∂L/∂V = ∂L/∂c = 0"
    for to in ("latex", "html", "markdown"):
        assert "prediction." in found.write(to)


@pytest.mark.parametrize("cell", PREDICTING)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 3])
def test_code_of_a_cell_that_predicts_is_that_of_its_states(cell, T, B):
    gradients = bptt.derive(cell, example=EXAMPLE, layout="columns").gradients
    problem = Problems(alone, EXAMPLE, True, with_dlast=True).problem(T, B, seed=3)
    case = problem.case
    xs, dhs = (np.moveaxis(a, 0, -1) for a in (case.xs, case.dhs))
    found = gradients(case.params, xs, case.state, dhs, case.dlast)
    found["x"] = np.moveaxis(found["x"], -1, 0)
    for name, true in problem.true.items():
        np.testing.assert_allclose(found[name], true, rtol=1e-10, atol=1e-13, err_msg=name)


def test_an_lstm_may_return_its_prediction_behind_its_states():
    def lstm(p, x, h, c):
        f = tg.sigmoid(x @ p["Wf"] + h @ p["Uf"])
        c = f * c + np.tanh(x @ p["Wg"])
        h = np.tanh(c)
        return h, c, h @ p["V"]

    shapes = {"Wf": (3, 4), "Uf": (4, 4), "Wg": (3, 4), "V": (4, 2)}
    found = bptt.derive(lstm, example=own_cells.of(shapes, states=2))
    assert found.formulas.rec.states == ("h", "c")
    assert "Lines that do not reach a state are left out." in str(found)


def test_a_prediction_in_the_place_of_a_state_is_refused():
    def turned(params, x, a_prev):
        return returned(params, x, a_prev)[::-1]

    with pytest.raises(ValueError, match="fails on its example"):
        bptt.derive(turned, example=EXAMPLE, layout="columns")


def test_a_state_that_is_not_read_is_no_line_that_is_left_out():
    def cell(p, x, h, c):
        return np.tanh(x @ p["W"] + h @ p["U"]), 0.5 * h

    assert "left out" not in str(bptt.derive(cell, example=own_cells.of(own_cells.WU, states=2)))
