"""Classes with `calculate_loss` and `bptt`, states in an array with a last row for step -1."""

import operator

import numpy as np

from tinygrad_rnn import bptt


def softmax(x):
    xt = np.exp(x - np.max(x))
    return xt / np.sum(xt)


class RNNNumpy:
    def __init__(self, word_dim, hidden_dim=100, bptt_truncate=4):
        # Assign instance variables
        self.word_dim = word_dim
        self.hidden_dim = hidden_dim
        self.bptt_truncate = bptt_truncate
        # Randomly initialize the network parameters
        self.U = np.random.uniform(-np.sqrt(1.0 / word_dim), np.sqrt(1.0 / word_dim), (hidden_dim, word_dim))
        self.V = np.random.uniform(-np.sqrt(1.0 / hidden_dim), np.sqrt(1.0 / hidden_dim), (word_dim, hidden_dim))
        self.W = np.random.uniform(-np.sqrt(1.0 / hidden_dim), np.sqrt(1.0 / hidden_dim), (hidden_dim, hidden_dim))

    def forward_propagation(self, x):
        # The total number of time steps
        T = len(x)
        # We add one additional element for the initial hidden, which we set to 0
        s = np.zeros((T + 1, self.hidden_dim))
        s[-1] = np.zeros(self.hidden_dim)
        # The outputs at each time step.
        o = np.zeros((T, self.word_dim))
        for t in np.arange(T):
            # Note that we are indxing U by x[t]. This is the same as multiplying U with a one-hot vector.
            s[t] = np.tanh(self.U[:, x[t]] + self.W.dot(s[t - 1]))
            o[t] = softmax(self.V.dot(s[t]))
        return [o, s]

    def predict(self, x):
        o, s = self.forward_propagation(x)
        return np.argmax(o, axis=1)

    def calculate_total_loss(self, x, y):
        L = 0
        # For each sentence...
        for i in np.arange(len(y)):
            o, s = self.forward_propagation(x[i])
            # We only care about our prediction of the "correct" words
            correct_word_predictions = o[np.arange(len(y[i])), y[i]]
            L += -1 * np.sum(np.log(correct_word_predictions))
        return L

    def calculate_loss(self, x, y):
        # Divide the total loss by the number of training examples
        N = np.sum([len(y_i) for y_i in y])
        return self.calculate_total_loss(x, y) / N

    def bptt(self, x, y):
        T = len(y)
        # Perform forward propagation
        o, s = self.forward_propagation(x)
        # We accumulate the gradients in these variables
        dLdU = np.zeros(self.U.shape)
        dLdV = np.zeros(self.V.shape)
        dLdW = np.zeros(self.W.shape)
        delta_o = o
        delta_o[np.arange(len(y)), y] -= 1.0
        # For each output backwards...
        for t in np.arange(T)[::-1]:
            dLdV += np.outer(delta_o[t], s[t].T)
            # Initial delta calculation
            delta_t = self.V.T.dot(delta_o[t]) * (1 - (s[t] ** 2))
            # Backpropagation through time (for at most self.bptt_truncate steps)
            for bptt_step in np.arange(max(0, t - self.bptt_truncate), t + 1)[::-1]:
                dLdW += np.outer(delta_t, s[bptt_step - 1])
                dLdU[:, x[bptt_step]] += delta_t
                # Update delta for next step
                delta_t = self.W.T.dot(delta_t) * (1 - s[bptt_step - 1] ** 2)
        return [dLdU, dLdV, dLdW]

    def gradient_check(self, x, y, h=0.001, error_threshold=0.01):
        bptt_gradients = self.bptt(x, y)
        for pidx, pname in enumerate(["U", "V", "W"]):
            parameter = operator.attrgetter(pname)(self)
            print(f"Performing gradient check for parameter {pname} with size {np.prod(parameter.shape)}.")
            print(bptt_gradients[pidx].shape)


np.random.seed(10)
x, y = [0, 3, 2, 5, 1, 4], [3, 2, 5, 1, 4, 6]


def examine_RNNNumpy():
    return bptt.examine(RNNNumpy(7, 5, bptt_truncate=1000), x, y)


class OneSentence(RNNNumpy):
    def calculate_loss(self, x, y):
        o, s = self.forward_propagation(x)
        return -np.sum(np.log(o[np.arange(len(y)), y]))


def examine_OneSentence():
    return bptt.examine(OneSentence(7, 5, bptt_truncate=1000), np.array(x), np.array(y))


def examine_truncated():
    return bptt.examine(OneSentence(7, 5, bptt_truncate=3), np.array(x), np.array(y))


class GRUNumpy:
    """States as rows of arrays; `loss` and `backprop`; the gradients as attributes that begin with d."""

    def __init__(self, n_in, n_hidden):
        rng = np.random.RandomState(4)
        self.n_hidden = n_hidden
        for name in "zrh":
            setattr(self, "W" + name, rng.randn(n_hidden, n_in) * 0.4)
            setattr(self, "U" + name, rng.randn(n_hidden, n_hidden) * 0.4)
            setattr(self, "b" + name, np.zeros(n_hidden))

    def _states(self, X):
        T = X.shape[0]
        h = np.zeros((T + 1, self.n_hidden))
        z, r, c = (np.zeros((T, self.n_hidden)) for _ in range(3))
        for t in range(T):
            z[t] = 1.0 / (1.0 + np.exp(-(self.Wz @ X[t] + self.Uz @ h[t - 1] + self.bz)))
            r[t] = 1.0 / (1.0 + np.exp(-(self.Wr @ X[t] + self.Ur @ h[t - 1] + self.br)))
            c[t] = np.tanh(self.Wh @ X[t] + r[t] * (self.Uh @ h[t - 1]) + self.bh)
            h[t] = (1 - z[t]) * c[t] + z[t] * h[t - 1]
        return h, z, r, c

    def loss(self, X, Y):
        h = self._states(X)[0]
        return 0.5 * np.sum((h[:-1] - Y) ** 2)

    def backprop(self, X, Y):
        h, z, r, c = self._states(X)
        for name in ("Wz", "Uz", "bz", "Wr", "Ur", "br", "Wh", "Uh", "bh"):
            setattr(self, "d" + name, np.zeros_like(getattr(self, name)))
        dh = np.zeros(self.n_hidden)
        for t in range(len(X) - 1, -1, -1):
            dh = dh + h[t] - Y[t]
            dc = dh * (1 - z[t]) * (1 - c[t] ** 2)
            dz = dh * (h[t - 1] - c[t]) * z[t] * (1 - z[t])
            dr = dc * (self.Uh @ h[t - 1]) * r[t] * (1 - r[t])
            self.dWz += np.outer(dz, X[t])
            self.dUz += np.outer(dz, h[t - 1])
            self.dbz += dz
            self.dWr += np.outer(dr, X[t])
            self.dUr += np.outer(dr, h[t - 1])
            self.dbr += dr
            self.dWh += np.outer(dc, X[t])
            self.dUh += np.outer(dc * r[t], h[t - 1])
            self.dbh += dc
            dh = dh * z[t] + self.Uz.T @ dz + self.Ur.T @ dr + self.Uh.T @ (dc * r[t])


def examine_GRUNumpy():
    rng = np.random.RandomState(0)
    return bptt.examine(GRUNumpy(3, 4), rng.randn(5, 3), rng.randn(5, 4))
