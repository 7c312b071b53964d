"""Exercises 6-4 and 6-2P: every gradient of the LSTM by hand, in column layout, and why the cell's gradient survives.

f, i, o = sigmoid(W [a_{t-1}; x_t] + b),  c~ = tanh(Wc [a_{t-1}; x_t] + bc),  c_t = f c_{t-1} + i c~,  a_t = o tanh(c_t)
"""

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.nn.cells import gate


def cell(p, x, a, c):
    """One step; columns are examples, and the cell runs on arrays and on Tensors."""
    stacked = np.concatenate([a, x])
    f, i, o = (gate(k, tg.sigmoid, p[f"W{k}"] @ stacked + p[f"b{k}"]) for k in "fio")
    c = tg.named("c", f * c + i * gate("c~", np.tanh, p["Wc"] @ stacked + p["bc"]))
    return o * np.tanh(c), c


def backward_by_hand(p, x, a, c, da):
    """All gradients, from da (n_a, m, T) = dL/da_t: each gate's error term dz, and sums over time."""
    kept = []
    for t in range(x.shape[2]):
        stacked = np.concatenate([a, x[:, :, t]])
        f, i, o = (1 / (1 + np.exp(-(p[f"W{k}"] @ stacked + p[f"b{k}"]))) for k in "fio")
        candidate = np.tanh(p["Wc"] @ stacked + p["bc"])
        kept.append((stacked, c, f, i, o, candidate))
        c = f * c + i * candidate
        a = o * np.tanh(c)
    total, dx = {name: np.zeros_like(value) for name, value in p.items()}, np.zeros_like(x)
    da_next, dc_next, n_a = 0, 0, len(a)
    for t in reversed(range(x.shape[2])):
        stacked, c_prev, f, i, o, candidate = kept[t]
        tanh_c = np.tanh(f * c_prev + i * candidate)
        da_t = da[:, :, t] + da_next
        dc = dc_next + da_t * o * (1 - tanh_c**2)  # from c_{t+1}, and through a_t
        dz = {
            "f": dc * c_prev * f * (1 - f),
            "i": dc * candidate * i * (1 - i),
            "o": da_t * tanh_c * o * (1 - o),
            "c": dc * i * (1 - candidate**2),
        }
        for k in dz:
            total[f"W{k}"] += dz[k] @ stacked.T
            total[f"b{k}"] += dz[k].sum(axis=1, keepdims=True)
        dstacked = sum(p[f"W{k}"].T @ dz[k] for k in dz)
        da_next, dx[:, :, t], dc_next = dstacked[:n_a], dstacked[n_a:], dc * f  # no matrix, no tanh' on c's path
    return {**total, "x": dx, "a0": da_next, "c0": dc_next}


rng = np.random.RandomState(1)  # the draws of a well-known course exercise
values = {"x": rng.randn(3, 10, 7), "a0": rng.randn(5, 10)}
p = {}
for k in "fioc":
    p[f"W{k}"], p[f"b{k}"] = rng.randn(5, 8), rng.randn(5, 1)
values["c0"] = np.zeros((5, 10))
da = np.random.default_rng(6).standard_normal((5, 10, 7))


def record(leaves):
    """Record seven steps. Return the tape, and all states a (n_a, m, T)."""
    a, c, states = leaves["a0"], leaves["c0"], []
    with tg.Tape() as tape:
        for t in range(7):
            with tg.scope(t=t):
                a, c = cell(leaves, leaves["x"][:, :, t], a, c)
            states.append(a)
        return tape, np.stack(states, axis=2)


leaves = {name: tg.Tensor(value, name=name) for name, value in {**p, **values}.items()}
tape, states = record(leaves)
assert abs(states.data[4][3][6] - 0.172117767533) < 1e-12
hand = backward_by_hand(p, values["x"], values["a0"], values["c0"], da)
bptt.compare_gradients("LSTM", tape.gradient(states, leaves, seed=da), hand).check()
print(f"a[4][3][6] = {states.data[4][3][6]:.12f}; {len(hand)} gradients agree with the derivation by hand to 1e-12")

rows = np.moveaxis(values["x"], 2, 0).swapaxes(1, 2)  # the same numbers as rows, as PyTorch has them
bptt.compare(nn.lstm, nn.weights.from_columns(p), rows, by_hand=bptt.by_hand.lstm).check()

print("\nd(sum of c_7)/dc_1, mean size, and what the cell's own path f_7 f_6 ... f_2 hands on by itself:")
for bias in (-2.0, 0.0, 2.0, 5.0):
    smaller = {name: tg.Tensor(0.3 * value, name=name) for name, value in {**p, **values}.items()}
    smaller["bf"] = tg.Tensor(np.full((5, 1), bias), name="bf")
    tape, _ = record(smaller)
    c_1, c_7 = tape.find("c", t=0), tape.find("c", t=6)
    whole = tape.gradient(c_7, c_1, seed=np.ones((5, 10)))
    alone = bptt.paths(tape, c_7, c_1, seed=np.ones((5, 10)))[None]  # what passes no gate
    assert np.allclose(alone, np.prod([tape.find("f", t=t).data for t in range(1, 7)], axis=0), rtol=0, atol=1e-12)
    whole, alone = np.abs(whole).mean(), alone.mean()
    print(f"  bias of the forget gate {bias:4.0f}: {whole:.5f}, path alone {alone:.5f}")
assert min(alone, whole) > 0.9  # a gate that is open: nothing vanishes
