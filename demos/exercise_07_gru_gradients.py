"""Exercise 6-5: every gradient of the GRU by hand, in the textbook's form: the reset gate stands before the matrix.

z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)       the update gate
r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)       the reset gate
h~_t = tanh(W_h x_t + U_h (r_t h_{t-1}) + b_h),  h_t = z_t h_{t-1} + (1 - z_t) h~_t
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn


def gru(p, x, h):
    """One step; examples are rows."""
    z = tg.sigmoid(x @ p["W_z"].T + h @ p["U_z"].T + p["b_z"])
    r = tg.sigmoid(x @ p["W_r"].T + h @ p["U_r"].T + p["b_r"])
    candidate = np.tanh(x @ p["W_h"].T + (r * h) @ p["U_h"].T + p["b_h"])
    return tg.named("z", z) * h + (1 - z) * candidate


def gru_by_hand(p, xs, state, dhs):
    """dhs[t] = dL_t/dh_t. delta_z, delta_r, delta_h are the error terms of the three net inputs."""
    h, kept = state[0], []
    for x in xs:
        z = 1 / (1 + np.exp(-(x @ p["W_z"].T + h @ p["U_z"].T + p["b_z"])))
        r = 1 / (1 + np.exp(-(x @ p["W_r"].T + h @ p["U_r"].T + p["b_r"])))
        candidate = np.tanh(x @ p["W_h"].T + (r * h) @ p["U_h"].T + p["b_h"])
        kept.append((h, z, r, candidate))
        h = z * h + (1 - z) * candidate
    gradients, dxs, dh_next = {name: np.zeros_like(value) for name, value in p.items()}, np.zeros_like(xs), 0
    for t in reversed(range(len(xs))):
        h, z, r, candidate = kept[t]
        dh = dhs[t] + dh_next
        delta_h = dh * (1 - z) * (1 - candidate**2)
        d_reset = delta_h @ p["U_h"]  # dL/d(r_t h_{t-1})
        delta_z = dh * (h - candidate) * z * (1 - z)
        delta_r = d_reset * h * r * (1 - r)
        for gate, delta, reads in (("z", delta_z, h), ("r", delta_r, h), ("h", delta_h, r * h)):
            gradients[f"W_{gate}"] += delta.T @ xs[t]
            gradients[f"U_{gate}"] += delta.T @ reads
            gradients[f"b_{gate}"] += delta.sum(axis=0)
            dxs[t] += delta @ p[f"W_{gate}"]
        dh_next = dh * z + d_reset * r + delta_z @ p["U_z"] + delta_r @ p["U_r"]  # four ways to h_{t-1}
    return {**gradients, "x": dxs, "h0": dh_next}


rng = np.random.default_rng(7)
shapes = {"W": (5, 4), "U": (5, 5), "b": (5,)}
p = {f"{kind}_{gate}": rng.uniform(-0.5, 0.5, shape) for gate in "rzh" for kind, shape in shapes.items()}
for steps in (1, 2, 3, 7):
    xs = rng.standard_normal((steps, 3, 4))
    report = bptt.compare(gru, p, xs, by_hand=gru_by_hand, state=rng.standard_normal((3, 5))).check()
    print(f"T = {steps}: {', '.join(row.name for row in report.rows)} agree to 1e-12")

# The cell of nn is the same function of the same parameters, stacked; PyTorch's has its reset gate after the matrix.
stacked = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b"}
params = {name: np.concatenate([p[f"{kind}_{gate}"] for gate in "rzh"]) for name, kind in stacked.items()}
x, h = rng.standard_normal((3, 4)), rng.standard_normal((3, 5))
assert np.allclose(gru(p, x, h), nn.gru_textbook(params, x, h), rtol=0, atol=1e-12)
print(f"\nbefore or after the matrix, h_t differs by up to {np.abs(nn.gru(params, x, h) - gru(p, x, h)).max():.4f}")
bptt.compare(nn.gru, nn.init.gru(rng, 4, 5), xs, by_hand=bptt.by_hand.gru).check()

# Where the update gate stays near 1, h_t is h_{t-1}, and so is the gradient: dh_T/dh_0 near the identity.
for bias in (0.0, 2.0, 5.0):
    kept_open = {**p, "b_z": np.full(5, bias)}
    J = tg.jacobian(lambda h, q=kept_open: nn.unroll(gru, q, xs[:, :1], h)[1])(np.zeros((1, 5)))
    print(f"bias of the update gate {bias:.0f}: norm of dh_7/dh_0 {np.linalg.norm(J.reshape(5, 5), 2):.4f}")
