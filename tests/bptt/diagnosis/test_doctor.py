"""The doctor is examined: every wrong derivation is called wrong and its mistake named, no right one is accused."""

import re
from functools import partial

import numpy as np
import pytest
from cells import EVERY, WITH_HAND
from chinese_words import assert_read_in_both_languages
from mutants import mutants
from zoo import (
    CONVENTIONS,
    HABITS,
    KEPT_BETWEEN_CALLS,
    PAIRS,
    ZOO,
    column_cell,
    column_example,
    my_columns,
    my_gru,
    my_lstm,
    my_rnn,
    sigmoid,
    with_mistake,
)

from tinygrad_rnn import Tape, Tensor, bptt, nn
from tinygrad_rnn.bptt.comparison.case import Case
from tinygrad_rnn.bptt.diagnosis.changed_walk import gradients
from tinygrad_rnn.bptt.diagnosis.model import CellModel, Changes
from tinygrad_rnn.bptt.diagnosis.problems import problems_of
from tinygrad_rnn.bptt.diagnosis.rules import Ref
from tinygrad_rnn.nn.time_loop import as_tuple


def short(v):
    """A parameter in a test's id: a function by its name, words by their beginning."""
    return getattr(v, "__name__", str(v))[:40]


def options(cell):
    return {"example": column_example, "layout": "columns"} if cell is column_cell else {}


def case_of(cell, T=4, B=3):
    rng = np.random.default_rng(0)
    name = getattr(cell, "func", cell).__name__
    xs = rng.standard_normal((T, B, 6))
    return Case(cell, getattr(nn.init, name)(rng, 6, 5), xs, None, None, None, 0, with_dlast=True)


# ------------------------------------------------------------------------------------------------ wrong ones


OF_GATES = (nn.lstm, nn.gru)
ALL = [pytest.param(*row, marks=pytest.mark.slow) if row[0] in OF_GATES else row for row in ZOO]


@pytest.mark.parametrize(("cell", "function", "mistake", "words", "first", "step"), ALL, ids=short)
def test_the_mistake_is_named_with_the_first_wrong_quantity_and_step(cell, function, mistake, words, first, step):
    found = bptt.doctor(cell, with_mistake(function, mistake), **options(cell))
    assert not found
    assert found.complete, found
    assert found.second is None or "no dh carry" in mistake
    assert words in str(found.mistake)
    assert first in found.symptom.quantity
    if step is not None:
        assert found.symptom.k - found.symptom.T == step
    assert f"first: {found.symptom}" in str(found)
    assert "this explains every gradient on every problem, to rounding" in str(found)
    with pytest.raises(AssertionError, match="mistake: "):
        found.check()
    assert_read_in_both_languages(found, *function.__name__.split("_"))


def test_the_zoo_is_large_enough():
    assert len(ZOO) + len(HABITS) >= 50
    assert {function for _, function, *_ in ZOO} == {my_rnn, my_lstm, my_gru, my_columns}


@pytest.mark.parametrize(("function", "mistake", "words"), HABITS, ids=short)
def test_what_is_wrong_whatever_the_numbers_are(function, mistake, words):
    KEPT_BETWEEN_CALLS.clear()
    found = bptt.doctor(nn.rnn, with_mistake(function, mistake))
    assert not found
    assert any(words in remark for remark in found.remarks)
    assert words in str(found)
    assert_read_in_both_languages(found, "rnn")


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "function", "mistakes", "first", "second"), PAIRS, ids=short)
def test_of_two_mistakes_the_first_is_named_and_does_not_explain_all(cell, function, mistakes, first, second):
    found = bptt.doctor(cell, with_mistake(function, mistakes))
    assert not found
    assert first in str(found.mistake)
    assert second in str(found.second)
    assert found.complete == (found.second is not None)
    assert "this explains every gradient" not in str(found)
    assert ("both together explain every gradient" if found.complete else "not everything") in str(found)
    assert_read_in_both_languages(found, *function.__name__.split("_"))


def test_of_three_mistakes_the_first_is_named_and_the_rest_is_left_open():
    mistakes = "no derivative + h_t for h_{t-1} + no carry"
    found = bptt.doctor(nn.rnn, with_mistake(my_rnn, mistakes))
    assert not found.complete
    assert "the derivative of h[t] is missing" in str(found.mistake)
    assert "this explains the first symptom, not everything: correct it and run the doctor again" in str(found)


def test_what_nothing_explains_is_shown_term_by_term():
    def odd(params, xs, state, dhs, dlast=None):
        answer = bptt.by_hand.rnn(params, xs, state, dhs, dlast)
        return {**answer, "weight_hh": answer["weight_hh"] + np.sin(np.arange(25.0)).reshape(5, 5)}

    found = bptt.doctor(nn.rnn, odd)
    assert found.mistake is None
    assert re.search(r"none of \d+ known mistakes gives these numbers; term by term:", str(found))
    assert "upstream at step 0, term of step 0: dweight_hh 2.6e+00" in str(found)
    assert found.symptom.quantity == "dweight_hh"


def test_a_derivation_that_fails_is_wrong_and_the_line_is_told():
    def fails(params, xs, state, dhs):
        if len(xs) > 2:
            raise IndexError("list index out of range")
        return bptt.by_hand.rnn(params, xs, state, dhs)

    found = bptt.doctor(nn.rnn, fails)
    assert not found
    assert re.search(r"fails on \d+ problems.*IndexError: list index out of range \(line \d+\)", str(found))

    def always(params, xs, state, dhs):
        raise ZeroDivisionError("oh")

    assert "ZeroDivisionError: oh" in str(bptt.doctor(nn.rnn, always))
    assert not bptt.doctor(nn.rnn, always)


def test_nan_is_wrong():
    def nan(params, xs, state, dhs):
        return {"h0": np.full_like(state[0], np.nan)}

    assert not bptt.doctor(nn.rnn, nan)


def test_no_gradient_at_all_is_not_right():
    found = bptt.doctor(nn.rnn, lambda params, xs, state, dhs: {})
    assert not found
    assert "returned no gradient" in str(found)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (lambda g: g[..., None], "the shape of dbias_hh is (5, 1) in the place of (5,)"),
        (lambda g: g.reshape(1, -1), "dbias_hh is not summed over the batch: it has a row for each example"),
    ],
)
def test_a_wrong_shape_is_named(shape, words):
    def misshapen(params, xs, state, dhs):
        answer = bptt.by_hand.rnn(params, xs, state, dhs)
        return {**answer, "bias_hh": shape(answer["bias_hh"])}

    found = bptt.doctor(nn.rnn, misshapen)
    assert not found
    assert words in str(found.mistake)
    assert found.complete


def test_the_batch_first_is_recognised_where_the_shape_shows_it_and_where_not():
    def batch_first(params, xs, state, dhs):
        answer = bptt.by_hand.rnn(params, xs, state, dhs)
        return {**answer, "x": answer["x"].transpose(1, 0, 2)}

    found = bptt.doctor(nn.rnn, batch_first)
    assert str(found.mistake) == "the axes of dx are in another order: (3, 4, 6) for (4, 3, 6)"
    assert found.complete


# ------------------------------------------------------------------------------------------------ right ones


def my_relu_rnn(params, xs, state, dhs):
    return bptt.by_hand.rnn(params, xs, state, dhs, nonlinearity="relu")


def only_some(params, xs, state, dhs):
    """A derivation of dU alone, with other names for everything."""
    return {"dU": bptt.by_hand.rnn({**params, "weight_hh": params["U"]}, xs, state, dhs)["weight_hh"]}


def columns_of_a_row_cell(params, x, state, dh):
    """x (I, B, T), h (H, B), biases (H, 1), for a cell that has examples as rows."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    a = [state[0]]
    for t in range(x.shape[-1]):
        a.append(np.tanh(W @ x[..., t] + U @ a[-1] + b))
    dW, dU, db, dx, da = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(x), 0
    for t in reversed(range(x.shape[-1])):
        dz = (dh[..., t] + da) * (1 - a[t + 1] ** 2)
        dW, dU, db = dW + dz @ x[..., t].T, dU + dz @ a[t].T, db + dz.sum(axis=1, keepdims=True)
        dx[..., t], da = W.T @ dz, U.T @ dz
    return {"dweight_ih": dW, "dweight_hh": dU, "dbias_ih": db, "dbias_hh": db, "dx": dx, "dh0": da}


RIGHT = [
    *((getattr(nn, name), getattr(bptt.by_hand, name), {}) for name in WITH_HAND),
    (partial(nn.rnn, nonlinearity="relu"), my_relu_rnn, {}),
    (nn.rnn, my_rnn, {}),
    (nn.lstm, my_lstm, {}),
    (nn.gru, my_gru, {}),
    (column_cell, my_columns, {"example": column_example, "layout": "columns"}),
    (nn.rnn, only_some, {"names": {"U": "weight_hh"}}),
    (nn.rnn, columns_of_a_row_cell, {"layout": "columns"}),
]


@pytest.mark.parametrize(("cell", "function", "given"), RIGHT, ids=lambda v: getattr(v, "__name__", "")[:40])
def test_no_right_derivation_is_accused(cell, function, given):
    KEPT_BETWEEN_CALLS.clear()
    found = bptt.doctor(cell, function, **given).check()
    assert found.symptom is None
    assert found.mistake is None
    assert found.remarks == ()
    assert "right" in str(found)
    assert "T = 1, 2, 3, 7, 20; batch 1, 3; 2 seeds" in str(found)


def test_the_stated_activation_counts():
    assert not bptt.doctor(nn.rnn, my_relu_rnn)
    assert not bptt.doctor(partial(nn.rnn, nonlinearity="relu"), bptt.by_hand.rnn)


def without_biases(params, xs, state, dhs):
    """A derivation whose cell has none."""
    none = {**params, "bias_ih": np.zeros(5), "bias_hh": np.zeros(5)}
    answer = bptt.by_hand.rnn(none, xs, state, dhs)
    return {name: g for name, g in answer.items() if not name.startswith("bias")}


def test_a_cell_without_biases():
    found = bptt.doctor(nn.rnn, without_biases)
    assert "the cell without bias_ih and bias_hh (if that is meant: bias=False)" in str(found)
    bptt.doctor(nn.rnn, without_biases, bias=False).check()


def in_integers(params, xs, state, dhs):
    right = bptt.by_hand.rnn(params, xs, state, dhs)
    return {**right, "weight_hh": right["weight_hh"].astype(np.int64)}


def test_gradients_that_are_integers_are_named_and_no_loop_is_accused():
    found = bptt.doctor(nn.rnn, in_integers)
    assert not found
    assert found.mistake.words == "it returns integers: int64 for dweight_hh"
    whole = bptt.doctor(nn.rnn, lambda *problem: {**bptt.by_hand.rnn(*problem), "h0": np.zeros((1, 1), int)})
    assert "integers" not in str(whole)  # a placeholder is another mistake


def in_float32(params, xs, state, dhs):
    return {name: g.astype(np.float32) for name, g in bptt.by_hand.rnn(params, xs, state, dhs).items()}


def keeps_states_in_float32(params, xs, state, dhs, *, mistake=""):
    """Its gradients are of float64: nothing in them says that float32 was on the way."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs = np.empty((len(xs) + 1, *state[0].shape), np.float32)
    hs[0] = state[0]
    for t, x in enumerate(xs):
        hs[t + 1] = np.tanh(x @ W.T + hs[t] @ U.T + b)
    dW, dU, carry = 0, 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
        dW, dU = dW + dz.T @ xs[t], dU + dz.T @ (hs[t + 1] if mistake == "h_t for h_{t-1}" else hs[t])
        carry = dz @ U
    return {"weight_ih": dW, "weight_hh": dU}


@pytest.mark.parametrize("function", [in_float32, keeps_states_in_float32])
def test_single_precision_is_judged_at_its_own_rounding_and_said(function):
    found = bptt.doctor(nn.rnn, function).check()
    assert "precision: it computes in float32 somewhere, so it agrees to about 6 digits at best" in str(found)


def test_a_mistake_is_named_in_single_precision_too():
    found = bptt.doctor(nn.rnn, with_mistake(keeps_states_in_float32, "h_t for h_{t-1}"))
    assert str(found.mistake) == "in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]"
    assert found.complete
    assert "precision: it computes in float32" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "function", "words"),
    [
        (nn.gru, bptt.by_hand.gru_textbook, "right for another cell: gru_textbook, whose reset gate acts before"),
        pytest.param(
            *(nn.gru_textbook, bptt.by_hand.gru, "right for another cell: gru, whose reset gate acts after"),
            marks=pytest.mark.slow,
        ),
        (nn.rnn, bptt.by_hand.residual_rnn, "right for another cell: residual_rnn"),
        (nn.rnn, my_relu_rnn, 'right for another cell: rnn with nonlinearity="relu"'),
        (partial(nn.rnn, nonlinearity="relu"), bptt.by_hand.rnn, "right for another cell: rnn with tanh"),
    ],
)
def test_a_derivation_of_another_cell_is_recognised(cell, function, words):
    found = bptt.doctor(cell, function)
    assert not found
    assert words in str(found)


def test_the_other_update_gate_is_recognised():
    """h_t = z n + (1 - z) h_{t-1}: the rows of z change their sign, in the parameters and in the gradients."""

    def chung(params, xs, state, dhs, dlast=None):
        H = state[0].shape[1]
        sign = np.repeat([1.0, -1.0, 1.0], H)
        turned = {k: p * (sign if p.ndim == 1 else sign[:, None]) for k, p in params.items()}
        answer = bptt.by_hand.gru(turned, xs, state, dhs, dlast)
        return {k: g * (sign if g.ndim == 1 else sign[:, None]) if k in params else g for k, g in answer.items()}

    assert "update gate the other way round" in str(bptt.doctor(nn.gru, chung))


@pytest.mark.parametrize(("function", "convention", "words"), CONVENTIONS, ids=short)
def test_a_mean_is_a_convention(function, convention, words):
    found = bptt.doctor(nn.rnn, with_mistake(function, convention)).check()
    assert f"right; {words}\n" in str(found)
    assert f"convention: {words}, where a sum was asked for" in str(found)
    assert_read_in_both_languages(found, "rnn")


def test_clipping_is_recognised():
    def by_value(params, xs, state, dhs):
        return {k: np.clip(g, -0.3, 0.3) for k, g in bptt.by_hand.rnn(params, xs, state, dhs).items()}

    found = bptt.doctor(nn.rnn, by_value).check()
    assert "clipped to values between -0.3 and 0.3" in str(found)

    def by_norm(params, xs, state, dhs):
        answer = bptt.by_hand.rnn(params, xs, state, dhs)
        size = np.sqrt(sum((g**2).sum() for g in answer.values()))
        return {k: g * min(1, 2 / size) for k, g in answer.items()}

    found = bptt.doctor(nn.rnn, by_norm).check()
    assert "scaled down to a norm of at most 2" in str(found)


@pytest.mark.parametrize("name", WITH_HAND)
@pytest.mark.parametrize("bound", [pytest.param(5, marks=pytest.mark.slow), 10, 20, 1000])
def test_clipping_at_a_bound_that_small_gradients_never_reach_is_seen(name, bound):
    """Gradients are proportional to the upstream ones, so large upstream gradients show every bound."""

    def clipping(params, xs, state, dhs, dlast=None):
        answer = getattr(bptt.by_hand, name)(params, xs, state, dhs, dlast)
        return {k: np.clip(g, -bound, bound) for k, g in answer.items()}

    found = bptt.doctor(getattr(nn, name), clipping).check()
    assert str(found).startswith("clipping, BPTT of ")
    assert ": right; gradients are clipped\n" in str(found)
    assert f"clipped to values between -{bound} and {bound}" in str(found)


@pytest.mark.slow
def test_other_ways_of_clipping_are_seen():
    def each(params, xs, state, dhs):
        answer = bptt.by_hand.rnn(params, xs, state, dhs)
        return {k: g * min(1, 50 / np.linalg.norm(g)) for k, g in answer.items()}

    assert "each scaled down to a norm of at most 50 (gradient clipping)" in str(bptt.doctor(nn.rnn, each).check())

    def on_the_way(params, xs, state, dhs):
        return bptt.by_hand.rnn(params, xs, state, np.clip(dhs, -100, 100))

    found = bptt.doctor(nn.rnn, on_the_way)
    assert not found
    assert "where the upstream gradients are large (right where they are not)" in str(found)


@pytest.mark.parametrize("steps", [lambda T: range(T - 1, 0, -1), lambda T: reversed(range(T - 1))])
def test_a_loop_that_leaves_a_step_out(steps):
    def short(params, xs, state, dhs):
        W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
        hs = [state[0]]
        for x in xs:
            hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
        dW, dU, carry = np.zeros_like(W), np.zeros_like(U), np.zeros_like(hs[0])
        for t in steps(len(xs)):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dW, dU, carry = dW + dz.T @ xs[t], dU + dz.T @ hs[t], dz @ U
        return {"weight_ih": dW, "weight_hh": dU, "h0": carry}

    found = bptt.doctor(nn.rnn, short)
    assert found.complete
    assert "the loop leaves step" in str(found.mistake)


@pytest.mark.slow
def test_what_is_wrong_only_far_back_is_wrong():
    def truncated(params, xs, state, dhs):
        answer = dict(bptt.by_hand.rnn(params, xs, state, dhs))
        return {**answer, "weight_hh": answer["weight_hh"] * (len(xs) <= 10)}

    found = bptt.doctor(nn.rnn, truncated)
    assert not found
    assert "at T = 20 (right at T = 1, 2, 3, 7)" in str(found)


def test_a_carry_added_behind_the_derivative():
    def late(params, xs, state, dhs):
        W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
        hs = [state[0]]
        for x in xs:
            hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
        dU, carry = np.zeros_like(U), 0
        for t in reversed(range(len(xs))):
            dz = dhs[t] * (1 - hs[t + 1] ** 2) + carry
            dU, carry = dU + dz.T @ hs[t], dz @ U
        return {"weight_hh": dU}

    found = bptt.doctor(nn.rnn, late)
    assert "in dz, what comes back from step t+1 is added after the derivative of h[t], not before" in str(found)
    assert "; not given: dweight_ih, dbias_ih, dbias_hh, dx, dh0" in str(found)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_wrong(value):
    def broken(params, xs, state, dhs):
        answer = dict(bptt.by_hand.rnn(params, xs, state, dhs))
        answer["weight_hh"][0, 0] = value
        return answer

    found = bptt.doctor(nn.rnn, broken)
    assert not found
    assert list(found.wrong) == ["weight_hh"]


def test_a_gradient_that_is_zero_to_rounding_accuses_nobody():
    """A bias that a mean takes away again: its gradient is zero, on the tape but for rounding."""

    def cell(params, x, h):
        a = x @ params["W"] + h @ params["U"] + params["b"]
        return np.tanh(a - a.mean(axis=-1, keepdims=True))

    def example(rng, T, B):
        shapes = {"W": (3, 4), "U": (4, 4), "b": (1,)}
        params = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        return params, rng.standard_normal((T, B, 3)).astype(np.float32), np.zeros((B, 4), np.float32)

    bptt.doctor(cell, lambda params, xs, state, dhs: {"b": np.zeros(1)}, example=example).check()


def test_a_cell_is_recorded_anew_at_each_call():
    scale = [1.0]

    def cell(params, x, h):
        return np.tanh(x @ params["W"] + scale[0] * h)

    def example(rng, T, B):
        return {"W": rng.standard_normal((3, 4))}, rng.standard_normal((T, B, 3)), np.zeros((B, 4))

    def mine(params, xs, state, dhs):
        hs, dW, carry = [state[0]], 0, 0
        for x in xs:
            hs.append(np.tanh(x @ params["W"] + scale[0] * hs[-1]))
        for t in reversed(range(len(xs))):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dW, carry = dW + xs[t].T @ dz, scale[0] * dz
        return {"W": dW}

    bptt.doctor(cell, mine, example=example).check()
    scale[0] = 0.5
    bptt.doctor(cell, mine, example=example).check()


# ------------------------------------------------------------------------------------------------ conventions


def my_elman(params, xs, state, dhs, *, mistake="", zero=False, bias=("bias_ih", "bias_hh")):
    """An RNN with the biases that are named, from the state that is given or from zero."""
    W, U, b = params["weight_ih"], params["weight_hh"], sum(params[name] for name in bias)
    hs = [np.zeros_like(state[0]) if zero else state[0]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    dW, dU, db, carry = 0, 0, 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
        dW, dU, db = dW + dz.T @ xs[t], dU + dz.T @ (hs[t + 1] if mistake else hs[t]), db + dz.sum(0)
        carry = dz @ U
    return {"weight_ih": dW, "weight_hh": dU, **dict.fromkeys(bias, db), **({} if zero else {"h0": carry})}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "zero"),
    [
        ({"zero": True}, "h0"),
        ({"bias": ("bias_ih",)}, "bias_hh"),
        ({"bias": ("bias_hh",)}, "bias_ih"),
        ({"zero": True, "bias": ("bias_ih",)}, "h0 and bias_hh"),
    ],
)
def test_a_state_of_zero_and_one_bias_are_conventions(given, zero):
    found = bptt.doctor(nn.rnn, partial(my_elman, **given)).check()
    assert found.remarks == (f"convention: it does not read {zero}, so {zero} was zero on all problems",)
    found = bptt.doctor(nn.rnn, partial(my_elman, mistake="h_t for h_{t-1}", **given))
    assert str(found.mistake) == "in dweight_hh, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]"
    assert found.complete


def test_the_state_c_alone_may_start_from_zero():
    def from_zero(params, xs, state, dhs):
        answer = bptt.by_hand.lstm(params, xs, (state[0], np.zeros_like(state[1])), dhs)
        return {name: g for name, g in answer.items() if name != "c0"}

    found = bptt.doctor(nn.lstm, from_zero).check()
    assert found.remarks == ("convention: it does not read c0, so c0 was zero on all problems",)


def test_a_bias_that_is_forgotten_is_a_mistake_where_its_gradient_is_given():
    def forgets(params, xs, state, dhs):
        return bptt.by_hand.rnn({**params, "bias_hh": np.zeros(5)}, xs, state, dhs)

    found = bptt.doctor(nn.rnn, forgets)
    assert not found
    assert "h[t-1] @ weight_hh.T in the place of h[t-1] @ weight_hh.T + bias_hh" in str(found.mistake)


def three_steps(params, xs, state, dhs, factor=1):
    """Written out, so that it has no other length."""
    first, second, third = dhs
    return {"weight_hh": factor * bptt.by_hand.rnn(params, xs, state, np.stack([first, second, third]))["weight_hh"]}


def test_a_derivation_of_one_length_is_right_there_and_not_said_to_be_right_elsewhere():
    found = bptt.doctor(nn.rnn, three_steps)
    assert not found
    assert str(found).startswith("three_steps, BPTT of rnn: right at T = 3; no answer at T = 1, 2, 7, 20\n")
    found = bptt.doctor(nn.rnn, partial(three_steps, factor=2))
    assert "wrong: dweight_hh, at T = 3 (no answer at T = 1, 2, 7, 20)" in str(found)
    assert "dweight_hh: a factor 2 too many" in str(found.mistake) or "every gradient" in str(found.mistake)

    def unknown(params, xs, state, dhs):
        return {"weight_hh": three_steps(params, xs, state, dhs)["weight_hh"] + np.sin(np.arange(25.0)).reshape(5, 5)}

    assert "no terms: the derivation fails on shorter sequences (ValueError:" in str(bptt.doctor(nn.rnn, unknown))


# ------------------------------------------------------------------------------------------------ cells that are legal

SHAPES = {"W": (3, 4), "U": (4, 4)}


def example_of(shapes, state, xs=lambda rng, T, B: rng.standard_normal((T, B, 3))):
    def example(rng, T, B):
        params = {name: 0.5 * rng.standard_normal([B if n == "B" else n for n in s]) for name, s in shapes.items()}
        return params, xs(rng, T, B), state(rng, B)

    return example


def one(rng, B):
    return rng.standard_normal((B, 4))


def two(rng, B):
    return one(rng, B), one(rng, B)


LEGAL = {
    "hands on a parameter": (
        lambda p, x, h, c: (np.tanh(x @ p["W"] + h @ p["U"] + c), p["c"]),
        example_of({**SHAPES, "c": ("B", 4)}, two),
    ),
    "hands on x": (
        lambda p, x, h, before: (np.tanh(x @ p["W"] + before @ p["W"] + h @ p["U"]), x),
        example_of(SHAPES, lambda rng, B: (one(rng, B), rng.standard_normal((B, 3)))),
    ),
    "hands on a state as it is": (lambda p, x, h, c: (np.tanh(x @ p["W"] + h * c), c), example_of({"W": (3, 4)}, two)),
    "exchanges its states": (lambda p, x, h, c: (c, np.tanh(x @ p["W"] + h)), example_of({"W": (3, 4)}, two)),
    "embeds integers": (
        lambda p, x, h: np.tanh(p["E"][x[:, 0]] + h @ p["U"]),
        example_of({"E": (5, 4), "U": (4, 4)}, one, lambda rng, T, B: rng.integers(0, 5, (T, B, 1))),
    ),
    "counts in integers": (
        lambda p, x, h, n: (np.tanh(x @ p["W"] + h @ p["U"] / (n + 1)[:, None]), n + 1),
        example_of(SHAPES, lambda rng, B: (one(rng, B), np.zeros(B, int))),
    ),
    "a number for each example": (
        lambda p, x, h: np.tanh(h * p["u"] + x @ p["w"]),
        example_of({"u": (), "w": (3,)}, lambda rng, B: rng.standard_normal(B)),
    ),
    "a matrix for each example": (
        lambda p, x, M: 0.7 * M + (x @ p["K"])[:, :, None] * (x @ p["V"])[:, None, :],
        example_of({"K": (3, 4), "V": (3, 4)}, lambda rng, B: rng.standard_normal((B, 4, 4))),
    ),
    "one unit": (
        lambda p, x, h: np.tanh(x @ p["W"] + h @ p["U"]),
        example_of({"W": (3, 1), "U": (1, 1)}, lambda rng, B: rng.standard_normal((B, 1))),
    ),
}


def by_differences(cell, params, xs, state, dhs):
    """Gradients by the parameters from central differences of the loss: to 1e-9, which is enough for a first answer."""

    def loss(values):
        after, total = state, 0.0
        for x, dh in zip(xs, dhs, strict=True):
            after = as_tuple(cell(values, x, *after))
            total += np.sum(after[0] * dh)
        return total

    found = {}
    for name, p in params.items():
        found[name] = np.zeros(np.shape(p))
        for at in np.ndindex(np.shape(p)):
            moved = [np.array(p), np.array(p)]
            moved[0][at] += 1e-4
            moved[1][at] -= 1e-4
            found[name][at] = np.subtract(*(loss({**params, name: value}) for value in moved)) / 2e-4
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEGAL)
def test_legal_cells_are_examined(kind):
    cell, example = LEGAL[kind]

    def on_a_tape(params, xs, state, dhs):
        tensors = {name: Tensor(p) for name, p in params.items()}
        with Tape() as tape:
            after, total = tuple(Tensor(s) if s.dtype.kind == "f" else s for s in state), 0.0
            for x, dh in zip(xs, dhs, strict=True):
                after = as_tuple(cell(tensors, x, *after))
                total = total + (after[0] * dh).sum()
        return tape.gradient(total, tensors)

    params, xs, state = example(np.random.default_rng(0), 3, 2)
    dhs = np.random.default_rng(1).standard_normal((3, *np.shape(as_tuple(state)[0])))
    numeric, answer = (f(params, xs, as_tuple(state), dhs) for f in (partial(by_differences, cell), on_a_tape))
    for name, g in answer.items():
        np.testing.assert_allclose(g, numeric[name], rtol=1e-6, atol=1e-7)

    bptt.doctor(cell, on_a_tape, example=example).check()
    found = bptt.doctor(cell, lambda *given: {k: 2 * g for k, g in on_a_tape(*given).items()}, example=example)
    assert "a factor 2 too many" in str(found.mistake)
    assert found.complete


def test_what_has_no_gradient_is_not_taken_for_one():
    cell, example = LEGAL["embeds integers"]
    with pytest.raises(ValueError, match=r"speaks of 'x', which is none of E, U, h0\nleave it out"):
        bptt.doctor(cell, lambda params, xs, state, dhs: {"x": 0.0 * xs}, example=example)


# ------------------------------------------------------------------------------------------------ intermediates


def logging_lstm(params, xs, state, dhs, log, mistake=""):
    """The LSTM, with its intermediates."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    (h, c), kept = state, []
    for x in xs:
        z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        kept.append((x, h, c, i, f, g, o))
        c = f * c + i * g
        h = o * np.tanh(c)
    dU, dh_next, dc_next = np.zeros_like(U), 0, 0
    for t in reversed(range(len(xs))):
        x, h, c, i, f, g, o = kept[t]
        y = np.tanh(f * c + i * g)
        dh = dhs[t] + dh_next
        dc = dh * o * (1 - y**2) + (0 if mistake == "no dc carry" else dc_next)
        di, df, dg, do = dc * g, dc * c, dc * i, dh * y
        if mistake == "df at the first step" and t == 0:
            df = 2 * df
        d = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
        dz = np.concatenate(d, axis=1)
        term = dz.T @ h
        log.update({(t, "dh"): dh, (t, "dc"): dc, (t, "df"): df, (t, "dz_f"): d[1], (t, "dU"): term})
        dU, dh_next, dc_next = dU + term, dz @ U, dc * f
    return {"weight_hh": dU}


@pytest.mark.slow
def test_intermediates_say_where_it_goes_wrong_first():
    names = {"U": "weight_hh"}
    assert bptt.doctor(nn.lstm, logging_lstm, names=names)
    found = bptt.doctor(nn.lstm, partial(logging_lstm, mistake="no dc carry"), names=names)
    assert (found.symptom.quantity, found.symptom.k, found.symptom.T) == ("dc", 0, 2)
    assert "the carry of dc from step t+1 is missing" in str(found.mistake)
    found = bptt.doctor(nn.lstm, partial(logging_lstm, mistake="df at the first step"), names=names)
    assert (found.symptom.quantity, found.symptom.k) == ("df", 0)
    assert "by hand it is 2 times the tape's wherever it is wrong" in str(found)


def test_intermediates_may_be_returned_and_unknown_ones_are_refused():
    def returning(params, xs, state, dhs):
        log = {}
        return logging_lstm({**params, "U": 0}, xs, state, dhs, log), log

    assert bptt.doctor(nn.lstm, returning, names={"U": "weight_hh"})

    def wrong(params, xs, state, dhs):
        return {"dU": np.zeros_like(params["U"])}, {(0, "dq"): np.zeros(3)}

    with pytest.raises(ValueError, match="speaks of 'dq', which is none of z_i, z_f, "):
        bptt.doctor(nn.lstm, wrong, names={"U": "weight_hh"})


# ------------------------------------------------------------------------------------------------ bad input


def test_bad_input_is_refused():
    with pytest.raises(
        ValueError, match=r"speaks of 'dQ', which is none of weight_ih.*\nleave it out, or say which it is, as names="
    ):
        bptt.doctor(nn.rnn, lambda params, xs, state, dhs: {"dQ": 0})
    with pytest.raises(TypeError, match="returned a list"):
        bptt.doctor(nn.rnn, lambda params, xs, state, dhs: [])
    with pytest.raises(TypeError, match="returned complex128 for 'x'"):
        bptt.doctor(nn.rnn, lambda params, xs, state, dhs: {"x": xs + 0j})
    with pytest.raises(ValueError, match=r"returned dweight_hh under two names.*\nreturn it once"):
        bptt.doctor(nn.rnn, lambda params, xs, state, dhs: {"weight_hh": 0, "dweight_hh": 0})
    with pytest.raises(TypeError, match=r"the derivation is a int\ngive a function \(params"):
        bptt.doctor(nn.rnn, 3)
    with pytest.raises(TypeError, match=r"names is a list\ngive a dict"):
        bptt.doctor(nn.rnn, bptt.by_hand.rnn, names=["U"])
    with pytest.raises(ValueError, match=r"names maps 'U' to 'weight_hh'\ngive each of theirs one of ours"):
        bptt.doctor(nn.rnn, bptt.by_hand.rnn, names={"U": "weight_hh", "V": "weight_hh"})
    with pytest.raises(ValueError, match=r"names maps 'weight_ih' to 'weight_hh', but the cell has a 'weight_ih'"):
        bptt.doctor(nn.rnn, bptt.by_hand.rnn, names={"weight_ih": "weight_hh"})
    with pytest.raises(ValueError, match=r"logged 'dh', for T = 1\nlog by \(t, name\)"):
        bptt.doctor(nn.rnn, lambda params, xs, state, dhs: ({}, {"dh": 0}))
    with pytest.raises(ValueError, match=r"example\(rng, T=4, B=3\) failed: TypeError.*\nit returns \(params"):
        bptt.doctor(my_own, bptt.by_hand.rnn, example=lambda rng, T, B: 3)
    with pytest.raises(ValueError, match="names maps 'U' to 'nope', which the cell does not have"):
        bptt.doctor(nn.rnn, bptt.by_hand.rnn, names={"U": "nope"})
    with pytest.raises(ValueError, match=r"T=\d, B=\d\) gave xs of 1 step\ngive T of them"):
        bptt.doctor(
            my_own,
            bptt.by_hand.rnn,
            example=lambda rng, T, B: ({"W": np.ones((2, 3))}, np.ones((1, B, 2)), np.ones((B, 3))),
        )
    with pytest.raises(ValueError, match=r"the cell my_own fails on its example: KeyError: 'W'"):
        bptt.doctor(my_own, bptt.by_hand.rnn, example=lambda rng, T, B: ({}, np.ones((T, B, 2)), np.ones((B, 3))))
    with pytest.raises(ValueError, match="layout 'rwos'"):
        bptt.doctor(nn.rnn, bptt.by_hand.rnn, layout="rwos")
    with pytest.raises(ValueError, match=r"no problems for the cell my_own\ngive example"):
        bptt.doctor(my_own, bptt.by_hand.rnn)


def my_own(params, x, h):
    return np.tanh(x @ params["W"] + h)


def test_a_cell_whose_steps_differ_is_refused():
    count = [0]

    def cell(params, x, h):
        count[0] += 1
        return np.tanh(x @ params["W"] + h * (1 + count[0] % 2))

    def example(rng, T, B):
        return {"W": rng.standard_normal((2, 3))}, rng.standard_normal((T, B, 2)), np.ones((B, 3))

    def by_hand(params, xs, state, dhs):
        return {"W": np.zeros((2, 3))}

    with pytest.raises(ValueError, match="the steps of cell are not alike"):
        bptt.doctor(cell, by_hand, example=example)


# ------------------------------------------------------------------------------------------------ model


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_without_changes_the_walk_over_the_model_is_bptt(name, T):
    case = case_of(getattr(nn, name), T)
    model, true = CellModel(case), case.tape_gradients()
    seen = {}
    for key, g in gradients(model, seen=seen).items():
        np.testing.assert_allclose(g, true[key], rtol=1e-12, atol=1e-14)
    for r, slot, _ in model.edges():  # each rule, as a program, is the rule
        again = gradients(model, Changes(edges={(r, slot): model.rule(r, slot)}))
        assert all(np.allclose(again[key], true[key], rtol=1e-12, atol=1e-14) for key in true)
    tape, loss, _ = case.tape()
    for t in range(T):
        np.testing.assert_allclose(
            seen[t, model.after[0]], tape.gradient(loss, tape.find("h", t=t)), rtol=1e-12, atol=1e-14
        )
    assert {t for t, _ in seen} == set(range(T))
    assert Ref("x") in {ref for _, ref in seen}


# ------------------------------------------------------------------------------------------------ mutants

QUANTITIES = {
    "rnn": {"dh": "h", "dz": "z"},
    "residual_rnn": {"dh": "h", "dz": "g"},
    "lstm": {"dh": "h", "dc": "c", "dz_i": "z_i", "dz_f": "z_f", "dz_g": "z_g", "dz_o": "z_o"},
    "gru": {"dh": "h", "da_n": "z_n", "da_r": "z_r", "da_z": "z_z"},
    "gru_textbook": {"dh": "h", "da_n": "z_n", "da_r": "z_r", "da_z": "z_z"},
}
QUANTITIES["residual_rnn"]["dz"] = "z"


def first_difference(right, wrong, problem, names):
    """The first intermediate, from the last step down, in which two derivations differ: nothing of the tape in it."""
    logs = []
    for function in (right, wrong):
        log = {}
        case = problem.case
        function(case.params, case.xs, case.state, case.dhs, case.dlast, log=log)
        logs.append(log)
    for t in reversed(range(problem.T)):
        for (step, name), value in logs[1].items():
            if step == t and name in names:
                true = logs[0][t, name]
                if value.shape != true.shape or not np.abs(value - true).max() <= 1e-9 * np.abs(true).max():
                    return name, t
    return None


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in WITH_HAND])
def test_mutants_of_our_own_derivations(name):
    """Each single edit that changes a gradient is called wrong, at the right place, and nearly all are explained."""
    cell, right = getattr(nn, name), getattr(bptt.by_hand, name)
    names = {k[1:]: v for k, v in QUANTITIES[name].items()}
    problems = problems_of(cell, None, False, True)
    changed, explained, misplaced, unexplained = 0, 0, [], []
    all_mutants = list(mutants(right, logged=True))
    original = all_mutants[0][2]
    every = 1 if name in ("rnn", "residual_rnn") else 5  # of the long ones a part: all of them take minutes
    for words, _, mutant, _ in all_mutants[1::every]:
        with np.errstate(all="ignore"):
            outcome = outcomes(original, mutant, problems)
            found = bptt.doctor(cell, only_quantities(mutant, QUANTITIES[name]), names=names)
        assert bool(found) == (outcome == "same"), words
        if outcome != "changed":
            continue
        changed += 1
        explained += found.complete and found.second is None
        unexplained += [] if found.complete else [words]
        smallest = next(p for p in sorted_problems(problems) if differs(original, mutant, p))
        expected = first_difference(original, mutant, smallest, QUANTITIES[name])
        if expected:
            at = (found.symptom.quantity, found.symptom.k)
            if at != expected:
                misplaced.append((words, at, expected))
            if found.complete and changed % 2:  # then the step is known without a log as well
                silent = bptt.doctor(cell, unlogged(mutant)).symptom
                misplaced += [] if silent.k == expected[1] else [(words, silent.k, expected)]
        else:  # no intermediate is wrong: it is the sum of one gradient, or the answer
            assert found.symptom is None or found.symptom.quantity.startswith("d")
    assert changed > 15
    assert not misplaced
    assert not unexplained
    assert changed - explained <= max(1, 0.05 * changed)  # one edit may amount to two mistakes


def unlogged(mutant):
    return lambda params, xs, state, dhs, dlast=None: mutant(params, xs, state, dhs, dlast, log={})


def only_quantities(mutant, quantities):
    def function(params, xs, state, dhs, dlast=None, log=None):
        everything = {}
        answer = mutant(params, xs, state, dhs, dlast, log=everything)
        log.update({key: value for key, value in everything.items() if key[1] in quantities})
        return answer

    return function


def sorted_problems(problems):
    return sorted(problems.tried, key=lambda p: (p.T, -p.B))


def answer_of(function, problem):
    case = problem.case
    arguments = [{k: v.copy() for k, v in case.params.items()}, case.xs.copy(), case.state, case.dhs.copy(), case.dlast]
    return function(*arguments, log={})


def differs(original, mutant, problem):
    a, b = answer_of(original, problem), answer_of(mutant, problem)
    return any(
        np.shape(a[k]) != np.shape(b[k]) or not np.abs(a[k] - b[k]).max() <= 1e-9 * max(np.abs(a[k]).max(), 1e-300)
        for k in a
    )


def outcomes(original, mutant, problems):
    """What a mutant does, by comparison with the original: "same", "changed" or "fails"."""
    changed = False
    for problem in problems.tried:
        try:
            changed = differs(original, mutant, problem) or changed
        except Exception:
            return "fails"
    return "changed" if changed else "same"
