"""Checkpointed BPTT, and truncated BPTT as it is run: the gradient of one tape of all steps, in less memory."""

import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest
from cells import EVERY
from step_losses import H, assert_alike, gradients, one_tape, problem

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt import Chunked, Full, RandomChunks, Randomized, Scaled, WilliamsPeng, Window


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("cell", EVERY.values())
def test_the_same_gradient_for_every_cell(cell, recursive):
    params, xs, loss = problem(cell, 23)
    value, found = bptt.checkpointed(cell, params, xs, loss, recursive=recursive)
    expected_value, expected = gradients(cell, params, xs, loss)
    expected.pop("x")
    assert_alike(found, expected, 1e-13)
    assert abs(value - expected_value) <= 1e-13 * expected_value


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_inputs_and_initial_states_too_at_every_segment_length(T, recursive, dtype):
    for B in (1, 3):
        params, xs, loss = problem(nn.lstm, T, B, dtype)
        rng = np.random.default_rng(1)
        state = tuple(rng.standard_normal((B, H)).astype(dtype) for _ in range(2))
        expected_value, expected = gradients(nn.lstm, params, xs, loss, state)
        for every in (None, *range(1, T + 2)):
            value, found = bptt.checkpointed(
                nn.lstm, params, xs, loss, state, every, recursive=recursive, also=["x", "h0", "c0"]
            )
            assert_alike(found, expected, 1e-13 if dtype == "float64" else 1e-6)
            assert abs(value - expected_value) <= 1e-6 * expected_value


@pytest.mark.parametrize("recursive", [False, True])
def test_a_loss_at_some_steps_alone(recursive):
    params, xs, every_step = problem(nn.gru, 11)

    def loss(t, h):
        return every_step(t, h) if t in (3, 4) else 0.0

    value, found = bptt.checkpointed(nn.gru, params, xs, loss, recursive=recursive, also=["x"])
    expected_value, expected = gradients(nn.gru, params, xs, loss)
    assert_alike(found, expected, 1e-13)
    assert not found["x"][5:].any()
    assert abs(value - expected_value) <= 1e-13 * expected_value


def test_the_step_is_the_step_of_the_sequence():
    """A cell that looks at the step it is in (zoneout's masks) sees the same one as in one run."""
    params, xs, loss = problem(nn.rnn, 9)
    held = np.random.default_rng(2).random((9, 2, H)) < 0.5
    cell = nn.zoneout(nn.rnn, held)
    state = np.zeros((2, H))
    for recursive in (False, True):
        _, found = bptt.checkpointed(cell, params, xs, loss, state, recursive=recursive)
        _, expected = gradients(cell, params, xs, loss, (state,))
        assert_alike(found, {name: expected[name] for name in params}, 1e-13)


def peak(function):
    tracemalloc.start()
    answer = function()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return answer, found


@pytest.mark.slow
def test_memory_grows_with_the_root_of_the_length_or_its_logarithm():
    whole, root, logarithm = [], [], []
    for T in (100, 400):
        problem_of = nn.rnn, *problem(nn.rnn, T)
        whole.append(peak(partial(gradients, *problem_of))[1])
        root.append(peak(partial(bptt.checkpointed, *problem_of))[1])
        logarithm.append(peak(partial(bptt.checkpointed, *problem_of, recursive=True))[1])
    assert 3 < whole[1] / whole[0] < 5
    assert 1.2 < root[1] / root[0] < 2.5
    assert logarithm[1] / logarithm[0] < 1.6
    assert root[1] < 0.1 * whole[1]
    assert logarithm[1] < 0.05 * whole[1]


@pytest.mark.slow
def test_ten_thousand_steps():
    """A hidden state lives as long as its tape: of the 10,000 no more than 100 do at a time."""
    params, xs, _ = problem(nn.rnn, 10_000, B=1)
    del params["V"]
    alive, most = {}, 0

    def loss(t, h):
        nonlocal most
        alive[t] = weakref.ref(h.data, lambda _: alive.pop(t))
        most = max(most, len(alive))
        return (h * h).sum()

    _, found = bptt.checkpointed(nn.rnn, params, xs, loss)
    assert most == 100
    tape, losses, _, _ = one_tape(nn.rnn, params, xs, loss)
    assert most == 10_000
    assert_alike(found, tape.gradient({x: np.ones(x.shape) for x in losses}, params), 1e-13)


def test_a_cell_that_gives_other_numbers_again_is_refused():
    params, xs, loss = problem(nn.rnn, 9)
    rng = np.random.default_rng(0)

    def noisy(params, x, h=None):
        return nn.rnn(params, x * (rng.random(x.shape) < 0.5), h)

    for recursive in (False, True):
        with pytest.raises(ValueError, match="gave another h at t=") as caught:
            bptt.checkpointed(noisy, params, xs, loss, recursive=recursive)
        assert len(str(caught.value).splitlines()) == 2


def test_nothing_is_recorded_on_an_open_tape():
    params, xs, loss = problem(nn.rnn, 5)
    _, expected = gradients(nn.rnn, params, xs, loss)
    expected.pop("x")
    with tg.Tape() as tape:
        _, found = bptt.checkpointed(nn.rnn, params, xs, loss)
        _, ahead, _ = bptt.rtrl(nn.rnn, params, xs, loss)
        _, cut = bptt.truncated_bptt(nn.rnn, params, xs, loss, Full())
    assert not len(tape)
    for one in (found, ahead, cut):
        assert_alike(one, expected, 1e-12)


def _squares(V, t, h):
    y = h @ V.T
    return (y * y).sum()


def test_a_parameter_may_have_the_name_of_a_state():
    params, xs, _ = problem(nn.rnn, 5)
    params = {"h0" if name == "V" else name: p for name, p in params.items()}
    V = params["h0"]
    _, found = bptt.checkpointed(nn.rnn, params, xs, lambda t, h: _squares(V, t, h), np.zeros((2, H)), every=2)
    _, expected = gradients(nn.rnn, params, xs, lambda t, h: _squares(V, t, h))
    assert_alike(found, {name: expected[name] for name in params}, 1e-13)


def test_a_loss_may_be_the_state_itself_or_a_parameter():
    """h_t = tanh(w h_{t-1} + x_t), L = sum of h_0, w, h_2: dL/dw = dh_0/dw + 1 + dh_2/dw, by the recursion."""
    xs, w, h, slope, expected = np.array([0.3, -1.0, 0.7]), 0.8, 0.5, 0.0, 0.0
    for t, x in enumerate(xs):
        before, h = h, np.tanh(w * h + x)
        slope = (1 - h * h) * (before + w * slope)
        expected += 1 if t == 1 else slope
    params = {"w": tg.Tensor(w)}

    def cell(params, x, h):
        return np.tanh(params["w"] * h + x)

    def loss(t, h):
        return params["w"] if t == 1 else h

    start = np.array(0.5)
    for every in (1, 2, 3):
        assert abs(bptt.checkpointed(cell, params, xs, loss, start, every)[1]["w"] - expected) < 1e-14
    assert abs(bptt.rtrl(cell, params, xs, loss, start).gradients["w"] - expected) < 1e-14
    assert abs(bptt.truncated_bptt(cell, params, xs, loss, Scaled([1, 1]), start)[1]["w"] - expected) < 1e-14


def test_a_state_may_be_a_constant():
    params, xs, loss = problem(nn.rnn, 5)

    def cell(params, x, h, count):
        return nn.rnn(params, x, h), np.ones(2)

    state = np.zeros((2, H)), np.zeros(2)
    _, expected = gradients(nn.rnn, params, xs, loss)
    for run in (partial(bptt.checkpointed, every=2), bptt.rtrl, partial(bptt.truncated_bptt, how=Full())):
        assert_alike(run(cell, params, xs, loss, state=state)[1], {name: expected[name] for name in params}, 1e-12)


def test_a_nan_comes_through():
    params, xs, loss = problem(nn.rnn, 9)
    xs[2, 0, 0] = np.nan
    value, found = bptt.checkpointed(nn.rnn, params, xs, loss, every=2)
    assert np.isnan(value)
    assert np.isnan(found["weight_hh"]).all()


@pytest.mark.parametrize("run", [bptt.checkpointed, bptt.rtrl, partial(bptt.truncated_bptt, how=Chunked(2))])
def test_what_is_wrong_says_so(run):
    params, xs, loss = problem(nn.lstm, 4)
    wrong = [
        (lambda: run(nn.lstm, params, xs[:0], loss), "no steps"),
        (lambda: run(nn.lstm, params, xs, loss, state=(np.zeros((2, H)),)), "1 state given, lstm takes h, c"),
        (lambda: run(nn.lstm, {**params, "V": params["V"].data}, xs, loss), "not a Tensor"),
        (lambda: run(nn.lstm, params, xs, lambda t, h: h), "has shape"),
        (lambda: run(nn.lstm, params, xs, lambda t, h: None), "returned a NoneType"),
        (lambda: run(nn.lstm, params, xs, lambda t, h: h.argmax()), "returned a Tensor of"),
        (lambda: run(nn.lstm, params, xs, lambda t, h: 1.0), "no Tensor at any step"),
        (lambda: run(lambda p, x, h=None: nn.lstm(p, x, h), params, xs, loss), "returned 2 at t=0"),
    ]
    for call, words in wrong:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "run", [partial(bptt.checkpointed, every=1), bptt.rtrl, partial(bptt.truncated_bptt, how=Chunked(1))]
)
def test_a_loss_that_remembers_another_step_is_refused(run):
    params, xs, _ = problem(nn.rnn, 4)
    seen = []

    def loss(t, h):
        seen.append(np.tanh(h))
        return (h * seen[-2]).sum() if len(seen) > 1 else (h * h).sum()

    with pytest.raises(ValueError, match="no gradient would come back"):
        run(nn.rnn, params, xs, loss)


def test_what_checkpointing_cannot_give_says_so():
    params, xs, loss = problem(nn.rnn, 4)
    state = np.zeros((2, H))
    with pytest.raises(ValueError, match="without state="):
        bptt.checkpointed(nn.rnn, params, xs, loss, also=["h0"])
    with pytest.raises(ValueError, match="the names are x, h0"):
        bptt.checkpointed(nn.rnn, params, xs, loss, state, also=["c0"])
    with pytest.raises(ValueError, match="every = 0"):
        bptt.checkpointed(nn.rnn, params, xs, loss, every=0)
    with pytest.raises(ValueError, match="a parameter and an input"):
        bptt.checkpointed(nn.rnn, {**params, "x": params["V"]}, xs, loss, also=["x"])


# ------------------------------------------------------------------------------------ truncated, as it is run

WAYS = [Full(), Chunked(3), WilliamsPeng(2, 5), Window(3), Scaled([1, 0, 2, 0.5, 0, 0, 1]), Randomized(0.6)]


@pytest.mark.parametrize("how", [*WAYS, RandomChunks(3, power=4)], ids=str)
@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm, nn.gru_textbook])
def test_a_run_gives_what_the_tape_of_all_steps_gives(cell, how):
    params, xs, loss = problem(cell, 8)
    state = tuple(np.full((2, H), 0.3) for _ in range(2 if cell is nn.lstm else 1))
    value, found = bptt.truncated_bptt(cell, params, xs, loss, how, state, rng=np.random.default_rng(3))
    tape, losses, _, _ = one_tape(cell, params, xs, loss, state)
    expected = bptt.truncated_gradient(tape, losses, params, how, rng=np.random.default_rng(3))
    assert_alike(found, expected, 1e-12)
    assert abs(value - sum(x.item() for x in losses)) <= 1e-13 * value


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_runs_of_any_length_without_an_initial_state(T, dtype):
    params, xs, loss = problem(nn.lstm, T, 1, dtype)
    tape, losses, _, _ = one_tape(nn.lstm, params, xs, loss)
    for k in range(1, T + 2):
        for how in (Chunked(k), Window(k), WilliamsPeng(1 + k // 2, k)):
            _, found = bptt.truncated_bptt(nn.lstm, params, xs, loss, how)
            expected = bptt.truncated_gradient(tape, losses, params, how)
            assert_alike(found, expected, 1e-12 if dtype == "float64" else 1e-5)


# ------------------------------------------------------------------------------------ constants that are none

RUNS = [partial(bptt.checkpointed, every=2), bptt.rtrl, partial(bptt.truncated_bptt, how=Full())]


def _tanh_cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])


def _sum_of_squares(t, h):
    return (h**2).sum()


def _learned():
    rng = np.random.default_rng(0)
    params = {"W": tg.Tensor(rng.standard_normal((2, 3))), "U": tg.Tensor(rng.standard_normal((3, 3)))}
    return params, rng.standard_normal((6, 1, 2)), rng.standard_normal((1, 3))


@pytest.mark.parametrize("run", RUNS)
def test_a_learned_initial_state_or_input_is_refused_where_no_gradient_would_come_back(run):
    params, xs, start = _learned()
    learned = {**params, "init": tg.Tensor(start), "X": tg.Tensor(xs), "E": tg.Tensor(np.ones((5, 2)))}
    by_tape = tg.Tape()
    with by_tape:
        made, rows = learned["init"] * 1.0, learned["E"][np.array([0, 1, 2, 3, 4, 0])][:, None]
    unrecorded = learned["E"][np.array([0, 1, 2, 3, 4, 0])][:, None]  # no tape was open: it has no history
    with_state = {**params, "init": learned["init"]}
    wrong = [
        (with_state, xs, learned["init"], "h0 is the parameter 'init'"),
        (with_state, xs, made, "h0 is made from parameters"),
        ({**params, "X": learned["X"]}, learned["X"], start, "xs is the parameter 'X'"),
        ({**params, "E": learned["E"]}, rows, start, "xs is made from parameters"),
        ({**params, "E": learned["E"]}, [rows[k] for k in range(6)], start, "reads 'E', and xs is a Tensor"),
        ({**params, "E": learned["E"]}, unrecorded, start, "reads 'E', and xs is a Tensor"),
    ]
    for given, inputs, state, words in wrong:
        with pytest.raises(ValueError, match=words) as caught:
            run(_tanh_cell, given, inputs, _sum_of_squares, state=state)
        assert len(str(caught.value).splitlines()) == 2
    constant = run(_tanh_cell, params, tg.Tensor(xs), _sum_of_squares, state=tg.Tensor(start))[1]
    expected = gradients(_tanh_cell, params, xs, _sum_of_squares, start)[1]
    assert_alike(constant, {name: expected[name] for name in params}, 1e-12)


def test_the_way_round_a_learned_initial_state():
    """The gradient by h0, taken further by hand: h0 = 2 init, on one tape and by `also`."""
    params, xs, start = _learned()
    init, h, losses = tg.Tensor(start / 2), None, []
    with tg.Tape() as tape:
        h = 2 * init
        for x in xs:
            h = _tanh_cell(params, x, h)
            losses.append(_sum_of_squares(0, h))
    expected = tape.gradient(dict.fromkeys(losses, 1.0), init)
    found = bptt.checkpointed(_tanh_cell, params, xs, _sum_of_squares, start, also=("h0",))[1]["h0"]
    np.testing.assert_allclose(2 * found, expected, rtol=1e-13)


def test_integers_have_no_gradient():
    params, xs, start = _learned()
    whole = np.ones((6, 1, 2), np.int64)
    for inputs, state, name in ((whole, start, "x"), (xs, np.ones((1, 3), np.int64), "h0"), (list(whole), start, "x")):
        with pytest.raises(TypeError, match="only floats have a gradient"):
            bptt.checkpointed(_tanh_cell, params, inputs, _sum_of_squares, state, also=(name,))


@pytest.mark.parametrize("run", RUNS)
def test_arguments_of_another_kind_say_so(run):
    params, xs, start = _learned()
    for call, words in [
        (lambda: run(_tanh_cell, params, iter(xs), _sum_of_squares, state=start), r"list\(xs\)"),
        (lambda: run(_tanh_cell, list(params.values()), xs, _sum_of_squares, state=start), "params is a list"),
        (lambda: run(_tanh_cell, params, 1.0, _sum_of_squares, state=start), "xs is a float"),
        (lambda: run(_tanh_cell, params, xs, _sum_of_squares), "does not start by itself"),
        (lambda: bptt.checkpointed(_tanh_cell, params, xs, _sum_of_squares, start, also="h0"), "also is the string"),
        (lambda: bptt.checkpointed(_tanh_cell, params, xs, _sum_of_squares, start, True), "every = True"),
    ]:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2
