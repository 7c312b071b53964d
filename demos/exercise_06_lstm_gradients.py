"""Exercise 6-4 and the additional exercise 6-2P: every gradient of the LSTM by hand, and why the cell's survives.

Column layout, in NumPy. Then each gate at 0 and at 1, and how far a gradient lives by the bias of the forget gate.

f, i, o = sigmoid(W [a_{t-1}; x_t] + b),  c~ = tanh(Wc [a_{t-1}; x_t] + bc),  c_t = f c_{t-1} + i c~,  a_t = o tanh(c_t)
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.nn.cells import gate


def cell(p, x, a, c):
    """One step; columns are examples, and the cell runs on arrays and on Tensors."""
    stacked = np.concatenate([a, x])
    f, i, o = (gate(k, tg.sigmoid, p[f"W{k}"] @ stacked + p[f"b{k}"]) for k in "fio")
    c = tg.named("c", f * c + i * gate("c~", np.tanh, p["Wc"] @ stacked + p["bc"]))
    return tg.named("a", o * np.tanh(c)), c


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

# Every gate's story. The bias sets the gate to 0 or to 1 for all inputs; then its own gradient, which has the factor
# k (1 - k), is zero: a gate that is shut or wide open learns nothing.
ones, c_0 = np.ones((5, 10)), np.random.default_rng(7).standard_normal((5, 10))
print("\ngate at       |dL/db_f|  |dL/db_i|  |dL/db_o|  |dL/db_c|  dc_2/dc_1  of it f_2")
story = {}
for name, value in (("none", None), *((k, at) for k in "fio" for at in (0, 1))):
    changed = {key: 0.3 * each for key, each in p.items()} | values | {"c0": c_0}
    if value is not None:
        changed[f"b{name}"] = np.full((5, 1), 50.0 if value else -50.0)  # sigmoid(50) is 1, sigmoid(-50) is 2e-22
    leaves = {key: tg.Tensor(each, name=key) for key, each in changed.items()}
    tape, states = record(leaves)
    g = tape.gradient(states, leaves, seed=da)
    hand = backward_by_hand({key: changed[key] for key in p}, values["x"], values["a0"], c_0, da)
    bptt.compare_gradients("LSTM", g, hand).check()
    c_1, c_2 = tape.find("c", t=0), tape.find("c", t=1)
    whole = np.abs(tape.gradient(c_2, c_1, seed=ones)).mean()
    own = bptt.paths(tape, c_2, c_1, seed=ones)[None].mean()  # the path that passes no gate
    story[name, value] = {k: np.linalg.norm(g[f"b{k}"]) for k in "fioc"} | {"whole": whole, "own": own}
    said = f"{name} = {value}" if value is not None else "as drawn"
    print(f"{said:<12}" + "".join(f"{story[name, value][k]:11.4f}" for k in "fioc") + f"{whole:11.4f}{own:10.4f}")
for k in "fio":
    for at in (0, 1):
        assert story[k, at][k] < 1e-12  # the gate's own gradient
assert story["f", 0]["own"] < 1e-12 < 0.01 < story["f", 0]["whole"]  # by the gates and h some of it comes back
assert story["f", 1]["own"] == 1
assert story["i", 0]["c"] < 1e-12  # nothing is written, so the candidate has no gradient
assert max(story["o", 0][k] for k in "fioc") < 1e-12 < story["o", 0]["own"]  # a loss on a_t sees no cell

# How far a gradient lives, by the bias of the forget gate: until a hundredth is left, f^n = 1/100.
print("\nsteps until a hundredth of dc_T/dc_k is left, 16 units")
print("bias of f  sigmoid(bias)  log(1/100) / log f  the cell's own path  all paths")
for bias in (0, 1, 2):
    q = {key: each.data.copy() for key, each in nn.init.lstm(np.random.default_rng(6), 4, 16).items()}
    q["bias_ih"][16:32], q["bias_hh"][16:32] = bias, 0
    with tg.Tape() as tape:
        nn.unroll(nn.lstm, q | {"weight_hh": tg.Tensor(q["weight_hh"])}, rng.standard_normal((161, 1, 4)))
    cells = [entry.out for entry in tape if entry.out.name == "c"][::-1]  # c_T first
    sizes = [np.abs(each).mean() for each in tape.gradient(cells[0], cells, seed=np.ones((1, 16)))]
    gates = np.array([entry.out.data[0] for entry in tape if entry.out.name == "f"])[::-1]
    alone = [1.0, *np.cumprod(gates[:-1], axis=0).mean(axis=1)]
    after = [next(n for n, size in enumerate(each) if size < 0.01) for each in (alone, sizes)]
    f = 1 / (1 + np.exp(-bias))
    print(f"{bias:9}{f:15.2f}{np.log(0.01) / np.log(f):20.1f}{after[0]:21}{after[1]:11}")
    assert abs(after[0] - np.log(0.01) / np.log(f)) < 6

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
out.mkdir(parents=True, exist_ok=True)
parameters = {key: tg.Tensor(each, name=key) for key, each in p.items()}
a, c = tg.Tensor(values["a0"], name="a"), tg.Tensor(values["c0"], name="c")
with tg.Tape() as tape:
    for t in (1, 2):
        with tg.scope(t=t):
            a, c = cell(parameters, tg.Tensor(values["x"][:, :, t], name="x"), a, c)
draw.render(tape, out / "exercise_06.svg", engine="grid", level="gates")
