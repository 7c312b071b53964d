"""Exercise 6-3: the residual update h_t = h_{t-1} + g(z_t), (6.50): its two problems, and what helps.

Exploding gradients: dh_t/dh_{t-1} = I + diag(g'(z_t)) U, and where U stretches, I + U stretches at every step.
Memory capacity: the state only grows, so g saturates, and a new input changes nothing.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.lm import curve
from tinygrad_rnn.nn.optim import clip_by_norm

rng = np.random.default_rng(4)
T, I, H = 30, 3, 4
A = rng.standard_normal((H, H))
U = A @ A.T / np.linalg.norm(A @ A.T, 2) * 0.25  # the eigenvalues of U lie between 0 and 0.25
W, b = rng.standard_normal((H, I)), np.zeros(H)
params = {"weight_hh": U, "weight_ih": W, "bias_ih": b}
xs = 1e-4 * rng.standard_normal((T, I))


def sigmoid(z):
    """Compute the logistic function."""
    return 1 / (1 + np.exp(-z))


def small(p, x, state, update):
    """Return dh_t/dh_{t-1} of the updates that have one net input. A gate of 0.2 takes 0.8 h_{t-1} + 0.2 g."""
    slope = np.diag(1 - np.tanh(U @ state + W @ x + b) ** 2)  # g = tanh
    return {"simple": slope @ U, "residual": np.eye(H) + slope @ U, "gated": 0.8 * np.eye(H) + 0.2 * slope @ U}[update]


def gru(p, x, h):
    """Return dh_t/dh_{t-1} of the textbook's GRU: four ways lead from h_{t-1} to h_t."""
    U_r, U_z, U_n = np.split(p["weight_hh"], 3)
    x_r, x_z, x_n = np.split(p["weight_ih"] @ x + p["bias_ih"] + p["bias_hh"], 3)
    r, z = sigmoid(x_r + U_r @ h), sigmoid(x_z + U_z @ h)
    n = np.tanh(x_n + U_n @ (r * h))
    through_reset = U_n @ (np.diag(r) + np.diag(h * r * (1 - r)) @ U_r)
    return np.diag(z) + np.diag((h - n) * z * (1 - z)) @ U_z + np.diag((1 - z) * (1 - n**2)) @ through_reset


def lstm(p, x, state):
    """Return d(h_t, c_t)/d(h_{t-1}, c_{t-1}) of the LSTM, (2 H, 2 H)."""
    h, c_before = np.split(state, 2)
    U_i, U_f, U_g, U_o = np.split(p["weight_hh"], 4)
    net = p["weight_ih"] @ x + p["bias_ih"] + p["bias_hh"] + p["weight_hh"] @ h
    (i, f, o), g = (sigmoid(np.split(net, 4)[k]) for k in (0, 1, 3)), np.tanh(np.split(net, 4)[2])
    c = f * c_before + i * g
    dc_dh = np.diag(c_before * f * (1 - f)) @ U_f + np.diag(g * i * (1 - i)) @ U_i + np.diag(i * (1 - g**2)) @ U_g
    dh_dc = np.diag(o * (1 - np.tanh(c) ** 2))
    dh_dh = np.diag(np.tanh(c) * o * (1 - o)) @ U_o + dh_dc @ dc_dh
    return np.block([[dh_dh, dh_dc @ np.diag(f)], [dc_dh, np.diag(f)]])


def opened(p, block):
    """Return parameters whose gate, block number `block`, has a bias of 2: it begins open."""
    values = {name: each.data.copy() for name, each in p.items()}
    values["bias_ih"][block * H : (block + 1) * H] = 2
    return values


kinds = {
    "simple": (nn.rnn, params, partial(small, update="simple"), "h"),
    "residual": (nn.residual_rnn, params, partial(small, update="residual"), "h"),
    "LSTM": (nn.lstm, opened(nn.init.lstm(rng, I, H), 1), lstm, ("h", "c")),
    "GRU": (nn.gru_textbook, opened(nn.init.gru(rng, I, H), 1), gru, "h"),
    "gated": (partial(nn.leaky_rnn, rate=0.2), params, partial(small, update="gated"), "h"),
}
norms = {}
for name, (cell, p, by_hand, states) in kinds.items():
    with tg.Tape() as tape:
        nn.unroll(cell, {key: tg.Tensor(value, name=key) for key, value in p.items()}, xs[:, None])
    jacobians = bptt.step_jacobians(tape, states)[:, 0]  # of the steps 1 ... T - 1 by the states before them
    product, norms[name] = np.eye(jacobians.shape[-1]), []
    for t, J in enumerate(jacobians):
        before = np.concatenate([tape.find(state, t=t).data[0] for state in states])
        assert np.allclose(J, by_hand(p, xs[t + 1], before), rtol=0, atol=1e-12)
        product = J @ product
        norms[name].append(np.linalg.norm(product, 2))

print("norm of dh_t/dh_k by the gap t - k (of an LSTM's whole state, h and c)")
print("gap  " + "".join(f"{name:>10}" for name in norms))
for gap in (1, 10, 20, 29):
    print(f"{gap:3}  " + "".join(f"{norms[name][gap - 1]:10.1e}" for name in norms))
assert norms["residual"][-1] > 100 > 1 > norms["gated"][-1] > norms["simple"][-1]
assert all(1e-4 < norms[name][-1] < 1 for name in ("GRU", "LSTM"))

leaves = {name: tg.Tensor(value, name=name) for name, value in params.items()}
with tg.Tape() as tape:
    hs, h = nn.unroll(nn.residual_rnn, leaves, xs, np.zeros(H))
    loss = h.sum()
gradients = tape.gradient(loss, leaves)
clipped, norm = clip_by_norm(gradients, 1.0)
print(f"\nnorm of dL/d(U, W, b), residual: {norm:.1f}, clipped at 1: {clip_by_norm(clipped, 1.0)[1]:.3f}")
assert norm > 100 * clip_by_norm(clipped, 1.0)[1]

# The second problem: memory capacity. With a logistic g each step adds a positive number, and nothing is taken away.
weights, inputs = rng.standard_normal((H, H)), rng.standard_normal((100, I))
updates = {
    "h + g": lambda h, g: h + g,  # (6.50)
    "0.8 h + 0.2 g": lambda h, g: 0.8 * h + 0.2 * g,
}
print("\nmemory capacity, g logistic: the largest |h_t|, and the norm of dh_t/dx_t")
print("  t " + "".join(f"{name:>22}" for name in updates))
found = {}
for name, update in updates.items():
    h, found[name] = np.zeros(H), []
    for x in inputs:
        J = tg.jacobian(lambda x, h=h, u=update: u(h, tg.sigmoid(weights @ h + W @ x + b)))(x)
        g = sigmoid(weights @ h + W @ x + b)
        part = update(0, 1)  # of g in h_t: 1 or 0.2
        assert np.allclose(J, part * np.diag(g * (1 - g)) @ W, rtol=0, atol=1e-12)  # dh_t/dx_t = diag(g'(z_t)) W
        h = update(h, g)
        found[name].append((np.abs(h).max(), np.linalg.norm(J, 2)))
for t in (1, 10, 100):
    print(f"{t:3} " + "".join(f"{found[name][t - 1][0]:12.1f}{found[name][t - 1][1]:10.0e}" for name in updates))
assert found["h + g"][-1][0] > 50
assert found["h + g"][-1][1] < 1e-6
assert found["0.8 h + 0.2 g"][-1][0] < 1
assert found["0.8 h + 0.2 g"][-1][1] > 0.01

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
picture = curve.svg("Norm of dh_t/dh_k", norms, x_label="gap t - k")
(out / "exercise_04.svg").write_text(picture, encoding="utf-8", newline="\n")
