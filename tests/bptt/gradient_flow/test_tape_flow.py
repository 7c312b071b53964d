"""The flow through any tape: against the flow through a cell, the tape's own gradients, and closed forms."""

import numpy as np
import pytest
from odd_tapes import ODD, odd_tape

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.gradient_flow.handed_on import parameters_of, states_of
from tinygrad_rnn.bptt.gradient_flow.magnitude import log10_norm
from tinygrad_rnn.tape.steps import steps


def problem(cell, T, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    params = getattr(nn.init, cell)(rng, 4, 5, dtype)
    zeros = tuple(np.zeros((3, 5), dtype) for _ in range(2 if cell == "lstm" else 1))
    return params, rng.standard_normal((T, 3, 4)).astype(dtype), zeros, rng.standard_normal((T, 3, 5)).astype(dtype)


def own_loop(W, U, xs, h, outside=False):
    """A loop of one's own, with labels and names alone; `outside` prepares the transposes before it."""
    states = []
    A, B = (W.T, U.T) if outside else (None, None)
    for t, x in enumerate(xs):
        with tg.scope(t=t):
            h = tg.named("h", np.tanh(x @ (A if outside else W.T) + h @ (B if outside else U.T)))
        states.append(h)
    return states


def small(T=6, gain=1.0):
    rng = np.random.default_rng(1)
    W, U = tg.Tensor(rng.normal(size=(3, 2)), name="W"), tg.Tensor(gain * rng.normal(size=(3, 3)), name="U")
    return W, U, rng.normal(size=(T, 4, 2)), tg.Tensor(np.zeros((4, 3)), name="h0")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("T", [2, 12])
def test_the_tape_of_a_cell_flows_as_the_cell_does(cell, T):
    params, xs, zeros, dhs = problem(cell, T)
    expected = bptt.flow(getattr(nn, cell), params, xs, zeros, dhs)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, cell), params, xs, zeros)
        loss = (hs[T - 1] * dhs[-1]).sum()
    for found in (bptt.flow(tape, loss), bptt.flow(tape, loss, params), bptt.flow(tape, {hs: pad(dhs)})):
        for name in ("norms", "contributions", "held", "gradient"):
            assert np.allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-12), name
        assert found.states.keys() == expected.states.keys()
        assert found.terms.keys() == set(params)
        for name, values in expected.terms.items():
            assert np.allclose(found.terms[name], values, rtol=0, atol=1e-12)
        assert found.dtype == "float64"
        assert found.broken is None


def pad(dhs):
    return np.concatenate([np.zeros_like(dhs[:-1]), dhs[-1:]])


@pytest.mark.parametrize("outside", [False, True])
def test_a_loop_of_ones_own_has_the_gradients_and_terms_of_its_tape(outside):
    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        states = own_loop(W, U, xs, h0, outside)
        loss = tg.named("L", sum((h**2).sum() for h in states[1:]) / 7)
    flow = bptt.flow(tape, loss)
    for t, g in enumerate(tape.gradient(loss, states)):
        assert np.isclose(flow.states["h"][t], log10_norm(g), rtol=0, atol=1e-12)
    for name, x in (("W", W), ("U", U)):
        terms = bptt.contributions(tape, loss, x)
        for t in range(len(xs)):
            expected = log10_norm(terms[t]) if t in terms else -np.inf
            assert np.isclose(flow.terms[name][t], expected, rtol=0, atol=1e-12)
    both = np.concatenate([g.ravel() for g in tape.gradient(loss, [W, U])])
    assert np.isclose(flow.gradient, log10_norm(both))
    assert set(flow.terms) == {"W", "U"}  # not the initial state
    assert flow.read_by_loss == 5
    said = str(flow)
    assert said.startswith("the tape: T=6 float64, the loss L; W: all parameters\n")
    assert "Loss: it reads 5 steps directly" in said
    assert "Loss:" not in str(bptt.flow(tape, {states[-1]: np.ones((4, 3))}))


def test_layers_and_directions_have_states_of_their_own():
    rng = np.random.default_rng(2)
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    params = layer.init(rng)
    with tg.Tape() as tape:
        outputs, _ = layer(params, rng.standard_normal((5, 2, 3)))
        loss = (outputs**2).sum()
    flow = bptt.flow(tape, loss)
    assert len(flow.states) == 8  # h and c, of two layers, in two directions
    assert set(flow.terms) == set(params)
    h = {t: tape.find("h", t=t, layer=0, direction="reverse") for t in range(5)}
    name = next(n for n in flow.states if n.startswith("h ") and "0" in n and "reverse" in n)
    for t, x in h.items():
        assert np.isclose(flow.states[name][t], log10_norm(tape.gradient(loss, x)), rtol=0, atol=1e-12)
    for key, x in params.items():
        expected = {t: log10_norm(g) for t, g in bptt.contributions(tape, loss, x).items()}
        assert np.allclose(flow.terms[key], [expected[t] for t in range(5)], rtol=0, atol=1e-12)
    assert flow.read_by_loss == 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_gradient_that_no_dtype_holds_keeps_its_norm(dtype):
    u = tg.Tensor(np.array(0.1, dtype), name="u")
    with tg.Tape() as tape:
        h = tg.Tensor(np.array([1.0], dtype), name="h0")
        for t in range(401):
            with tg.scope(t=t):
                h = tg.named("h", u * h + 1)
        loss = (h * 1).sum()
    flow = bptt.flow(tape, loss)
    exact = np.log10(np.float64(np.array(0.1, dtype)))
    assert np.allclose(flow.norms, exact * np.arange(400, -1, -1), rtol=1e-6, atol=1e-6)
    assert flow.held[0] == -np.inf
    assert "has underflowed" in str(flow)
    assert "VANISHES" in str(flow)


def test_an_explosion_keeps_its_norm():
    u = tg.Tensor(10.0, name="u")
    with tg.Tape() as tape:
        h = tg.Tensor([1e-300], name="h0")
        for t in range(400):
            with tg.scope(t=t):
                h = tg.named("h", np.sin(u * h) if t < 3 else u * h * 0.999)
        loss = h.sum()
    with np.errstate(all="ignore"):
        flow = bptt.flow(tape, loss)
    assert np.isclose(flow.norms[3], 396 * np.log10(9.99))
    assert "EXPLODES" in str(flow)
    assert flow.held[3] == np.inf


def test_a_running_total_is_no_state():
    W, U, xs, h = small()
    with tg.Tape() as tape:
        total = 0.0
        for t, x in enumerate(xs):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(x @ W.T + h @ U.T))
                total = total + (h**2).sum()
        loss = tg.named("L", total / 6)
    flow = bptt.flow(tape, loss)
    assert list(flow.states) == ["h"]
    assert np.isclose(flow.norms[5], log10_norm(tape.gradient(loss, tape.find("h", t=5))))
    with tg.Tape() as tape:  # a sum that is the only thing handed on is a state
        total = tg.Tensor(0.0, name="s0")
        for t in range(4):
            with tg.scope(t=t):
                total = tg.named("s", total + U.sum() * t)
        loss = total * 1.0
    assert np.allclose(bptt.flow(tape, loss).states["s"], 0)


def test_states_without_names_and_a_state_of_two_steps_before():
    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        states = [h0 * 1.0, h0 * 2.0]
        for t, x in enumerate(xs):
            with tg.scope(t=t):
                states.append(np.tanh(x @ W.T + states[-1] @ U.T + 0.5 * states[-2]))
        loss = (states[-1] ** 2).sum()
    flow = bptt.flow(tape, loss)
    assert len(flow.states) == 1
    assert np.allclose(flow.norms, [log10_norm(g) for g in tape.gradient(loss, states[2:])], rtol=0, atol=1e-12)


def test_several_losses_are_their_sum_and_rows_of_their_own():
    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        states = own_loop(W, U, xs, h0)
        losses = [(h**2).sum() for h in states]
    flow = bptt.flow(tape, losses)
    for t, h in enumerate(states):
        every = [tape.gradient(loss, h) for loss in losses]
        assert np.isclose(flow.norms[t], log10_norm(sum(every)))
        assert np.allclose(flow.deltas[:, t], [log10_norm(g) for g in every], rtol=0, atol=1e-12)
    assert list(flow.losses) == list(range(6))
    assert list(bptt.flow(tape, losses, rows=2).losses) == [0, 5]
    assert str(flow).startswith("the tape: T=6 float64, the sum of 6 losses; W")
    one = bptt.flow(tape, losses[-1])
    assert np.allclose(one.deltas, [one.states["h"]], rtol=0, atol=1e-12)
    assert list(one.losses) == [5]


def test_parameters_may_be_named():
    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        states = own_loop(W, U, xs, h0)
        loss = (states[-1] ** 2).sum()
    assert list(bptt.flow(tape, loss, U).terms) == ["U"]
    assert list(bptt.flow(tape, loss, {"mine": U}).terms) == ["mine"]
    assert list(bptt.flow(tape, loss, (W, U)).terms) == ["W", "U"]


@pytest.mark.slow
def test_the_flow_of_a_tape_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="the figure needs the extra `plot`")
    from tinygrad_rnn import draw

    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        loss = (own_loop(W, U, xs, h0)[-1] ** 2).sum()

    flow = bptt.flow(tape, loss)
    path = draw.plot_flow(
        tmp_path / "f.svg", {"mine": flow.norms}, {"mine": flow.contributions}, {"mine": flow.deltas}, flow.losses
    )
    assert path.stat().st_size


SLOW = {"lstm 20 and 20", "GRU 3, T = 20", "LSTM 2", "LSTM 3", "RNN 3"}
NO_FLOW = {"second order rnn 1", "second order gru 1", "lags (5,)", "through the outside"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in ODD])
def test_an_odd_tape_has_the_norms_of_its_gradients_or_is_refused(name):
    tape = odd_tape(name)
    loss = tape.find("L")
    if name in NO_FLOW:
        with pytest.raises(ValueError, match="so no gradient flows through time"):
            bptt.flow(tape, loss)
        return
    flow = bptt.flow(tape, loss)
    states, times, params = states_of(tape), list(steps(tape)), parameters_of(tape)
    assert flow.states.keys() == states.keys()
    assert flow.terms.keys() == params.keys()
    assert "leaf" not in params
    for key, found in states.items():
        expected = [log10_norm(tape.gradient(loss, found[t])) if t in found else -np.inf for t in times]
        assert np.allclose(flow.states[key], expected, rtol=0, atol=1e-9), key
    whole = [g.ravel() for g in tape.gradient(loss, list(params.values()))]
    assert np.isclose(flow.gradient, log10_norm(np.concatenate([np.zeros(1), *whole])))


def test_inside_an_open_tape_nothing_is_recorded():
    W, U, xs, h0 = small()
    with tg.Tape() as tape:
        loss = (own_loop(W, U, xs, h0)[-1] ** 2).sum()
        count = len(tape)
        bptt.flow(tape, loss)
        assert len(tape) == count


def test_what_a_tape_lacks_is_told():
    W, U, xs, h0 = small()
    with tg.Tape() as bare:
        loss = (np.tanh(h0 @ U) ** 2).sum()
    with pytest.raises(ValueError, match=r"flow: the tape has no steps\nlabel each: with scope\(t=t\): "):
        bptt.flow(bare, loss)
    with tg.Tape() as single:
        one = (own_loop(W, U, xs[:1], h0)[-1] ** 2).sum()
    with pytest.raises(ValueError, match="flow: the tape has a single step, so no gradient flows through time"):
        bptt.flow(single, one)
    with tg.Tape() as apart:
        with tg.scope(t=0):
            a = np.tanh(h0 @ U)
        with tg.scope(t=1):
            b = np.tanh(h0 @ U)
        two = (a + b).sum()
    with pytest.raises(ValueError, match="flow: the tape has steps that hand nothing on to one another"):
        bptt.flow(apart, two)
    with tg.Tape() as tape:
        states = own_loop(W, U, xs, h0)
        (states[-1] ** 2).sum()
    with pytest.raises(ValueError, match=r"not made on this tape|is not on this tape|another tape"):
        bptt.flow(tape, loss)
    with pytest.raises(ValueError, match=r"scalar|seed"):
        bptt.flow(tape, states[-1])
    for wrong in (3.0, None, [], ["L"]):
        with pytest.raises(TypeError, match=r"flow: the loss of a tape is .*\ngive a scalar Tensor"):
            bptt.flow(tape, wrong)
    with pytest.raises(TypeError, match="flow: a tape has its states and its loss"):
        bptt.flow(tape, loss, None, np.zeros(3))
    with pytest.raises(ValueError, match="flow: rows=-1"):
        bptt.flow(tape, loss, rows=-1)
    with pytest.raises(TypeError, match=r"flow: xs is missing\ngive flow\(cell, params, xs\), or flow\(tape, loss\)"):
        bptt.flow(nn.rnn, nn.init.rnn(np.random.default_rng(0), 2, 3))
