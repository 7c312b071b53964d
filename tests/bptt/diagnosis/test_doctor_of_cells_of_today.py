"""`doctor` on backward passes by hand of the cells of today: right ones are right, the mistakes of each are named."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.diagnosis import changed_walk
from tinygrad_rnn.bptt.diagnosis.problems import problems_of
from tinygrad_rnn.bptt.diagnosis.search import known_mistakes, predicted


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softplus(z):
    return np.logaddexp(0, z)


def min_gru(params, xs, state, dhs, wrong=""):
    W, b, (h,) = params["weight_ih"], params["bias_ih"], state
    kept = []
    for x in xs:
        z, n = np.split(x @ W.T + b, 2, axis=1)
        z = sigmoid(z)
        kept.append((z, n, h))
        h = (1 - z) * h + z * n
    dW, db, dh, dxs = 0, 0, np.zeros_like(h), np.zeros_like(xs)
    for t in reversed(range(len(xs))):
        z, n, before = kept[t]
        g = dhs[t] + dh
        dn = g * z * (1 - n**2 if wrong == "tanh" else 1)
        da = np.concatenate([g * (n - before) * z * (1 - z), dn], axis=1)
        dW, db, dxs[t] = dW + da.T @ xs[t], db + da.sum(axis=0), da @ W
        dh = g * (1 - (kept[max(t - 1, 0)][0] if wrong == "shift" else z))
    return {"weight_ih": dW, "bias_ih": db, "x": dxs, "h0": dh}


def normed(a):
    r = np.sqrt((a * a).sum(axis=1, keepdims=True) + 1e-6)
    return a / r, r


def outer(a, b):
    return a[:, :, None] * b[:, None, :]


def times(S, a):
    return np.einsum("bvk,bk->bv", S, a)


def gated_delta_net(p, xs, state, dhs, wrong=""):
    S, kept = state[1], []
    for x in xs:
        (q, rq), (k, rk) = normed(x @ p["weight_q"].T), normed(x @ p["weight_k"].T)
        v, z_a = x @ p["weight_v"].T, x @ p["weight_a"].T + p["bias_a"]
        alpha, beta = np.exp(-np.exp(p["log_decay"]) * softplus(z_a)), sigmoid(x @ p["weight_b"].T)
        a, b, before = alpha[:, :, None], beta[:, :, None], S
        S = a * (S - b * outer(times(S, k), k)) + b * outer(v, k)
        kept.append((x, q, rq, k, rk, v, z_a, alpha, beta, before, S))
    grads = {name: np.zeros_like(w) for name, w in p.items()}
    dS = np.zeros_like(S)
    for t in reversed(range(len(xs))):
        x, q, rq, k, rk, v, z_a, alpha, beta, before, S = kept[t]
        dy, St = dhs[t], np.swapaxes(S, 1, 2)
        dq = times(S, dy) if wrong == "S q" else times(St, dy)
        dS = dS + (outer(q, dy) if wrong == "q dy^T" else outer(dy, q))
        dSk, u, erased = times(dS, k), v - alpha * times(before, k), -alpha * beta * times(dS, k)
        dk = beta * times(np.swapaxes(dS, 1, 2), v if wrong == "no erasing in dk" else u)
        if wrong not in ("no erasing in dk", "half of it"):
            dk = dk + times(np.swapaxes(before, 1, 2), erased)
        kept_part = before if wrong == "dalpha" else before - beta[:, :, None] * outer(times(before, k), k)
        dalpha, dbeta = (dS * kept_part).sum(axis=(1, 2))[:, None], (dSk * u).sum(axis=1, keepdims=True)
        parts = {"q": (dq - q * (q * dq).sum(axis=1, keepdims=True)) / rq, "v": beta * dSk}
        parts["k"] = (dk - k * (k * dk).sum(axis=1, keepdims=True)) / rk
        if wrong == "norms":
            parts |= {"q": dq / rq, "k": dk / rk}
        d_log = dalpha * alpha * -np.exp(p["log_decay"])
        parts |= {"a": d_log * sigmoid(z_a), "b": dbeta * beta * (1 - beta)}
        for name, d in parts.items():
            grads[f"weight_{name}"] += d.T @ x
        grads["bias_a"] += parts["a"].sum(axis=0)
        grads["log_decay"] += (d_log * softplus(z_a)).sum(axis=0)
        a, b, back = alpha[:, :, None], beta[:, :, None], outer(dSk, k)
        handed = {"no decay": dS - b * back, "decay once": a * dS - b * back, "no delta": a * dS}
        dS = handed.get(wrong, a * (dS - b * back))
    return {**grads, "S0": dS}


MISTAKES = {
    "S q": "in dq, S[t] @ dy[t] stands in the place of S[t].T @ dy[t]",
    "q dy^T": "in dS, q[t] @ dy[t].T stands in the place of dy[t] @ q[t].T",
    "no erasing in dk": "in dk, the paths d(S @ k @ k.T)[t].T @ S[t-1] @ k[t], S[t-1].T @ d(S @ k)[t] are forgotten",
    "half of it": "in dk, the path S[t-1].T @ d(S @ k)[t] is forgotten",
    "dalpha": "in dalpha, dkept[t] * S[t-1] stands in the place of dkept[t] * (S[t-1] - ",
    "norms": "are forgotten",
    "no decay": "in dS alone, dkept[t] stands in the place of dkept[t] * alpha[t]",
    "decay once": "in dS, on the path d(S @ k)[t] @ k[t].T alone, dkept[t] stands in the place of dkept[t] * alpha[t]",
    "no delta": "in dS, the path d(S @ k)[t] @ k[t].T is forgotten",
}


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "words"), MISTAKES.items(), ids=MISTAKES)
def test_the_mistakes_in_the_gated_delta_rule_are_named(wrong, words):
    found = bptt.doctor(nn.gated_delta_net, partial(gated_delta_net, wrong=wrong))
    assert words in str(found.mistake), str(found)
    assert found.complete
    assert not found.others


@pytest.mark.slow
def test_right_ones_are_right():
    for cell, by_hand in ((nn.gated_delta_net, gated_delta_net), (nn.min_gru, min_gru)):
        assert bptt.doctor(cell, by_hand)
        params = {name: p.data for name, p in getattr(nn.init, cell.__name__)(np.random.default_rng(0), 3, 4).items()}
        assert bptt.compare(cell, params, np.random.default_rng(1).normal(size=(5, 2, 3)), by_hand=by_hand)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("tanh", "in dn, there is a factor 1 - n[t]**2, though no nonlinearity made n[t]"),
        ("shift", "in dh, dh[t] * (1 - z[t-1]) stands in the place of dh[t] * (1 - z[t])"),
    ],
    ids=["a slope that is none", "the factor of the step before"],
)
def test_mistakes_in_the_min_gru_are_named(wrong, words):
    assert str(bptt.doctor(nn.min_gru, partial(min_gru, wrong=wrong)).mistake) == words


@pytest.mark.slow
@pytest.mark.parametrize("cell", [nn.min_lstm, nn.gated_delta_net, nn.slstm], ids=lambda cell: cell.__name__)
def test_what_a_change_adds_is_what_the_whole_walk_gives(cell, monkeypatch):
    problems = problems_of(cell, None, False, True)
    mistakes = [m for m in known_mistakes(problems) if m.changes.keeps_the_order() and not m.changes.only_adds_up()]
    for steps in (1, 3):
        model = problems.problem(steps, 2, 0).model
        tried = mistakes[:: 97 if steps == 3 else 41]
        added = [predicted(model, m.changes) for m in tried]
        with monkeypatch.context() as patch:
            patch.setattr(changed_walk, "differences", _not_here)
            whole = [predicted(model, m.changes) for m in tried]
        for mistake, one, other in zip(tried, added, whole, strict=True):
            finite = other is not None and all(np.isfinite(g).all() for g in other.values())
            for name, g in other.items() if finite else ():
                assert np.abs(one[name] - g).max() <= 1e-9 * max(np.abs(g).max(), 1), (str(mistake), name)


def _not_here(model, changes):
    raise changed_walk._NotYetError
