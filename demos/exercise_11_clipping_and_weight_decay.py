"""Gradient clipping by the norm and by value, and weight decay, l2 and l1: each against its formula.

By norm: g <- g min(1, theta / |g|), |g| the norm of all gradients together. By value: each entry into [-theta, theta].
l2 adds lambda w to the gradient, which is that of L + lambda/2 |w|^2; l1 adds lambda sign(w), that of L + lambda |w|_1.
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.nn.optim import SGD, clip_by_norm, clip_by_value

# A recurrence that stretches: its gradient explodes with T.
rng = np.random.default_rng(11)
T, H, theta = 20, 3, 1.0
params = {"weight_ih": rng.standard_normal((H, 2)), "weight_hh": 1.5 * np.linalg.qr(rng.standard_normal((H, H)))[0]}
params = {name: tg.Tensor(value, name=name) for name, value in params.items()}
xs = 1e-4 * rng.standard_normal((T, 1, 2))
with tg.Tape() as tape:
    hs, h = nn.unroll(nn.rnn, params, xs)
    loss = tg.named("L", h.sum())
g = tape.gradient(loss, params)

norm = np.sqrt(sum((each**2).sum() for each in g.values()))
by_hand = {name: each * min(1, theta / norm) for name, each in g.items()}
clipped, before = clip_by_norm(g, theta)
print(f"norm before {before:.4f}, after clipping by norm at {theta:g}: {clip_by_norm(clipped, theta)[1]:.4f}")
for name in g:
    # PyTorch divides by |g| + 1e-6, so that a zero gradient does no harm; so does clip_by_norm.
    assert np.allclose(clipped[name] * (norm + 1e-6) / norm, by_hand[name], rtol=1e-12, atol=0)
cosine = sum((clipped[name] * g[name]).sum() for name in g) / (clip_by_norm(clipped, theta)[1] * norm)
print(f"  the direction is kept: cosine {cosine:.4f}")
assert abs(cosine - 1) < 1e-12

by_value, _ = clip_by_value(g, theta)
size = np.sqrt(sum((each**2).sum() for each in by_value.values()))
cosine = sum((by_value[name] * g[name]).sum() for name in g) / (size * norm)
print(f"clipped by value: every entry within {theta:g}, the direction is not kept: cosine {cosine:.4f}")
for name in g:
    assert np.array_equal(by_value[name], np.where(np.abs(g[name]) > theta, theta * np.sign(g[name]), g[name]))
assert cosine < 0.99

# Weight decay: the step on g + lambda w is the step on the gradient of the loss with its penalty on the tape.
rate, decay = 0.1, 0.01
for kind in ("l2", "l1"):
    with tape:
        size = sum((np.abs(w) if kind == "l1" else w * w / 2).sum() for w in params.values())
        penalised = loss + decay * size
    sgd = SGD(rate=rate, **{kind: decay})
    new, _ = sgd.step(params, g, sgd.init(params))
    gradient = tape.gradient(penalised, params)
    expected = {name: params[name].data - rate * gradient[name] for name in params}
    bptt.compare_gradients(kind, {name: w.data for name, w in new.items()}, expected).check()
    only_decay, _ = sgd.step(params, {name: 0 * each for name, each in g.items()}, sgd.init(params))
    w = params["weight_hh"].data[0]
    step = only_decay["weight_hh"].data[0] - w
    print(f"{kind} without a gradient: {w[0]:+.3f} moves by {step[0]:+.6f}, {w[1]:+.3f} by {step[1]:+.6f}")
    expected_step = -rate * decay * (w if kind == "l2" else np.sign(w))
    assert np.allclose(step, expected_step, rtol=0, atol=1e-12)

try:
    import torch
except ImportError:
    print("PyTorch is not installed: not compared")
else:
    weights = [torch.nn.Parameter(torch.tensor(w.data)) for w in params.values()]
    for weight, each in zip(weights, g.values(), strict=True):
        weight.grad = torch.tensor(each)
    torch.nn.utils.clip_grad_norm_(weights, theta)
    for weight, each in zip(weights, clipped.values(), strict=True):
        assert np.allclose(weight.grad.numpy(), each, rtol=1e-12, atol=0)
    print("PyTorch's clip_grad_norm_ gives the same")
