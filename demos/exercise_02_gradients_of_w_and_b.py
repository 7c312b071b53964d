"""Exercise 6-2: (6.40) and (6.41), dL/dW = sum_t sum_{k<=t} delta_{t,k} x_k^T and dL/db = sum_t sum_{k<=t} delta_{t,k}.

z_k = U h_{k-1} + W x_k + b, so the immediate derivatives are d+z_k/dW = x_k^T and d+z_k/db = 1; the way from L_t to
z_k is delta_{t,k}; and W and b are read at every step, so the chain rule adds up all k <= t, and all losses t.
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt

rng = np.random.default_rng(2)
T, I, H = 4, 3, 4
U, W, b = rng.standard_normal((H, H)), rng.standard_normal((H, I)), rng.standard_normal(H)
xs, ys = rng.standard_normal((T + 1, I)), rng.standard_normal((T + 1, H))  # x_1 is xs[1]

# By hand: forward, the error terms, the two double sums.
h = [np.zeros(H)]
for t in range(1, T + 1):
    h.append(np.tanh(U @ h[t - 1] + W @ xs[t] + b))
delta, dW, db = {}, np.zeros((H, I)), np.zeros(H)
for t in range(1, T + 1):
    delta[t, t] = (1 - h[t] ** 2) * (h[t] - ys[t])
    for k in range(t - 1, 0, -1):
        delta[t, k] = (1 - h[k] ** 2) * (U.T @ delta[t, k + 1])
    for k in range(1, t + 1):
        dW += np.outer(delta[t, k], xs[k])
        db += delta[t, k]

# On the tape.
p = {name: tg.Tensor(value, name=name) for name, value in (("U", U), ("W", W), ("b", b))}
state, losses = np.zeros(H), []
with tg.Tape() as tape:
    for t in range(1, T + 1):
        with tg.scope(t=t):
            z = tg.named("z", p["U"] @ state + p["W"] @ xs[t] + p["b"])
            state = np.tanh(z)
            losses.append(((state - ys[t]) ** 2).sum() / 2)
    loss = sum(losses)
gradients = tape.gradient(loss, {"W": p["W"], "b": p["b"]})
assert np.allclose(gradients["W"], dW, rtol=0, atol=1e-12)
assert np.allclose(gradients["b"], db, rtol=0, atol=1e-12)

print("the terms of dL/dW and of dL/db: norms of delta_{t,k} x_k^T and of delta_{t,k}, k = 1 ... t")
for t in range(1, T + 1):
    of_W = bptt.contributions(tape, losses[t - 1], p["W"], by="t")
    of_b = bptt.contributions(tape, losses[t - 1], p["b"], by="t")
    for k in range(1, t + 1):
        assert np.allclose(of_W[k], np.outer(delta[t, k], xs[k]), rtol=0, atol=1e-12)
        assert np.allclose(of_b[k], delta[t, k], rtol=0, atol=1e-12)
    print(
        f"  L_{t}: "
        + "  ".join(f"{np.linalg.norm(of_W[k]):.4f} {np.linalg.norm(of_b[k]):.4f}" for k in range(1, t + 1))
    )
z_2 = tape.find("z", t=2)
assert np.allclose(bptt.immediate(tape, z_2, p["b"]), np.eye(H), rtol=0, atol=1e-12)
print("dL/db =", np.array2string(gradients["b"], precision=6))
print("dL/dW, dL/db and each of their terms agree with (6.40) and (6.41) to 1e-12")
