"""Objects with forward and backward, and the many places in which they leave their gradients."""

import numpy as np

from tinygrad_rnn import bptt


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class GRU:
    """Gradients as attributes with a suffix; a mean over time; columns, one sequence of floats."""

    def __init__(self, input_size, hidden_size, output_size, seed=3):
        rng = np.random.default_rng(seed)
        s = 0.4
        self.Wz, self.Wr, self.Wh = (rng.normal(0, s, (hidden_size, input_size + hidden_size)) for _ in range(3))
        self.bz, self.br, self.bh = (np.zeros((hidden_size, 1)) for _ in range(3))
        self.Wy, self.by = rng.normal(0, s, (output_size, hidden_size)), np.zeros((output_size, 1))
        self.hidden_size = hidden_size

    def forward(self, xs, ys):
        self.cache = []
        h = np.zeros((self.hidden_size, 1))
        self.loss = 0
        for x, y in zip(xs, ys):
            x, y = x.reshape(-1, 1), y.reshape(-1, 1)
            c = np.concatenate([h, x])
            z = sigmoid(self.Wz @ c + self.bz)
            r = sigmoid(self.Wr @ c + self.br)
            cr = np.concatenate([r * h, x])
            hb = np.tanh(self.Wh @ cr + self.bh)
            h_new = (1 - z) * h + z * hb
            out = self.Wy @ h_new + self.by
            self.loss += np.sum((out - y) ** 2)
            self.cache.append((h, c, z, r, cr, hb, h_new, out - y))
            h = h_new
        self.loss /= len(xs)
        return self.loss

    def backward(self):
        T, n = len(self.cache), self.hidden_size
        self.Wz_grad, self.Wr_grad, self.Wh_grad = (np.zeros_like(w) for w in (self.Wz, self.Wr, self.Wh))
        self.bz_grad, self.br_grad, self.bh_grad = (np.zeros_like(b) for b in (self.bz, self.br, self.bh))
        self.Wy_grad, self.by_grad = np.zeros_like(self.Wy), np.zeros_like(self.by)
        dh_next = np.zeros((n, 1))
        for h_prev, c, z, r, cr, hb, h, e in reversed(self.cache):
            dy = 2 * e / T
            self.Wy_grad += dy @ h.T
            self.by_grad += dy
            dh = self.Wy.T @ dy + dh_next
            dz = dh * (hb - h_prev) * z * (1 - z)
            dhb = dh * z * (1 - hb**2)
            dcr = self.Wh.T @ dhb
            dr = dcr[:n] * h_prev * r * (1 - r)
            self.Wz_grad += dz @ c.T
            self.Wr_grad += dr @ c.T
            self.Wh_grad += dhb @ cr.T
            self.bz_grad += dz
            self.br_grad += dr
            self.bh_grad += dhb
            dh_next = dh * (1 - z) + dcr[:n] * r + (self.Wz.T @ dz)[:n] + (self.Wr.T @ dr)[:n]


def examine_GRU():
    rng = np.random.default_rng(0)
    return bptt.examine(GRU(3, 4, 2), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))


class WithGrads:
    """The gradients in self.grads; the parameters in self.params; (B, T, I); the loss of the last step alone."""

    def __init__(self, n_in, n_hid, n_out):
        rng = np.random.default_rng(1)
        self.params = dict(
            W=rng.normal(0, 0.5, (n_in, n_hid)),
            U=rng.normal(0, 0.5, (n_hid, n_hid)),
            b=np.zeros(n_hid),
            V=rng.normal(0, 0.5, (n_hid, n_out)),
            c=np.zeros(n_out),
        )
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}

    def forward(self, X, y):
        p = self.params
        B, T, _ = X.shape
        self.X, self.hs = X, [np.zeros((B, p["U"].shape[0]))]
        for t in range(T):
            self.hs.append(np.tanh(X[:, t] @ p["W"] + self.hs[-1] @ p["U"] + p["b"]))
        logits = self.hs[-1] @ p["V"] + p["c"]
        logits = logits - logits.max(axis=1, keepdims=True)
        self.probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        self.y = y
        return -np.mean(np.log(self.probs[np.arange(B), y]))

    def backward(self):
        p, B = self.params, len(self.y)
        d = self.probs.copy()
        d[np.arange(B), self.y] -= 1
        d /= B
        self.grads["V"] = self.hs[-1].T @ d
        self.grads["c"] = d.sum(0)
        self.grads["W"], self.grads["U"], self.grads["b"] = 0, 0, 0
        dh = d @ p["V"].T
        for t in reversed(range(self.X.shape[1])):
            dz = dh * (1 - self.hs[t + 1] ** 2)
            self.grads["W"] = self.grads["W"] + self.X[:, t].T @ dz
            self.grads["U"] = self.grads["U"] + self.hs[t].T @ dz
            self.grads["b"] = self.grads["b"] + dz.sum(0)
            dh = dz @ p["U"].T


def examine_many_to_one():
    rng = np.random.default_rng(0)
    return bptt.examine(WithGrads(3, 4, 3), rng.normal(size=(3, 5, 3)), np.array([0, 2, 1]))


class Trains:
    """It trains itself: backward changes the parameters, and returns nothing."""

    def __init__(self):
        rng = np.random.default_rng(2)
        self.W, self.U, self.b = rng.normal(0, 0.5, (4, 3)), rng.normal(0, 0.5, (4, 4)), rng.normal(0, 0.1, 4)

    def forward(self, xs, targets):
        self.xs, self.targets, self.hs = xs, targets, {-1: np.zeros(4)}
        loss = 0.0
        for t in range(len(xs)):
            self.hs[t] = np.tanh(self.W @ xs[t] + self.U @ self.hs[t - 1] + self.b)
            loss += 0.5 * ((self.hs[t] - targets[t]) ** 2).sum()
        return loss

    def backward(self, lr=0.01):
        dW, dU, db, carry = np.zeros((4, 3)), np.zeros((4, 4)), np.zeros(4), np.zeros(4)
        for t in reversed(range(len(self.xs))):
            dz = (self.hs[t] - self.targets[t] + carry) * (1 - self.hs[t] ** 2)
            dW += np.outer(dz, self.xs[t])
            dU += np.outer(dz, self.hs[t - 1])
            db += dz
            carry = self.U.T @ dz
        self.W -= lr * dW
        self.U -= lr * dU
        self.b -= lr * db


def examine_trains():
    rng = np.random.default_rng(0)
    return bptt.examine(Trains(), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


class FixedRate(Trains):
    def __init__(self):
        super().__init__()
        self.lr = 0.1

    def backward(self):
        super().backward(self.lr)


def examine_trains_at_its_own_rate():
    rng = np.random.default_rng(0)
    return bptt.examine(FixedRate(), rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))


class Linear:
    def __init__(self, n_in, n_out, rng):
        self.W, self.b = rng.normal(0, 0.5, (n_out, n_in)), np.zeros(n_out)

    def forward(self, x):
        self.inputs = getattr(self, "inputs", [])
        self.inputs.append(x)
        return self.W @ x + self.b

    def backward(self, dy):
        self.dW = self.dW + np.outer(dy, self.inputs.pop())
        self.db = self.db + dy
        return self.W.T @ dy

    def zero_grad(self):
        self.dW, self.db, self.inputs = np.zeros_like(self.W), np.zeros_like(self.b), []


class Nested:
    """Layers with their own W, b, dW, db."""

    def __init__(self):
        rng = np.random.default_rng(5)
        self.i2h, self.h2h, self.h2o = Linear(3, 4, rng), Linear(4, 4, rng), Linear(4, 2, rng)

    def forward(self, xs, ys):
        for layer in (self.i2h, self.h2h, self.h2o):
            layer.zero_grad()
        h = np.zeros(4)
        self.hs, self.errors, loss = [], [], 0.0
        for x, y in zip(xs, ys):
            h = np.tanh(self.i2h.forward(x) + self.h2h.forward(h))
            e = self.h2o.forward(h) - y
            loss += (e * e).mean()
            self.hs.append(h)
            self.errors.append(e)
        return loss

    def backward(self):
        dh = np.zeros(4)
        for h, e in zip(self.hs[::-1], self.errors[::-1]):
            dh = dh + self.h2o.backward(2 * e / e.size)
            dz = dh * (1 - h**2)
            self.i2h.backward(dz)
            dh = self.h2h.backward(dz)


def examine_nested():
    rng = np.random.default_rng(0)
    return bptt.examine(Nested(), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))


class Property:
    """Slots, and a forward pass that returns predictions: the loss is a method of its own."""

    __slots__ = ("Wh", "Wo", "Wx", "_states", "_xs")

    def __init__(self, n_in=2, n_hid=3, n_out=2):
        rng = np.random.default_rng(8)
        self.Wx, self.Wh = rng.normal(0, 0.6, (n_hid, n_in)), rng.normal(0, 0.6, (n_hid, n_hid))
        self.Wo = rng.normal(0, 0.6, (n_out, n_hid))

    def forward(self, xs):
        self._xs, self._states = xs, [np.zeros(len(self.Wh))]
        for x in xs:
            self._states.append(np.tanh(self.Wx @ x + self.Wh @ self._states[-1]))
        return np.array([self.Wo @ h for h in self._states[1:]])

    def loss(self, xs, ys):
        return np.mean((self.forward(xs) - ys) ** 2)

    def backward(self, xs, ys):
        predictions = self.forward(xs)
        dout = 2 * (predictions - ys) / predictions.size
        grad_Wx, grad_Wh, grad_Wo = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.Wo)
        back = 0
        for t in range(len(xs), 0, -1):
            h = self._states[t]
            grad_Wo += np.outer(dout[t - 1], h)
            dz = (self.Wo.T @ dout[t - 1] + back) * (1 - h * h)
            grad_Wx += np.outer(dz, xs[t - 1])
            grad_Wh += np.outer(dz, self._states[t - 1])
            back = self.Wh.T @ dz
        return grad_Wx, grad_Wh, grad_Wo


def examine_slots():
    rng = np.random.default_rng(0)
    return bptt.examine(Property(), rng.normal(size=(4, 2)), rng.normal(size=(4, 2)))


class Static:
    """No state at all: static methods."""

    @staticmethod
    def forward(x, h0, params):
        hs = [h0]
        for t in range(x.shape[0]):
            hs.append(np.tanh(x[t] @ params["W"] + hs[-1] @ params["U"] + params["b"]))
        return np.stack(hs[1:]), (x, hs, params)

    @staticmethod
    def backward(dhs, cache):
        x, hs, params = cache
        grads = {"W": 0, "U": 0, "b": 0}
        dh = np.zeros_like(hs[0])
        for t in range(x.shape[0])[::-1]:
            dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
            grads["W"] += x[t].T @ dz
            grads["U"] += hs[t].T @ dz
            grads["b"] += dz.sum(axis=0)
            dh = dz @ params["U"].T
        grads["h0"] = dh
        return grads


def examine_static():
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (3, 4)), "U": rng.normal(0, 0.5, (4, 4)), "b": rng.normal(0, 0.5, 4)}
    return bptt.examine((Static.forward, Static.backward), rng.normal(size=(7, 3, 3)), rng.normal(size=(3, 4)), params)
