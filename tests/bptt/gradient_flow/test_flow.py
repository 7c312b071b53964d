"""The terms of a gradient through time: against closed forms, loops written here, and separate walks back."""

import math
import re
from functools import partial

import numpy as np
import pytest
from cells import WITH_HAND, problem

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.gradient_flow import magnitude, verdict

CELLS = ["rnn", "residual_rnn", "lstm", "gru", "gru_textbook", "peephole_lstm", "coupled_lstm", "mgu", "leaky_rnn"]
GATED = ["lstm", "gru", "gru_textbook", "mgu"]


def recorded(cell, T=4, B=3, dtype="float64", H=5):
    """A tape with a loss at each step, L_t = sum(v_t * h_t), and their sum."""
    function, params, xs = problem(cell, T, B, H, dtype)
    rng = np.random.default_rng(1)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(function, params, xs)
        losses = [(hs[t] * rng.standard_normal(hs.shape[1:]).astype(dtype)).sum() for t in range(T)]
        loss = sum(losses[1:], losses[0])
    return tape, losses, loss, params


def close(a, b, rtol=1e-12):
    scale = np.max(np.abs(b)) if np.size(b) else 0
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * (scale or 1))


def tanh_run(params, xs, residual=False):
    """A loop of its own: the tanh outputs g_t of the (residual) simple RNN from zeros."""
    W, U = params["weight_ih"].data, params["weight_hh"].data
    b = params["bias_ih"].data + params["bias_hh"].data
    h, gs = np.zeros((xs.shape[1], U.shape[0])), []
    for x in xs:
        g = np.tanh(x @ W.T + h @ U.T + b)
        h = h + g if residual else g
        gs.append(g)
    return gs


# ------------------------------------------------------------------------------------------------ deltas


@pytest.mark.parametrize("T", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("B", [1, 3])
def test_deltas_of_the_simple_rnn_are_the_closed_form(T, B):
    tape, losses, _, params = recorded("rnn", T, B)
    found = bptt.deltas(tape, losses)
    assert found.shape == (T, T, B, 5)
    hs, U = [tape.find("h", t=t).data for t in range(T)], params["weight_hh"].data
    for t in range(T):
        upstream = tape.gradient(losses[t], tape.find("h", t=t))
        for b in range(B):
            delta = (1 - hs[t][b] ** 2) * upstream[b]
            for k in range(t, -1, -1):
                close(found[t, k, b], delta)
                delta = np.diag(1 - hs[k - 1][b] ** 2) @ U.T @ delta
        assert not found[t, t + 1 :].any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_deltas_are_separate_walks_back(cell, dtype):
    tape, losses, _, _ = recorded(cell, dtype=dtype)
    found = bptt.deltas(tape, losses, "h")
    assert found.dtype == dtype
    for t, loss in enumerate(losses):
        for k in range(4):
            assert np.array_equal(found[t, k], tape.gradient(loss, tape.find("h", t=k)))


@pytest.mark.parametrize("cell", WITH_HAND)
@pytest.mark.parametrize("B", [1, 3])
def test_deltas_are_what_a_derivation_by_hand_hands_back(cell, B):
    """dL_t/dh_k is the gradient by the initial state of the steps k + 1 to t: NumPy alone, no tape."""
    T = 7
    tape, losses, _, params = recorded(cell, T, B)
    xs, arrays = tape.find("x").data, {name: p.data for name, p in params.items()}
    found = bptt.deltas(tape, losses, "h")
    names = ("h", "c") if cell == "lstm" else ("h",)
    for t in range(T):
        upstream = tape.gradient(losses[t], tape.find("h", t=t))
        for k in range(t):
            state = tuple(tape.find(name, t=k).data for name in names)
            dhs = np.zeros((t - k, B, 5))
            dhs[-1] = upstream
            by_hand = getattr(bptt.by_hand, cell)(arrays, xs[k + 1 : t + 1], state, dhs)
            close(found[t, k], by_hand["h0"])


def test_deltas_of_any_named_quantity_and_layer():
    rng = np.random.default_rng(0)
    layer = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
    params = layer.init(rng)
    with tg.Tape() as tape:
        output, _ = layer(params, rng.standard_normal((3, 2, 4)))
        losses = [(output[t] ** 2).sum() for t in range(3)]
    for direction in ("forward", "reverse"):
        found = bptt.deltas(tape, losses, "z_f", layer=1, direction=direction)
        for t in range(3):
            for k in range(3):
                z_f = tape.find("z_f", layer=1, direction=direction, t=k)
                assert np.array_equal(found[t, k], tape.gradient(losses[t], z_f))
        later = np.triu(np.ones((3, 3), bool), 1)
        assert not found[later if direction == "forward" else later.T].any()
    assert bptt.deltas(tape, losses, "c", layer=0, direction="forward").all()  # the other direction reads it from afar


def test_deltas_take_cotangents_in_the_place_of_a_loss_and_no_losses():
    tape, _, _, _ = recorded("gru")
    h_2, seed = tape.find("h", t=2), np.random.default_rng(2).standard_normal((3, 5))
    found = bptt.deltas(tape, [{h_2: seed}], "n")
    assert np.array_equal(found[0, 1], tape.gradient(h_2, tape.find("n", t=1), seed))
    assert bptt.deltas(tape, [], "n").shape == (0, 4, 3, 5)


def test_deltas_inside_an_open_tape_record_nothing():
    tape, losses, _, _ = recorded("rnn")
    with tg.Tape() as outer:
        found = bptt.deltas(tape, losses)
    assert isinstance(found, np.ndarray)
    assert len(outer) == 0


def test_what_deltas_refuse():
    tape, losses, loss, _ = recorded("lstm")
    with pytest.raises(LookupError, match=r"no step has a Tensor 'z': the names in steps are c, f, g, h, i, o, z_f"):
        bptt.deltas(tape, losses)
    with pytest.raises(TypeError, match=r"the losses are a Tensor\ngive a sequence"):
        bptt.deltas(tape, loss, "h")
    with pytest.raises(ValueError, match="was not made on this tape"):
        bptt.deltas(tape, [tg.Tensor(1.0)], "h")
    with tg.Tape() as other:
        for t in range(2):
            for layer in range(2):
                with tg.scope(t=t, layer=layer):
                    z = tg.named("z", np.ones(2 + t) * tg.Tensor(1.0))
        last = z.sum()
    with pytest.raises(LookupError, match=r"step 0 has several Tensors 'z', one of them in t=0 layer=1"):
        bptt.deltas(other, [last])
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\]"):
        bptt.deltas(other, [last], layer=1)


# ------------------------------------------------------------------------------------------------ contributions


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("by", ["t", "gate", "layer", ("t", "gate"), ("gate", "t", "layer")])
def test_contributions_add_up(cell, T, by):
    tape, losses, loss, params = recorded(cell, T)
    for W in params.values():
        whole = tape.gradient(loss, W)
        for terms in (bptt.contributions(tape, loss, W, by), bptt.contributions(tape, losses, W, by)):
            close(sum(terms.values()), whole, 1e-13)


@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_contributions_by_loss_and_step_are_delta_times_h(T):
    tape, losses, _, params = recorded("rnn", T)
    deltas = bptt.deltas(tape, losses)
    found = bptt.contributions(tape, losses, params["weight_hh"])
    assert set(found) == {(t, k) for t in range(T) for k in range(t + 1)} | {(t, k) for t, k in found if k > t}
    for (t, k), term in found.items():
        before = tape.find("h", t=k - 1).data if k else np.zeros((3, 5))
        np.testing.assert_allclose(term, deltas[t, k].T @ before, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_contributions_by_gate_lie_in_the_rows_of_the_gate(cell):
    tape, _, loss, params = recorded(cell)
    gates = "ifgo" if cell == "lstm" else "rzn"
    whole = tape.gradient(loss, params["weight_hh"]).reshape(len(gates), 5, 5)
    found = bptt.contributions(tape, loss, params["weight_hh"], by="gate")
    assert set(found) == set(gates)
    for row, gate in enumerate(gates):
        blocks = found[gate].reshape(len(gates), 5, 5)
        close(blocks[row], whole[row], 1e-13)
        assert not np.delete(blocks, row, axis=0).any()


def test_contributions_of_an_intermediate_state_by_gate_are_the_lstms_chain():
    """dL/dc_{t-1} = dL/dc_t * f, through no gate, + what comes by h_{t-1}, whose last gate is one of the step after."""
    tape, losses, _, params = recorded("lstm", T=3)
    find = partial(tape.find, t=2)
    h_1, c_1 = tape.find("h", t=1), tape.find("c", t=1)
    dh, U = tape.gradient(losses[2], find("h")), params["weight_hh"].data.reshape(4, 5, 5)
    found = bptt.contributions(tape, losses[2], h_1, by=("t", "gate"))
    for row, gate in enumerate("ifgo"):
        close(found[2, gate], tape.gradient(losses[2], find(f"z_{gate}")) @ U[row])
    dc = dh * find("o").data * (1 - np.tanh(find("c").data) ** 2)
    found = bptt.contributions(tape, losses[2], c_1, by=("t", "gate"))
    assert set(found) == {(2, None), (1, None)}
    close(found[2, None], dc * find("f").data)
    close(sum(found.values()), tape.gradient(losses[2], c_1))


def test_a_gate_is_forgotten_where_a_path_crosses_to_another_step_or_layer():
    x, w = tg.Tensor(2.0, name="x"), tg.Tensor(3.0, name="w")
    with tg.Tape() as tape:
        with tg.scope(t=0):
            a = w * x  # no gate here
        with tg.scope(t=1, gate="f"):
            b = a * a
        with tg.scope(t=1, layer=1):
            c = b * w
    assert bptt.contributions(tape, c, w, by=("t", "layer", "gate")) == {(1, 1, None): 36.0, (0, 1, None): 72.0}
    assert bptt.contributions(tape, c, a, by="gate") == {"f": 36.0}
    assert {key: float(g) for key, g in bptt.paths(tape, c, w).items()} == {None: 36.0, "f": 72.0}


def test_contributions_by_layer_and_direction_of_a_shared_weight():
    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.standard_normal((5, 5)), name="W")
    params = {f"weight_{kind}_l{layer}{d}": W for kind in ("ih", "hh") for layer in (0, 1) for d in ("",)}
    layer = nn.RNN(5, 5, num_layers=2, bias=False)
    with tg.Tape() as tape:
        output, _ = layer(params, rng.standard_normal((3, 2, 5)))
        loss = (output**2).sum()
    found = bptt.contributions(tape, loss, W, by="layer")
    z = {n: [tape.find("z", layer=n, t=t) for t in range(3)] for n in (0, 1)}
    for n in (0, 1):
        expected = np.zeros((5, 5))
        for t in range(3):
            dz = tape.gradient(loss, z[n][t])
            h = tape.find("h", layer=n, t=t - 1).data if t else np.zeros((2, 5))
            below = tape.find("h", layer=0, t=t).data if n else tape.find("x").data[t]
            expected += dz.T @ (h + below)
        close(found[n], expected)


@pytest.mark.parametrize("by", ["t", "layer", "direction", "gate", ("layer", "direction", "t", "gate")])
def test_contributions_of_a_deep_bidirectional_layer_add_up(by):
    rng = np.random.default_rng(0)
    layer = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
    params = layer.init(rng)
    with tg.Tape() as tape:
        output, _ = layer(params, rng.standard_normal((3, 2, 4)))
        losses = [(output[t] ** 2).sum() for t in range(3)]
        loss = sum(losses[1:], losses[0])
    for W in params.values():
        terms = bptt.contributions(tape, loss, W, by)
        close(sum(terms.values()), tape.gradient(loss, W), 1e-13)
        if by == "direction":
            assert set(terms) == {"reverse" if W.name.endswith("reverse") else "forward"}
        close(sum(bptt.contributions(tape, losses, W, by).values()), tape.gradient(loss, W), 1e-13)


def test_a_weight_prepared_outside_of_time_and_a_readout():
    rng = np.random.default_rng(0)
    U, V = tg.Tensor(rng.standard_normal((3, 3)), name="U"), tg.Tensor(rng.standard_normal((3, 2)), name="V")
    h = tg.Tensor(rng.standard_normal((2, 3)))
    with tg.Tape() as tape:
        U_T = U.T
        for t in range(3):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(h @ U_T))
        loss = (h @ V).sum()
    terms = bptt.contributions(tape, loss, U)
    assert set(terms) == {0, 1, 2}
    close(sum(terms.values()), tape.gradient(loss, U), 1e-13)
    assert set(bptt.contributions(tape, loss, V)) == {None}
    z_term = bptt.immediate(tape, tape.find("h", t=1), U)  # U.T is passed, h_0 is not
    h_0, h_1 = tape.find("h", t=0).data, tape.find("h", t=1).data
    close(z_term, np.einsum("bi,il,bj->bilj", 1 - h_1**2, np.eye(3), h_0))


def test_what_contributions_refuse():
    tape, _, loss, params = recorded("rnn")
    with pytest.raises(LookupError, match=r"contributions: .* is not on this tape"):
        bptt.contributions(tape, loss, tg.Tensor(np.ones(3)))
    with pytest.raises(LookupError, match="a ndarray is not on this tape"):
        bptt.contributions(tape, loss, params["weight_hh"].data)
    for by in ("gates", (), ("t", "step")):
        with pytest.raises(ValueError, match=r"contributions: by=.*\ngive one or a tuple of the labels"):
            bptt.contributions(tape, loss, params["weight_hh"], by)


# ------------------------------------------------------------------------------------------------ immediate, total


@pytest.mark.parametrize("B", [1, 3])
def test_immediate_and_total_derivatives_of_the_simple_rnn(B):
    tape, _, _, params = recorded("rnn", T=3, B=B)
    U = params["weight_hh"]
    z, h = [tape.find("z", t=t) for t in range(3)], [tape.find("h", t=t) for t in range(3)]
    # d+z_k/dU[i, j] is e_i h_{k-1}[j]; dz_k/dU = d+z_k/dU + U diag(f') dz_{k-1}/dU
    expected = np.einsum("il,bj->bilj", np.eye(5), np.zeros((B, 5)))
    for k in (1, 2):
        now = np.einsum("il,bj->bilj", np.eye(5), h[k - 1].data)
        close(bptt.immediate(tape, z[k], U), now)
        expected = now + np.einsum("im,bm,bmlj->bilj", U.data, 1 - h[k - 1].data ** 2, expected)
        close(bptt.total(tape, z[k], U), expected)
    step = bptt.immediate(tape, h[2], h[1])
    close(step, np.einsum("bi,ij,bc->bicj", 1 - h[2].data ** 2, U.data, np.eye(B)))
    assert not bptt.immediate(tape, h[2], h[0]).any()
    close(bptt.immediate(tape, z[1], z[1]).reshape(5 * B, 5 * B), np.eye(5 * B))


def test_immediate_and_total_refuse_what_is_not_on_the_tape():
    tape, _, _, params = recorded("rnn")
    z = tape.find("z", t=1)
    for function in (bptt.immediate, bptt.total):
        with pytest.raises(LookupError, match="was not made on this tape"):
            function(tape, params["weight_hh"], params["weight_hh"])
        with pytest.raises(LookupError, match="is not on this tape"):
            function(tape, z, tg.Tensor(1.0, name="other"))


# ------------------------------------------------------------------------------------------------ step Jacobians


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("cell", ["rnn", "residual_rnn"])
def test_step_jacobians_are_the_closed_form(cell, T, B):
    function, params, xs = problem(cell, T, B)
    with tg.Tape() as tape:
        nn.unroll(function, params, xs)
    found = bptt.step_jacobians(tape)
    assert found.shape == (T - 1, B, 5, 5)
    gs = tanh_run(params, xs, residual=cell == "residual_rnn")
    for t in range(1, T):
        for b in range(B):
            expected = np.diag(1 - gs[t][b] ** 2) @ params["weight_hh"].data
            close(found[t - 1, b], expected + (np.eye(5) if cell == "residual_rnn" else 0))


@pytest.mark.parametrize(("cell", "names"), [("lstm", ("h", "c")), ("peephole_lstm", ("h", "c")), ("gru", ("h",))])
def test_step_jacobians_of_the_whole_state_against_a_complex_step(cell, names):
    function, params, xs = problem(cell, T=3, B=2)
    with tg.Tape() as tape:
        nn.unroll(function, params, xs)
    found = bptt.step_jacobians(tape, names)
    arrays = {name: p.data for name, p in params.items()}
    for t in (1, 2):
        before = [tape.find(name, t=t - 1).data for name in names]
        joined = np.concatenate(before, axis=1)
        for j in range(joined.shape[1]):
            moved = joined.astype(complex)
            moved[:, j] += 1e-30j
            after = function(arrays, xs[t], *np.split(moved, len(names), axis=1))
            after = np.concatenate(after if len(names) > 1 else [after], axis=1)
            close(found[t - 1, :, :, j], after.imag / 1e-30)


def test_step_jacobians_of_a_layer_and_of_a_direction():
    rng = np.random.default_rng(0)
    layer = nn.GRU(4, 5, num_layers=2, bidirectional=True)
    with tg.Tape() as tape:
        layer(layer.init(rng), rng.standard_normal((4, 2, 4)))
    for direction, order in (("forward", range(4)), ("reverse", range(3, -1, -1))):
        found = bptt.step_jacobians(tape, "h", layer=1, direction=direction)
        hs = [tape.find("h", layer=1, direction=direction, t=t) for t in order]
        for n in range(3):
            whole = bptt.total(tape, hs[n + 1], hs[n])
            for b in range(2):
                close(found[n, b], whole[b, :, b])


def test_one_example_without_a_batch():
    function, params, xs = problem("rnn", T=3, B=1)
    with tg.Tape() as tape:
        nn.unroll(function, params, xs[:, 0])
    found = bptt.step_jacobians(tape)
    close(found[1, 0], np.diag(1 - tanh_run(params, xs)[2][0] ** 2) @ params["weight_hh"].data)


def batch_norm_rnn(params, x, h):
    z = x @ params["weight_ih"].T + h @ params["weight_hh"].T
    return np.tanh((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5))


def test_step_jacobians_refuse_rows_that_depend_on_each_other():
    _, params, xs = problem("rnn")
    with tg.Tape() as tape:
        nn.unroll(batch_norm_rnn, params, xs, np.ones((3, 5)))
    with pytest.raises(
        ValueError, match=r"at step 1, a row of the state depends on other rows.*\nexamples must be rows"
    ):
        bptt.step_jacobians(tape)
    with tg.Tape() as tape:
        h = tg.Tensor(np.ones((5, 3)))
        for t in range(2):  # examples as columns
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(params["weight_hh"] @ h))
    with pytest.raises(ValueError, match="examples must be rows"):
        bptt.step_jacobians(tape)


def _skipping(T):
    """h_t = tanh(x W + h_{t-1} U + 0.7 h_{t-2}), in a loop of its own."""
    rng = np.random.default_rng(0)
    W, U = tg.Tensor(rng.standard_normal((2, 3))), tg.Tensor(rng.standard_normal((3, 3)))
    h = before = tg.Tensor(np.zeros((1, 3)))
    with tg.Tape() as tape:
        for t, x in enumerate(rng.standard_normal((T, 1, 2))):
            with tg.scope(t=t):
                h, before = tg.named("h", np.tanh(x @ W + h @ U + 0.7 * before)), h
    return tape


def test_step_jacobians_refuse_a_recurrence_of_the_second_order():
    for T in (3, 6):
        with pytest.raises(ValueError, match="past that of t=1, the step just before") as caught:
            bptt.step_jacobians(_skipping(T))
        assert len(str(caught.value).splitlines()) == 2
    assert bptt.step_jacobians(_skipping(2)).shape == (1, 1, 3, 3)


def test_step_jacobians_of_a_state_that_is_handed_on_as_it_is():
    """The cell returns h_{t-1} as its second state: the Tensor is that of the step before."""

    def skip(params, x, h, prev):
        return np.tanh(x @ params["W"] + h @ params["U"] + 0.7 * prev), h

    rng = np.random.default_rng(0)
    params = {"W": tg.Tensor(rng.standard_normal((2, 3))), "U": tg.Tensor(rng.standard_normal((3, 3)))}
    with tg.Tape() as tape:
        nn.unroll(skip, params, rng.standard_normal((6, 1, 2)), (np.zeros((1, 3)), np.zeros((1, 3))))
    for names in ("h", ("h", "prev"), "prev"):
        with pytest.raises((ValueError, LookupError)):
            bptt.step_jacobians(tape, names)


def _feeding_back(T, back):
    """Two layers by hand; with `back`, the lower one reads what the upper one made a step before."""
    rng = np.random.default_rng(0)
    U, V = (tg.Tensor(rng.standard_normal((3, 3))) for _ in range(2))
    a = b = tg.Tensor(rng.standard_normal((1, 3)))
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t, layer=0):
                a = tg.named("h", np.tanh(a @ U + (b @ V if back else 1.0)))
            with tg.scope(t=t, layer=1):
                b = tg.named("h", np.tanh(a @ V + b @ U))
    return tape


def test_step_jacobians_refuse_a_feedback_through_another_layer():
    tape = _feeding_back(5, back=True)
    for layer in (0, 1):
        with pytest.raises(ValueError, match="past that of t="):
            bptt.step_jacobians(tape, "h", layer=layer)
    tape = _feeding_back(5, back=False)
    for layer in (0, 1):
        J = bptt.step_jacobians(tape, "h", layer=layer)
        h_1, h_4 = (tape.find("h", t=t, layer=layer) for t in (1, 4))
        whole = bptt.total(tape, h_4, h_1)[0, :, 0]
        np.testing.assert_allclose(J[3, 0] @ J[2, 0] @ J[1, 0], whole, rtol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_step_jacobians_of_sequences_of_several_lengths(cell):
    """What is carried over a step that does not count is the state as it was: the identity."""
    rng = np.random.default_rng(0)
    params, xs, lengths = getattr(nn.init, cell)(rng, 4, 5), rng.standard_normal((6, 3, 4)), [6, 2, 4]
    names, size = ("h",) if cell == "rnn" else ("h", "c"), 5 if cell == "rnn" else 10
    with tg.Tape() as tape:
        nn.unroll(getattr(nn, cell), params, xs, lengths=lengths)
    with tg.Tape() as plain:
        nn.unroll(getattr(nn, cell), params, xs)
    found, expected = bptt.step_jacobians(tape, names), bptt.step_jacobians(plain, names)
    for b, length in enumerate(lengths):
        close(found[: length - 1, b], expected[: length - 1, b])
        assert np.array_equal(found[length - 1 :, b], np.broadcast_to(np.eye(size), (6 - length, size, size)))


def test_step_jacobians_refuse_half_a_state():
    tape, _, _, _ = recorded("lstm")
    with pytest.raises(
        ValueError, match=r"in t=1, multiply reads .*c.* of t=0, which is not among the states \('h',\)"
    ):
        bptt.step_jacobians(tape, "h")
    with pytest.raises(LookupError, match="no step has a Tensor 's'"):
        bptt.step_jacobians(tape, "s")
    assert bptt.step_jacobians(tape, ("c", "h")).shape == (3, 3, 10, 10)


@pytest.mark.parametrize(("start", "stop"), [(0, 6), (2, 5), (3, 3), (0, None)])
def test_the_norm_of_a_product_over_a_span(start, stop):
    tape, _, _, _ = recorded("gru", T=7)
    jacobians = bptt.step_jacobians(tape)
    found = bptt.log10_product(jacobians, start, stop)
    for b in range(3):
        product = np.eye(5)
        for J in jacobians[start:stop, b]:
            product = J @ product
        np.testing.assert_allclose(found[b], np.log10(np.linalg.norm(product, 2)), atol=1e-12)


@pytest.mark.slow
def test_a_product_of_5000_steps_is_a_number():
    """diag(1 - h^2) U with U = u I is a diagonal: the norm of a product is known from logarithms."""
    T, u = 5_000, 0.6
    params = {"weight_ih": tg.Tensor(np.zeros((2, 1))), "weight_hh": tg.Tensor(u * np.eye(2))}
    params["bias_ih"] = tg.Tensor([0.3, 0.8])
    with tg.Tape() as tape:
        nn.unroll(nn.rnn, params, np.zeros((T, 1, 1)))
    jacobians = bptt.step_jacobians(tape)
    h, logs = np.zeros(2), np.zeros(2)
    for t in range(T):
        h = np.tanh(u * h + params["bias_ih"].data)
        logs += np.log10(u * (1 - h**2)) if t else 0
    assert logs.max() < -1_000
    np.testing.assert_allclose(bptt.log10_product(jacobians), logs.max(), rtol=1e-12)
    np.testing.assert_allclose(bptt.log10_product(1 / jacobians[:, :, :1, :1]), -logs[0], rtol=1e-12)  # explodes


def test_singular_values_and_the_spectral_radius():
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((2, 3, 4, 4))
    matrices[1, 2, 0, 0] = np.nan
    values, radius = bptt.singular_values(matrices), bptt.spectral_radius(matrices)
    assert values.shape == (2, 3, 4)
    assert radius.shape == (2, 3)
    for place in np.ndindex(2, 3):
        if place == (1, 2):
            assert np.isnan(values[place]).all()
            assert np.isnan(radius[place])
            continue
        J = matrices[place]
        np.testing.assert_allclose(values[place] ** 2, np.sort(np.linalg.eigvalsh(J.T @ J))[::-1], rtol=1e-10)
        assert 0 < radius[place] <= values[place].max()
    rotation = np.array([[[[0.0, -2.0], [2.0, 0.0]]]])
    np.testing.assert_allclose(bptt.spectral_radius(rotation), [[2.0]])
    triangle = np.array([[[[0.5, 100.0], [0.0, 0.25]]]])
    np.testing.assert_allclose(bptt.spectral_radius(triangle), [[0.5]])
    assert np.isnan(bptt.log10_product(matrices)[2])
    assert bptt.log10_product(np.zeros((2, 1, 3, 3)))[0] == -np.inf
    with pytest.raises(ValueError, match="span 1 to 5 of Jacobians"):
        bptt.log10_product(matrices, 1, 5)
    with pytest.raises(ValueError, match="give"):
        bptt.log10_product(matrices[0])


# ------------------------------------------------------------------------------------------------ norms


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_log10_norms_of_any_size(scale):
    np.testing.assert_allclose(
        bptt.log10_norm(np.array([3.0, 4.0]) * scale), math.log10(5) + math.log10(scale), atol=1e-3
    )
    if scale > 1e-310:
        exact = math.log10(5) + math.log10(scale)
        np.testing.assert_allclose(bptt.log10_norm(np.array([3.0, 4.0]) * scale), exact, atol=1e-12)


def test_log10_norms_along_axes_and_of_what_is_not_finite():
    a = np.array([[[3.0, 4.0], [0.0, 0.0]], [[np.inf, 1.0], [np.nan, np.inf]]])
    np.testing.assert_array_equal(
        bptt.log10_norm(a, axis=-1), [[np.log10(4) + np.log10(1.5625) / 2, -np.inf], [np.inf, np.nan]]
    )
    assert bptt.log10_norm(a[0], axis=(0, 1)) == bptt.log10_norm(a[0])
    tiny = np.full(4, 1e-44, np.float32)  # subnormal in float32
    np.testing.assert_allclose(bptt.log10_norm(tiny), np.log10(2 * float(tiny[0])), atol=1e-12)
    assert bptt.log10_norm(np.zeros(0)) == -np.inf


def test_numbers_with_an_exponent_of_their_own():
    a = magnitude.scaled([np.array([3.0, 4.0]), np.array([0.0])], exponent=-20_000)
    assert 0.5 <= max(abs(v).max() for v in a.values) < 1
    np.testing.assert_allclose(a.log10_norm, math.log10(5) - 20_000 * math.log10(2), rtol=1e-14)
    b = magnitude.scaled([np.array([1.0, 0.0]), np.array([2.0])], exponent=-19_999)
    both = magnitude.added(a, b)
    np.testing.assert_allclose(
        both.log10_norm, math.log10(math.sqrt(25 + 16 + 16)) - 20_000 * math.log10(2), rtol=1e-14
    )
    assert magnitude.added(a, magnitude.scaled([np.array([1.0, 0.0]), np.array([0.0])])).log10_norm == 0


@pytest.mark.parametrize(
    ("log10", "text"),
    [(-5000.3, "5.0e-5001"), (0, "1.0e+00"), (-0.001, "1.0e+00"), (-np.inf, "0"), (np.inf, "inf"), (np.nan, "nan")],
)
def test_numbers_are_written_by_their_logarithm(log10, text):
    assert magnitude.power_text(log10) == text


# ------------------------------------------------------------------------------------------------ paths


def test_the_cell_path_of_an_lstm_over_a_span_is_the_product_of_the_forget_gates():
    tape, _, _, _ = recorded("lstm", T=7)
    seed = np.random.default_rng(2).standard_normal((3, 5))
    for k in range(6):
        found = bptt.paths(tape, tape.find("c", t=6), tape.find("c", t=k), seed)
        forgets = math.prod(tape.find("f", t=t).data for t in range(k + 1, 7))
        close(found[None], seed * forgets)
        close(sum(found.values()), tape.gradient(tape.find("c", t=6), tape.find("c", t=k), seed))


def test_the_direct_path_of_a_gru_over_a_span_is_the_product_of_z():
    tape, _, _, _ = recorded("gru", T=5)
    seed = np.random.default_rng(2).standard_normal((3, 5))
    found = bptt.paths(tape, tape.find("h", t=4), tape.find("h", t=1), seed)
    close(found[None], seed * math.prod(tape.find("z", t=t).data for t in (2, 3, 4)))
    parts = bptt.shares(found)
    assert set(parts) == {None, "r", "z", "n"}
    whole = tape.gradient(tape.find("h", t=4), tape.find("h", t=1), seed)
    np.testing.assert_allclose(parts[None], (found[None] * whole).sum() / (whole**2).sum(), rtol=1e-12)
    np.testing.assert_allclose(sum(parts.values()), 1, rtol=1e-12)


def test_shares_of_tiny_and_of_no_gradients():
    assert bptt.shares({None: np.array([3e-200]), "f": np.array([1e-200])}) == {None: 0.75, "f": 0.25}
    assert math.isnan(bptt.shares({None: np.zeros(2)})[None])
    assert bptt.shares({}) == {}


# ------------------------------------------------------------------------------------------------ the report


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("T", "B", "dtype"), [(1, 1, "float64"), (2, 3, "float64"), (7, 3, "float64"), (7, 1, "float32")]
)
def test_a_report_has_the_norms_of_the_tape(cell, T, B, dtype):
    function, params, xs = problem(cell, T, B, dtype=dtype)
    dhs = np.random.default_rng(5).standard_normal((T, B, 5)).astype(dtype)
    start = tuple(np.full((B, 5), 0.25, dtype) for _ in range(2 if "lstm" in cell else 1))
    flow = bptt.flow(function, params, xs, start, dhs)
    tensors = tuple(map(tg.Tensor, start))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(function, params, xs, tensors)
        losses = [(hs[t] * dhs[t]).sum() for t in range(T)]
    atol = 1e-12 if dtype == "float64" else 1e-4
    norm = lambda g: np.log10(np.linalg.norm(g.astype(np.float64)))  # noqa: E731
    for k in range(T):
        for name, norms in flow.states.items():
            g = tape.gradient(losses[-1], tape.find(name, t=k))
            np.testing.assert_allclose(norms[k], norm(g), atol=atol)
    np.testing.assert_allclose(flow.held, flow.norms, atol=atol)
    with np.errstate(divide="ignore"):
        deltas = np.log10(np.linalg.norm(bptt.deltas(tape, losses, "h").astype(float).reshape(T, T, -1), axis=2))
    np.testing.assert_allclose(flow.deltas, deltas, atol=atol)
    for name, terms in flow.terms.items():
        parts = bptt.contributions(tape, losses[-1], params[name])
        np.testing.assert_allclose(terms, [norm(parts[k]) for k in range(T)], atol=atol)
    whole = tape.gradient(losses[-1], params)
    np.testing.assert_allclose(flow.gradient, norm(np.concatenate([g.ravel() for g in whole.values()])), atol=atol)
    if T > 1:
        np.testing.assert_allclose(sum(flow.shares.values()), np.ones(T - 1), atol=1e-6)


def test_a_reports_paths_are_those_of_the_tape():
    function, params, xs = problem("lstm", T=5)
    flow = bptt.flow(function, params, xs, seed=3)
    case = bptt.comparison.case.Case(function, params, xs, None, None, None, 3, with_dlast=False)
    tensors = {name: tg.Tensor(p) for name, p in case.params.items()}
    with tg.Tape() as tape:
        nn.unroll(function, tensors, xs, case.state)
    c, o = ([tape.find(name, t=t).data for t in range(5)] for name in "co")
    direct = case.dhs[-1] * o[4] * (1 - np.tanh(c[4]) ** 2)  # what reaches c_4
    for t in (4, 3, 2):
        direct = direct * tape.find("f", t=t).data
    np.testing.assert_allclose(flow.direct[1], np.log10(np.linalg.norm(direct)), atol=1e-12)
    dh, dc = tape.gradient({tape.find("h", t=4): case.dhs[-1]}, [tape.find("h", t=3), tape.find("c", t=3)])
    dc = dc - dh * o[3] * (1 - np.tanh(c[3]) ** 2)  # as a coordinate of the state, h_3 held
    straight = case.dhs[-1] * o[4] * (1 - np.tanh(c[4]) ** 2) * tape.find("f", t=4).data
    np.testing.assert_allclose(flow.shares[None][3], (straight * dc).sum() / ((dh**2).sum() + (dc**2).sum()))


def still_rnn(params, x, h):
    """h_t = U h_{t-1}: no nonlinearity, so that norms are known exactly."""
    return h @ params["U"]


def still(factor, T, dtype="float64", size=1.0):
    xs = np.zeros((T, 1, 1), dtype)
    start = np.full((1, 1), size, dtype)
    return bptt.flow(still_rnn, {"U": np.array([[factor]], dtype)}, xs, start, np.ones((T, 1, 1), dtype), rows=0)


def test_1e_minus_250_is_reported_as_such():
    flow = still(0.1, 251)
    np.testing.assert_allclose(flow.norms, -flow.distances, atol=1e-9)
    assert "1.0e-250" in flow.table()
    said = str(flow)
    assert "State: its gradient VANISHES: |dL/ds_k| goes from 1.0e+00 at distance 0 to 1.0e-250 at distance 250" in said
    assert "It is less than a thousandth of that from step 246 back." in said  # 0.1 ** 4 at step 250 - 4
    assert "Range" not in said


def test_where_float32_has_underflowed_the_report_says_so_and_offers_float64():
    flow = still(0.1, 101, "float32")
    np.testing.assert_allclose(flow.norms[0], -100, atol=1e-4)
    assert flow.held[0] == -np.inf
    said = flow.verdict()[-1]
    tiny = np.finfo(np.float32)
    distance_subnormal = next(d for d in range(101) if np.float32(0.1) ** d < tiny.tiny)
    assert f"from step {100 - distance_subnormal} back its numbers are subnormal" in said
    zero = int(np.flatnonzero(np.isneginf(flow.held))[-1])
    assert 100 - zero == 46  # 1e-45 is the smallest subnormal
    assert f"from step {zero} back it holds 0" in said
    assert said.endswith("float64 would hold them: ask again with float64.")


def test_where_float64_has_underflowed_too_the_scaled_norm_remains():
    flow = still(0.1, 1_001)
    np.testing.assert_allclose(flow.norms[0], -1_000, atol=1e-9)
    assert "1.0e-1000" in str(flow)
    assert "float64 has underflowed" in str(flow)
    assert "would hold" not in str(flow)
    assert "would hold" not in str(still(0.1, 1_001, "float32"))


def test_explosion_and_overflow_are_said_with_the_step():
    flow = still(10.0, 60, "float32", size=0.0)
    np.testing.assert_allclose(flow.norms, flow.distances, atol=1e-4)
    state, parameters, dtype = flow.verdict()
    assert (
        "EXPLODES: |dL/ds_k| goes from 1.0e+00 at distance 0 to 1.0e+59 at distance 59, a factor of 10 a step" in state
    )
    assert parameters.startswith("Parameters: |dL/dW| = 0: no term arrives.")  # h is 0 throughout
    assert dtype.startswith("Range: float32 has overflowed: from step 20 back it holds infinity or NaN.")
    assert "explodes with it" in still(10.0, 30).verdict()[1]


def test_a_gradient_that_is_zero_by_a_factor_is_not_called_underflow():
    params = {"weight_ih": np.ones((1, 1)), "weight_hh": np.ones((1, 1)), "bias_ih": np.zeros(1)}
    xs = np.ones((6, 1, 1))
    xs[3] = -100  # the relu is off at step 3, and nothing passes it
    flow = bptt.flow(partial(nn.rnn, nonlinearity="relu"), params, xs, np.zeros((1, 1)))
    assert flow.cell == "rnn(nonlinearity=relu)"
    assert "exactly 0 from step 2 back, and not because far steps underflow" in flow.verdict()[0]
    assert "Range" not in str(flow)
    assert "the nearest 2 of 6 steps make 99 % of the sum of the terms' norms" in flow.verdict()[1]


def test_a_verdict_keeps_the_state_apart_from_the_parameters():
    function, params, xs = problem("rnn", T=60)
    state, parameters = bptt.flow(function, params, xs).verdict()
    assert state.startswith("State: its gradient VANISHES")
    assert parameters.startswith("Parameters: their gradient does NOT vanish")
    flow = bptt.flow(*problem("residual_rnn", T=10))
    assert flow.verdict()[0].startswith("State: its gradient survives 9 steps")
    assert bptt.flow(*problem("rnn", T=1)).verdict()[0].startswith("State: one step")
    said = bptt.flow(*problem("gru", T=5)).verdict()[2]
    assert said.startswith("Paths: of what one step passes back")
    assert "Over all 4 steps, the path that passes no gate brings" in said


def test_a_state_that_is_not_finite_is_said_with_its_step():
    flow = still(1e30, 20, "float32")
    assert flow.broken == 1  # 1e60 is infinite in float32
    assert "Broken: the state is not finite (NaN or infinity) from step 1 on" in str(flow)
    params = problem("rnn")[1]
    xs = problem("rnn")[2]
    xs[2, 0, 0] = np.nan
    assert bptt.flow(nn.rnn, params, xs).broken == 2


def passing(params, x, h, c):
    """A state that is only passed on, and one that is returned twice."""
    h = np.tanh(x @ params["W"] + h + c)
    return h, c


def twice(params, x, h, c):
    h = np.tanh(x @ params["W"] + 0.5 * (h + c))
    return h, h


@pytest.mark.parametrize("cell", [passing, twice])
def test_states_that_are_passed_on_or_returned_twice(cell):
    rng = np.random.default_rng(0)
    W, xs = rng.standard_normal((4, 5)), rng.standard_normal((4, 3, 4))
    start, dhs = (rng.standard_normal((3, 5)), rng.standard_normal((3, 5))), rng.standard_normal((4, 3, 5))
    flow = bptt.flow(cell, {"W": W}, xs, start, dhs)
    dh, h, found = dhs[-1], [start[0]], []
    states = start
    for x in xs:
        states = cell({"W": W}, x, *states)
        h.append(states[0])
    dc = 0.0
    for k in reversed(range(4)):  # by hand
        found.append((np.linalg.norm(dh), np.linalg.norm(dc)))
        dz = (1 - h[k + 1] ** 2) * (dh + (dc if cell is twice else 0))
        dh, dc = (dz, dc + dz) if cell is passing else (0.5 * dz, 0.5 * dz)
    expected = np.array(found[::-1])
    close(10 ** flow.states["h"][:-1], expected[:-1, 0] if cell is passing else 2 * expected[:-1, 0])
    close(10 ** flow.states["c"][:-1], expected[:-1, 1])


def test_a_cell_without_parameters():
    flow = bptt.flow(lambda params, x, h: np.tanh(0.5 * h + x), {}, np.ones((3, 1, 2)), np.ones((1, 2)))
    assert flow.gradient == -np.inf
    assert flow.terms == {}
    assert "|dL/dW| = 0: no term arrives" in str(flow)


def test_a_counter_among_the_states_has_no_gradient():
    def counting(params, x, h, n):
        return np.tanh(x @ params["W"] + h / (n + 1)), n + 1

    rng = np.random.default_rng(0)
    W, xs, start = rng.standard_normal((4, 5)), rng.standard_normal((3, 2, 4)), (np.ones((2, 5)), np.zeros((2, 1), int))
    flow = bptt.flow(counting, {"W": W}, xs, start, np.ones((3, 2, 5)))
    assert list(flow.states) == ["h"]
    h = np.ones((2, 5))
    for n, x in enumerate(xs):
        h = np.tanh(x @ W + h / (n + 1))
    np.testing.assert_allclose(flow.norms[1], np.log10(np.linalg.norm((1 - h**2) / 3)), atol=1e-12)


def test_a_derivative_that_is_not_finite_is_not_called_exploding():
    def root(params, x, h):
        return np.sqrt(h * params["u"])

    flow = bptt.flow(root, {"u": np.ones(1)}, np.zeros((4, 1, 1)), np.zeros((1, 1)))
    state, parameters = flow.verdict()
    assert state.startswith("State: its gradient is NaN or infinite from step 2 back")
    assert parameters in ("Parameters: |dL/dW| = nan.", "Parameters: |dL/dW| = inf.")


def test_step_jacobians_of_a_tape_with_a_recorded_walk_back():
    function, params, xs = problem("rnn")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(function, params, xs)
        before = bptt.step_jacobians(tape)
        tape.gradient((hs**2).sum(), params)
    assert np.array_equal(bptt.step_jacobians(tape), before)


def test_what_flow_refuses():
    function, params, xs = problem("lstm")
    with pytest.raises(ValueError, match=r"flow: xs has shape \(3, 4\)"):
        bptt.flow(function, params, xs[0])
    with pytest.raises(ValueError, match="flow: dhs is zero at the last step"):
        bptt.flow(function, params, xs, dhs=np.zeros((4, 3, 5)))
    with pytest.raises(ValueError, match="flow: dhs has shape"):
        bptt.flow(function, params, xs, dhs=np.zeros((4, 3, 4)))
    with pytest.raises(ValueError, match="flow: rows=-1"):
        bptt.flow(function, params, xs, rows=-1)
    with pytest.raises(ValueError, match="flow: still_rnn does not start by itself"):
        bptt.flow(still_rnn, {"U": np.eye(5)}, xs)
    with pytest.raises(TypeError, match="flow: parameters and xs are int64"):
        bptt.flow(still_rnn, {"U": np.eye(5, dtype=int)}, xs.astype(int))


def test_rows_of_the_matrix_are_spread_evenly():
    flow = bptt.flow(*problem("rnn", T=9), rows=5)
    assert list(flow.losses) == [0, 2, 4, 6, 8]
    assert flow.deltas.shape == (5, 9)
    assert bptt.flow(*problem("rnn", T=9), rows=0).deltas.shape == (0, 9)


def test_distances_of_a_table():
    assert verdict.spread(3, 12) == [0, 1, 2]
    assert verdict.spread(100, 12) == [0, 1, 2, 5, 10, 20, 50, 99]
    assert verdict.spread(101, 12)[-2:] == [50, 100]


# ------------------------------------------------------------------------------------------------ the butterfly


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_two_runs_drift_apart_by_the_factor_of_a_step(factor):
    found = bptt.butterfly(still_rnn, {"U": factor * np.eye(4)}, np.zeros((20, 2, 1)), np.zeros((2, 4)), size=1e-3)
    np.testing.assert_allclose(found, -3 + np.arange(21) * np.log10(factor), atol=1e-12)


def test_a_small_difference_grows_as_the_product_of_jacobians():
    function, params, xs = problem("lstm", T=6, B=1)
    start = (np.full((1, 5), 0.1), np.full((1, 5), -0.2))
    found = bptt.butterfly(function, params, xs, start, size=1e-6, seed=4)
    with tg.Tape() as tape:
        nn.unroll(function, params, xs, start)
    jacobians = bptt.step_jacobians(tape, ("h", "c"))[:, 0]
    rng = np.random.default_rng(4)
    direction = np.concatenate([rng.standard_normal((1, 5)), rng.standard_normal((1, 5))], axis=1)[0]
    direction *= 1e-6 / np.linalg.norm(direction)
    first = [tg.Tensor(s) for s in start]
    with tg.Tape() as tape:
        new = function(params, xs[0], *first)
    J_0 = np.block([[bptt.total(tape, y, s)[0, :, 0] for s in first] for y in new])
    for t in range(6):
        direction = (jacobians[t - 1] if t else J_0) @ direction
        np.testing.assert_allclose(found[t + 1], np.log10(np.linalg.norm(direction)), atol=1e-5)


def test_what_the_butterfly_refuses_and_where_runs_meet():
    function, params, xs = problem("rnn", T=3)
    with pytest.raises(ValueError, match="butterfly: size=0"):
        bptt.butterfly(function, params, xs, size=0)
    with pytest.raises(ValueError, match="is lost in float32"):
        bptt.butterfly(*problem("rnn", dtype="float32"), size=1e-12)
    forgets = bptt.butterfly(lambda params, x, h: np.tanh(x) + 0 * h, {"U": np.ones(1)}, xs, np.zeros((3, 4)))
    assert list(forgets[1:]) == [-np.inf] * 3


def test_a_factor_may_underflow_within_one_step():
    """1e-200 twice in one step: nothing is rescaled there, and the verdict does not claim that a factor is 0."""

    def tiny(params, x, h):
        return (h * params["u"]) * params["u"]

    flow = bptt.flow(tiny, {"u": np.array([1e-200])}, np.zeros((3, 1, 1)), np.zeros((1, 1)))
    said = flow.verdict()[0]
    assert np.isneginf(flow.norms[0])
    assert "exactly 0 from step 1 back" in said
    assert "or a factor so small that it underflows there" in said
    assert "itself is 0" not in said


def test_the_nearest_steps_are_counted_by_the_norms_of_their_terms():
    """Terms that cancel: h_t = h_{t-1} + w x_t with x = 1, -1, 1, ... adds up to less than any of its terms."""

    def adding(params, x, h):
        return h + params["w"] * x

    xs = np.array([1.0, -1.0] * 5).reshape(10, 1, 1)
    flow = bptt.flow(adding, {"w": np.ones(1)}, xs, np.zeros((1, 1)), np.ones((10, 1, 1)))
    assert np.isneginf(flow.gradient)
    assert "the nearest 10 of 10 steps make 99 % of the sum of the terms' norms" in flow.verdict()[1]


def test_the_butterfly_moves_floats_alone():
    def counting(params, x, h, n):
        return h @ params["U"], n + 1

    start = np.zeros((2, 4)), np.full((2, 50), 7)
    found = bptt.butterfly(counting, {"U": 2 * np.eye(4)}, np.zeros((5, 2, 1)), start, size=1e-3)
    np.testing.assert_allclose(found, -3 + np.log10(2) * np.arange(6), atol=1e-12)
    with pytest.raises(ValueError, match="no state is of floats"):
        bptt.butterfly(lambda params, x, n: n + 1, {"U": np.eye(4)}, np.zeros((5, 2, 1)), np.ones((2, 4), int))


def test_arguments_of_another_kind_say_so():
    function, params, xs = problem("rnn")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(function, params, xs)
        loss = (hs * hs).sum()
    J, W = bptt.step_jacobians(tape), params["weight_hh"]

    def counting(params, x, n, h):
        return n + 1, h

    wrong = [
        (lambda: bptt.flow(function, params, xs, rows=2.5), "rows=2.5"),
        (lambda: bptt.flow(function, list(params.values()), xs), "params is a list"),
        (
            lambda: bptt.flow(counting, params, xs, (np.zeros((3, 1), int), np.zeros((3, 4)))),
            "'n', the first state, is",
        ),
        (lambda: bptt.butterfly(function, params, xs, size="a"), "size='a'"),
        (lambda: bptt.butterfly(function, params, xs, size=np.inf), "size=inf"),
        (lambda: bptt.butterfly(function, list(params.values()), xs), "params is a list"),
        (lambda: bptt.log10_product(np.ones((2, 1, 3, 4))), "T - 1, B, S, S"),
        (lambda: bptt.log10_product(J, 0.0, 2), "span 0.0 to 2"),
        (lambda: bptt.contributions(tape, loss, W, by=None), "by=None"),
        (lambda: bptt.contributions(tape, loss, W, by=3), "by=3"),
        (lambda: bptt.contributions(None, loss, W), "the tape is a NoneType"),
        (lambda: bptt.deltas(None, [loss]), "the tape is a NoneType"),
        (lambda: bptt.step_jacobians(None), "the tape is a NoneType"),
        (lambda: bptt.total(None, loss, W), "the tape is a NoneType"),
        (lambda: bptt.shares([1, 2]), "the parts are a list"),
    ]
    for call, words in wrong:
        with pytest.raises((ValueError, TypeError), match=re.escape(words)) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2
    assert np.array_equal(bptt.log10_product(list(J)), bptt.log10_product(J))


def test_a_cell_that_hands_on_a_parameter_or_its_input():
    """A state that is a parameter at every step: no gradient goes through it to the step before."""

    def cell(params, x, h, c, last):
        return np.tanh(x @ params["W"] + h @ params["U"] + c), params["c"], x

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(3, 4)), "U": rng.normal(size=(4, 4)), "c": rng.normal(size=(2, 4))}
    xs, dhs = rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 2, 4))
    h, c, hs = np.zeros((2, 4)), np.zeros((2, 4)), []
    found = bptt.flow(cell, params, xs, (h, c, xs[0]), dhs)
    for x in xs:
        h = np.tanh(x @ params["W"] + h @ params["U"] + c)
        c = params["c"]
        hs.append(h)
    dz = dhs[2] * (1 - hs[2] ** 2)
    np.testing.assert_allclose(found.states["h"][1], np.log10(np.linalg.norm(dz @ params["U"].T)), atol=1e-12)
    np.testing.assert_allclose(found.states["c"][1], np.log10(np.linalg.norm(dz)), atol=1e-12)
    assert np.isneginf(found.states["last"]).all()
