"""No right derivation is called wrong, and no wrong one right: where rounding is small, and where it is large."""

from functools import partial

import numpy as np
import pytest
import right_derivations as right
from mutants import mutants

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.comparison.case import Case
from tinygrad_rnn.bptt.comparison.report import Difference
from tinygrad_rnn.bptt.comparison.tolerance import Judge


@pytest.mark.slow
def test_no_right_derivation_is_called_wrong():
    rng = np.random.default_rng(1)
    settings = right.settings()
    worst = 0.0
    for k in rng.permutation(len(settings))[:300]:
        with np.errstate(over="ignore", invalid="ignore"):  # relu of many steps in float32, and exp in a sigmoid
            report = bptt.compare(*right.problem(settings[k], k), seed=int(k), torch=False)
        if all(row.finite for row in report.rows):
            assert report, f"{settings[k]}\n{report}"
            worst = max(worst, right.worst_ratio(report))
    assert worst < 0.5, f"the difference of right gradients comes to {worst:.2f} of what is allowed"


WELL_CONDITIONED = ("rnn", "residual_rnn", "lstm", "gru", "gru_textbook")


def well_conditioned(cell, T=4):
    rng = np.random.default_rng(0)
    params = getattr(nn.init, cell)(rng, 4, 5)
    return Case(getattr(nn, cell), params, rng.standard_normal((T, 3, 4)), None, None, None, 0, with_dlast=True)


@pytest.mark.parametrize("cell", WELL_CONDITIONED)
def test_a_mistake_of_a_billionth_is_seen_where_nothing_cancels(cell):
    for T in (1, 2, 7, 50):
        case = well_conditioned(cell, T)
        tolerances, _ = Judge(case).tolerances(case.dhs, case.dlast)
        for name, tolerance in tolerances.items():
            assert tolerance.judged, name
            assert tolerance.absolute(0) < 1e-12 * tolerance.largest, name
            assert tolerance.absolute(1e-12) < 1e-9 * tolerance.largest, name


@pytest.mark.slow
@pytest.mark.parametrize("cell", WELL_CONDITIONED)
def test_every_edit_of_a_derivation_is_seen(cell):
    case = well_conditioned(cell)
    judge = Judge(case)
    tape = judge.gradients(case.dhs, case.dlast)
    tolerances, _ = judge.tolerances(case.dhs, case.dlast)
    seen = 0
    for words, _, mutant, _ in mutants(getattr(bptt.by_hand, cell)):
        try:
            with np.errstate(all="ignore"):
                hand = case.hand_gradients(mutant)
        except (ValueError, TypeError, IndexError, NameError, UnboundLocalError):
            continue  # what does not run is no derivation
        if any(hand[name].shape != tape[name].shape for name in hand):
            continue
        ratio = max(Difference.between(hand[n], tape[n]).absolute / tolerances[n].absolute(1e-12) for n in hand)
        assert not ratio <= 1e9 or ratio < 0.1, words  # an edit that changes nothing but rounding, or a mistake
        seen += not ratio <= 1e9
    assert seen > 30


# -------------------------------------------------------------------------------- where rounding is large


def tanh_cell(p, x, h):
    return np.tanh(x @ p["W"] + h @ p["U"])


def of_tanh_cell(p, xs, state, dhs, factor=1.0):
    """As one product, so that it rounds in another way; with a factor in a term where it is wrong."""
    hs, both = [state[0]], np.concatenate([p["W"], p["U"]])
    for x in xs:
        hs.append(np.tanh(np.concatenate([x, hs[-1]], axis=1) @ both))
    dW, dU, dh = 0, 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        dW, dU, dh = dW + xs[t].T @ dz, dU + factor * (hs[t].T @ dz), dz @ p["U"].T
    return {"W": dW, "U": dU}


def chaotic(T, gain=3.0, H=20):
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(3, H)) * 0.1, "U": rng.normal(size=(H, H)) * gain / np.sqrt(H)}
    return {"params": params, "xs": rng.normal(size=(T, 2, 3)), "state": rng.normal(size=(2, H))}


def test_a_chaotic_network_is_judged_by_its_rounding():
    report = bptt.compare(tanh_cell, **chaotic(60), by_hand=of_tanh_cell).check()
    U = report["U"]
    assert U.hand.relative > report.rtol
    assert U.tolerance.judged
    assert 10 * U.hand.absolute < U.tolerance.rounding < 1e-6 * U.tolerance.largest
    assert "Tolerances here, in parts of the largest entry, since rounding alone makes that much: W " in str(report)
    assert f", U {U.tolerance.relative:.1e}, " in str(report)
    assert not report.unjudged
    wrong = bptt.compare(tanh_cell, **chaotic(60), by_hand=partial(of_tanh_cell, factor=1 + 1e-5))
    assert [row.name for row in wrong.rows if row.verdict(wrong.rtol) != "ok"] == ["U"]


def test_a_network_of_which_only_rounding_is_left_is_not_called_right():
    report = bptt.compare(tanh_cell, **chaotic(300), by_hand=of_tanh_cell)
    assert report
    assert report.unjudged == ["W", "U", "x", "h0"]
    assert "4 of 4 gradients cannot be judged here" in str(report)
    assert "all agree" not in str(report)
    assert "U: cannot be judged here: rounding alone moves it by" in str(report)


@pytest.mark.parametrize("bias", [0.0, 6.0, 12.0, 25.0])
def test_a_saturated_gate_is_judged_by_its_rounding(bias):
    """f (1 - f) by hand, f - f f on the tape: of 1 - f the last digits are left."""

    def gated(p, x, h):
        f = nn.cells.sigmoid(x @ p["W"] + h @ p["U"] + p["b"])
        return f * h + (1 - f) * np.tanh(x @ p["V"])

    def by_hand(p, xs, state, dhs, wrong=0.0):
        h, kept = state[0], []
        for x in xs:
            f, g = 1 / (1 + np.exp(-(x @ p["W"] + h @ p["U"] + p["b"]))), np.tanh(x @ p["V"])
            kept.append((x, h, f, g))
            h = f * h + (1 - f) * g
        dW, dU, db, dV, dh = 0, 0, 0, 0, 0
        for (x, h, f, g), d in zip(kept[::-1], dhs[::-1], strict=True):
            d = d + dh
            dz, dg = d * (h - g) * f * (1 - f) * (1 + wrong), d * (1 - f) * (1 - g * g)
            dW, dU, db, dV = dW + x.T @ dz, dU + h.T @ dz, db + dz.sum(axis=0), dV + x.T @ dg
            dh = d * f + dz @ p["U"].T
        return {"W": dW, "U": dU, "b": db, "V": dV}

    rng = np.random.default_rng(0)
    params = {
        "W": rng.normal(size=(3, 5)) * 0.5,
        "U": rng.normal(size=(5, 5)) * 0.5,
        "b": np.full(5, bias),
        "V": rng.normal(size=(3, 5)),
    }
    problem = {"params": params, "xs": rng.normal(size=(20, 4, 3)), "state": rng.normal(size=(4, 5))}
    report = bptt.compare(gated, **problem, by_hand=by_hand).check()
    assert not report.unjudged
    for row in report.rows:
        assert row.tolerance.absolute(report.rtol) <= 1e-15 * np.exp(bias) * 1e3 * row.tolerance.largest
    assert not bptt.compare(gated, **problem, by_hand=partial(by_hand, wrong=1e-3))


@pytest.mark.slow
def test_many_steps_in_float32_are_judged_by_their_rounding():
    rng = np.random.default_rng(2)
    params = {name: p.data.astype(np.float32) for name, p in nn.init.residual_rnn(rng, 8, 32).items()}
    xs = rng.normal(size=(100, 4, 8)).astype(np.float32)
    report = bptt.compare(nn.residual_rnn, params, xs, bptt.by_hand.residual_rnn, seed=2, torch=False).check()
    assert max(row.hand.relative for row in report.rows) > report.rtol
    assert all(row.tolerance.relative < 0.1 for row in report.rows)

    def wrong(*args):
        found = bptt.by_hand.residual_rnn(*args)
        return found | {"weight_hh": found["weight_hh"] * np.float32(1.1)}

    assert report["weight_hh"].tolerance.relative < 0.01
    assert not bptt.compare(nn.residual_rnn, params, xs, wrong, seed=2, torch=False)


def test_parameters_of_two_precisions_are_judged_by_the_coarser():
    problem = chaotic(4, gain=0.5)
    problem["params"]["W"] = problem["params"]["W"].astype(np.float32)
    report = bptt.compare(tanh_cell, **problem, by_hand=of_tanh_cell).check()
    assert 1e-8 < report["W"].tolerance.relative < 1e-5
    assert not bptt.compare(tanh_cell, **problem, by_hand=partial(of_tanh_cell, factor=1 + 1e-4))


@pytest.mark.parametrize(("hidden", "dtype"), [(1, "float64"), (1, "float32"), (2, "float64"), (2, "float32")])
def test_layer_norm_of_one_and_two_units(hidden, dtype):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        params = nn.init.layer_norm_lstm(rng, 1, hidden, dtype)
        xs = rng.standard_normal((3, 2, 1)).astype(dtype)
        hand = right.derived("layer_norm_lstm")
        bptt.compare(nn.layer_norm_lstm, params, xs, hand, seed=seed, torch=False).check()


def test_a_gradient_that_is_zero_up_to_rounding():
    """A shift of all logits changes no softmax."""
    from tinygrad_rnn.operations.activations import softmax

    def cell(p, x, h):
        return softmax(x @ p["W"] + h @ p["U"] + p["s"])

    def by_hand(p, xs, state, dhs, wrong=0.0):
        hs = [state[0]]
        for x in xs:
            e = np.exp(x @ p["W"] + hs[-1] @ p["U"] + p["s"])
            hs.append(e / e.sum(axis=1, keepdims=True))
        dW, dU, ds, dh = 0, 0, 0, 0
        for t in reversed(range(len(xs))):
            y, d = hs[t + 1], dhs[t] + dh
            dz = y * d - y * (y * d).sum(axis=1, keepdims=True)
            dW, dU, ds, dh = dW + xs[t].T @ dz, dU + hs[t].T @ dz, ds + dz.sum() + wrong, dz @ p["U"].T
        return {"W": dW, "U": dU, "s": np.reshape(ds, 1)}

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(3, 4)), "U": rng.normal(size=(4, 4)), "s": np.array([0.3])}
    problem = {"params": params, "xs": rng.normal(size=(6, 2, 3)), "state": np.zeros((2, 4))}
    report = bptt.compare(cell, **problem, by_hand=by_hand).check()
    assert report["s"].hand.absolute > 0
    assert report["s"].tolerance.zero
    assert report["s"].tolerance.rounding < 1e-13
    assert "s: as small as rounding" in str(report)
    assert "all agree" in str(report)
    wrong = bptt.compare(cell, **problem, by_hand=partial(by_hand, wrong=1e-9))
    assert wrong["s"].verdict(wrong.rtol) == "WRONG: HAND"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_overflows_is_told_and_not_compared():
    cell = partial(nn.rnn, nonlinearity="relu")
    params = {name: p.data.astype(np.float32) * 200 for name, p in nn.init.rnn(np.random.default_rng(0), 3, 4).items()}
    report = bptt.compare(cell, params, np.ones((40, 2, 3), np.float32), right.written("rnn_relu"), torch=False)
    assert not report
    assert {row.verdict(report.rtol) for row in report.rows} == {"NOT FINITE"}
    assert "gradients on the tape are not finite: nothing to compare with" in str(report)
    assert not report.findings


@pytest.mark.parametrize("op", [lambda z: np.maximum(z, 0), lambda z: np.maximum(0, z), lambda z: (abs(z) + z) / 2])
def test_a_toy_of_whole_numbers_with_exact_corners_is_judged(op):
    """z is exactly 0 at some units: the slope there is one of convention, and rounding does not change it."""

    def cell(p, x, h):
        return op(x @ p["W"] + h @ p["U"])

    def by_hand(p, xs, state, dhs, factor=1.0):
        hs = [state[0]]
        for x in xs:
            hs.append(np.maximum(x @ p["W"] + hs[-1] @ p["U"], 0))
        dW, dU, dh = 0, 0, 0
        for t in reversed(range(len(xs))):
            z = xs[t] @ p["W"] + hs[t] @ p["U"]
            dz = (dhs[t] + dh) * (np.sign(z) + 1) / 2  # half of the slope at 0, as all three have it
            dW, dU, dh = dW + xs[t].T @ dz, dU + factor * (hs[t].T @ dz), dz @ p["U"].T
        return {"W": dW, "U": dU}

    params = {"W": np.array([[1.0, 2.0], [-1.0, 1.0]]), "U": np.array([[1.0, -1.0], [2.0, 0.5]])}
    problem = {"params": params, "xs": np.ones((3, 1, 2)), "state": np.zeros((1, 2)), "torch": False}
    report = bptt.compare(cell, **problem, by_hand=by_hand).check()
    assert all(row.tolerance.relative < 1e-13 for row in report.rows)
    wrong = bptt.compare(cell, **problem, by_hand=partial(by_hand, factor=1 + 1e-9))
    assert wrong["U"].verdict(wrong.rtol) == "WRONG: HAND"


def test_a_derivation_whose_arguments_have_no_names_for_others_is_called_by_place():
    def by_place(params, xs, state, dhs, dlast, /):
        return bptt.by_hand.rnn(params, xs, state, dhs, dlast)

    def with_all_the_rest(params, xs, state, dhs, *dlast):
        assert not dlast
        return bptt.by_hand.rnn(params, xs, state, dhs)

    rng = np.random.default_rng(0)
    params, xs = nn.init.rnn(rng, 3, 4), rng.standard_normal((3, 2, 3))
    for function in (by_place, with_all_the_rest):
        assert len(bptt.compare(nn.rnn, params, xs, function).check().rows) == 6
