"""Methods forward in time: what is exact is exact, what is random is right on average, the rest as its paper says."""

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from cells import EVERY

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.draw import term_maps

TODAY = ["ind_rnn", "min_gru", "min_lstm", "qrnn", "sru", "slstm", "mlstm", "linear_attention", "gated_delta_net"]
TODAY += ["lru", "selective_ssm"]


def problem(name, T, batch=2, I=2, H=3, dtype="float64"):
    """(cell, parameters, inputs, a loss that reads a parameter V itself)."""
    rng = np.random.default_rng(T)
    params = getattr(nn.init, name)(rng, I, H, dtype)
    xs = rng.standard_normal((T, batch, I)).astype(dtype)
    size = nn.unroll(getattr(nn, name), params, xs)[0].shape[-1]
    V = tg.Tensor(rng.standard_normal((size, 2)).astype(dtype), name="V")

    def loss(t, h):
        return ((h @ V) ** 3).sum() * (t % 3 != 1)  # a step without a loss too

    return getattr(nn, name), params | {"V": V}, xs, loss


def by_tape(cell, params, xs, loss):
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs)
        total = sum(loss(t, hs[t]) for t in range(len(xs)))
    return tape.gradient(total, params), float(total.data)


def require_equal(found, expected, tolerance=1e-12):
    largest = max(np.abs(g).max() for g in expected.values())
    for name, g in expected.items():
        assert found[name].dtype == g.dtype
        assert np.abs(found[name] - g).max() <= tolerance * largest, name


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", [*EVERY, *TODAY])
def test_exact_is_bptt_for_every_cell(name, T):
    cell, params, xs, loss = problem(name, T)
    found = bptt.online_gradient(cell, params, xs, loss, bptt.Exact())
    gradients, value = by_tape(cell, params, xs, loss)
    require_equal(found.gradients, gradients)
    assert found.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("batch", "H"), [(1, 1), (3, 1), (1, 3)])
def test_sizes_of_one_and_float32(batch, H):
    cell, params, xs, loss = problem("lstm", 3, batch, 1, H)
    require_equal(
        bptt.online_gradient(cell, params, xs, loss, bptt.Exact()).gradients, by_tape(cell, params, xs, loss)[0]
    )
    cell, params, xs, loss = problem("lstm", 3, batch, 1, H, "float32")
    found = bptt.online_gradient(cell, params, xs, loss, bptt.Exact())
    require_equal(found.gradients, by_tape(cell, params, xs, loss)[0], 1e-5)


def chain_of_units(T=6):
    """A simple RNN whose unit i reads the units i and i - 1 alone, so that influence travels a unit a step."""
    cell, params, xs, loss = problem("rnn", T, H=5)
    U = np.tril(np.triu(params["weight_hh"].data, -1))
    return cell, params | {"weight_hh": tg.Tensor(U, name="weight_hh")}, xs, loss


def test_snap_of_as_many_steps_as_there_are_is_exact():
    cell, params, xs, loss = chain_of_units()
    expected = by_tape(cell, params, xs, loss)[0]
    apart, held = [], []
    for n in range(1, 7):
        found = bptt.online_gradient(cell, params, xs, loss, bptt.SnAp(n))
        apart.append(max(np.abs(found.gradients[k] - g).max() for k, g in expected.items()))
        held.append(found.held)
    assert apart[5] < 1e-12 < 1e-6 < apart[0]
    assert sorted(held) == held
    assert held[0] < held[1] < held[2]


def test_snap_1_keeps_what_a_parameter_does_to_its_own_unit():
    """Independent: M of one row for each unit, with the diagonal of J alone."""
    cell, params, xs, loss = problem("rnn", 5, 1)
    W, U, b, c, V = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "V"))
    h, e, g = np.zeros(3), np.zeros((3, 5 + 2)), np.zeros((3, 7))
    for t, x in enumerate(xs[:, 0]):
        new = np.tanh(W @ x + b + U @ h + c)
        slope = 1 - new**2
        e = slope[:, None] * (np.concatenate([x, h, [1, 1]]) + np.diag(U)[:, None] * e)
        h = new
        g = g + (3 * V @ (h @ V) ** 2 * (t % 3 != 1))[:, None] * e
    found = bptt.online_gradient(cell, params, xs, loss, bptt.SnAp(1)).gradients
    expected = {"weight_ih": g[:, :2], "weight_hh": g[:, 2:5], "bias_ih": g[:, 5], "bias_hh": g[:, 6]}
    require_equal({k: found[k] for k in expected}, expected)


@pytest.mark.parametrize("f", ["tanh", "relu"])
def test_snap_1_forgets_nothing_where_an_input_is_zero_or_a_unit_rests(f):
    """Independent: the diagonal recursion. A letter is a column of zeros but one, and relu has a slope of zero."""
    rng = np.random.default_rng(5)
    xs, rate = np.eye(3)[[0, 1, 2, 0, 1, 1, 2]][:, None], 0.4
    p = {"W": rng.normal(size=(3, 4)), "U": rng.normal(size=(4, 4)), "b": rng.normal(size=4)}
    value, slope = (np.tanh, lambda z: 1 - np.tanh(z) ** 2) if f == "tanh" else (tg.relu, lambda z: (z > 0) * 1.0)

    def cell(p, x, h):
        return (1 - rate) * h + rate * value(x @ p["W"] + h @ p["U"] + p["b"])

    h, e, g = np.zeros(4), np.zeros((8, 4)), np.zeros((8, 4))
    for x in xs[:, 0]:
        z = x @ p["W"] + h @ p["U"] + p["b"]
        kept = 1 - rate + rate * slope(z) * np.diag(p["U"])
        e = kept * e + rate * np.outer(np.concatenate([x, h, [1]]), slope(z))
        h = (1 - rate) * h + rate * np.maximum(z, 0) if f == "relu" else (1 - rate) * h + rate * np.tanh(z)
        g = g + 2 * h * e
    params = {name: tg.Tensor(v, name=name) for name, v in p.items()}
    found = bptt.online_gradient(cell, params, xs, lambda t, h: (h**2).sum(), bptt.SnAp(1), np.zeros((1, 4))).gradients
    require_equal(found, {"W": g[:3], "U": g[3:7], "b": g[7]})


@pytest.mark.parametrize("name", ["ind_rnn", "min_gru", "qrnn", "lru", "selective_ssm"])
@pytest.mark.parametrize("how", [bptt.SnAp(1), bptt.EProp()], ids=repr)
def test_where_units_do_not_meet_nothing_is_lost(name, how):
    cell, params, xs, loss = problem(name, 6)
    found = bptt.online_gradient(cell, params, xs, loss, how if name != "lru" else bptt.EProp())
    require_equal(found.gradients, by_tape(cell, params, xs, loss)[0])


def test_rflo_is_the_trace_that_leaks():
    """Murray 2019, equation 8: p = (1 - 1/tau) p + (1/tau) phi'(u) h_{t-1}, with the exact feedback."""
    cell, params, xs, loss = problem("leaky_rnn", 6, 1)
    W, U, b, c, V = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "V"))
    h, p, dU = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    for t, x in enumerate(xs[:, 0]):
        u = W @ x + b + U @ h + c
        p = 0.8 * p + 0.2 * np.outer(1 - np.tanh(u) ** 2, h)
        h = 0.8 * h + 0.2 * np.tanh(u)
        dU = dU + (3 * V @ (h @ V) ** 2 * (t % 3 != 1))[:, None] * p
    for how in (bptt.RFLO(), bptt.EProp()):
        require_equal({"U": bptt.online_gradient(cell, params, xs, loss, how).gradients["weight_hh"]}, {"U": dU})


def test_eprop_of_an_lstm_is_its_eligibility_trace():
    """Bellec et al. 2020, LSTM: the trace of c is e = f e + dc/dtheta, h_{t-1} held; h_t reads c_t through o_t."""
    cell, params, xs, loss = problem("lstm", 6, 1)
    W, U, b, d, V = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "V"))
    h, c, e, dU = np.zeros(3), np.zeros(3), np.zeros((3, 12, 3)), np.zeros((12, 3))

    def s(z):
        return 1 / (1 + np.exp(-z))

    for t, x in enumerate(xs[:, 0]):
        i, f, g, o = np.split(W @ x + b + U @ h + d, 4)
        i, f, g, o = s(i), s(f), np.tanh(g), s(o)
        new = f * c + i * g
        by_gate = np.array([i * (1 - i) * g, f * (1 - f) * c, i * (1 - g * g), 0 * o])
        e = f[:, None, None] * e
        for unit in range(3):
            for k in range(4):
                e[unit, 3 * k + unit] += by_gate[k, unit] * h
        of_h = (o * (1 - np.tanh(new) ** 2))[:, None, None] * e
        for unit in range(3):
            of_h[unit, 9 + unit] += o[unit] * (1 - o[unit]) * np.tanh(new)[unit] * h
        c, h = new, o * np.tanh(new)
        dU = dU + np.einsum("u,urk->rk", 3 * V @ (h @ V) ** 2 * (t % 3 != 1), of_h)
    require_equal({"U": bptt.online_gradient(cell, params, xs, loss, bptt.EProp()).gradients["weight_hh"]}, {"U": dU})


@pytest.mark.parametrize(("how", "T", "bias"), [(bptt.UORO(), 3, True), (bptt.KFRTRL(), 3, False)], ids=["UORO", "KF"])
def test_the_mean_over_all_signs_is_the_full_gradient(how, T, bias):
    cell, params, xs, loss = problem("rnn", T, 1, 2, 2)
    params = {k: p for k, p in params.items() if bias or "bias" not in k}
    if how == bptt.KFRTRL():
        params = {k: p for k, p in params.items() if k != "V"}
        V = np.array([[1.0, 0.5], [-0.3, 0.8]])

        def loss(t, h):
            return ((h @ V) ** 3).sum()

    row = bptt.compare_online(cell, params, xs, loss, [how], exact=True).rows[0]
    assert row.deviation.draws == 0
    assert row.deviation.relative < 1e-12
    assert row.deviation.spread > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru", "lru", "mlstm", "selective_ssm"])
@pytest.mark.parametrize("how", [bptt.UORO(), bptt.KFRTRL()], ids=["UORO", "KF"])
def test_the_mean_of_draws_lies_within_four_standard_errors(name, how):
    cell, params, xs, loss = problem(name, 4, 2)
    row = bptt.compare_online(cell, params, xs, loss, [how], rng=np.random.default_rng(5), draws=300).rows[0]
    if row.deviation is None:
        assert name in ("lru", "selective_ssm")
        assert "is no product of a matrix and one vector" in row.refused or "give matrices and vectors" in row.refused
    else:
        assert row.deviation.bias < 4 * row.deviation.uncertainty


def layouts(T=3):
    """One simple RNN with W a and with a W, and the losses."""
    rng = np.random.default_rng(6)
    W, U, c = rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), rng.normal()
    ys = rng.standard_normal((T, 1, 2))

    def columns(p, x, h):
        return np.tanh(x @ p["W"].T + h @ p["U"].T + p["c"])

    def rows(p, x, h):
        return np.tanh(x @ p["W"] + h @ p["U"] + p["c"])

    def given(W, U):
        return {"W": tg.Tensor(W, name="W"), "U": tg.Tensor(U, name="U"), "c": tg.Tensor(c, name="c")}

    xs = rng.standard_normal((T, 1, 2))
    return (columns, given(W, U)), (rows, given(W.T, U.T)), xs, lambda t, h: ((h - ys[t]) ** 2).sum()


def test_kf_rtrl_takes_parameters_of_either_layout():
    one, other, xs, loss = layouts()
    found = [
        bptt.compare_online(*each, xs, loss, [bptt.KFRTRL()], np.zeros((1, 2)), exact=True).rows[0]
        for each in (one, other)
    ]
    assert found[0].held == found[1].held
    for row in found:
        assert row.deviation.relative < 1e-12
    assert found[0].deviation.variance == pytest.approx(found[1].deviation.variance, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["lstm", "leaky_rnn", "ind_rnn", "lru"])
def test_rounding_is_no_reason_to_refuse_and_no_term_that_is_lost(name, dtype):
    cell, params, xs, loss = problem(name, 5, dtype=dtype)
    found = {str(row.how): row for row in bptt.compare_online(cell, params, xs, loss, draws=2).rows}
    assert not found["KFRTRL()"].refused
    for how in ("Exact()", "SnAp(n=2)", *(["EProp()"] if name in ("ind_rnn", "lru") else [])):
        assert found[how].first_dropped is None
        assert found[how].deviation.relative < 1e-12 or (how, dtype) == ("EProp()", "float32")
    assert (found["EProp()"].first_dropped is None) == (name in ("ind_rnn", "lru"))


def normalized_batch(p, x, h):
    z = x @ p["W"] + h @ p["U"]
    below = z - z.mean(axis=0)
    return np.tanh(below / np.sqrt((below * below).mean(axis=0) + 0.1))


def columns(p, x, h):
    return np.tanh(p["U"] @ (x @ p["W"]).T + p["U"].T @ h)


def counted(p, x, h, n):
    return np.tanh(x @ p["W"] + h @ p["U"] / (n + 1)), n + 1


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        pytest.param(normalized_batch, np.zeros((3, 2)), id="a batch that is normalized"),
        pytest.param(columns, np.zeros((2, 3)), id="examples are columns"),
        pytest.param(counted, (np.zeros((3, 2)), np.zeros((3, 1), np.int64)), id="a state that counts"),
    ],
)
def test_exact_is_bptt_for_cells_of_any_style(cell, state):
    rng = np.random.default_rng(7)
    params = {name: tg.Tensor(rng.normal(size=(2, 2)), name=name) for name in ("W", "U")}
    xs, ys = rng.standard_normal((5, 3, 2)), rng.standard_normal((5, *np.shape(nn.time_loop.as_tuple(state)[0])))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs, state)
        total = ((hs - ys) ** 2).sum()
    for how in (bptt.Exact(), bptt.SnAp(5)):
        found = bptt.online_gradient(cell, params, xs, lambda t, h: ((h - ys[t]) ** 2).sum(), how, state)
        require_equal(found.gradients, tape.gradient(total, params))


def test_the_comparison_says_which_term_is_lost_first():
    cell, params, xs, loss = chain_of_units()
    found = bptt.compare_online(cell, params, xs, loss, draws=2)
    rows = {str(row.how): row for row in found.rows}
    assert rows["Exact()"].first_dropped is None
    assert rows["SnAp(n=1)"].first_dropped == (2, 1)  # at step 0 the state before is zero, at step 1 there is no loss
    assert rows["SnAp(n=2)"].first_dropped == (2, 0)
    assert rows["RFLO()"].deviation is None
    assert "does not leak" in rows["RFLO()"].refused
    np.testing.assert_allclose(rows["Exact()"].terms, found.terms)
    assert rows["SnAp(n=1)"].by_lag[0] == pytest.approx(1)
    text = str(found)
    assert "RFLO()     not defined for this cell" in text
    assert "(2, 1)" in text
    with tg.speak("zh"):
        assert "最先丢失的项" in str(found)
    assert "<" in found._repr_html_()


def test_the_terms_add_up_to_the_gradient_by_lag():
    """delta_{t,k} times what step k reads: the terms of the full gradient are those of `contributions` of each loss."""
    cell, params, xs, loss = problem("rnn", 5, 1)
    found = bptt.compare_online(cell, params, xs, loss, [bptt.Exact()])
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs)
        losses = [loss(t, hs[t]) for t in range(5)]
    recurrent = [p for k, p in params.items() if k != "V"]
    for t, one in enumerate(losses):
        terms = [bptt.contributions(tape, one, p) for p in recurrent]
        for k in range(t + 1):
            size = np.sqrt(sum(np.sum(of.get(k, np.zeros(1)) ** 2) for of in terms))
            assert found.terms[t, k] == pytest.approx(size, rel=1e-12, abs=1e-15)


def leaky_steps(T=6, H=3):
    """A leaky RNN by hand: (params, xs, weights of the loss), and of each step J, I and dL_t/dh_t."""
    rng = np.random.default_rng(3)
    params = nn.init.leaky_rnn(rng, 2, H)
    xs, ws = rng.standard_normal((T, 1, 2)), rng.standard_normal((T, 1, H))
    W, U, b, c = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h, steps = np.zeros(H), []
    for x, w in zip(xs[:, 0], ws[:, 0], strict=True):
        f = np.tanh(W @ x + b + U @ h + c)
        slope = 0.2 * (1 - f**2)
        read = [np.kron(np.eye(H), a) for a in (x, h)] + [np.eye(H)] * 2
        I = slope[:, None] * np.concatenate(read, axis=1)
        J = 0.8 * np.eye(H) + slope[:, None] * U
        h = 0.8 * h + 0.2 * f
        steps.append((J, I, w))
    return params, xs, ws, steps


def test_every_column_of_a_biased_method_is_that_of_numpy():
    """RFLO by hand: the term (t, k) is dL_t 0.8^(t-k) I_k in the place of dL_t J_t ... J_{k+1} I_k."""
    params, xs, ws, steps = leaky_steps()
    assert [*params] == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    full, kept = {}, {}
    for k, (_, I, _) in enumerate(steps):
        exact = leaks = I
        for t in range(k, len(steps)):
            if t > k:
                exact, leaks = steps[t][0] @ exact, 0.8 * leaks
            full[t, k], kept[t, k] = steps[t][2] @ exact, steps[t][2] @ leaks
    g, G = sum(full.values()), sum(kept.values())
    row = bptt.compare_online(nn.leaky_rnn, params, xs, lambda t, h: (h * ws[t]).sum(), [bptt.RFLO()]).rows[0]
    assert row.deviation.relative == pytest.approx(np.linalg.norm(G - g) / np.linalg.norm(g), rel=1e-10)
    assert row.deviation.cosine == pytest.approx(G @ g / np.linalg.norm(G) / np.linalg.norm(g), rel=1e-10)
    assert row.deviation.variance == 0
    for lag in range(len(steps)):
        a, b = (sum(of[t, t - lag] for t in range(lag, len(steps))) for of in (kept, full))
        assert row.by_lag[lag] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-10)
    changed = {key: np.linalg.norm(kept[key] - full[key]) / np.linalg.norm(full[key]) for key in full}
    assert row.first_dropped == min(key for key, share in changed.items() if share > 1e-9) == (1, 0)
    for (t, k), share in changed.items():
        assert row.changed[t, k] == pytest.approx(share, rel=1e-9, abs=1e-12)
        assert row.dropped[t, k] == (t > k)


def test_the_expectation_and_variance_of_uoro_are_those_of_all_signs():
    """By hand, one unit and four steps: all 16 drawings of UORO."""
    params, xs, ws, steps = leaky_steps(4, 1)
    found = []
    for signs in itertools.product((-1.0, 1.0), repeat=4):
        s, v, g = np.zeros(1), np.zeros(5), np.zeros(5)
        for nu, (J, I, dL) in zip(signs, steps, strict=True):
            moved, own = J @ s, nu * I[0]
            rho = np.sqrt(np.linalg.norm(v) / np.linalg.norm(moved)) if moved.any() and v.any() else 1.0
            rho_1 = np.sqrt(np.linalg.norm(own))
            s, v = rho * moved + rho_1 * nu, v / rho + own / rho_1
            g = g + dL @ s * v
        found.append(g)
    mean = np.mean(found, axis=0)
    full = bptt.compare_online(nn.leaky_rnn, params, xs, lambda t, h: (h * ws[t]).sum(), [bptt.UORO()], exact=True)
    row = full.rows[0]
    assert row.deviation.bias < 1e-12
    assert row.deviation.variance == pytest.approx(np.mean([np.sum((g - mean) ** 2) for g in found]), rel=1e-10)
    assert row.deviation.full == pytest.approx(np.linalg.norm(mean), rel=1e-10)
    assert row.first_dropped is None


class Counted:
    """A number whose products are counted, unless one of the factors is zero."""

    products = 0

    def __init__(self, value):
        self.value = value

    def __mul__(self, other):
        Counted.products += bool(self.value) and bool(other.value)
        return Counted(self.value * other.value)

    def __add__(self, other):
        return Counted(self.value + other.value)


@pytest.mark.parametrize(
    ("how", "part"),
    [(bptt.Exact(), None), (bptt.SnAp(1), np.eye(5)), (bptt.SnAp(2), None), (bptt.EProp(), np.zeros((5, 5)))],
    ids=["exact", "SnAp-1", "SnAp-2", "e-prop"],
)
def test_the_work_is_that_of_a_loop_over_all_entries(how, part):
    """Independent: NumPy's matrix products of numbers that count, with the entries that are kept read off the units."""
    cell, params, xs, _ = chain_of_units()
    params = {k: p for k, p in params.items() if k != "V"}
    row = bptt.compare_online(cell, params, xs, lambda t, h: (h**2).sum(), [how]).rows[0]
    W, U, b, c = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    of_unit = np.concatenate([np.repeat(np.arange(5), 2), np.repeat(np.arange(5), 5), np.arange(5), np.arange(5)])
    reach = {"Exact()": 5, "SnAp(n=1)": 0, "SnAp(n=2)": 1, "EProp()": 0}[str(how)]
    kept = (np.arange(5)[:, None] >= of_unit) & (np.arange(5)[:, None] - of_unit <= reach)
    number = np.frompyfunc(Counted, 1, 1)
    h, M, most = np.zeros(5), np.zeros((5, 45)), 0
    for x in xs[:, 0]:
        new = np.tanh(W @ x + b + U @ h + c)
        I = np.zeros((5, 45))
        for p, unit in enumerate(of_unit):
            I[unit, p] = (1 - new[unit] ** 2) * np.concatenate([np.tile(x, 5), np.tile(h, 5), np.ones(10)])[p]
        J = (1 - new**2)[:, None] * U * (1 if part is None else part)
        Counted.products, moved = 0, np.zeros((5, 45))
        for i, p in np.argwhere(kept):
            moved[i, p] = (number(J[i]) @ number(M[:, p])).value
        M, h = I + moved, new
        products = Counted.products + np.count_nonzero(M)  # and dL M, whose dL is nowhere zero
        most = max(most, products)
    assert row.work == most
    assert row.held == np.count_nonzero(M)


def test_the_work_of_the_random_methods_is_counted_line_by_line():
    """By the lines of a step, S = 3 and four parameters of 3 x 2, 3 x 3, 3 and 3 numbers, P = 21."""
    cell, params, xs, _ = problem("rnn", 4)
    params = {k: p for k, p in params.items() if k != "V"}
    uoro, kfrtrl = bptt.compare_online(
        cell, params, xs, lambda t, h: (h**2).sum(), [bptt.UORO(), bptt.KFRTRL()], draws=2
    ).rows
    lengths, scaled, gradient = 2 * (3 + 21), 2 * (3 + 21), 3 + 21
    assert uoro.work == 3 * 3 + 21 + lengths + scaled + gradient  # J s, nu I
    lines = [(9 * 3, 2 * (9 + C), 2 * (9 + C), 9 + 3 * C) for C in (2, 3, 1, 1)]  # J A, lengths, sums, dL A a
    assert kfrtrl.work == sum(map(sum, lines))


def test_a_lag_without_terms_has_no_cosine():
    """A simple RNN carries nothing within a unit: e-prop keeps its terms of lag 0 alone."""
    cell, params, xs, loss = problem("rnn", 3)
    text = str(bptt.compare_online(cell, params, xs, loss, [bptt.EProp()]))
    assert "none" in text
    assert "nan" not in text


def test_what_is_wrong_is_refused():
    cell, params, xs, loss = problem("rnn", 4)
    with pytest.raises(ValueError, match=r"UORO\(\) is random\ngive rng="):
        bptt.online_gradient(cell, params, xs, loss, bptt.UORO())
    with pytest.raises(ValueError, match="RFLO: the state does not leak"):
        bptt.online_gradient(cell, params, xs, loss, bptt.RFLO())
    for how in (bptt.UORO, "UORO", bptt.Window(3)):
        with pytest.raises(TypeError, match=r"is no method forward in time\ngive one as bptt.SnAp\(1\)"):
            bptt.online_gradient(cell, params, xs, loss, how)
        with pytest.raises(TypeError, match="is no method forward in time"):
            bptt.compare_online(cell, params, xs, loss, [how])
    with pytest.raises(TypeError, match=r"ways is UORO\(\)\ngive a list of methods"):
        bptt.compare_online(cell, params, xs, loss, bptt.UORO())
    with pytest.raises(TypeError, match=r"draws = 2.5"):
        bptt.compare_online(cell, params, xs, loss, draws=2.5)
    with pytest.raises(TypeError, match=r"rng is 3\ngive rng=np.random.default_rng"):
        bptt.online_gradient(cell, params, xs, loss, bptt.UORO(), rng=3)
    with pytest.raises(TypeError, match=r"params\['lower'\] is a dict, not a Tensor\ngive a dict of Tensors by name"):
        bptt.online_gradient(cell, {"lower": params}, xs, loss, bptt.Exact())
    grown = np.zeros((2, 1, 3))
    with pytest.raises(ValueError, match="SnAp: the state has 6 numbers, and 3 at the step before"):
        bptt.online_gradient(
            lambda p, x, M: np.concatenate([M, np.tanh(M[:, -1:] @ p["weight_hh"])], axis=1),
            {"weight_hh": params["weight_hh"]},
            xs,
            lambda t, M: (M**2).sum(),
            bptt.SnAp(1),
            grown,
        )
    with pytest.raises(ValueError, match="SnAp: n = 0"):
        bptt.SnAp(0)
    with pytest.raises(ValueError, match="give 2 or more, or exact=True"):
        bptt.compare_online(cell, params, xs, loss, [bptt.UORO()], draws=1)
    with pytest.raises(ValueError, match="draws 24 signs, too many to count through"):
        bptt.compare_online(cell, params, xs, loss, [bptt.UORO()], exact=True)
    cell, params, xs, loss = problem("gru_textbook", 4)
    with pytest.raises(ValueError, match="KFRTRL: what weight_hh does to the state is no product"):
        bptt.online_gradient(cell, params, xs, loss, bptt.KFRTRL(), rng=np.random.default_rng(0))


def test_the_terms_are_drawn(tmp_path):
    """The picture of docs/online.md: the full gradient and five methods that are not random, 12 steps each."""
    rng = np.random.default_rng(0)
    params = nn.init.leaky_rnn(rng, 2, 4)
    xs, ys = rng.standard_normal((12, 2, 2)), rng.standard_normal((12, 2, 4))
    found = bptt.compare_online(nn.leaky_rnn, params, xs, lambda t, h: ((h - ys[t]) ** 2).sum(), draws=2)
    path = found.draw(tmp_path / "terms.svg")
    kept = Path(__file__).parents[3] / "docs" / "images" / "online-terms.svg"
    assert path.read_text(encoding="utf-8") == found.svg() == kept.read_text(encoding="utf-8")
    drawn = ET.parse(path).getroot()
    rects = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert len(rects) == 1 + 7 + 6 * 78 + 3  # and a frame for each method that changes a term
    # SnAp-1, e-prop, RFLO: all off the diagonal
    assert len(drawn.findall("{http://www.w3.org/2000/svg}path")) == 3 * 66
    row = next(row for row in found.rows if row.how == bptt.EProp())
    full, kept = found.terms[1, 0], row.terms[1, 0]
    assert abs(full - kept) <= row.changed[1, 0] * full <= full + kept
    assert term_maps.colour(1.0) == term_maps.colour(0.5) != term_maps.colour(0.3)
    assert term_maps.colour(1e-9) != term_maps.colour(0.0)
    with pytest.raises(ValueError, match=r"does not end in \.svg"):
        found.draw(tmp_path / "terms.pdf")
