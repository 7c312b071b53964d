"""Exercise 6-5: every gradient of the GRU by hand, in the textbook's form: the reset gate stands before the matrix.

z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)       the update gate
r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)       the reset gate
h~_t = tanh(W_h x_t + U_h (r_t h_{t-1}) + b_h),  h_t = z_t h_{t-1} + (1 - z_t) h~_t

Then the limits of both gates, each gate's gradient there, and how far a gradient lives by the update gate's bias.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.nn.cells import gate


def gru(p, x, h):
    """One step; examples are rows."""
    z = gate("z", tg.sigmoid, x @ p["W_z"].T, h @ p["U_z"].T + p["b_z"])
    r = gate("r", tg.sigmoid, x @ p["W_r"].T, h @ p["U_r"].T + p["b_r"])
    candidate = gate("h~", np.tanh, x @ p["W_h"].T, (r * h) @ p["U_h"].T + p["b_h"])
    return tg.named("h", z * h + (1 - z) * candidate)


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
        for name, delta, reads in (("z", delta_z, h), ("r", delta_r, h), ("h", delta_h, r * h)):
            gradients[f"W_{name}"] += delta.T @ xs[t]
            gradients[f"U_{name}"] += delta.T @ reads
            gradients[f"b_{name}"] += delta.sum(axis=0)
            dxs[t] += delta @ p[f"W_{name}"]
        dh_next = dh * z + d_reset * r + delta_z @ p["U_z"] + delta_r @ p["U_r"]  # four ways to h_{t-1}
    return {**gradients, "x": dxs, "h0": dh_next}


rng = np.random.default_rng(7)
shapes = {"W": (5, 4), "U": (5, 5), "b": (5,)}
p = {f"{kind}_{name}": rng.uniform(-0.5, 0.5, shape) for name in "rzh" for kind, shape in shapes.items()}
for steps in (1, 2, 3, 7):
    xs = rng.standard_normal((steps, 3, 4))
    report = bptt.compare(gru, p, xs, by_hand=gru_by_hand, state=rng.standard_normal((3, 5))).check()
    print(f"T = {steps}: {', '.join(row.name for row in report.rows)} agree to 1e-12")

# The cell of nn is the same function of the same parameters, stacked; PyTorch's has its reset gate after the matrix.
stacked = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b"}
params = {name: np.concatenate([p[f"{kind}_{k}"] for k in "rzh"]) for name, kind in stacked.items()}
x, h = rng.standard_normal((3, 4)), rng.standard_normal((3, 5))
assert np.allclose(gru(p, x, h), nn.gru_textbook(params, x, h), rtol=0, atol=1e-12)
print(f"\nbefore or after the matrix, h_t differs by up to {np.abs(nn.gru(params, x, h) - gru(p, x, h)).max():.4f}")
bptt.compare(nn.gru, nn.init.gru(rng, 4, 5), xs, by_hand=bptt.by_hand.gru).check()


# The limits of the gates: a bias of 50 or -50 sets a gate to 1 or to 0 for every input.
def with_gates(z, r):
    """Return the parameters whose gates have these values; None leaves a gate as it is."""
    at = {"b_z": z, "b_r": r}
    return {**p, **{name: np.full(5, 50.0 if value else -50.0) for name, value in at.items() if value is not None}}


simple = {"weight_ih": p["W_h"], "weight_hh": p["U_h"], "bias_ih": p["b_h"]}
limits = {
    "z = 0, r = 1: the simple RNN": np.abs(gru(with_gates(0, 1), x, h) - nn.rnn(simple, x, h)).max(),
    "z = 1: h_{t-1} is copied": np.abs(gru(with_gates(1, None), x, h) - h).max(),
    "z = 0, r = 0: h_{t-1} is forgotten": np.abs(gru(with_gates(0, 0), x, h) - gru(with_gates(0, 0), x, 0 * h)).max(),
}
print("\nthe limits of the gates, each holds to 1e-15:")
for name, difference in limits.items():
    assert difference < 1e-15
    print(f"  {name}")

# Each gate's gradient there. The loss is a random sum of all states.
dhs, state = rng.standard_normal((7, 3, 5)), rng.standard_normal((3, 5))
print("\ngates          |dL/db_z|  |dL/db_r|  |dL/db_h|  norm of dh_7/dh_0")
story = {}
for z, r in ((None, None), (0, None), (1, None), (None, 0), (None, 1), (0, 0), (0, 1)):
    q = with_gates(z, r)
    g = gru_by_hand(q, xs, (state,), dhs)
    bptt.compare(gru, q, xs, by_hand=gru_by_hand, state=state, dhs=dhs).check()
    J = tg.jacobian(lambda h, q=q: nn.unroll(gru, q, xs[:, :1], h)[1])(state[:1])
    sizes = [np.linalg.norm(g[f"b_{k}"]) for k in "zrh"]
    story[z, r] = [*sizes, np.linalg.norm(J.reshape(5, 5), 2)]
    name = ", ".join(f"{k} = {at}" for k, at in (("z", z), ("r", r)) if at is not None) or "as drawn"
    print(f"{name:<13}" + "".join(f"{size:11.4f}" for size in sizes) + f"{story[z, r][3]:19.4f}")
assert max(story[1, None][:3]) < 1e-12  # a pure copy: no parameter has a gradient
assert story[1, None][3] == 1  # and the gradient of the state comes back whole
assert max(story[0, None][0], story[None, 0][1], story[None, 1][1]) < 1e-12  # at its limits a gate learns nothing
assert story[0, 0][3] < 1e-12

# Where the update gate stays near 1, h_t is h_{t-1}, and so is the gradient: dh_T/dh_0 near the identity.
print("\nbias of z  sigmoid(bias)  norm of dh_7/dh_0  steps until a hundredth of dh_T/dh_k is left")
for bias in (0, 1, 2, 5):
    kept_open = {**p, "b_z": np.full(5, float(bias))}
    J = tg.jacobian(lambda h, q=kept_open: nn.unroll(gru, q, xs[:, :1], h)[1])(np.zeros((1, 5)))
    with tg.Tape() as tape:
        leaves = {**kept_open, "U_h": tg.Tensor(p["U_h"])}
        nn.unroll(gru, leaves, np.random.default_rng(8).standard_normal((121, 1, 4)), np.zeros((1, 5)))
    states = [entry.out for entry in tape if entry.out.name == "h"][::-1]  # h_T first
    sizes = [np.abs(each).mean() for each in tape.gradient(states[0], states, seed=np.ones((1, 5)))]
    after = next((n for n, size in enumerate(sizes) if size < 0.01), None)
    size = np.linalg.norm(J.reshape(5, 5), 2)
    print(f"{bias:9}{1 / (1 + np.exp(-bias)):15.2f}{size:19.4f}{after or 'more than 120':>15}")
assert size > 0.9

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
leaves = {name: tg.Tensor(value, name=name) for name, value in p.items()}
h = tg.Tensor(state, name="h")
with tg.Tape() as tape:
    for t in (1, 2):
        with tg.scope(t=t):
            h = gru(leaves, tg.Tensor(xs[t], name="x"), h)
draw.render(tape, out / "exercise_07.svg", engine="grid", level="gates")
