"""Habits of people that say nothing on their gradients: sizes that are fixed or 1, regularisers, optimisers, packing."""

import numpy as np

from tinygrad_rnn import bptt

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(0, 0.5, shape)


class Fixed:
    """The number of steps is an attribute; the data are, too; forward takes nothing."""

    def __init__(self, T=5, loss_at=None):
        self.T = T
        self.W, self.U, self.b = normal(4, 3), normal(4, 4), normal(4)
        self.X, self.Y = rng.normal(size=(T, 3)), rng.normal(size=(T, 4))
        self.h0 = np.zeros(4)

    def forward(self):
        self.h = [self.h0]
        for t in range(self.T):
            self.h.append(np.tanh(self.W @ self.X[t] + self.U @ self.h[-1] + self.b))
        return sum(((self.h[t + 1] - self.Y[t]) ** 2).sum() for t in range(self.T))

    def backward(self):
        grads = dict(W=0, U=0, b=0)
        carry = 0
        for t in range(self.T - 1, -1, -1):
            dz = (2 * (self.h[t + 1] - self.Y[t]) + carry) * (1 - self.h[t + 1] ** 2)
            grads["W"] += np.outer(dz, self.X[t])
            grads["U"] += np.outer(dz, self.h[t])
            grads["b"] += dz
            carry = self.U.T @ dz
        return grads


def examine_data_inside():
    return bptt.examine(Fixed())


def steps_given(params, xs, ys, T):
    """The number of steps is an argument."""
    W, U, b = params["W"], params["U"], params["b"]
    h = np.zeros((T + 1, len(b)))
    loss = 0
    for t in range(T):
        h[t] = np.tanh(W @ xs[t] + U @ h[t - 1] + b)
        loss += 0.5 * np.sum((h[t] - ys[t]) ** 2)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh_next = np.zeros(len(b))
    for t in reversed(range(T)):
        dh = h[t] - ys[t] + dh_next
        draw = (1 - h[t] ** 2) * dh
        dW += np.outer(draw, xs[t])
        dU += np.outer(draw, h[t - 1])
        db += draw
        dh_next = U.T @ draw
    return loss, {"dW": dW, "dU": dU, "db": db}


def params(n_in=3, n_hid=4):
    return {"W": normal(n_hid, n_in), "U": normal(n_hid, n_hid), "b": normal(n_hid)}


def examine_steps_given():
    return bptt.examine(steps_given, params(), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)), 5)


def examine_one_unit():
    return bptt.examine(steps_given, params(1, 1), rng.normal(size=(3, 1)), rng.normal(size=(3, 1)), 3)


def examine_one_step():
    return bptt.examine(steps_given, params(), rng.normal(size=(1, 3)), rng.normal(size=(1, 4)), 1)


def examine_two_steps():
    return bptt.examine(steps_given, params(), rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), 2)


class Adagrad:
    """It trains itself with Adagrad; the gradients are its attributes."""

    def __init__(self):
        self.W, self.U = normal(4, 3), normal(4, 4)
        self.mW, self.mU = np.zeros_like(self.W), np.zeros_like(self.U)
        self.dW, self.dU = np.zeros_like(self.W), np.zeros_like(self.U)
        self.h0 = np.zeros(4)

    def forward(self, xs, ys):
        self.xs, self.ys, self.hs = xs, ys, [self.h0]
        for x in xs:
            self.hs.append(np.maximum(0, self.W @ x + self.U @ self.hs[-1]))
        return np.mean([np.sum((h - y) ** 2) for h, y in zip(self.hs[1:], ys)])

    def backward(self, learning_rate=0.1):
        self.dW, self.dU = np.zeros_like(self.W), np.zeros_like(self.U)
        back = 0
        for t in reversed(range(len(self.xs))):
            dz = (2 / len(self.xs) * (self.hs[t + 1] - self.ys[t]) + back) * (self.hs[t + 1] > 0)
            self.dW += np.outer(dz, self.xs[t])
            self.dU += np.outer(dz, self.hs[t])
            back = self.U.T @ dz
        for p, d, m in ((self.W, self.dW, self.mW), (self.U, self.dU, self.mU)):
            m += d * d
            p -= learning_rate * d / np.sqrt(m + 1e-8)


def examine_adagrad():
    return bptt.examine(Adagrad(), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


class HiddenAdagrad(Adagrad):
    """The same, but its gradients are nowhere to be seen."""

    def backward(self, learning_rate=0.1):
        super().backward(learning_rate)
        del self.dW, self.dU


def examine_adagrad_hidden():
    return bptt.examine(HiddenAdagrad(), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


def packed(theta, xs, ys, H=4):
    """All parameters in one vector."""
    D = xs.shape[1]
    W, U, b = theta[: H * D].reshape(H, D), theta[H * D : H * D + H * H].reshape(H, H), theta[-H:]
    hs = [np.zeros(H)]
    for x in xs:
        hs.append(np.tanh(W @ x + U @ hs[-1] + b))
    loss = np.sum((np.array(hs[1:]) - ys) ** 2) / len(xs)
    dW, dU, db, carry = 0, 0, 0, 0
    for t in range(len(xs))[::-1]:
        dz = (2 * (hs[t + 1] - ys[t]) / len(xs) + carry) * (1 - hs[t + 1] ** 2)
        dW, dU, db, carry = dW + np.outer(dz, xs[t]), dU + np.outer(dz, hs[t]), db + dz, U.T @ dz
    return loss, np.concatenate([dW.ravel(), dU.ravel(), db])


def examine_packed():
    return bptt.examine(packed, normal(4 * 3 + 16 + 4), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


def decayed(params, X, y, h0, lam=0.1):
    """(B, T, I), weight decay, the loss an array of shape (1, 1), gradients in a dict of dicts."""
    p = params["rnn"]
    hs = [h0]
    for t in range(X.shape[1]):
        hs.append(np.tanh(X[:, t].dot(p["kernel"]) + hs[-1].dot(p["recurrent_kernel"]) + p["bias"]))
    out = hs[-1].dot(params["dense"]["kernel"]) + params["dense"]["bias"]
    e = out - y
    loss = (e * e).sum(axis=(0, 1), keepdims=True) / len(X) + 0.5 * lam * np.sum(p["recurrent_kernel"] ** 2)
    dout = 2 * e / len(X)
    g = {k: np.zeros_like(v) for k, v in p.items()}
    dh = dout.dot(params["dense"]["kernel"].T)
    for t in range(X.shape[1] - 1, -1, -1):
        da = dh * (1 - hs[t + 1] ** 2)
        g["kernel"] += X[:, t].T.dot(da)
        g["recurrent_kernel"] += hs[t].T.dot(da)
        g["bias"] += da.sum(axis=0)
        dh = da.dot(p["recurrent_kernel"].T)
    g["recurrent_kernel"] += lam * p["recurrent_kernel"]
    return loss, {"rnn": g, "dense": {"kernel": hs[-1].T.dot(dout), "bias": dout.sum(axis=0)}}


def examine_decayed():
    p = {
        "rnn": {"kernel": normal(3, 4), "recurrent_kernel": normal(4, 4), "bias": normal(4)},
        "dense": {"kernel": normal(4, 2), "bias": normal(2)},
    }
    return bptt.examine(decayed, p, rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 2)), np.zeros((3, 4)))


class Stateful:
    """It keeps its state from call to call, accumulates its gradients, and is called like a function."""

    def __init__(self):
        self.params = [normal(3, 4), normal(4, 4)]
        self.grads = [np.zeros((3, 4)), np.zeros((4, 4))]
        self.h = np.zeros((2, 4))
        self.calls = 0

    def __call__(self, xs, ys):
        W, U = self.params
        self.calls += 1
        hs = [self.h]
        for x in xs:
            hs.append(np.tanh(x @ W + hs[-1] @ U))
        self.h = hs[-1]
        loss = 0.0
        dh = 0
        for t in reversed(range(len(xs))):
            loss += ((hs[t + 1] - ys[t]) ** 2).sum()
            dz = (2 * (hs[t + 1] - ys[t]) + dh) * (1 - hs[t + 1] ** 2)
            self.grads[0] += xs[t].T @ dz
            self.grads[1] += hs[t].T @ dz
            dh = dz @ U.T
        return loss


def examine_stateful():
    return bptt.examine(Stateful(), rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 4)))


class Peephole:
    """An LSTM with peepholes, gates in one matrix, columns (H, B), data a list of (I, B); grads by `get_grads`."""

    def __init__(self, I=2, H=3):
        self.H = H
        self.W, self.b = normal(4 * H, I + H), np.zeros((4 * H, 1))
        self.p_i, self.p_f, self.p_o = normal(H, 1), normal(H, 1), normal(H, 1)

    def feedforward(self, xs, ys):
        H = self.H
        B = xs[0].shape[1]
        h, c = np.zeros((H, B)), np.zeros((H, B))
        self.tape, cost = [], 0.0
        for x, y in zip(xs, ys):
            v = np.vstack([x, h])
            a = self.W @ v + self.b
            i = 1 / (1 + np.exp(-(a[:H] + self.p_i * c)))
            f = 1 / (1 + np.exp(-(a[H : 2 * H] + self.p_f * c)))
            g = np.tanh(a[3 * H :])
            c_new = f * c + i * g
            o = 1 / (1 + np.exp(-(a[2 * H : 3 * H] + self.p_o * c_new)))
            h = o * np.tanh(c_new)
            self.tape.append((v, c, i, f, g, c_new, o, h, h - y))
            c = c_new
            cost += 0.5 * np.sum((h - y) ** 2)
        return cost

    def backpropagation(self, xs, ys):
        H = self.H
        self.feedforward(xs, ys)
        delta_W, delta_b = np.zeros_like(self.W), np.zeros_like(self.b)
        delta_p_i, delta_p_f, delta_p_o = np.zeros((H, 1)), np.zeros((H, 1)), np.zeros((H, 1))
        dh_next, dc_next = 0, 0
        for v, c, i, f, g, c_new, o, h, e in reversed(self.tape):
            dh = e + dh_next
            do = dh * np.tanh(c_new) * o * (1 - o)
            dc = dc_next + dh * o * (1 - np.tanh(c_new) ** 2) + do * self.p_o
            di, df, dg = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
            da = np.vstack([di, df, do, dg])
            delta_W += da @ v.T
            delta_b += da.sum(axis=1, keepdims=True)
            delta_p_i += (di * c).sum(axis=1, keepdims=True)
            delta_p_f += (df * c).sum(axis=1, keepdims=True)
            delta_p_o += (do * c_new).sum(axis=1, keepdims=True)
            dh_next = (self.W.T @ da)[-H:]
            dc_next = dc * f + di * self.p_i + df * self.p_f
        return delta_W, delta_b, delta_p_i, delta_p_f, delta_p_o


def examine_peephole():
    data = [[rng.normal(size=(n, 2)) for _ in range(4)] for n in (2, 3)]
    return bptt.examine(Peephole(), *data)


def tied(E, U, words, nexts):
    """One matrix for the inputs and the outputs; a dict of steps; the gradients named by their slots."""
    h, loss, kept = np.zeros(U.shape[0]), 0.0, {}
    for t in sorted(words):
        x = E[words[t]]
        before = h
        h = np.tanh(x + U @ before)
        s = E @ h
        p = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
        loss -= np.log(p[nexts[t]])
        kept[t] = (before, h, p)
    E_grad, U_grad, dh = np.zeros_like(E), np.zeros_like(U), np.zeros(U.shape[0])
    for t in sorted(words, reverse=True):
        before, h, p = kept[t]
        ds = p - np.eye(len(E))[nexts[t]]
        E_grad += np.outer(ds, h)
        dz = (E.T @ ds + dh) * (1 - h * h)
        E_grad[words[t]] += dz
        U_grad += np.outer(dz, before)
        dh = U.T @ dz
    return loss, E_grad, U_grad


def examine_tied():
    return bptt.examine(tied, normal(6, 4), normal(4, 4), dict(enumerate([1, 3, 2, 5])), dict(enumerate([3, 2, 5, 0])))


def same_state_twice(x, h0, c0, W, b):
    """An LSTM that is given one array for both of its states."""
    H = h0.shape[1]
    h, c, kept = h0, c0, []
    for t in range(len(x)):
        a = np.hstack([x[t], h]) @ W + b
        i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in range(3))
        g = np.tanh(a[:, 3 * H :])
        kept.append((h, c, i, f, o, g))
        c = f * c + i * g
        h = o * np.tanh(c)
        kept[-1] += (c,)
    return h, c, (x, kept, W)


def same_state_twice_backward(dh, dc, cache):
    x, kept, W = cache
    dW, db, dx = 0, 0, np.zeros_like(x)
    for t in reversed(range(len(x))):
        h, c, i, f, o, g, c_new = kept[t]
        tc = np.tanh(c_new)
        dc = dc + dh * o * (1 - tc**2)
        da = np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dh * tc * o * (1 - o), dc * i * (1 - g**2)])
        dW, db = dW + np.hstack([x[t], h]).T @ da, db + da.sum(0)
        dv = da @ W.T
        dx[t], dh, dc = dv[:, : x.shape[2]], dv[:, x.shape[2] :], dc * f
    return {"dx": dx, "dh0": dh, "dc0": dc, "dW": dW, "db": db}


def examine_same_state_twice():
    zero = np.zeros((3, 4))
    pair = (same_state_twice, same_state_twice_backward)
    return bptt.examine(pair, rng.normal(size=(5, 3, 2)), zero, zero, normal(6, 16), normal(16))
