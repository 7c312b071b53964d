"""Code as six more people write it, right and with a slip: the verdict, and the mistake where it is known."""

from collections import namedtuple

import numpy as np
import pytest

from tinygrad_rnn import bptt

RNG = np.random.default_rng(7)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def both_directions(slip):
    """A dict of dicts, time first, half of a mean of squares."""

    def run(p, x, y):
        T, B, _ = x.shape
        fw, bw, loss = [np.zeros((B, 3))], [np.zeros((B, 3))] * (T + 1), 0
        for t in range(T):
            fw.append(np.tanh(x[t] @ p["fw"]["W"] + fw[-1] @ p["fw"]["U"]))
        for t in reversed(range(T)):
            bw[t] = np.tanh(x[t] @ p["bw"]["W"] + bw[t + 1] @ p["bw"]["U"])
        grads = {key: {name: np.zeros_like(w) for name, w in held.items()} for key, held in p.items()}
        errors = []
        for t in range(T):
            e = fw[t + 1] @ p["out"]["F"] + bw[t] @ p["out"]["B"] - y[t]
            loss = loss + np.sum(e**2) / (2 * T * B)
            errors.append(e / (T * B))
            grads["out"]["F"] += fw[t + 1].T @ errors[t]
            grads["out"]["B"] += bw[t].T @ errors[t]
        carry = 0
        for t in reversed(range(T)):
            dz = (errors[t] @ p["out"]["F"].T + carry) * (1 - fw[t + 1] ** 2)
            grads["fw"]["W"] += x[t].T @ dz
            grads["fw"]["U"] += fw[t].T @ dz
            carry = dz @ p["fw"]["U"].T
        carry = 0
        for t in range(T):
            dz = (errors[t] @ p["out"]["B"].T + carry) * (1 - bw[t] ** 2)
            grads["bw"]["W"] += x[t].T @ dz
            grads["bw"]["U"] += bw[t if slip else t + 1].T @ dz
            carry = dz @ p["bw"]["U"].T
        return loss, grads

    shapes = {"fw": {"W": (2, 3), "U": (3, 3)}, "bw": {"W": (2, 3), "U": (3, 3)}, "out": {"F": (3, 2), "B": (3, 2)}}
    p = {key: {name: RNG.normal(0, 0.5, shape) for name, shape in held.items()} for key, held in shapes.items()}
    return bptt.examine(run, p, RNG.normal(size=(5, 4, 2)), RNG.normal(size=(5, 4, 2)))


Gates = namedtuple("Gates", "Wz Uz Wr Ur Wn Un")


def named_tuples(slip):
    """A GRU, a loss of the last state, gradients in the same kind of tuple."""

    def run(p, xs, h, target):
        kept = []
        for x in xs:
            z, r = sigmoid(p.Wz @ x + p.Uz @ h), sigmoid(p.Wr @ x + p.Ur @ h)
            n = np.tanh(p.Wn @ x + p.Un @ (r * h))
            kept.append((x, h, z, r, n))
            h = z * h + (1 - z) * n
        loss, dh, grads = 0.5 * ((h - target) ** 2).sum(), h - target, [0] * 6
        for x, h, z, r, n in kept[::-1]:
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * ((n - h) if slip else (h - n)) * z * (1 - z)
            back = p.Un.T @ dn
            dr = back * h * r * (1 - r)
            pairs = (dz, x), (dz, h), (dr, x), (dr, h), (dn, x), (dn, r * h)
            grads = [g + np.outer(*pair) for g, pair in zip(grads, pairs, strict=True)]
            dh = dh * z + back * r + p.Uz.T @ dz + p.Ur.T @ dr
        return loss, Gates(*grads)

    p = Gates(*(RNG.normal(0, 0.5, (3, 2 if k % 2 == 0 else 3)) for k in range(6)))
    return bptt.examine(run, p, RNG.normal(size=(6, 2)), RNG.normal(size=3), RNG.normal(size=3))


def stacked_by_hstack(slip):
    """A pair for an LSTM with one matrix, whose states are put together by np.array."""

    def forward(x, h0, c0, W, b):
        h, c, kept, hs = h0, c0, [], []
        for xt in x:
            v = np.hstack([xt, h])
            i, f, o, g = np.split(v @ W + b, 4, axis=1)
            i, f, o, g = sigmoid(i), sigmoid(f + 1), sigmoid(o), np.tanh(g)
            c_new = f * c + i * g
            kept.append((v, i, f, o, g, c, np.tanh(c_new)))
            h, c = o * np.tanh(c_new), c_new
            hs.append(h)
        return np.array(hs), (kept, W, x.shape[2])

    def backward(dhs, cache):
        kept, W, size = cache
        dW, db, dh, dc, dx = np.zeros_like(W), 0, 0, 0, []
        for t in reversed(range(len(kept))):
            v, i, f, o, g, c, tanh_c = kept[t]
            d = dhs[t] + dh
            dc = dc + d * o * (1 - tanh_c**2)
            dz = [dc * g * i * (1 - i), dc * c * f * (1 - f), d * tanh_c * o * (1 - o), dc * i * (1 - g**2)]
            dz = np.hstack(dz)
            dW, db = dW + v.T @ dz, db + dz.sum(0)
            dv = dz @ W.T
            dx.append(dv[:, :size])
            dh, dc = dv[:, size:], dc * (o if slip else f)
        return np.array(dx[::-1]), dh, dc, dW, db

    given = RNG.normal(size=(6, 2, 3)), RNG.normal(size=(2, 4)), RNG.normal(size=(2, 4)), RNG.normal(0, 0.4, (7, 16))
    return bptt.examine((forward, backward), *given, np.full(16, 0.05), names={"dh": "h0", "dc": "c0"})


def residual_with_decay(slip):
    """A residual step by einsum; the loss has a decay of the weights."""

    def run(p, x, y):
        h = np.zeros((len(x), 3))
        hs, loss = [h], 0
        for t in range(x.shape[1]):
            h = h + 0.5 * np.tanh(np.einsum("bi,ih->bh", x[:, t], p["A"]) + np.einsum("bh,hk->bk", h, p["R"]))
            hs.append(h)
            loss = loss + 0.5 * np.mean((h - y[:, t]) ** 2)
        loss = loss + 0.005 * (np.sum(p["A"] ** 2) + np.sum(p["R"] ** 2))
        dA, dR, carry = (0 if slip else 0.01) * p["A"], 0.01 * p["R"], 0
        for t in reversed(range(x.shape[1])):
            d = (hs[t + 1] - y[:, t]) / h.size + carry
            dz = 0.5 * d * (1 - np.tanh(x[:, t] @ p["A"] + hs[t] @ p["R"]) ** 2)
            dA, dR, carry = dA + x[:, t].T @ dz, dR + hs[t].T @ dz, d + dz @ p["R"].T
        return loss, {"A": dA, "R": dR}

    p = {"A": RNG.normal(0, 0.5, (2, 3)), "R": RNG.normal(0, 0.5, (3, 3))}
    return bptt.examine(run, p, RNG.normal(size=(3, 5, 2)), RNG.normal(size=(3, 5, 3)))


def one_long_vector(slip):
    """All parameters in one vector."""

    def run(theta, x, y):
        W, U, b = theta[:6].reshape(3, 2), theta[6:15].reshape(3, 3), theta[15:]
        hs, loss = [np.zeros(3)], 0
        for t in range(len(x)):
            hs.append(np.tanh(W @ x[t] + U @ hs[-1] + b))
            loss = loss + np.sum((hs[-1] - y[t]) ** 2)
        dW, dU, db, carry = np.zeros((3, 2)), np.zeros((3, 3)), np.zeros(3), 0
        for t in reversed(range(len(x))):
            dz = (2 * (hs[t + 1] - y[t]) + carry) * (1 - hs[t + 1] ** 2)
            dW, dU, db, carry = dW + np.outer(dz, x[t]), dU + np.outer(dz, hs[t]), db + dz, U.T @ dz
        return loss, np.concatenate([dW.ravel("F" if slip else "C"), dU.ravel(), db])

    return bptt.examine(run, RNG.normal(0, 0.5, 18), RNG.normal(size=(5, 2)), RNG.normal(size=(5, 3)))


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)


class Tagger:
    """Modules as in a framework: embedding, relu, cross-entropy over a batch of indices."""

    def __init__(self, slip):
        shapes = (7, 3), (4, 7), (4,), (5, 4)
        self.slip = slip
        self.emb, self.w, self.b, self.head = (Parameter(RNG.normal(0, 0.5, shape)) for shape in shapes)

    def forward(self, ids, labels):
        h, self.kept, total = np.zeros((len(ids), 4)), [], 0
        for t in range(ids.shape[1]):
            v = np.concatenate([self.emb.data[ids[:, t]], h], axis=1)
            a = v @ self.w.data.T + self.b.data
            h = np.maximum(a, 0)
            scores = np.exp(h @ self.head.data.T)
            p = scores / scores.sum(axis=1, keepdims=True)
            total = total - np.log(p[np.arange(len(ids)), labels[:, t]]).sum()
            self.kept.append((ids[:, t], labels[:, t], v, a, h, p))
        return total / ids.size

    def backward(self):
        for p in (self.emb, self.w, self.b, self.head):
            p.grad = np.zeros_like(p.data)
        dh = 0
        for i, labels, v, a, h, p in self.kept[::-1]:
            d = (p - np.eye(5)[labels]) / (len(self.kept) * len(i))
            self.head.grad += d.T @ h
            da = (dh + d @ self.head.data) * (a > 0)
            self.w.grad += da.T @ v
            self.b.grad += da.sum(0)
            dv = da @ self.w.data
            if self.slip:
                self.emb.grad[i] += dv[:, :3]
            else:
                np.add.at(self.emb.grad, i, dv[:, :3])
            dh = dv[:, 3:]


def modules(slip):
    ids = RNG.integers(0, 7, (3, 5))
    ids[1, 2] = ids[0, 2]
    return bptt.examine(Tagger(slip), ids, RNG.integers(0, 5, (3, 5)))


WRONG = {
    both_directions: {"bw.U"},
    named_tuples: {"Wz", "Uz", "Wr", "Ur", "Wn", "Un"},
    stacked_by_hstack: {"h0", "c0", "x", "W", "b"},
    residual_with_decay: {"A"},
    one_long_vector: {"theta"},
    modules: {"emb"},
}
NAMED = {
    modules: "in demb, rows that a batch reads twice are added once: `+=` at an array of indices, for np.add.at",
    named_tuples: "in dz_z, the path dz[t] * (z[t] - z[t] * z[t]) has the wrong sign",
    stacked_by_hstack: "in dc, dc[t] * o[t] stands in the place of dc[t] * f[t]",
}


@pytest.mark.slow
@pytest.mark.parametrize("piece", WRONG, ids=lambda piece: piece.__name__)
def test_right_is_right(piece):
    assert piece(slip=False).check()


@pytest.mark.slow
@pytest.mark.parametrize("piece", WRONG, ids=lambda piece: piece.__name__)
def test_wrong_is_wrong_and_nothing_else(piece):
    found = piece(slip=True)
    assert set(found.wrong) == WRONG[piece]
    assert list(found.mistakes) == ([NAMED[piece]] if piece in NAMED else [])
