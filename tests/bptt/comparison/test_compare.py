"""The comparison is itself compared: right derivations pass, wrong ones fail at the right gradient and step."""

from functools import partial

import numpy as np
import pytest
from cells import WITH_HAND

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.comparison.report import Difference
from tinygrad_rnn.transforms.numerical import central_differences, complex_step, random_direction


def my_rnn(params, xs, state, dhs, dlast=None, mistake=""):
    """BPTT of the tanh RNN with one mistake, or none."""
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs = [state[0]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    T = len(xs)
    dW, dU, db, dx = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(xs)
    dh_next = np.zeros_like(hs[0]) if dlast is None or mistake == "dlast ignored" else dlast[0]
    for t in reversed(range(T)):
        upstream = dhs[t] if t == T - 1 or mistake != "upstream at the last step only" else 0
        dz = (upstream + (0 if mistake == "no carry" else dh_next)) * (1 - hs[t + 1] ** 2)
        if mistake == "no activation derivative":
            dz = upstream + dh_next
        dW += dz.T @ xs[t]
        before = hs[t + 1] if mistake == "h_t for h_{t-1}" else hs[t]
        dU = dz.T @ before if mistake == "= for +=" else dU + dz.T @ before
        db += dz.mean(axis=0) if mistake == "mean over the batch" else dz.sum(axis=0)
        dx[t] = dz @ W
        dh_next = dz @ (U.T if mistake == "U for its transpose" else U)
    if mistake == "transposed":
        dW = dW.T
    if mistake == "averaged over the losses":
        dU = dU / max(1, sum(dh.any() for dh in dhs))
    return {"weight_ih": dW, "weight_hh": dU, "bias_ih": db, "bias_hh": db, "x": dx, "h0": dh_next}


def my_lstm(params, xs, state, dhs, mistake=""):
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    h, c = state
    kept = []
    for x in xs:
        z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (z_i, z_f, z_o))
        g, c_before = np.tanh(z_g), c
        c = f * c + i * g
        kept.append((x, h, c_before, c, i, f, g, o))
        h = o * np.tanh(c)
    dW, dU, dh_next, dc_next = np.zeros_like(W), np.zeros_like(U), 0, 0
    for t in reversed(range(len(xs))):
        x, h, c_before, c, i, f, g, o = kept[t]
        dh = dhs[t] + dh_next
        dc = dh * o * (1 - np.tanh(c) ** 2) + (0 if mistake == "no cell carry" else dc_next)
        df = dc * (c if mistake == "forget gate on c_t" else c_before)
        di, dg = (dc * i, dc * g) if mistake == "i and g exchanged" else (dc * g, dc * i)
        dz = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), dh * np.tanh(c) * o * (1 - o)]
        dz = np.concatenate(dz, axis=1)
        dW, dU, dh_next, dc_next = dW + dz.T @ x, dU + dz.T @ h, dz @ U, dc * f
    return {"weight_ih": dW, "weight_hh": dU, "h0": dh_next, "c0": dc_next}


def my_gru(params, xs, state, dhs, mistake=""):
    gradients = dict(bptt.by_hand.gru(params, xs, state, dhs))
    if mistake == "one bias for both":
        gradients["bias_hh"] = gradients["bias_ih"]
    return gradients


def compared(cell, by_hand, T=4, **options):
    rng = np.random.default_rng(3)
    params = getattr(nn.init, cell)(rng, 4, 5)
    return bptt.compare(getattr(nn, cell), params, rng.standard_normal((T, 3, 4)), by_hand, torch=False, **options)


EVERYTHING = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "x", "h0"}


def test_a_right_derivation_passes():
    for cell, by_hand in (("rnn", my_rnn), ("lstm", my_lstm), ("gru", my_gru)):
        report = compared(cell, by_hand)
        assert report
        assert report.check() is report
        assert not report.findings
        assert "all agree" in str(report)


@pytest.mark.parametrize(
    ("cell", "by_hand", "mistake", "wrong", "gradient", "finding"),
    [
        ("rnn", my_rnn, "U for its transpose", EVERYTHING, "x", "step 1 alone, dx of step 0 is"),
        ("rnn", my_rnn, "U for its transpose", EVERYTHING, "weight_hh", "step 1 alone, the contribution of step 0 is"),
        ("rnn", my_rnn, "U for its transpose", EVERYTHING, "h0", "step 0 alone, the gradient of the initial state is"),
        ("rnn", my_rnn, "no carry", EVERYTHING, "bias_hh", "step 1 alone, the contribution of step 0 is"),
        ("rnn", my_rnn, "h_t for h_{t-1}", {"weight_hh"}, "weight_hh", "step 0 alone, the contribution of step 0 is"),
        ("rnn", my_rnn, "= for +=", {"weight_hh"}, "weight_hh", "step 1 alone, the contribution of step 0 is"),
        ("rnn", my_rnn, "mean over the batch", {"bias_ih", "bias_hh"}, "bias_ih", "step 0 alone, the contribution of"),
        ("rnn", my_rnn, "no activation derivative", EVERYTHING, "x", "step 0 alone, dx of step 0 is"),
        ("rnn", my_rnn, "upstream at the last step only", EVERYTHING, "weight_ih", "step 0 alone, the contribution"),
        ("rnn", my_rnn, "dlast ignored", EVERYTHING, "x", "the last state's gradient alone, dx of step 3 is"),
        (
            "rnn",
            my_rnn,
            "averaged over the losses",
            {"weight_hh"},
            "weight_hh",
            "wrong only where several steps have one",
        ),
        ("rnn", my_rnn, "transposed", {"weight_ih"}, "weight_ih", "gave shape (4, 5), the parameter has (5, 4)"),
        (
            "lstm",
            my_lstm,
            "no cell carry",
            {"weight_ih", "weight_hh", "h0", "c0"},
            "weight_hh",
            "step 1 alone, the contribution of step 0",
        ),
        (
            "lstm",
            my_lstm,
            "forget gate on c_t",
            {"weight_ih", "weight_hh", "h0", "c0"},
            "weight_ih",
            "step 0 alone, the contribution of step 0",
        ),
        (
            "lstm",
            my_lstm,
            "i and g exchanged",
            {"weight_ih", "weight_hh", "h0", "c0"},
            "h0",
            "step 0 alone, the gradient of the initial state",
        ),
        ("gru", my_gru, "one bias for both", {"bias_hh"}, "bias_hh", "step 0 alone, the contribution of step 0"),
    ],
)
def test_a_wrong_derivation_fails_at_the_right_gradient_and_step(cell, by_hand, mistake, wrong, gradient, finding):
    report = compared(cell, partial(by_hand, mistake=mistake))
    assert not report
    found = {row.name for row in report.rows if "HAND" in row.verdict(report.rtol)}
    expected = wrong - {"h0", "c0"} if mistake in ("no cell carry", "forget gate on c_t") else wrong
    assert expected <= found <= wrong
    text = next(line for line in report.findings if line.startswith(f"{gradient}:"))
    assert finding in text
    with pytest.raises(AssertionError, match="do not agree"):
        report.check()


def test_the_mistake_of_a_cell_carry_hides_at_one_step():
    assert compared("lstm", partial(my_lstm, mistake="no cell carry"), T=1)["weight_hh"].hand.relative < 1e-12


def test_a_wrong_rule_on_the_tape_is_seen_by_the_numerical_column():
    wrong = tg.primitive(np.tanh, lambda g, y, x: g * (1 - y), name="test_wrong_tanh")
    tg.core.table.TABLE[np.tanh] = tg.core.table.PRIMITIVES["tanh"]

    def cell(params, x, h):
        return wrong(x @ params["W"] + h @ params["U"])

    rng = np.random.default_rng(0)
    params = {"W": rng.standard_normal((4, 5)), "U": rng.standard_normal((5, 5))}
    for exhaustive in (False, True):
        report = bptt.compare(
            cell, params, rng.standard_normal((3, 2, 4)), state=np.ones((2, 5)), exhaustive=exhaustive
        )
        assert not report
        assert {row.verdict(report.rtol) for row in report.rows} == {"WRONG: NUMERIC"}


def test_a_persons_own_cell_and_a_subset_of_names():
    def cell(params, x, h):
        return np.tanh(x @ params["W"] + h @ params["U"])

    def backward(params, xs, state, dhs):
        hs, dU, dh = [state[0]], 0, 0
        for x in xs:
            hs.append(cell(params, x, hs[-1]))
        for t in reversed(range(len(xs))):
            dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
            dU, dh = dU + hs[t].T @ dz, dz @ params["U"].T
        return {"U": dU}

    rng = np.random.default_rng(0)
    params = {"W": rng.standard_normal((4, 5)), "U": rng.standard_normal((5, 5))}
    report = bptt.compare(cell, params, rng.standard_normal((5, 2, 4)), backward, state=np.zeros((2, 5))).check()
    assert report["U"].hand.relative < 1e-12
    assert report["W"].hand is None
    assert "not given" in str(report)
    with pytest.raises(ValueError, match=r"does not start by itself.*\ngive state="):
        bptt.compare(cell, params, rng.standard_normal((5, 2, 4)), backward)


def test_a_derivation_may_write_into_its_arguments():
    def careless(params, xs, state, dhs, dlast=None):
        gradients = bptt.by_hand.rnn(params, xs, state, dhs, dlast)
        xs[:] = dhs[:] = state[0][:] = 0
        params["weight_hh"][:] = 0
        return gradients

    assert compared("rnn", careless)


def test_whole_numbers_are_numbers():
    report = compared("rnn", lambda params, xs, state, dhs: {"bias_ih": np.ones(5, int)})
    assert report["bias_ih"].verdict(report.rtol) == "WRONG: HAND"


def test_nan_is_not_agreement():
    def nan(*args, **options):
        return {k: g * np.nan for k, g in my_rnn(*args, **options).items()}

    report = compared("rnn", nan)
    assert all(row.verdict(report.rtol) == "WRONG: HAND" for row in report.rows)


def test_without_a_derivation_the_numbers_stand_alone():
    report = compared("gru", None, exhaustive=True)
    assert report
    assert all(row.hand is None and row.numeric.method == "complex step" for row in report.rows)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"U": np.zeros((5, 5))}, ValueError, r"unknown names \['U'\]\nthe names are weight_ih"),
        ([1, 2], TypeError, "returned a list\nreturn a dict"),
        ({"bias_ih": 1j * np.ones(5)}, TypeError, "returned complex128 for 'bias_ih'\nreturn real numbers"),
        ({"bias_ih": None}, TypeError, "returned object for 'bias_ih'"),
    ],
)
def test_answers_that_cannot_be_compared(answer, error, message):
    with pytest.raises(error, match=message):
        compared("rnn", lambda params, xs, state, dhs: answer)


@pytest.mark.parametrize("by_hand", [dict, lambda params, xs: {}, partial(lambda a: {})])
def test_a_derivation_that_does_not_take_its_arguments(by_hand):
    with pytest.raises(TypeError, match=r"^compare: \S+ cannot be called as \S+\(params, xs, state, dhs\): "):
        compared("rnn", by_hand)


def test_inputs_that_cannot_be_compared():
    params = nn.init.rnn(np.random.default_rng(0), 4, 5)
    xs = np.ones((3, 2, 4))
    with pytest.raises(ValueError, match=r"xs has shape \(3, 4\)\ngive \(T, B, I\)"):
        bptt.compare(nn.rnn, params, xs[:, 0])
    with pytest.raises(ValueError, match="2 states given, the cell takes"):
        bptt.compare(nn.rnn, params, xs, state=(np.ones((2, 5)),) * 2)
    with pytest.raises(ValueError, match=r"dhs has shape \(3, 2, 4\)"):
        bptt.compare(nn.rnn, params, xs, dhs=np.ones((3, 2, 4)))
    with pytest.raises(TypeError, match="float64 or float32"):
        bptt.compare(nn.rnn, {k: p.data.astype(np.float16) for k, p in params.items()}, xs.astype(np.float16))
    with pytest.raises(ValueError, match=r"\['x'\] is a parameter and an input"):
        bptt.compare(lambda params, x, h: h * params["x"], {"x": np.ones(5)}, xs)
    with pytest.raises(ValueError, match="no PyTorch column for mine"):
        bptt.compare(mine, params, xs, state=np.ones((2, 5)), torch=True)


def mine(params, x, h):
    return nn.rnn(params, x, h)


def test_gradients_of_anything_can_be_set_against_each_other():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal(5)
    assert bptt.compare_gradients("both", {"a": a, "b": tg.Tensor(b)}, {"a": a, "b": b})
    assert not bptt.compare_gradients("both", {"a": a, "b": b}, {"a": a, "b": b + 1e-9})
    assert "shape (4, 3)" in str(bptt.compare_gradients("both", {"a": a}, {"a": a.T}))
    with pytest.raises(ValueError, match="give the same names"):
        bptt.compare_gradients("both", {"a": a}, {"b": b})


def test_gradients_of_two_precisions_are_judged_by_the_coarser_of_each_pair():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4)), rng.standard_normal(5)
    single = a.astype(np.float32)
    for one, other in ((a, single), (single, a)):
        for names in (("a", "b"), ("b", "a")):  # whichever comes last
            report = bptt.compare_gradients("mixed", {n: {"a": one, "b": b}[n] for n in names}, {"a": other, "b": b})
            assert "(tolerance 1e-12 relative, a 1e-05)" in str(report.check())
            wrong = bptt.compare_gradients(
                "mixed", {n: {"a": one, "b": b}[n] for n in names}, {"a": other, "b": b * (1 + 1e-8)}
            )
            assert [row.verdict(wrong.rtol) for row in wrong.rows if row.name == "b"] == ["WRONG: HAND"]
        assert not bptt.compare_gradients("single", {"a": one}, {"a": other * np.float32(1 + 1e-4)})
        assert not bptt.compare_gradients("as asked", {"a": one}, {"a": other}, rtol=1e-12)
    assert bptt.compare_gradients("whole numbers", {"a": np.arange(3)}, {"a": np.arange(3.0)})
    assert bptt.compare_gradients("longer", {"a": a}, {"a": a.astype(np.longdouble)})
    assert bptt.compare_gradients("nothing", {}, {})
    for unfit in (a.astype(np.float16), a + 1j, np.array(["a"])):
        with pytest.raises(TypeError, match="give float64 or float32"):
            bptt.compare_gradients("unfit", {"a": a}, {"a": unfit})
    infinite = np.array([np.inf, 1.0])
    assert not bptt.compare_gradients("not finite", {"a": infinite}, {"a": infinite})


def test_a_difference_is_measured_against_the_largest_entry():
    d = Difference.between(np.array([1e-3, 8.0 + 2**-49]), np.array([1e-3, 8.0]))
    assert (d.absolute, d.relative, d.ulps, d.at) == (2**-49, 2**-52, 1.0, (1,))
    assert Difference.between(np.zeros(2), np.zeros(2)).relative == 0
    assert Difference.between(np.ones(2), np.zeros(2)).relative == np.inf
    assert np.isnan(Difference.between(np.array([np.nan, 1.0]), np.ones(2)).relative)
    assert Difference.between(np.float32([1]), np.array([1 + 2.0**-23])).ulps == 1


def test_the_numerical_derivatives_know_known_functions_and_their_own_error():
    x, v = np.array([0.3, -1.2, 2.0]), random_direction(np.random.default_rng(0), (3,))
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 1.5)).all()
    for f, gradient in (
        (lambda x: np.sum(np.sin(x) * np.exp(x)), (np.sin(x) + np.cos(x)) * np.exp(x)),
        (lambda x: np.prod(x) ** 3, 3 * np.prod(x) ** 3 / x),
        (lambda x: np.tanh(x @ x), (1 - np.tanh(x @ x) ** 2) * 2 * x),
    ):
        true = gradient @ v
        exact, near = complex_step(f, x, v), central_differences(f, x, v)
        assert exact.value == pytest.approx(true, rel=1e-13)
        assert abs(near.value - true) <= max(10 * near.error, 1e-12)
        assert near.error < 1e-8
        assert abs(exact.value - true * 1.001) > 1e-4 * abs(true)
    assert central_differences(lambda x: np.sum(np.maximum(x, 0)), x, v).value == pytest.approx(v[0] + v[2], rel=1e-9)


def test_a_folder_called_torch_is_not_pytorch(tmp_path, monkeypatch):
    (tmp_path / "torch").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    rng = np.random.default_rng(0)
    assert bptt.compare(nn.rnn, nn.init.rnn(rng, 4, 5), rng.standard_normal((3, 2, 4)))


@pytest.mark.needs_torch
@pytest.mark.parametrize("cell", WITH_HAND)
def test_pytorch_has_a_column(cell):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(0)
    params = getattr(nn.init, cell)(rng, 4, 5)
    report = bptt.compare(getattr(nn, cell), params, rng.standard_normal((7, 3, 4)), torch=True).check()
    assert all(row.torch.relative < 1e-13 for row in report.rows)
    assert "torch: rel" in str(report)


def test_a_failed_comparison_points_to_the_doctor():
    report = compared("rnn", partial(my_rnn, mistake="no carry"))
    assert report.findings[-1] == "bptt.doctor(cell, by_hand) names the mistake."
    assert not compared("rnn", my_rnn).findings


def own(shapes, T=5, B=2, H=4, seed=0, **options):
    """The arguments of `compare` for a cell of one's own."""
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {"params": params, "xs": rng.normal(size=(T, B, 3)), "state": np.zeros((B, H)), "torch": False} | options


WU = {"W": (3, 4), "U": (4, 4)}


@pytest.mark.parametrize("of", ["var", "std", "abs", "norm"])
def test_a_cell_with_what_numpy_has_otherwise_for_complex_numbers(of):
    size = {
        "var": lambda z: z.var(axis=-1, keepdims=True),
        "std": lambda z: z.std(axis=-1, keepdims=True),
        "abs": lambda z: np.abs(z).mean(axis=-1, keepdims=True),
        "norm": lambda z: np.linalg.norm(z, axis=-1, keepdims=True),
    }[of]

    def cell(p, x, h):
        z = x @ p["W"] + h @ p["U"]
        return np.tanh((z - z.mean(axis=-1, keepdims=True)) / np.sqrt(size(z) + 1e-5))

    report = bptt.compare(cell, **own(WU), exhaustive=True).check()
    assert all(row.numeric.method == "complex step" for row in report.rows)
    assert all(row.numeric.relative < 1e-12 for row in report.rows)


@pytest.mark.parametrize(("T", "B", "H"), [(5, 2, 4), (20, 4, 32), (20, 8, 64)])
def test_the_corners_of_many_units_are_stepped_over_by_nobody(T, B, H):
    rng = np.random.default_rng(0)
    relu = {"nonlinearity": "relu"}
    report = bptt.compare(
        partial(nn.rnn, **relu),
        nn.init.rnn(rng, 8, H),
        rng.normal(size=(T, B, 8)),
        partial(bptt.by_hand.rnn, **relu),
        torch=False,
    ).check()
    assert not report.notes


def test_a_corner_at_the_values_is_told():
    """Inputs of zeros: every relu stands on its corner, and the slope to the left counts."""

    def cell(p, x, h):
        return np.maximum(x @ p["W"] + h @ p["U"], 0)

    report = bptt.compare(cell, **own(WU) | {"xs": np.zeros((3, 2, 3))}).check()
    assert report["x"].numeric.corner
    assert "x: a corner (of relu, maximum, abs) lies at these values" in str(report)


def test_an_operation_of_ones_own_with_corners_that_only_differences_can_judge():
    shrink = tg.primitive(
        lambda x: np.maximum(np.abs(x) - 0.5, 0),
        lambda g, y, x: g * np.sign(x) * (np.abs(x) > 0.5),
        name="test_compare_shrink",
        analytic=False,
    )
    wrong = tg.primitive(
        lambda x: np.maximum(np.abs(x) - 0.5, 0),
        lambda g, y, x: g * np.sign(x) * (np.abs(x) > 0.6),
        name="test_compare_shrink_wrong",
        analytic=False,
    )

    def cell_of(op):
        return lambda p, x, h: 0.5 * op(x @ p["W"] + h @ p["U"])

    for seed in range(3):
        problem = own(WU, T=20, B=8, seed=seed)
        report = bptt.compare(cell_of(shrink), **problem).check()
        assert {row.numeric.method for row in report.rows} == {"differences"}
        assert "WRONG: NUMERIC" in {row.verdict(0) for row in bptt.compare(cell_of(wrong), **problem).rows}


def test_inputs_of_integers_have_no_gradient():
    def embedded(p, x, h):
        return np.tanh(p["E"][x[:, 0]] + h @ p["U"])

    def counted(p, x, h, n):
        return np.tanh(x @ p["W"] + h @ p["U"] / (n + 1)[:, None]), n + 1

    ids = np.random.default_rng(0).integers(0, 6, (5, 2, 1))
    report = bptt.compare(embedded, **own({"E": (6, 4), "U": (4, 4)}) | {"xs": ids}).check()
    assert [row.name for row in report.rows] == ["E", "U", "h0"]
    report = bptt.compare(counted, **own(WU) | {"state": (np.zeros((2, 4)), np.zeros(2, int))}).check()
    assert [row.name for row in report.rows] == ["W", "U", "x", "h0"]


def test_an_input_that_is_handed_on_and_one_that_nobody_reads():
    def cell(p, x, h, c):
        return np.tanh(x @ p["W"] + h @ p["U"] + c), p["c"]

    problem = own(WU | {"c": (2, 4), "V": (3,)}, T=3) | {"state": (np.zeros((2, 4)), np.zeros((2, 4)))}
    last = (np.zeros((2, 4)), np.arange(8.0).reshape(2, 4))
    report = bptt.compare(cell, **problem, dhs=np.zeros((3, 2, 4)), dlast=last)
    case = bptt.comparison.case.Case(cell, problem["params"], problem["xs"], problem["state"], None, last, 0, True)
    np.testing.assert_array_equal(case.part(0, 3, np.zeros((3, 2, 4)), last).tape_gradients()["c"], last[1])
    assert report.check()["V"].tolerance.rounding == 0


def test_a_cell_that_decides_by_its_values_is_compared_by_differences():
    def cell(p, x, h):
        z = x @ p["W"] + h @ p["U"]
        return np.tanh(z) if (z.data if isinstance(z, tg.Tensor) else z).sum() > 0 else np.sin(z)

    report = bptt.compare(cell, **own(WU)).check()
    assert {row.numeric.method for row in report.rows} <= {"complex step", "differences"}


def counting(by_hand):
    """The derivation, and how often it was called."""
    calls = []

    def counted(*args, **options):
        calls.append(len(args[1]))
        return by_hand(*args, **options)

    return counted, calls


@pytest.mark.slow
@pytest.mark.parametrize(("step", "upstream"), [(99, 99), (0, 0), (7, 7), (60, 61)])
def test_a_fault_in_a_long_sequence_is_found_by_halving(step, upstream):
    """A mistake in the contribution of one step: the first upstream gradient that it shows at is that of the step."""

    def wrong(params, xs, state, dhs, dlast=None):
        found = bptt.by_hand.rnn(params, xs, state, dhs, dlast)
        at = step - (100 - len(xs))  # where the step is in a sequence that was cut
        if 0 <= at < len(xs) and dhs[upstream - step + at :].any():
            found["bias_ih"] = found["bias_ih"] + 1e-3 * dhs[upstream - step + at :].sum(axis=(0, 1))
        return found

    rng = np.random.default_rng(0)
    params, xs = nn.init.rnn(rng, 2, 3), rng.normal(size=(100, 1, 2))
    by_hand, calls = counting(wrong)
    report = bptt.compare(
        nn.rnn, params, xs, by_hand, torch=False, dlast=np.zeros((1, 3)), dhs=rng.normal(size=(100, 1, 3))
    )
    found = f"with an upstream gradient at step {upstream} alone, the contribution of step {step} is the first"
    assert found in report.findings[0]
    assert len(calls) < 40  # of 100 steps


def three_steps(params, xs, state, dhs, *, before=False):
    """Three steps written out, with no other length; h_1 for h_0 in one term with before=False."""
    W, U = params["W"], params["U"]
    x0, x1, x2 = xs
    h0 = np.tanh(x0 @ W + state[0] @ U)
    h1 = np.tanh(x1 @ W + h0 @ U)
    h2 = np.tanh(x2 @ W + h1 @ U)
    z2 = dhs[2] * (1 - h2**2)
    z1 = (dhs[1] + z2 @ U.T) * (1 - h1**2)
    z0 = (dhs[0] + z1 @ U.T) * (1 - h0**2)
    dU = h1.T @ z2 + (h0 if before else h1).T @ z1 + state[0].T @ z0
    return {"W": x2.T @ z2 + x1.T @ z1 + x0.T @ z0, "U": dU}


def test_a_derivation_of_one_length_is_compared_and_its_step_is_not_invented():
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    given = (lambda p, x, h: np.tanh(x @ p["W"] + h @ p["U"])), params, rng.standard_normal((3, 1, 2))
    h0 = rng.standard_normal((1, 3))
    bptt.compare(*given, partial(three_steps, before=True), state=h0, torch=False).check()
    report = bptt.compare(*given, three_steps, state=h0, torch=False)
    assert [row.name for row in report.rows if "HAND" in row.verdict(report.rtol)] == ["U"]
    assert "in a term of step 1 or of one before" in report.findings[0]
    assert "other lengths would tell, for which the derivation fails: ValueError: not enough" in report.findings[0]


def test_the_step_is_found_where_the_derivation_does_not_read_the_state():
    def wrong_carry(params, xs, state, dhs):
        W, U = params["weight_ih"], params["weight_hh"]
        hs, dU, carry = [np.zeros_like(state[0])], 0, 0
        for x in xs:
            hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + params["bias_ih"] + params["bias_hh"]))
        for t in reversed(range(len(xs))):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dU, carry = dU + dz.T @ hs[t], dz @ U.T
        return {"weight_hh": dU}

    rng = np.random.default_rng(0)
    params, xs = nn.init.rnn(rng, 4, 5), rng.standard_normal((3, 2, 4))
    report = bptt.compare(nn.rnn, params, xs, wrong_carry, state=np.zeros((2, 5)), torch=False)
    alone = "weight_hh: with an upstream gradient at step 2 alone"
    assert f"{alone}, the contribution of step 1 is the first that is wrong: " in report.findings[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g, T, B: g / T, "gradients are a mean over T, where"),
        (lambda g, T, B: g / B, "gradients are a mean over the batch, where"),
        (lambda g, T, B: g / (T * B), "gradients are a mean over T and the batch, where"),
    ],
)
@pytest.mark.parametrize("zero", [False, True])
def test_conventions_are_no_mistakes(change, words, zero):
    def by_hand(params, xs, state, dhs):
        start = tuple(np.zeros_like(s) for s in state) if zero else state
        found = bptt.by_hand.lstm(params, xs, start, dhs)
        return {name: change(g, len(xs), len(state[0])) for name, g in found.items() if name not in ("h0", "c0")}

    rng = np.random.default_rng(0)
    params, xs = nn.init.lstm(rng, 4, 5), rng.standard_normal((3, 2, 4))
    report = bptt.compare(nn.lstm, params, xs, by_hand, torch=False).check()
    assert words in str(report)
    assert ("does not read h0 and c0" in str(report)) == zero

    def wrong(*given):
        found = by_hand(*given)
        return {**found, "weight_hh": 2 * found["weight_hh"]}

    assert not bptt.compare(nn.lstm, params, xs, wrong, torch=False)


def test_one_bias_is_a_convention():
    def one(params, xs, state, dhs):
        zero = {**params, "bias_hh": 0 * params["bias_hh"]}
        found = bptt.by_hand.rnn(zero, xs, state, dhs)
        return {name: g for name, g in found.items() if name != "bias_hh"}

    rng = np.random.default_rng(0)
    params, xs = nn.init.rnn(rng, 4, 5), rng.standard_normal((3, 2, 4))
    report = bptt.compare(nn.rnn, params, xs, one, torch=False).check()
    assert "convention: it does not read bias_hh, so bias_hh is zero here" in report.findings
