"""One function that reads globals: a character model, as a vanilla RNN, an LSTM and a GRU."""

import numpy as np

from tinygrad_rnn import bptt

# data I/O
data = "hello world, hello there"
chars = sorted(set(data))
data_size, vocab_size = len(data), len(chars)
print(f"data has {data_size} characters, {vocab_size} unique.")
char_to_ix = {ch: i for i, ch in enumerate(chars)}
ix_to_char = {i: ch for i, ch in enumerate(chars)}

# hyperparameters
hidden_size = 6
seq_length = 7
learning_rate = 1e-1

# model parameters
np.random.seed(1)
Wxh = np.random.randn(hidden_size, vocab_size) * 0.3
Whh = np.random.randn(hidden_size, hidden_size) * 0.3
Why = np.random.randn(vocab_size, hidden_size) * 0.3
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))


def lossFun(inputs, targets, hprev):
    """
    inputs,targets are both list of integers.
    hprev is Hx1 array of initial hidden state
    returns the loss, gradients on model parameters, and last hidden state
    """
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    # forward pass
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    # backward pass: compute gradients going backwards
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -5, 5, out=dparam)  # clip to mitigate exploding gradients
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


inputs = [char_to_ix[ch] for ch in data[0:seq_length]]
targets = [char_to_ix[ch] for ch in data[1 : seq_length + 1]]


def examine_lossFun():
    return bptt.examine(lossFun, inputs, targets, np.zeros((hidden_size, 1)))


# the LSTM: parameters are objects with a value and a derivative


class Param:
    def __init__(self, name, value):
        self.name = name
        self.v = value
        self.d = np.zeros_like(value)
        self.m = np.zeros_like(value)


z_size = hidden_size + vocab_size
W_f = Param("W_f", np.random.randn(hidden_size, z_size) * 0.3 + 0.5)
b_f = Param("b_f", np.zeros((hidden_size, 1)))
W_i = Param("W_i", np.random.randn(hidden_size, z_size) * 0.3 + 0.5)
b_i = Param("b_i", np.zeros((hidden_size, 1)))
W_C = Param("W_C", np.random.randn(hidden_size, z_size) * 0.3)
b_C = Param("b_C", np.zeros((hidden_size, 1)))
W_o = Param("W_o", np.random.randn(hidden_size, z_size) * 0.3 + 0.5)
b_o = Param("b_o", np.zeros((hidden_size, 1)))
W_v = Param("W_v", np.random.randn(vocab_size, hidden_size) * 0.3)
b_v = Param("b_v", np.zeros((vocab_size, 1)))
parameters = [W_f, b_f, W_i, b_i, W_C, b_C, W_o, b_o, W_v, b_v]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dsigmoid(y):
    return y * (1 - y)


def tanh(x):
    return np.tanh(x)


def dtanh(y):
    return 1 - y * y


def forward(x, h_prev, C_prev):
    z = np.vstack((h_prev, x))
    f = sigmoid(np.dot(W_f.v, z) + b_f.v)
    i = sigmoid(np.dot(W_i.v, z) + b_i.v)
    C_bar = tanh(np.dot(W_C.v, z) + b_C.v)
    C = f * C_prev + i * C_bar
    o = sigmoid(np.dot(W_o.v, z) + b_o.v)
    h = o * tanh(C)
    v = np.dot(W_v.v, h) + b_v.v
    y = np.exp(v) / np.sum(np.exp(v))
    return z, f, i, C_bar, C, o, h, v, y


def backward(target, dh_next, dC_next, C_prev, z, f, i, C_bar, C, o, h, v, y):
    dv = np.copy(y)
    dv[target] -= 1
    W_v.d += np.dot(dv, h.T)
    b_v.d += dv
    dh = np.dot(W_v.v.T, dv)
    dh += dh_next
    do = dh * tanh(C)
    do = dsigmoid(o) * do
    W_o.d += np.dot(do, z.T)
    b_o.d += do
    dC = np.copy(dC_next)
    dC += dh * o * dtanh(tanh(C))
    dC_bar = dC * i
    dC_bar = dtanh(C_bar) * dC_bar
    W_C.d += np.dot(dC_bar, z.T)
    b_C.d += dC_bar
    di = dC * C_bar
    di = dsigmoid(i) * di
    W_i.d += np.dot(di, z.T)
    b_i.d += di
    df = dC * C_prev
    df = dsigmoid(f) * df
    W_f.d += np.dot(df, z.T)
    b_f.d += df
    dz = np.dot(W_f.v.T, df) + np.dot(W_i.v.T, di) + np.dot(W_C.v.T, dC_bar) + np.dot(W_o.v.T, do)
    dh_prev = dz[:hidden_size, :]
    dC_prev = f * dC
    return dh_prev, dC_prev


def clear_gradients():
    for p in parameters:
        p.d.fill(0)


def clip_gradients():
    for p in parameters:
        np.clip(p.d, -1, 1, out=p.d)


def forward_backward(inputs, targets, h_prev, C_prev):
    x_s, z_s, f_s, i_s = {}, {}, {}, {}
    C_bar_s, C_s, o_s, h_s = {}, {}, {}, {}
    v_s, y_s = {}, {}
    h_s[-1] = np.copy(h_prev)
    C_s[-1] = np.copy(C_prev)
    loss = 0
    for t in range(len(inputs)):
        x_s[t] = np.zeros((vocab_size, 1))
        x_s[t][inputs[t]] = 1
        (z_s[t], f_s[t], i_s[t], C_bar_s[t], C_s[t], o_s[t], h_s[t], v_s[t], y_s[t]) = forward(
            x_s[t], h_s[t - 1], C_s[t - 1]
        )
        loss += -np.log(y_s[t][targets[t], 0])
    clear_gradients()
    dh_next = np.zeros_like(h_s[0])
    dC_next = np.zeros_like(C_s[0])
    for t in reversed(range(len(inputs))):
        dh_next, dC_next = backward(
            targets[t], dh_next, dC_next, C_s[t - 1],
            z_s[t], f_s[t], i_s[t], C_bar_s[t], C_s[t], o_s[t], h_s[t], v_s[t], y_s[t],
        )  # fmt: skip
    clip_gradients()
    return loss, h_s[len(inputs) - 1], C_s[len(inputs) - 1]


def examine_forward_backward():
    return bptt.examine(
        forward_backward, inputs, targets, np.zeros((hidden_size, 1)), np.zeros((hidden_size, 1)), params=["parameters"]
    )


# the GRU: the gradients in a dict of globals, one row for each step


model = {
    "Wz": np.random.randn(hidden_size, hidden_size + vocab_size) * 0.3,
    "Wr": np.random.randn(hidden_size, hidden_size + vocab_size) * 0.3,
    "Wh": np.random.randn(hidden_size, hidden_size + vocab_size) * 0.3,
    "Wy": np.random.randn(vocab_size, hidden_size) * 0.3,
}


def gru_loss(inputs, targets, hprev):
    hs, zs, rs, cs, ps, xs = {-1: hprev}, {}, {}, {}, {}, {}
    loss = 0
    for t in range(len(inputs)):
        x = np.zeros(vocab_size)
        x[inputs[t]] = 1
        xs[t] = x
        hx = np.hstack((hs[t - 1], x))
        zs[t] = sigmoid(model["Wz"].dot(hx))
        rs[t] = sigmoid(model["Wr"].dot(hx))
        cs[t] = np.tanh(model["Wh"].dot(np.hstack((rs[t] * hs[t - 1], x))))
        hs[t] = (1 - zs[t]) * hs[t - 1] + zs[t] * cs[t]
        y = model["Wy"].dot(hs[t])
        ps[t] = np.exp(y - np.max(y)) / np.sum(np.exp(y - np.max(y)))
        loss -= np.log(ps[t][targets[t]])
    grads = {k: np.zeros_like(v) for k, v in model.items()}
    dhnext = np.zeros(hidden_size)
    for t in range(len(inputs) - 1, -1, -1):
        dy = ps[t].copy()
        dy[targets[t]] -= 1.0
        grads["Wy"] += np.outer(dy, hs[t])
        dh = model["Wy"].T.dot(dy) + dhnext
        dc = dh * zs[t] * (1 - cs[t] ** 2)
        dz = dh * (cs[t] - hs[t - 1]) * zs[t] * (1 - zs[t])
        dhr = model["Wh"].T.dot(dc)[:hidden_size]
        dr = dhr * hs[t - 1] * rs[t] * (1 - rs[t])
        hx = np.hstack((hs[t - 1], xs[t]))
        grads["Wh"] += np.outer(dc, np.hstack((rs[t] * hs[t - 1], xs[t])))
        grads["Wz"] += np.outer(dz, hx)
        grads["Wr"] += np.outer(dr, hx)
        dhnext = (
            dh * (1 - zs[t]) + dhr * rs[t] + model["Wz"].T.dot(dz)[:hidden_size] + model["Wr"].T.dot(dr)[:hidden_size]
        )
    return loss, grads, hs[len(inputs) - 1]


def examine_gru_loss():
    return bptt.examine(gru_loss, inputs, targets, np.zeros(hidden_size))
