"""More than one recurrent layer: two layers, both directions, an encoder with a decoder, a layer norm; an embedding."""

import numpy as np

from tinygrad_rnn import bptt

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(0, 0.5, shape)


def two_layers(p, xs, ys):
    n = len(p["b1"])
    h1, h2, loss = {-1: np.zeros(n)}, {-1: np.zeros(n)}, 0
    for t in range(len(xs)):
        h1[t] = np.tanh(p["W1"] @ xs[t] + p["U1"] @ h1[t - 1] + p["b1"])
        h2[t] = np.tanh(p["W2"] @ h1[t] + p["U2"] @ h2[t - 1] + p["b2"])
        loss += ((h2[t] - ys[t]) ** 2).sum()
    g = {k: np.zeros_like(v) for k, v in p.items()}
    d1 = d2 = np.zeros(n)
    for t in reversed(range(len(xs))):
        z2 = (2 * (h2[t] - ys[t]) + d2) * (1 - h2[t] ** 2)
        z1 = (p["W2"].T @ z2 + d1) * (1 - h1[t] ** 2)
        d2, d1 = p["U2"].T @ z2, p["U1"].T @ z1
        g["W2"] += np.outer(z2, h1[t])
        g["U2"] += np.outer(z2, h2[t - 1])
        g["b2"] += z2
        g["W1"] += np.outer(z1, xs[t])
        g["U1"] += np.outer(z1, h1[t - 1])
        g["b1"] += z1
    return loss, g


def examine_two_layers():
    p = dict(W1=normal(4, 3), U1=normal(4, 4), b1=normal(4), W2=normal(4, 4), U2=normal(4, 4), b2=normal(4))
    return bptt.examine(two_layers, p, rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


class BiRNN:
    def __init__(self):
        self.Wf, self.Uf, self.Wb, self.Ub = normal(3, 4), normal(4, 4), normal(3, 4), normal(4, 4)
        self.V = normal(8, 2)

    def forward(self, X, Y):
        T = len(X)
        self.X, self.Y = X, Y
        self.f, self.b = [None] * T, [None] * T
        h = np.zeros(4)
        for t in range(T):
            h = self.f[t] = np.tanh(X[t] @ self.Wf + h @ self.Uf)
        h = np.zeros(4)
        for t in reversed(range(T)):
            h = self.b[t] = np.tanh(X[t] @ self.Wb + h @ self.Ub)
        self.out = [np.concatenate([self.f[t], self.b[t]]) @ self.V for t in range(T)]
        return sum(((o - y) ** 2).sum() for o, y in zip(self.out, Y)) / 2

    def backward(self):
        T = len(self.X)
        self.dWf, self.dUf, self.dWb, self.dUb, self.dV = (
            np.zeros_like(a) for a in (self.Wf, self.Uf, self.Wb, self.Ub, self.V)
        )
        down = []
        for t in range(T):
            dy = self.out[t] - self.Y[t]
            self.dV += np.outer(np.concatenate([self.f[t], self.b[t]]), dy)
            down.append(self.V @ dy)
        carry = np.zeros(4)
        for t in reversed(range(T)):
            dz = (down[t][:4] + carry) * (1 - self.f[t] ** 2)
            self.dWf += np.outer(self.X[t], dz)
            if t > 0:
                self.dUf += np.outer(self.f[t - 1], dz)
            carry = self.Uf @ dz
        carry = np.zeros(4)
        for t in range(T):
            dz = (down[t][4:] + carry) * (1 - self.b[t] ** 2)
            self.dWb += np.outer(self.X[t], dz)
            if t < T - 1:
                self.dUb += np.outer(self.b[t + 1], dz)
            carry = self.Ub @ dz


def examine_bidirectional():
    return bptt.examine(BiRNN(), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))


def seq2seq(params, source, target):
    """An encoder and a decoder with an embedding, teacher forcing: the decoder reads the right last word."""
    E, We, Ue, Wd, Ud, V = (params[k] for k in ("E", "We", "Ue", "Wd", "Ud", "V"))
    h = np.zeros(len(Ue))
    encoder, decoder, loss = [], [], 0.0
    for k in source:
        before, h = h, np.tanh(We @ E[k] + Ue @ h)
        encoder.append((k, before, h))
    last = 0  # the start symbol
    for k in target:
        before, h = h, np.tanh(Wd @ E[last] + Ud @ h)
        scores = V @ h
        p = np.exp(scores - scores.max())
        p /= p.sum()
        loss -= np.log(p[k])
        decoder.append((last, k, before, h, p))
        last = k
    g = {name: np.zeros_like(a) for name, a in params.items()}
    dh = np.zeros(len(Ue))
    for last, k, before, h, p in reversed(decoder):
        ds = p.copy()
        ds[k] -= 1
        g["V"] += np.outer(ds, h)
        dz = (V.T @ ds + dh) * (1 - h**2)
        g["Wd"] += np.outer(dz, E[last])
        g["Ud"] += np.outer(dz, before)
        g["E"][last] += Wd.T @ dz
        dh = Ud.T @ dz
    for k, before, h in reversed(encoder):
        dz = dh * (1 - h**2)
        g["We"] += np.outer(dz, E[k])
        g["Ue"] += np.outer(dz, before)
        g["E"][k] += We.T @ dz
        dh = Ue.T @ dz
    return loss, g


def examine_seq2seq():
    shapes = dict(E=(6, 3), We=(4, 3), Ue=(4, 4), Wd=(4, 3), Ud=(4, 4), V=(6, 4))
    return bptt.examine(seq2seq, {k: normal(*s) for k, s in shapes.items()}, [3, 1, 4, 1, 5], [2, 5, 3, 1])


def layer_norm(x, gain):
    mean, std = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    hat = (x - mean) / std
    return gain * hat, (hat, std, gain)


def layer_norm_backward(dy, cache):
    hat, std, gain = cache
    dhat = dy * gain
    dx = (dhat - dhat.mean(-1, keepdims=True) - hat * (dhat * hat).mean(-1, keepdims=True)) / std
    return dx, (dy * hat).sum(axis=0)


def normed_forward(x, h0, W, U, gain):
    hs, caches = [h0], []
    for t in range(x.shape[1]):
        z, cache = layer_norm(x[:, t] @ W + hs[-1] @ U, gain)
        hs.append(np.tanh(z))
        caches.append(cache)
    return np.stack(hs[1:], axis=1), (x, hs, caches, W, U)


def normed_backward(dh, cache):
    x, hs, caches, W, U = cache
    dW, dU, dgain, back = np.zeros_like(W), np.zeros_like(U), 0, 0
    for t in reversed(range(x.shape[1])):
        dz, dg = layer_norm_backward((dh[:, t] + back) * (1 - hs[t + 1] ** 2), caches[t])
        dW += x[:, t].T @ dz
        dU += hs[t].T @ dz
        dgain = dgain + dg
        back = dz @ U.T
    return dW, dU, dgain


def examine_layer_norm():
    pair = (normed_forward, normed_backward)
    return bptt.examine(
        pair, rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 4)), normal(2, 4), normal(4, 4), normal(4) + 1
    )


class Sentiment:
    """Words by index, padded, with lengths; the mean of the states; the gradients in a list by the side."""

    def __init__(self):
        self.E, self.W, self.U, self.v = normal(7, 3), normal(4, 3), normal(4, 4), normal(4)

    def forward(self, words, lengths, labels):
        self.words, self.lengths = words, lengths
        self.kept, self.errors, loss = [], [], 0.0
        for row, n, label in zip(words, lengths, labels):
            h, kept = np.zeros(4), []
            for k in row[:n]:
                before, h = h, np.tanh(self.W @ self.E[k] + self.U @ h)
                kept.append((k, before, h))
            mean = sum(h for _, _, h in kept) / n
            p = 1 / (1 + np.exp(-self.v @ mean))
            loss += -np.log(p) if label else -np.log(1 - p)
            self.kept.append(kept)
            self.errors.append((p - label, mean))
        return loss / len(words)

    def backward(self):
        self.gE, self.gW, self.gU, self.gv = (np.zeros_like(a) for a in (self.E, self.W, self.U, self.v))
        for kept, (e, mean) in zip(self.kept, self.errors):
            e = e / len(self.kept)
            self.gv += e * mean
            carry = 0
            for k, before, h in reversed(kept):
                dz = (e * self.v / len(kept) + carry) * (1 - h**2)
                self.gE[k] += self.W.T @ dz
                self.gW += np.outer(dz, self.E[k])
                self.gU += np.outer(dz, before)
                carry = self.U.T @ dz


def examine_sentiment():
    words = np.array([[1, 2, 3, 4, 0], [5, 6, 0, 0, 0], [3, 1, 6, 0, 0]])
    return bptt.examine(Sentiment(), words, np.array([4, 2, 3]), np.array([1, 0, 1]))
