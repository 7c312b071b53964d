"""Exercise 6-1P: BPTT of the simple RNN, derived by hand for T = 1, 2, 3 and in general.

z_t = U h_{t-1} + W x_t + b,  h_t = f(z_t),  L = sum_t L_t.  Error term delta_{t,k} = dL_t/dz_k:
delta_{t,t} = diag(f'(z_t)) dL_t/dh_t,  delta_{t,k} = diag(f'(z_k)) U^T delta_{t,k+1},
dL/dU = sum_t sum_{k<=t} delta_{t,k} h_{k-1}^T.  Here f = tanh and L_t = |h_t - y_t|^2 / 2.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw

rng = np.random.default_rng(1)
I, H = 3, 4
U, W, b = rng.standard_normal((H, H)), rng.standard_normal((H, I)), rng.standard_normal(H)
xs, ys, h_0 = rng.standard_normal((4, I)), rng.standard_normal((4, H)), rng.standard_normal(H)  # x_1 is xs[1]


def record(T):
    """Record T steps, counted from 1. Return the tape, the losses L_1 ... L_T, and their sum."""
    h, losses = tg.Tensor(h_0, name="h0"), []
    with tg.Tape() as tape:
        for t in range(1, T + 1):
            with tg.scope(t=t):
                z = tg.named("z", p["U"] @ h + p["W"] @ p["x"][t] + p["b"])
                h = tg.named("h", np.tanh(z))
                losses.append(tg.named("L", ((h - p["y"][t]) ** 2).sum() / 2))
        return tape, losses, np.stack(losses).sum()


def chain(t, k):
    """Write out the chain of partial derivatives that delta_{t,k} h_{k-1}^T stands for."""
    links = [f"dz_{s}/dh_{s - 1} dh_{s - 1}/dz_{s - 1}" for s in range(t, k, -1)]
    return " ".join([f"dL_{t}/dh_{t} dh_{t}/dz_{t}", *links, f"h_{k - 1}^T"])


p = {name: tg.Tensor(value, name=name) for name, value in {"U": U, "W": W, "b": b, "x": xs, "y": ys}.items()}
for T in (1, 2, 3):
    h = [h_0]
    for t in range(1, T + 1):
        h.append(np.tanh(U @ h[t - 1] + W @ xs[t] + b))
    slope = [1 - h[t] ** 2 for t in range(T + 1)]  # f'(z_t)
    delta, dU = np.zeros((T + 1, T + 1, H)), np.zeros((H, H))
    for t in range(1, T + 1):
        delta[t, t] = slope[t] * (h[t] - ys[t])
        for k in range(t - 1, 0, -1):
            delta[t, k] = slope[k] * (U.T @ delta[t, k + 1])
        for k in range(1, t + 1):
            dU += np.outer(delta[t, k], h[k - 1])

    tape, losses, loss = record(T)
    assert np.allclose(bptt.deltas(tape, losses, name="z"), delta[1:, 1:], rtol=0, atol=1e-12)
    assert np.allclose(tape.gradient(loss, p["U"]), dU, rtol=0, atol=1e-12)
    print(f"T = {T}: dL/dU[0, 0] = {tape.gradient(loss, p['U'])[0, 0]:+.6f}, the sum of")
    for t in range(1, T + 1):
        terms = bptt.contributions(tape, losses[t - 1], p["U"], by="t")
        for k in range(t, 0, -1):
            assert np.allclose(terms[k], np.outer(delta[t, k], h[k - 1]), rtol=0, atol=1e-12)
            print(f"  {terms[k][0, 0]:+.6f}  {chain(t, k)}")

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
draw.render(tape, out / "exercise_01.svg", engine="grid")
