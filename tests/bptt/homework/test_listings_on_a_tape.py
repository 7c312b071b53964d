"""The listings of a course on a tape: recorded as they stand, or refused in words that say what to write instead.

`bptt.examine` takes all of them as they stand: test_right_pieces.py.
"""

import numpy as np
import pytest
from people import load

import tinygrad_rnn as tg

CONCAT = """concat = np.zeros((n_a + n_x, m))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    ft"""


def problem(kind):
    rng = np.random.default_rng(0)
    xt, a_prev, c_prev = rng.standard_normal((3, 10)), rng.standard_normal((4, 10)), rng.standard_normal((4, 10))
    course = load("coursera")
    np.random.seed(2)
    return xt, a_prev, c_prev, getattr(course, f"{kind}_parameters")()


def leaves(arrays):
    return {name: tg.Tensor(value, name=name) for name, value in arrays.items()}


def agree(found, wanted):
    return np.allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def test_the_cell_of_the_rnn_is_recorded_and_has_the_gradients_of_its_listing():
    course = load("coursera")
    xt, a_prev, _, parameters = problem("rnn")
    da_next = np.random.default_rng(1).standard_normal(a_prev.shape)
    p, x, a = leaves(parameters), tg.Tensor(xt, name="xt"), tg.Tensor(a_prev, name="a_prev")
    with tg.Tape() as tape:
        a_next, _, _ = course.rnn_cell_forward(x, a, p)
    by_hand = course.rnn_cell_backward(da_next, course.rnn_cell_forward(xt, a_prev, parameters)[2])
    wrt = {"dxt": x, "da_prev": a, "dWax": p["Wax"], "dWaa": p["Waa"], "dba": p["ba"]}
    for name, gradient in tape.gradient(a_next, wrt, seed=da_next).items():
        assert agree(gradient, by_hand[name]), name


@pytest.mark.parametrize(
    ("listing", "line"),
    [
        pytest.param("lstm_cell_forward", "concat[:n_a, :] = a_prev", id="concat"),
        pytest.param("rnn_forward", "a[:, :, t] = a_next", id="states in an array"),
    ],
)
def test_a_tensor_that_is_put_into_an_array_is_refused_with_the_line_and_the_remedy(listing, line):
    course = load("coursera")
    xt, a_prev, c_prev, parameters = problem("lstm" if "lstm" in listing else "rnn")
    a = tg.Tensor(a_prev, name="a_prev")
    given = (xt, a, c_prev) if "lstm" in listing else (np.stack([xt, xt], axis=2), a)
    with tg.Tape(), pytest.raises(TypeError) as refusal:
        getattr(course, listing)(*given, leaves(parameters))
    said, remedy = str(refusal.value).splitlines()
    assert "into an array: its history would be lost" in said
    assert said.endswith(line)
    assert "np.stack(values) or np.concatenate(parts)" in remedy
    assert "tg.set_at(array, index, value)" in remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("", "", id="as it stands, on arrays"),
        pytest.param(CONCAT, "concat = np.concatenate([a_prev, xt])\n    ft", id="np.concatenate"),
        pytest.param(
            CONCAT,
            "concat = tg.set_at(np.zeros((n_a + n_x, m)), np.s_[:n_a, :], a_prev)\n"
            "    concat = tg.set_at(concat, np.s_[n_a:, :], xt)\n    ft",
            id="set_at",
        ),
    ],
)
def test_the_cell_of_the_lstm_has_the_gradients_of_its_listing(old, new):
    course = load("coursera", old, new)
    course.tg = tg
    xt, a_prev, c_prev, parameters = problem("lstm")
    da_next = np.random.default_rng(1).standard_normal(a_prev.shape)
    cache = course.lstm_cell_forward(xt, a_prev, c_prev, parameters)[3]
    by_hand = course.lstm_cell_backward(da_next, np.zeros_like(c_prev), cache)
    p = leaves(parameters)
    wrt = {"d" + name: p[name] for name in p if name not in ("Wy", "by")}
    x, a = xt, a_prev
    if new:
        x, a = tg.Tensor(xt, name="xt"), tg.Tensor(a_prev, name="a_prev")
        wrt |= {"dxt": x, "da_prev": a}
    with tg.Tape() as tape:
        a_next, *_ = course.lstm_cell_forward(x, a, c_prev, p)
    for name, gradient in tape.gradient(a_next, wrt, seed=da_next).items():
        assert agree(gradient, by_hand[name]), name
