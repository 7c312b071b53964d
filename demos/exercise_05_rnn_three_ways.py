"""Exercise 6-2P: the same RNN three ways: by hand in NumPy, on the tape, and (where it is installed) in PyTorch.

Row layout: T = 3 steps, a batch of 3, 4 inputs, 5 hidden units, an arbitrary upstream gradient of every hidden state.
Column layout: one cell and a sequence of a well-known course exercise, with the numbers that it prints.
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

rng = np.random.default_rng(1)
params = nn.init.rnn(rng, input_size=4, hidden_size=5)
xs, dhs = rng.standard_normal((3, 3, 4)), rng.standard_normal((3, 3, 5))
report = bptt.compare(nn.rnn, params, xs, by_hand=bptt.by_hand.rnn, dhs=dhs, exhaustive=True).check()
print("row layout, by hand and on the tape:", ", ".join(row.name for row in report.rows), "agree to 1e-12")
print("PyTorch agrees to 1e-12 as well" if report.rows[0].torch else "PyTorch is not installed: not compared")


def draw(**shapes):
    """Arrays drawn in this order after seed 1, as the exercise draws them; and the generator, to draw on."""
    seed_1 = np.random.RandomState(1)
    return {name: seed_1.randn(*shape) for name, shape in shapes.items()}, seed_1


def cell(p, x, a):
    """a_t = tanh(Wax x_t + Waa a_{t-1} + ba): columns are examples."""
    return np.tanh(p["Wax"] @ x + p["Waa"] @ a + p["ba"])


def cell_backward(p, x, a_prev, a, da):
    """Compute the gradients of one cell from da = dL/da_t: dz = da (1 - a_t^2), and from it all the others."""
    dz = da * (1 - a**2)
    return {
        "x": p["Wax"].T @ dz,
        "a_prev": p["Waa"].T @ dz,
        "Wax": dz @ x.T,
        "Waa": dz @ a_prev.T,
        "ba": dz.sum(axis=1, keepdims=True),
    }


def backward(p, x, a0, da):
    """Compute the gradients of the sequence: x (n_x, m, T), da (n_a, m, T); the parameters' are sums over time."""
    states = [a0]
    for t in range(x.shape[2]):
        states.append(cell(p, x[:, :, t], states[-1]))
    total, dx, carry = {"Wax": 0, "Waa": 0, "ba": 0}, np.zeros_like(x), 0
    for t in reversed(range(x.shape[2])):
        g = cell_backward(p, x[:, :, t], states[t], states[t + 1], da[:, :, t] + carry)
        dx[:, :, t], carry = g["x"], g["a_prev"]
        total = {name: total[name] + g[name] for name in total}
    return {**total, "x": dx, "a0": carry}


SIZES = {"Wax": (5, 3), "Waa": (5, 5), "Wya": (2, 5)}
p, seed_1 = draw(xt=(3, 10), a_prev=(5, 10), **SIZES, b=(5, 1), by=(2, 1))
da = seed_1.randn(5, 10)
# The published run used a stale bias: not b, but the `ba` of the sequence exercise.
stale, _ = draw(x=(3, 10, 4), a0=(5, 10), Waa=(5, 5), Wax=(5, 3), Wya=(2, 5), ba=(5, 1), by=(2, 1))
p = {**p, "ba": stale["ba"]}
hand = cell_backward(p, p["xt"], p["a_prev"], cell(p, p["xt"], p["a_prev"]), da)
leaves = {name: tg.Tensor(p[name], name=name) for name in ("Wax", "Waa", "ba", "xt", "a_prev")}
with tg.Tape() as tape:
    a = cell(leaves, leaves["xt"], leaves["a_prev"])
tape_says = tape.gradient(a, leaves, seed=da)
tape_says["x"] = tape_says.pop("xt")
bptt.compare_gradients("cell backward", tape_says, hand).check()
PUBLISHED = {
    ("x", 1, 2): -0.4605641030588796,
    ("a_prev", 2, 3): 0.08429686538067724,
    ("Wax", 3, 1): 0.39308187392193034,
    ("Waa", 1, 2): -0.28483955786960663,
}
print("column layout, one cell, the published run:")
for (name, row, column), number in PUBLISHED.items():
    print(f"  d{name}[{row}][{column}] = {tape_says[name][row, column]:.10f}")
    assert abs(tape_says[name][row, column] - number) < 1e-12
print(f"  dba[4] = [{tape_says['ba'][4, 0]:.8f}]")
assert abs(tape_says["ba"][4, 0] - 0.80517166) < 5e-9

p, seed_1 = draw(x=(3, 10, 4), a0=(5, 10), **SIZES, ba=(5, 1), by=(2, 1))
da = seed_1.randn(5, 10, 4)
leaves = {name: tg.Tensor(p[name], name=name) for name in ("Wax", "Waa", "ba", "x", "a0")}
a, states = leaves["a0"], []
with tg.Tape() as tape:
    for t in range(4):
        a = cell(leaves, leaves["x"][:, :, t], a)
        states.append(a)
    states = np.stack(states, axis=2)
tape_says = tape.gradient(states, leaves, seed=da)
bptt.compare_gradients("backward through time", tape_says, backward(p, p["x"], p["a0"], da)).check()
print("column layout, four steps:")
print("  dx[1][2] =", np.array2string(tape_says["x"][1, 2], precision=8), f" da0[2][3] = {tape_says['a0'][2, 3]:.9f}")
assert abs(tape_says["a0"][2, 3] + 0.314942375127) < 1e-12
