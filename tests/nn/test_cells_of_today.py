"""minGRU, xLSTM, linear recurrent units, state spaces and the like: each against its equations, one example at a time.

The references share nothing with the cells: complex numbers are complex, xLSTM has no stabiliser, linear attention is
the quadratic form. They are analytic functions, so that their complex step is a second derivative of each cell.
"""

import functools

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn.time_loop import state_names
from tinygrad_rnn.transforms.numerical import complex_step, random_direction


def s(z):
    return 1 / (1 + np.exp(-z))


def phi(a):
    return np.where(a.real > 0, a + 1, np.exp(a))


def blocks(p, x, number):
    return np.split(p["weight_ih"] @ x + p["bias_ih"], number)


# Each reference takes the parameters, the inputs of one example (T, I) and its initial states, and yields the outputs.


def min_gru(p, xs, h):
    for x in xs:
        z, n = blocks(p, x, 2)
        h = h + s(z) * (n - h)
        yield h


def min_lstm(p, xs, h):
    for x in xs:
        f, i, n = blocks(p, x, 3)
        share = s(f) / (s(f) + s(i))
        h = share * h + (1 - share) * n
        yield h


def ind_rnn(p, xs, h):
    for x in xs:
        z = blocks(p, x, 1)[0] + p["weight_hh"] * h
        h = z * (z.real > 0)
        yield h


def sru(p, xs, h, c):
    H = len(c)
    for x in xs:
        u, f, r = np.split(p["weight_ih"] @ x, 3)
        f = s(f + p["weight_c"][:H] * c + p["bias_ih"][:H])
        r = s(r + p["weight_c"][H:] * c + p["bias_ih"][H:])
        c = f * c + (1 - f) * u
        yield r * c + (1 - r) * (p["weight_p"] @ x if "weight_p" in p else x)


def qrnn(p, xs, h, c):
    for x in xs:
        z, f, o = blocks(p, x, 3)
        c = s(f) * c + (1 - s(f)) * np.tanh(z)
        yield s(o) * c


def slstm(p, xs, h, c, n, m):
    c, n = c * np.exp(m), n * np.exp(m)
    for x in xs:
        i, f, z, o = np.split(p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"], 4)
        c = s(f) * c + np.exp(i) * np.tanh(z)
        n = s(f) * n + np.exp(i)
        h = s(o) * c / n
        yield h


def mlstm(p, xs, h, C, n, m):
    C, n = C * np.exp(m), n * np.exp(m)
    for x in xs:
        q, k, v = p["weight_q"] @ x, p["weight_k"] @ x / np.sqrt(len(n)), p["weight_v"] @ x
        f, i = s(p["weight_f"] @ x + p["bias_f"]), np.exp(p["weight_i"] @ x + p["bias_i"])
        C = f * C + i * np.array([[a * b for b in k] for a in v])
        n = f * n + i * k
        d = n @ q
        d = d if d.real > 0 else -d
        yield s(p["weight_o"] @ x + p["bias_o"]) * (C @ q) / (d if d.real > 1 else 1)


def linear_attention(p, xs, y, S, z):
    q, k = (phi(xs @ p[name].T) for name in ("weight_q", "weight_k"))
    v = xs @ p["weight_v"].T
    for t in range(len(xs)):
        scores = k[: t + 1] @ q[t]
        yield (scores @ v[: t + 1] + q[t] @ S) / (scores.sum() + z @ q[t])


def gated_delta_net(p, xs, y, S):
    for x in xs:
        q, k, v = (p[f"weight_{name}"] @ x for name in "qkv")
        q, k = (a / np.sqrt((a * a).sum() + 1e-6) for a in (q, k))
        beta = s(p["weight_b"] @ x)[0]
        alpha = np.exp(-np.exp(p["log_decay"]) * np.log1p(np.exp(p["weight_a"] @ x + p["bias_a"])))[0]
        S = S @ (alpha * (np.eye(len(k)) - beta * np.outer(k, k))) + beta * np.outer(v, k)
        yield S @ q


def lru(p, xs, y, re, im):
    """Its closed form: h_t is a sum of powers of lambda. The real and the imaginary part are separate functions."""
    radius, angle = np.exp(-np.exp(p["nu_log"])), np.exp(p["theta_log"])

    def power(k):
        return radius**k * np.cos(k * angle), radius**k * np.sin(k * angle)

    u = [(np.exp(p["gamma_log"]) * (p["B_re"] @ x), np.exp(p["gamma_log"]) * (p["B_im"] @ x)) for x in xs]
    for t in range(len(xs)):
        terms = [(power(t + 1), (re, im)), *((power(t - k), u[k]) for k in range(t + 1))]
        h_re = sum(a * c - b * d for (a, b), (c, d) in terms)
        h_im = sum(a * d + b * c for (a, b), (c, d) in terms)
        yield p["C_re"] @ h_re - p["C_im"] @ h_im + p["D"] * xs[t]


def selective_ssm(p, xs, y, h):
    A, h = -np.exp(p["A_log"]), h.astype(complex)
    for x in xs:
        delta = np.log1p(np.exp(p["weight_delta"] @ x + p["bias_delta"]))
        B, C = p["weight_B"] @ x, p["weight_C"] @ x
        y = p["D"] * x + 0j
        for i in range(len(x)):
            for k in range(len(B)):
                h[i, k] = np.exp(delta[i] * A[i, k]) * h[i, k] + delta[i] * B[k] * x[i]
                y[i] = y[i] + C[k] * h[i, k]
        yield y


REFERENCES = {
    f.__name__: f
    for f in (
        min_gru,
        min_lstm,
        ind_rnn,
        sru,
        qrnn,
        slstm,
        mlstm,
        linear_attention,
        gated_delta_net,
        lru,
        selective_ssm,
    )
}


def problem(name, T, batch, I=3, H=4, dtype="float64"):
    """(cell, parameters, inputs, initial states that are not zero); what is divided by stays above zero."""
    rng = np.random.default_rng(T + batch)
    params = getattr(nn.init, name)(rng, I, H)
    params = {k: (p.data + 0.1 * rng.standard_normal(p.shape)).astype(dtype) for k, p in params.items()}
    cell, xs = getattr(nn, name), rng.standard_normal((T, batch, I)).astype(dtype)
    last = nn.unroll(cell, params, rng.standard_normal((2, batch, I)).astype(dtype))[1]
    return cell, params, xs, last if isinstance(last, tuple) else (last,)


def referred(name, params, xs, states):
    """The outputs (T, B, ...) of the reference."""
    each = [
        np.array([*REFERENCES[name](params, xs[:, b], *(state[b] for state in states))]) for b in range(xs.shape[1])
    ]
    return np.stack(each, axis=1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_cell_computes_its_equations(name, T, batch):
    cell, params, xs, states = problem(name, T, batch)
    hs, _ = nn.unroll(cell, params, xs, states)
    np.testing.assert_allclose(hs, referred(name, params, xs, states).real, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("H", [1, 4])
@pytest.mark.parametrize(("T", "batch"), [(1, 1), (2, 3), (7, 2)])
@pytest.mark.parametrize("name", REFERENCES)
def test_its_gradients_are_those_of_the_complex_step_of_its_equations(name, T, batch, H):
    cell, params, xs, states = problem(name, T, batch, I=H if H == 1 else 3, H=H)
    rng = np.random.default_rng(0)
    leaves = {k: tg.Tensor(v, name=k) for k, v in params.items()} | {"x": tg.Tensor(xs, name="x")}
    leaves |= {k: tg.Tensor(v, name=k) for k, v in zip(state_names(cell), states, strict=True)}
    start = tuple(leaves[k] for k in state_names(cell))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, {k: leaves[k] for k in params}, leaves["x"], start)
        weights = rng.standard_normal(hs.shape)
        loss = (hs * weights).sum()
    gradients = tape.gradient(loss, leaves)

    def of(name_of, value):
        p = {k: v.data for k, v in leaves.items()} | {name_of: value}
        outputs = referred(name, {k: p[k] for k in params}, p["x"], [p[k] for k in state_names(cell)])
        return (outputs * weights).sum()

    for key, leaf in leaves.items():
        v = random_direction(rng, leaf.shape)
        expected = complex_step(functools.partial(of, key), leaf.data, v).value
        found = (gradients[key] * v).sum()
        scale = np.abs(gradients[key]).sum() + 1e-3
        assert abs(found - expected) <= 1e-10 * scale, key


@pytest.mark.parametrize("name", REFERENCES)
def test_one_example_is_a_batch_of_one(name):
    cell, params, xs, states = problem(name, 3, 1)
    alone, _ = nn.unroll(cell, params, xs[:, 0], tuple(state[0] for state in states))
    np.testing.assert_allclose(alone, nn.unroll(cell, params, xs, states)[0][:, 0], rtol=1e-13)


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_stays_float32_and_near(name):
    cell, params, xs, states = problem(name, 7, 3)
    single = nn.unroll(cell, *(cast(np.float32, a) for a in (params, xs, states)))[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, nn.unroll(cell, params, xs, states)[0], rtol=2e-4, atol=2e-5)


def cast(dtype, tree):
    if isinstance(tree, dict):
        return {k: v.astype(dtype) for k, v in tree.items()}
    return tuple(v.astype(dtype) for v in tree) if isinstance(tree, tuple) else tree.astype(dtype)


@pytest.mark.parametrize("name", ["slstm", "mlstm"])
def test_gates_whose_exponentials_overflow_give_finite_numbers(name):
    """exp(800) is no float: the stabiliser takes it out of every ratio."""
    cell, params, xs, _ = problem(name, 7, 2)
    bias = "bias_ih" if name == "slstm" else "bias_i"
    params[bias] = params[bias] + 800
    with tg.Tape() as tape:
        p = {k: tg.Tensor(v, name=k) for k, v in params.items()}
        hs, _ = nn.unroll(cell, p, xs)
        loss = hs.sum()
    assert all(np.isfinite(g).all() for g in tape.gradient(loss, p).values())
    assert np.isfinite(hs.data).all()


def test_special_cases_meet_the_cells_they_extend():
    cell, params, xs, states = problem("gated_delta_net", 5, 2)
    closed = params | {"log_decay": np.full(1, -800.0), "weight_b": params["weight_b"] * 0}
    hs, _ = nn.unroll(cell, closed, xs, states)  # alpha = 1, beta = 1/2
    S, expected = states[1], []
    for x in xs:
        q, k, v = (x @ params[f"weight_{name}"].T for name in "qkv")
        q, k = (a / np.sqrt((a * a).sum(-1, keepdims=True) + 1e-6) for a in (q, k))
        S = S + 0.5 * np.einsum("bi,bj->bij", v - np.einsum("bij,bj->bi", S, k), k)  # DeltaNet
        expected.append(np.einsum("bij,bj->bi", S, q))
    np.testing.assert_allclose(hs, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_cell_broadcasts_nothing(name):
    cell, params, xs, states = problem(name, 2, 3, I=2)
    cell(params, xs[0], *states)
    for key, value in params.items():
        if not key.startswith("bias") or ("ih" not in key and "hh" not in key):
            with pytest.raises(ValueError, match=f"{name}: the parameters lack {key}|{name}: .* has shape"):
                cell({k: v for k, v in params.items() if k != key}, xs[0])
        with pytest.raises(ValueError, match=f"{name}: .* has shape"):
            cell({**params, key: np.ones((5, *value.shape))}, xs[0])
    for k, state in enumerate(states):
        wrong = (*states[:k], state[:1], *states[k + 1 :])
        with pytest.raises(ValueError, match=rf"{name}: the state {state_names(cell)[k]} has shape \(1, "):
            cell(params, xs[0], *wrong)
    with pytest.raises(ValueError, match=rf"{name}: x has shape \(3, 1\)"):
        cell(params, xs[0][:, :1])
