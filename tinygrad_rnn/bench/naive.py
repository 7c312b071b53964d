"""A training step in NumPy as a first derivation: each step computes everything and adds to every sum.

Each function takes the leaves of a `Problem` and the targets. It returns the loss and the gradient of every leaf, by
the formulas of `bptt.by_hand`. It prepares nothing and keeps nothing for the next call.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.bench.problem import Array, Leaves


def rnn(leaves: Leaves, targets: Array) -> tuple[float, Leaves]:
    """h_t = tanh(z_t);  dz_t = dh_t (1 - h_t^2)."""
    xs, W, U = leaves["x"], leaves["weight_ih"], leaves["weight_hh"]
    hs = [leaves["h0"]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + leaves["bias_ih"] + hs[-1] @ U.T + leaves["bias_hh"]))
    loss, dhs = _mse(hs, targets)
    found = {name: np.zeros_like(value) for name, value in leaves.items()}
    dh = found["h0"]
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        dh = _add(found, leaves, t, hs[t], dz, dz)
    return loss, {**found, "h0": dh}


def lstm(leaves: Leaves, targets: Array) -> tuple[float, Leaves]:
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t), gates in the order i, f, g, o."""
    xs, W, U = leaves["x"], leaves["weight_ih"], leaves["weight_hh"]
    hs, cs, gates = [leaves["h0"]], [leaves["c0"]], []
    for x in xs:
        z = x @ W.T + leaves["bias_ih"] + hs[-1] @ U.T + leaves["bias_hh"]
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        i, f, g, o = _sigmoid(z_i), _sigmoid(z_f), np.tanh(z_g), _sigmoid(z_o)
        cs.append(f * cs[-1] + i * g)
        tanh_c = np.tanh(cs[-1])
        hs.append(o * tanh_c)
        gates.append((i, f, g, o, tanh_c))
    loss, dhs = _mse(hs, targets)
    found = {name: np.zeros_like(value) for name, value in leaves.items()}
    dh, dc = found["h0"], found["c0"]
    for t in reversed(range(len(xs))):
        i, f, g, o, tanh_c = gates[t]
        dh = dhs[t] + dh
        dc = dc + dh * o * (1 - tanh_c**2)
        of_gates = (dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o))
        dz = np.concatenate(of_gates, axis=1)
        dh, dc = _add(found, leaves, t, hs[t], dz, dz), dc * f
    return loss, {**found, "h0": dh, "c0": dc}


def gru(leaves: Leaves, targets: Array) -> tuple[float, Leaves]:
    """h_t = (1 - z) n + z h_{t-1}, n = tanh(W_n x_t + b_in + r (U_n h_{t-1} + b_hn)), gates in the order r, z, n."""
    xs, W, U = leaves["x"], leaves["weight_ih"], leaves["weight_hh"]
    hs, gates = [leaves["h0"]], []
    for x in xs:
        x_r, x_z, x_n = np.split(x @ W.T + leaves["bias_ih"], 3, axis=1)
        h_r, h_z, h_n = np.split(hs[-1] @ U.T + leaves["bias_hh"], 3, axis=1)
        r, z = _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * h_n)
        hs.append((1 - z) * n + z * hs[-1])
        gates.append((r, z, n, h_n))
    loss, dhs = _mse(hs, targets)
    found = {name: np.zeros_like(value) for name, value in leaves.items()}
    dh = found["h0"]
    for t in reversed(range(len(xs))):
        r, z, n, h_n = gates[t]
        dh = dhs[t] + dh
        da_n = dh * (1 - z) * (1 - n**2)
        da_z = dh * (hs[t] - n) * z * (1 - z)
        da_r = da_n * h_n * r * (1 - r)
        of_input = np.concatenate((da_r, da_z, da_n), axis=1)
        of_state = np.concatenate((da_r, da_z, da_n * r), axis=1)
        dh = dh * z + _add(found, leaves, t, hs[t], of_input, of_state)
    return loss, {**found, "h0": dh}


def _mse(hs: list[Array], targets: Array) -> tuple[float, Array]:
    """Return the mean squared error of h_1 ... h_T, and its gradient by each of them."""
    difference = np.stack(hs[1:]) - targets
    return float((difference**2).mean()), difference * np.asarray(2 / difference.size, difference.dtype)


def _add(found: Leaves, leaves: Leaves, t: int, h: Array, of_input: Array, of_state: Array) -> Array:
    """Add the gradients of step t, from dL/d(W x + b_ih) and dL/d(U h + b_hh); return the part of dL/dh through U."""
    found["weight_ih"] += of_input.T @ leaves["x"][t]
    found["weight_hh"] += of_state.T @ h
    found["bias_ih"] += of_input.sum(axis=0)
    found["bias_hh"] += of_state.sum(axis=0)
    found["x"][t] = of_input @ leaves["weight_ih"]
    return of_state @ leaves["weight_hh"]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}
