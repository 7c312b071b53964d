"""Real-time recurrent learning (RTRL): the gradient of BPTT, computed forward in time, and what it costs.

h_t = f(z_t), z_t = U h_{t-1} + W x_t + b. The sensitivity S_t = dh_t/dtheta, for all entries theta of U, W and b, is
S_t = diag(f'(z_t)) (d+z_t/dtheta + U S_{t-1}), S_0 = 0, and dL_t/dtheta = (dL_t/dh_t) S_t: nothing of the past is kept.
"""

import time
from collections import deque

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

I = 3


def draw(H, T):
    """Draw parameters, inputs and targets."""
    rng = np.random.default_rng(15)
    p = {"weight_hh": rng.standard_normal((H, H)) / np.sqrt(H), "weight_ih": rng.standard_normal((H, I))}
    return {**p, "bias_ih": rng.standard_normal(H)}, rng.standard_normal((T, I)), rng.standard_normal((T, H))


def rtrl(p, xs, ys):
    """Yield, after each step, the gradient of L_1 + ... + L_t, all parameters in a row. L_t = |h_t - y_t|^2 / 2."""
    U, W, b = p["weight_hh"], p["weight_ih"], p["bias_ih"]
    H = len(b)
    h, S, gradient = np.zeros(H), np.zeros((H, U.size + W.size + H)), 0
    for x, y in zip(xs, ys, strict=True):
        immediate = np.concatenate([np.kron(np.eye(H), h), np.kron(np.eye(H), x), np.eye(H)], axis=1)  # d+z_t/dtheta
        h = np.tanh(U @ h + W @ x + b)
        S = (1 - h**2)[:, None] * (immediate + U @ S)
        gradient = gradient + (h - y) @ S
        yield gradient


def by_bptt(p, xs, ys):
    """Compute the gradient of L_1 + ... + L_T on the tape, in the same row; and the bytes that the tape holds."""
    leaves = {name: tg.Tensor(value, name=name) for name, value in p.items()}
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, leaves, xs, np.zeros(len(p["bias_ih"])))
        loss = ((hs - ys) ** 2).sum() / 2
    g = tape.gradient(loss, leaves)
    return np.concatenate([g[name].ravel() for name in p]), tape.nbytes


# The same gradient, at every step, without waiting for the end of the sequence.
T, H = 12, 5
p, xs, ys = draw(H, T)
for t, forward in enumerate(rtrl(p, xs, ys), start=1):
    backward, _ = by_bptt(p, xs[:t], ys[:t])
    assert np.allclose(forward, backward, rtol=0, atol=1e-12)
    if t in (2, 3, 12):
        print(f"after step {t:2}: d(L_1 + ... + L_{t})/dU[0, 0] = {forward[0]:+.6f}, forward and backward in time")
print("at every step all entries agree with BPTT to 1e-12")

# bptt.rtrl does the same for any cell.
for name, cell in (("the simple RNN", nn.rnn), ("LSTM", nn.lstm), ("GRU", nn.gru)):
    params = getattr(nn.init, {"the simple RNN": "rnn"}.get(name, name.lower()))(np.random.default_rng(0), I, 3)
    loss = lambda t, h: ((h - ys[t, :3]) ** 2).sum() / 2  # noqa: E731
    found = bptt.rtrl(cell, params, xs[:, None], loss)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs[:, None])
        whole = ((hs[:, 0] - ys[:, :3]) ** 2).sum() / 2
    bptt.compare_gradients("RTRL", tape.gradient(whole, params), found.gradients).check()
    print(f"{name}: {found.cost.tangents} tangents, equal to BPTT to 1e-12")

# What it costs: numbers held and multiplications, by hand.
print("\nunits  parameters  RTRL holds  BPTT holds, T = 100  T = 10,000  multiplications a step: RTRL     BPTT")
for H in (4, 16, 64, 256):
    P = H * (H + I + 1)
    states = H + I  # of each step BPTT keeps h_t and x_t
    print(f"{H:5}{P:12,}{P * H:12,}{100 * states:21,}{10_000 * states:12,}{H * H * P:31,}{3 * H * (H + I):9,}")

for H in (4, 16, 24):
    for T in (100, 400):
        p, xs, ys = draw(H, T)
        begin = time.perf_counter()
        forward = deque(rtrl(p, xs, ys), maxlen=1)[0]  # the last
        middle = time.perf_counter()
        backward, held = by_bptt(p, xs, ys)
        end = time.perf_counter()
        assert np.allclose(forward, backward, rtol=0, atol=1e-12 * np.abs(backward).max())
        sensitivity = 8 * H * sum(value.size for value in p.values())
        print(
            f"measured, {H} units, T = {T}: RTRL {middle - begin:.3f} s and {sensitivity / 1e3:,.0f} kB for S_t; "
            f"BPTT {end - middle:.3f} s and {held / 1e3:,.0f} kB for the tape"
        )
