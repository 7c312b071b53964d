"""When LSTM, when GRU: parameters, the cost of a step, and how well each learns the same task, side by side.

The task: a sequence of numbers, two of them marked; the answer is the sum of these two ("adding problem").
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.nn.optim import Adam, clip_by_norm

T, BATCH, HIDDEN, UPDATES = 8, 32, 12, 250


def problem(rng, count):
    """Draw inputs (T, count, 2): numbers from 0 to 1, and marks, one in each half; and targets (count, 1)."""
    xs = np.zeros((T, count, 2))
    xs[:, :, 0] = rng.uniform(size=(T, count))
    columns = np.arange(count)
    first, second = rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)
    xs[first, columns, 1] = xs[second, columns, 1] = 1
    return xs, (xs[first, columns, 0] + xs[second, columns, 0])[:, None]


def loss_of(layer, params, xs, targets):
    """Compute the mean squared error of V h_T + c."""
    hs, _ = layer(params, xs)
    return nn.mse(hs[-1] @ params["V"].T + params["c"], targets)


def train(layer):
    """Parameters after a short training, on a fresh batch at each update."""
    rng = np.random.default_rng(8)
    params = {**layer.init(rng), "V": tg.Tensor(0.3 * rng.standard_normal((1, HIDDEN))), "c": tg.Tensor(np.ones(1))}
    adam = Adam(rate=0.02)
    state = adam.init(params)
    for _ in range(UPDATES):
        with tg.Tape() as tape:
            loss = loss_of(layer, params, *problem(rng, BATCH))
        gradients, _ = clip_by_norm(tape.gradient(loss, params), 1.0)
        params, state = adam.step(params, gradients, state)
    return params


def products(layer):
    """Multiplications of matrix products for one step of one example: as many as the matrices have entries."""
    return sum(int(np.prod(shape)) for shape in layer.shapes().values() if len(shape) == 2)


xs, targets = problem(np.random.default_rng(80), 400)
variance = float(np.var(targets))
print("cell  parameters  products a step  operations a step  states kept  error / variance")
error = {}
for kind in (nn.RNN, nn.GRU, nn.LSTM):
    layer = kind(2, HIDDEN)
    params = train(layer)
    with tg.Tape() as tape:
        error[kind] = float(loss_of(layer, params, xs, targets).data) / variance
    operations = sum(dict(entry.scope).get("t") == 1 for entry in tape)
    parameters = sum(int(np.prod(shape)) for shape in layer.shapes().values())
    print(
        f"{kind.__name__:<4}  {parameters:10}  {products(layer):15}  {operations:17}  {layer.states:11}"
        f"  {error[kind]:16.2f}"
    )
    assert parameters == layer.gates * (HIDDEN * (HIDDEN + 2) + 2 * HIDDEN)
assert max(error[nn.GRU], error[nn.LSTM]) < 0.1 < error[nn.RNN]
print("\nThe GRU has three quarters of the LSTM's parameters, and one state where the LSTM keeps two.")
print(f"Both learn in {UPDATES} updates what the simple RNN does not.")
