"""The derivations by hand, the tape and the complex step agree: every cell, length, batch and dtype."""

from functools import partial

import cells
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.comparison.case import Case

CELLS = {
    "rnn": (nn.rnn, bptt.by_hand.rnn),
    "rnn_relu": (partial(nn.rnn, nonlinearity="relu"), partial(bptt.by_hand.rnn, nonlinearity="relu")),
    "residual_rnn": (nn.residual_rnn, bptt.by_hand.residual_rnn),
    "lstm": (nn.lstm, bptt.by_hand.lstm),
    "gru": (nn.gru, bptt.by_hand.gru),
    "gru_textbook": (nn.gru_textbook, bptt.by_hand.gru_textbook),
}


def problem(name, T, B, dtype="float64"):
    return cells.problem(name.removesuffix("_relu"), T, B, dtype=dtype, seed=[T, B])[1:]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("B", [1, 3])
def test_hand_and_tape_and_numbers_agree(name, T, B):
    cell, by_hand = CELLS[name]
    params, xs = problem(name, T, B)
    report = bptt.compare(cell, params, xs, by_hand, seed=T, torch=False).check()
    states = ["h0", "c0"] if name == "lstm" else ["h0"]
    assert [row.name for row in report.rows] == ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "x", *states]
    for row in report.rows:
        assert row.hand.relative <= 1e-12
        assert row.numeric.method == "complex step"
        assert row.numeric.relative <= 1e-10


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("B", [1, 3])
def test_float32_is_within_1e_5_of_float64_and_stays_float32(name, T, B):
    cell, by_hand = CELLS[name]
    params, xs = problem(name, T, B, np.float32)
    single = Case(cell, params, xs, None, None, None, seed=1, with_dlast=True)
    double = Case(
        cell,
        {k: p.data.astype(np.float64) for k, p in params.items()},
        xs.astype(np.float64),
        tuple(s.astype(np.float64) for s in single.state),
        single.dhs.astype(np.float64),
        tuple(d.astype(np.float64) for d in single.dlast),
        seed=1,
        with_dlast=True,
    )
    reference = double.tape_gradients()
    for gradients in (single.tape_gradients(), single.hand_gradients(by_hand)):
        for key, gradient in gradients.items():
            assert gradient.dtype == np.float32
            largest = np.abs(reference[key]).max()
            np.testing.assert_allclose(gradient, reference[key], rtol=0, atol=1e-5 * largest, err_msg=key)


@pytest.mark.parametrize("name", CELLS)
def test_without_dlast_no_gradient_comes_from_the_last_state(name):
    cell, by_hand = CELLS[name]
    params, xs = problem(name, 3, 2)
    case = Case(cell, params, xs, None, None, None, seed=0, with_dlast=False)
    arrays = case.params, case.xs, case.state, case.dhs
    for key, gradient in by_hand(*arrays).items():
        np.testing.assert_array_equal(gradient, by_hand(*arrays, dlast=tuple(map(np.zeros_like, case.dlast)))[key])


def test_the_softmax_readout_is_that_of_the_tape():
    rng = np.random.default_rng(0)
    V, c, hs = (tg.Tensor(rng.standard_normal(s), name=n) for n, s in (("V", (6, 5)), ("c", 6), ("hs", (7, 3, 5))))
    targets = rng.integers(0, 6, (7, 3))
    with tg.Tape() as tape:
        loss = nn.cross_entropy(hs @ V.T + c, targets)
    value, by_hand = bptt.by_hand.softmax_readout(V.data, c.data, hs.data, targets)
    assert value == pytest.approx(loss.item(), rel=1e-14)
    bptt.compare_gradients("readout", tape.gradient(loss, {"V": V, "c": c, "hs": hs}), by_hand).check()


def test_large_net_inputs_overflow_nowhere():
    params, xs = problem("lstm", 3, 2)
    params = {k: p.data * 1e4 for k, p in params.items()}
    state = (np.zeros((2, 5)), np.zeros((2, 5)))
    gradients = bptt.by_hand.lstm(params, xs, state, np.ones((3, 2, 5)))
    assert all(np.isfinite(g).all() for g in gradients.values())
