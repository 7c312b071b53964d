"""`doctor` and `examine` on backward passes by hand of cells whose states are matrices."""

import functools

import numpy as np
import pytest

from tinygrad_rnn import bptt

H, I = 4, 3


def memory(params, x, y, S):
    q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
    S = 0.9 * S + v[:, :, None] * k[:, None, :]
    return (S @ q[:, :, None])[:, :, 0], S


def example(rng, T, B):
    params = {f"W_{name}": rng.normal(size=(H, I)) / 2 for name in "qkv"}
    return params, rng.normal(size=(T, B, I)), (rng.normal(size=(B, H)), rng.normal(size=(B, H, H)))


# Each style has what a step needs: the outer product a b^T, S a, and S^T a.
STYLES = {
    "einsum": (
        lambda a, b: np.einsum("bi,bj->bij", a, b),
        lambda S, a: np.einsum("bij,bj->bi", S, a),
        lambda S, a: np.einsum("bij,bi->bj", S, a),
    ),
    "matmul": (
        lambda a, b: a[:, :, None] @ b[:, None, :],
        lambda S, a: (S @ a[:, :, None])[:, :, 0],
        lambda S, a: (S.transpose(0, 2, 1) @ a[:, :, None])[:, :, 0],
    ),
    "broadcasting": (
        lambda a, b: a[..., None] * b[:, None],
        lambda S, a: (S * a[:, None, :]).sum(axis=-1),
        lambda S, a: (S * a[:, :, None]).sum(axis=1),
    ),
    "one example at a time": (
        lambda a, b: np.stack([np.outer(x, y) for x, y in zip(a, b, strict=True)]),
        lambda S, a: np.stack([M @ x for M, x in zip(S, a, strict=True)]),
        lambda S, a: np.stack([M.T @ x for M, x in zip(S, a, strict=True)]),
    ),
}


def gradients(params, xs, state, dhs, dlast=None, *, style="einsum", wrong=""):
    outer, times, back = STYLES[style]
    S, kept = state[1], []
    for x in xs:
        q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
        S = 0.9 * S + outer(v, k)
        kept.append((q, k, v, S))
    dy_next, dS_next = dlast if dlast is not None else (np.zeros_like(state[0]), np.zeros_like(state[1]))
    grads = {name: np.zeros_like(p) for name, p in params.items()} | {"x": np.zeros_like(xs)}
    for t in reversed(range(len(xs))):
        q, k, v, S = kept[t]
        dy = dhs[t] + dy_next
        dS = dS_next + (outer(q, dy) if wrong == "outer" else outer(dy, q))
        dq = times(S, dy) if wrong == "dq" else back(S, dy)
        dv = back(dS, k) if wrong == "dv" else times(dS, k)
        dk = times(dS, v) if wrong == "dk" else back(dS, v)
        for name, d in (("W_q", dq), ("W_k", dk), ("W_v", dv)):
            grads[name] += d.T @ xs[t]
            grads["x"][t] += d @ params[name]
        dy_next, dS_next = np.zeros_like(dy), dS if wrong == "decay" else 0.9 * dS
    return grads | {"y0": dy_next, "S0": dS_next}


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_right_backward_passes_are_right(style):
    report = str(bptt.doctor(memory, functools.partial(gradients, style=style), example=example))
    assert report.splitlines()[0].endswith(": right"), report
    assert "it does not read y0" not in report  # nor does the cell


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("outer", "in dS, q[t] @ dy[t].T stands in the place of dy[t] @ q[t].T"),
        ("dq", "in dq, S[t] @ dy[t] stands in the place of S[t].T @ dy[t]"),
        ("dv", "in dv, dS[t].T @ k[t] stands in the place of dS[t] @ k[t]"),
        ("dk", "in dk, dS[t] @ v[t] stands in the place of dS[t].T @ v[t]"),
        ("decay", "in dS, dS[t] stands in the place of dS[t] * 0.9"),
    ],
    ids=lambda value: value.split()[0],
)
def test_mistakes_with_matrices_are_named(wrong, said):
    report = str(bptt.doctor(memory, functools.partial(gradients, wrong=wrong), example=example))
    assert "mistake" in report
    assert said in report, report
    assert "this explains every gradient on every problem" in report


def whole(params, xs, targets, *, style="einsum", wrong=""):
    """Return the loss of a sequence, and its gradients by hand."""
    outer, times, back = STYLES[style]
    B = xs.shape[1]
    S, kept, loss = np.zeros((B, H, H)), [], 0.0
    for x, target in zip(xs, targets, strict=True):
        q, k, v = (x @ params[f"W_{name}"].T for name in "qkv")
        S = 0.9 * S + outer(v, k)
        y = times(S, q)
        loss = loss + 0.5 * ((y - target) ** 2).sum()
        kept.append((q, k, v, S, y))
    dS = np.zeros_like(S)
    grads = {f"d{name}": np.zeros_like(p) for name, p in params.items()}
    for t in reversed(range(len(xs))):
        q, k, v, S, y = kept[t]
        dy = y - targets[t]
        dS = dS + outer(dy, q)
        dq = times(S, dy) if wrong == "dq" else back(S, dy)
        dv, dk = times(dS, k), (times if wrong == "dk" else back)(dS, v)
        for name, d in (("W_q", dq), ("W_k", dk), ("W_v", dv)):
            grads[f"d{name}"] += d.T @ xs[t]
        dS = dS if wrong == "decay" else 0.9 * dS
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    return example(rng, 5, 2)[0], rng.normal(size=(5, 2, I)), rng.normal(size=(5, 2, H))


@pytest.mark.parametrize("style", ["einsum", "matmul", "broadcasting"])
def test_right_code_of_any_shape_is_right(style):
    report = str(bptt.examine(functools.partial(whole, style=style), *arguments()))
    assert "WRONG" not in report, report
    assert "right" in report


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["dq", "dk", "decay"])
def test_wrong_code_of_any_shape_is_wrong(wrong):
    report = str(bptt.examine(functools.partial(whole, wrong=wrong), *arguments()))
    assert "WRONG" in report, report
    name = {"dq": "W_q", "dk": "W_k", "decay": "W_k"}[wrong]
    assert f"d{name}" in report
