"""Gradient clipping by the norm and by value, and weight decay, l2 and l1: each against its formula.

By norm: g <- g min(1, theta / |g|), |g| the norm of all gradients together. By value: each entry into [-theta, theta].
l2 adds lambda w to the gradient, which is that of L + lambda/2 |w|^2; l1 adds lambda sign(w), that of L + lambda |w|_1.
The cliff is that of Pascanu, Mikolov and Bengio (2013): h_t = w sigmoid(h_{t-1}) + b, L = (sigmoid(h_50) - 0.7)^2.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.draw import loss_surface
from tinygrad_rnn.lm import text
from tinygrad_rnn.lm.language_model import Model
from tinygrad_rnn.nn.optim import SGD, clip_by_norm, clip_by_value

theta = 1.0


def recurrence(H, U, xs):
    """Record the simple RNN. Return parameters, the gradients of the sum of its last state, the tape and the loss."""
    params = {"weight_ih": np.random.default_rng(11).standard_normal((H, 2)), "weight_hh": U}
    params = {name: tg.Tensor(value, name=name) for name, value in params.items()}
    with tg.Tape() as tape:
        _, h = nn.unroll(nn.rnn, params, xs)
        loss = tg.named("L", h.sum())
    return params, tape.gradient(loss, params), tape, loss


def norm_of(g):
    """Compute the norm of all gradients together."""
    return np.sqrt(sum((each**2).sum() for each in g.values()))


# 1. U stretches by 1.5, but the three units saturate: no explosion. Of 64 units with a gain of 4 some never do.
rng = np.random.default_rng(11)
rotation, normal, xs = np.linalg.qr(rng.standard_normal((3, 3)))[0], rng.standard_normal((64, 64)), {}
norms = {"3 units": [], "64 units": []}
for T in (10, 20, 40):
    xs[T] = np.random.default_rng(12).standard_normal((T, 1, 2))
    norms["3 units"].append(norm_of(recurrence(3, 1.5 * rotation, xs[T])[1]))
    norms["64 units"].append(norm_of(recurrence(64, 4 * normal / 8, xs[T])[1]))  # entries N(0, 4^2 / H)
print("norm of the gradient after           T = 10   T = 20   T = 40")
print("  3 units, U = 1.5 times a rotation  " + " ".join(f"{norm:8.1e}" for norm in norms["3 units"]))
print("  64 units, U random, gain of 4      " + " ".join(f"{norm:8.1e}" for norm in norms["64 units"]))
assert max(norms["3 units"]) < 10 < 1e6 < norms["64 units"][-1]

# 2. Clipping, against its formula, where the gradient does explode.
params, g, tape, loss = recurrence(64, 4 * normal / 8, xs[40])
norm = norm_of(g)
by_hand = {name: each * min(1, theta / norm) for name, each in g.items()}
clipped, before = clip_by_norm(g, theta)
print(f"\nnorm before {before:.1e}, after clipping by norm at {theta:g}: {clip_by_norm(clipped, theta)[1]:.4f}")
for name in g:
    # PyTorch divides by |g| + 1e-6, so that a zero gradient does no harm; so does clip_by_norm.
    assert np.allclose(clipped[name] * (norm + 1e-6) / norm, by_hand[name], rtol=1e-12, atol=0)
cosine = sum((clipped[name] * g[name]).sum() for name in g) / (clip_by_norm(clipped, theta)[1] * norm)
print(f"  the direction is kept: cosine {cosine:.4f}")
assert abs(cosine - 1) < 1e-12

by_value, _ = clip_by_value(g, theta)
cosine = sum((by_value[name] * g[name]).sum() for name in g) / (norm_of(by_value) * norm)
print(f"clipped by value: every entry within {theta:g}, the direction is not kept: cosine {cosine:.2f}")
for name in g:
    assert np.array_equal(by_value[name], np.where(np.abs(g[name]) > theta, theta * np.sign(g[name]), g[name]))
assert cosine < 0.99


# 3. The cliff: two parameters, fifty steps.
def sigmoid(a):
    """Compute the logistic function, of numbers and of arrays alike."""
    return 1 / (1 + np.exp(-a))


def cliff(p):
    """Record the loss of p = (w, b)."""
    h = 0.5
    for _ in range(50):
        h = p[0] * tg.sigmoid(h) + p[1]
    return (tg.sigmoid(h) - 0.7) ** 2


def cliff_by_hand(w, b):
    """Compute the loss and its derivatives by w and b, carried forward: dh_t/dw = s + w s (1 - s) dh_{t-1}/dw."""
    h, dw, db = 0.5 + 0 * w, 0.0, 0.0
    for _ in range(50):
        s = sigmoid(h)
        h, dw, db = w * s + b, s + w * s * (1 - s) * dw, 1 + w * s * (1 - s) * db
    y = sigmoid(h)
    return (y - 0.7) ** 2, 2 * (y - 0.7) * y * (1 - y) * np.array([dw, db])


on_tape, START, RATE, CLIFF_THETA = tg.value_and_grad(cliff), (5.2, -2.2), 0.5, 0.1
print(f"\nthe cliff, 60 steps from w = {START[0]}, b = {START[1]}:")
paths, losses = {}, {}
for name, bound in (("without clipping", None), ("clipped at 0.1", CLIFF_THETA)):
    p, walked, largest = np.array(START), [START], 0.0
    for _ in range(60):
        value, g_p = on_tape(p)
        by_hand_value, by_hand_g = cliff_by_hand(*p)
        assert np.allclose([value, *g_p], [by_hand_value, *by_hand_g], rtol=1e-9, atol=1e-12)
        largest = max(largest, float(np.linalg.norm(g_p)))
        if bound:
            g_p = clip_by_norm({"p": g_p}, bound)[0]["p"]
        p = p - RATE * g_p
        walked.append(tuple(p))
    losses[name], paths[name] = float(cliff_by_hand(*p)[0]), walked
    print(
        f"  {name:<16}  largest gradient {largest:4.1f}, it ends at ({p[0]:.1f}, {p[1]:.1f}), loss {losses[name]:.4f}"
    )
assert losses["clipped at 0.1"] < 0.01 < 0.08 < losses["without clipping"]

# 4. A language model, trained by plain gradient descent with a large rate.
SENTENCE = """
The fire burned brightly, and the soft radiance of the incandescent lights in the lilies of silver caught the bubbles
that flashed and passed in our glasses. Our chairs, being his patents, embraced and caressed us rather than submitted
to be sat upon, and there was that luxurious after-dinner atmosphere.
"""  # H. G. Wells, The Time Machine, 1895
windows = text.streams(text.clean(SENTENCE).strip(), batch=2, window=20)
model = Model("rnn", hidden=48)
print("\na simple RNN learns two sentences by heart, gradient descent with rate 2:")
for bound in (None, 1.0):
    weights, worst, state_of = model.init(np.random.default_rng(11), np.float64), 0.0, SGD(rate=2)
    moments = state_of.init(weights)
    for _ in range(30):
        state = None
        for window in windows:
            with tg.Tape() as run:
                loss_of_window, state = model.loss(weights, window, state)
            g_w, size = clip_by_norm(run.gradient(loss_of_window, weights), bound or np.inf)
            worst, state = max(worst, float(size)), state.data
            weights, moments = state_of.step(weights, g_w, moments)
    perplexity = model.perplexity(weights, windows)
    said = "less than 20" if bound else "more than 1,000"
    print(f"  {f'clipped at {bound:g}' if bound else 'without clipping':<16}  perplexity {said}")
    print(f"measured: largest gradient {worst:.3g}, perplexity {perplexity:.3g}")
    assert perplexity < 20 if bound else perplexity > 1000  # guessing among 27 characters has 27

# 5. Weight decay: the step on g + lambda w is the step on the gradient of the loss with its penalty on the tape.
print()
rate, decay = 0.1, 0.01
params, g, tape, loss = recurrence(3, 1.5 * rotation, xs[20])
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
    for weight, each in zip(weights, clip_by_norm(g, theta)[0].values(), strict=True):
        assert np.allclose(weight.grad.numpy(), each, rtol=1e-12, atol=0)
    print("PyTorch's clip_grad_norm_ gives the same")

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
w, b = np.linspace(4, 6, 121), np.linspace(-3.2, -1.6, 97)
surface, _ = cliff_by_hand(w[None, :] + 0 * b[:, None], b[:, None] + 0 * w[None, :])
picture = loss_surface.svg("L = (sigmoid(h_50) - 0.7)^2, and 60 steps of gradient descent", w, b, surface, paths)
(out / "exercise_11.svg").write_text(picture, encoding="utf-8", newline="\n")
