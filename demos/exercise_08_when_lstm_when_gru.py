"""Additional exercise 6-1P: when GRU, when LSTM? Size and cost side by side, and two tasks on which each wins once.

Adding: a sequence of numbers, two of them marked; the answer is the sum of these two. Counting: a sequence of ups and
downs; the answer is how many ups more than downs. Counting is trained on 10 steps and tested on 40.
"""

import time

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn.optim import Adam, clip_by_norm

HIDDEN, BATCH, SEEDS = 12, 32, range(5)


def adding(rng, count, T=8):
    """Draw inputs (T, count, 2): numbers from 0 to 1, and marks, one in each half; and targets (count, 1)."""
    xs = np.zeros((T, count, 2))
    xs[:, :, 0] = rng.uniform(size=(T, count))
    columns = np.arange(count)
    first, second = rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)
    xs[first, columns, 1] = xs[second, columns, 1] = 1
    return xs, (xs[first, columns, 0] + xs[second, columns, 0])[:, None]


def counting(rng, count, T=10):
    """Draw inputs (T, count, 2), up (1, 0) or down (0, 1), each sequence with a bias of its own; and ups - downs."""
    up = rng.uniform(size=(T, count)) < rng.uniform(size=count)
    return np.stack([up, ~up], axis=2).astype(float), (2.0 * up - 1).sum(axis=0)[:, None]


def loss_of(layer, task, params, xs, targets):
    """Compute the mean squared error of a linear readout: of h_T, or, to count, of c_T where there is one."""
    hs, last = layer(params, xs)
    state = last[1][0] if task is counting and layer.states == 2 else hs[-1]
    return nn.mse(state @ params["V"].T + params["c"], targets)


def train(kind, task, updates, seed):
    """Train on a fresh batch at each update. Return the error on new sequences, over their variance, and seconds."""
    rng, layer = np.random.default_rng(seed), kind(2, HIDDEN)
    params = {**layer.init(rng), "V": tg.Tensor(0.3 * rng.standard_normal((1, HIDDEN))), "c": tg.Tensor(np.ones(1))}
    params = {name: p.data for name, p in params.items()}
    step = tg.compile(lambda p, xs, targets: loss_of(layer, task, p, xs, targets))
    adam = Adam(rate=0.02)
    state = adam.init(params)
    step(params, *task(rng, BATCH))  # the first call compiles
    began = time.perf_counter()
    for _ in range(updates):
        _, gradients = step(params, *task(rng, BATCH))
        params, state = adam.step(params, clip_by_norm(gradients, 1.0)[0], state)
    seconds = time.perf_counter() - began
    xs, targets = task(np.random.default_rng(80), 400, T=40 if task is counting else 8)
    return float(loss_of(layer, task, params, xs, targets)) / float(np.var(targets)), seconds / updates


print("cell  parameters  products a step  operations a step  states kept")
for kind in (nn.RNN, nn.GRU, nn.LSTM):
    layer = kind(2, HIDDEN)
    with tg.Tape() as tape:
        layer(layer.init(np.random.default_rng(0)), np.zeros((3, 1, 2)))
    operations = sum(dict(entry.scope).get("t") == 1 for entry in tape)
    parameters = sum(int(np.prod(shape)) for shape in layer.shapes().values())
    products = sum(int(np.prod(shape)) for shape in layer.shapes().values() if len(shape) == 2)
    print(f"{kind.__name__:<4}  {parameters:10}  {products:15}  {operations:17}  {layer.states:11}")
    assert parameters == layer.gates * (HIDDEN * (HIDDEN + 2) + 2 * HIDDEN)
print("The GRU has three quarters of the LSTM's parameters, and one state where the LSTM keeps two.")

results = {}
# A hundred updates carry the rounding of a machine into the last digits: fewer are shown where they differ.
for task, updates, digits, title in (
    (adding, 100, 2, "adding, 100 updates"),
    (counting, 200, 1, "counting, 200 updates on 10 steps, tested on 40"),
):
    print(f"\n{title}: error / variance, five seeds, and their median")
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        errors, seconds = zip(*(train(kind, task, updates, seed) for seed in SEEDS), strict=True)
        results[task, kind] = np.array(errors)
        shown = "".join(f"{e:7.{digits}f}" for e in errors)
        print(f"{kind.__name__:<4}{shown}   median {np.median(errors):.{digits}f}")
        print(f"measured: {kind.__name__} {1000 * np.median(seconds):.2f} ms an update")
assert np.median(results[adding, nn.GRU]) < 0.5 * np.median(results[adding, nn.LSTM])
assert max(results[counting, nn.LSTM]) < min(results[counting, nn.GRU])
assert max(results[adding, nn.LSTM]) < min(results[adding, nn.RNN])

# Why: i = f = o = 1 and a candidate of 1 or -1 make an LSTM a counter, exactly; a GRU's state is a mean, so |h| <= 1.
counter = {"weight_ih": np.array([[0.0], [0], [50], [0]]), "weight_hh": np.zeros((4, 1))}
counter["bias_ih"] = np.array([50.0, 50, 0, 50])
ups_and_downs = np.array([1.0] * 30 + [-1.0] * 20).reshape(-1, 1, 1)
_, (_, c) = nn.unroll(nn.lstm, counter, ups_and_downs)
large = {name: 20 * p.data for name, p in nn.init.gru(np.random.default_rng(0), 1, 8).items()}
hs, _ = nn.unroll(nn.gru, large, ups_and_downs)
print(
    f"\n30 ups and 20 downs: an LSTM set by hand has c = {c[0, 0]:g}; of a GRU with weights times 20 no |h| exceeds 1"
)
assert c[0, 0] == 10
assert np.abs(hs).max() <= 1
