"""Exercise 6-3: the residual update h_t = h_{t-1} + g(z_t), why its gradient can explode, and what helps.

dh_t/dh_{t-1} = I + diag(g'(z_t)) U: where U stretches, I + U stretches at every step.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.lm import curve
from tinygrad_rnn.nn.optim import clip_by_norm

rng = np.random.default_rng(4)
T, I, H = 30, 3, 4
A = rng.standard_normal((H, H))
U = A @ A.T / np.linalg.norm(A @ A.T, 2) * 0.25  # the eigenvalues of U lie between 0 and 0.25
W, b = rng.standard_normal((H, I)), np.zeros(H)
params = {"weight_hh": U, "weight_ih": W, "bias_ih": b}
xs = 1e-4 * rng.standard_normal((T, I))

# By hand: g = tanh, g'(z) = 1 - tanh(z)^2. A gate of 0.2 takes 0.8 h_{t-1} + 0.2 g in the place of h_{t-1} + g.
by_hand = {
    "simple": lambda slope: np.diag(slope) @ U,
    "residual": lambda slope: np.eye(H) + np.diag(slope) @ U,
    "gated": lambda slope: 0.8 * np.eye(H) + 0.2 * np.diag(slope) @ U,
}
cells = {"simple": nn.rnn, "residual": nn.residual_rnn, "gated": partial(nn.leaky_rnn, rate=0.2)}
norms = {}
for name, cell in cells.items():
    h, product, norms[name] = np.zeros(H), np.eye(H), []
    for x in xs:
        J = tg.jacobian(lambda h, x=x, cell=cell: cell(params, x, h))(h)
        slope = 1 - np.tanh(U @ h + W @ x + b) ** 2
        assert np.allclose(J, by_hand[name](slope), rtol=0, atol=1e-12)
        h, product = cell(params, x, h), J @ product
        norms[name].append(np.linalg.norm(product, 2))

print("norm of dh_t/dh_k by the gap t - k")
print("gap  " + "".join(f"{name:>10}" for name in norms))
for gap in (1, 10, 20, 30):
    print(f"{gap:3}  " + "".join(f"{norms[name][gap - 1]:10.1e}" for name in norms))
assert norms["residual"][-1] > 100 > 1 > norms["gated"][-1] > norms["simple"][-1]

leaves = {name: tg.Tensor(value, name=name) for name, value in params.items()}
with tg.Tape() as tape:
    hs, h = nn.unroll(nn.residual_rnn, leaves, xs, np.zeros(H))
    loss = h.sum()
gradients = tape.gradient(loss, leaves)
clipped, norm = clip_by_norm(gradients, 1.0)
print(f"\nnorm of dL/d(U, W, b), residual: {norm:.1f}, clipped at 1: {clip_by_norm(clipped, 1.0)[1]:.3f}")
assert norm > 100 * clip_by_norm(clipped, 1.0)[1]

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
picture = curve.svg("Norm of dh_t/dh_k", norms, x_label="gap t - k")
(out / "exercise_04.svg").write_text(picture, encoding="utf-8", newline="\n")
