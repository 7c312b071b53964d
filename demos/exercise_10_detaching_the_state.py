"""Detaching the state between subsequences: its value goes on, its gradient does not. Three spellings, one gradient.

h_t = tanh(U h_{t-1} + W x_t), twelve steps in subsequences of four: each begins with the last state of the one before
as a constant, so dL/dU is the sum of three gradients, and delta_{t,k} = 0 where t and k lie in different subsequences.
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

rng = np.random.default_rng(10)
T, LENGTH, I, H = 12, 4, 3, 5
U, W = 0.6 * rng.standard_normal((H, H)), rng.standard_normal((H, I))
xs, ys = rng.standard_normal((T, I)), rng.standard_normal((T, H))
p = {"weight_hh": tg.Tensor(U, name="U"), "weight_ih": tg.Tensor(W, name="W")}

# By hand.
by_hand, h = np.zeros((H, H)), np.zeros(H)
for start in range(0, T, LENGTH):
    hs = [h]
    for t in range(start, start + LENGTH):
        hs.append(np.tanh(U @ hs[-1] + W @ xs[t]))
    dh = 0
    for t in reversed(range(LENGTH)):
        delta = (1 - hs[t + 1] ** 2) * (hs[t + 1] - ys[start + t] + dh)
        by_hand += np.outer(delta, hs[t])
        dh = U.T @ delta
    h = hs[-1]  # the value goes on; dh is dropped

# 1. A tape for each subsequence: what was made on another tape is a value on this one.
tapes, h = np.zeros((H, H)), np.zeros(H)
for start in range(0, T, LENGTH):
    with tg.Tape() as tape:
        hs, h = nn.unroll(nn.rnn, p, xs[start : start + LENGTH], h)
        loss = ((hs - ys[start : start + LENGTH]) ** 2).sum() / 2
    tapes += tape.gradient(loss, p["weight_hh"])

# 2. One tape, and tg.stop_gradient between the subsequences.
h, losses = np.zeros(H), []
with tg.Tape() as tape:
    for start in range(0, T, LENGTH):
        hs, h = nn.unroll(nn.rnn, p, xs[start : start + LENGTH], tg.stop_gradient(h))
        losses.append(((hs - ys[start : start + LENGTH]) ** 2).sum() / 2)
    loss = sum(losses)
stopped = tape.gradient(loss, p["weight_hh"])

# 3. The tape of the whole, cut afterwards.
with tg.Tape() as tape:
    hs, _ = nn.unroll(nn.rnn, p, xs, np.zeros(H))
    loss = ((hs - ys) ** 2).sum() / 2
full = tape.gradient(loss, p["weight_hh"])
chunked = bptt.truncated_gradient(tape, loss, p["weight_hh"], bptt.Chunked(LENGTH))

found = {"a tape for each subsequence": tapes, "tg.stop_gradient": stopped, f"Chunked({LENGTH})": chunked}
for name, gradient in found.items():
    assert np.allclose(gradient, by_hand, rtol=0, atol=1e-12)
    print(f"{name:<28} dL/dU[0, 0] = {gradient[0, 0]:+.10f}")
print(f"{'nothing detached':<28} dL/dU[0, 0] = {full[0, 0]:+.10f}")
missing = np.linalg.norm(full - by_hand) / np.linalg.norm(full)
print(f"detaching leaves out {missing:.1%} of the gradient")
assert missing > 0.01

try:
    import torch
except ImportError:
    print("PyTorch is not installed: not compared")
else:
    weight, other = torch.nn.Parameter(torch.tensor(U)), torch.tensor(W)
    h, loss = torch.zeros(H, dtype=torch.float64), 0
    for t in range(T):
        h = torch.tanh(weight @ (h.detach() if t % LENGTH == 0 else h) + other @ torch.tensor(xs[t]))
        loss = loss + ((h - torch.tensor(ys[t])) ** 2).sum() / 2
    loss.backward()
    assert np.allclose(weight.grad.numpy(), by_hand, rtol=0, atol=1e-12)
    print("PyTorch's detach() gives the same")
