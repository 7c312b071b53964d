"""Mistakes in a person's own class are named in its own variables: an LSTM on [h; x], columns, a readout inside."""

import numpy as np
import pytest

from tinygrad_rnn import bptt


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTM:
    """Gates f, i, o and a candidate g, each with a matrix of its own. `slip`: the mistake that backward makes."""

    def __init__(self, slip):
        rng = np.random.default_rng(3)
        self.slip = slip
        for gate in "fico":
            setattr(self, "W" + gate, rng.normal(0, 0.4, (4, 9)))
            setattr(self, "b" + gate, rng.normal(0, 0.1, (4, 1)))
        self.Wy, self.by = rng.normal(0, 0.4, (5, 4)), np.zeros((5, 1))

    def forward(self, inputs, targets):
        h, c, loss, self.cache = np.zeros((4, 1)), np.zeros((4, 1)), 0, []
        for k, target in zip(inputs, targets, strict=True):
            x = np.zeros((5, 1))
            x[k] = 1
            z = np.vstack((h, x))
            f, i = sigmoid(self.Wf @ z + self.bf), sigmoid(self.Wi @ z + self.bi)
            g = np.tanh(self.Wc @ z + self.bc)
            before, c = c, f * c + i * g
            o = sigmoid(self.Wo @ z + self.bo)
            h = o * np.tanh(c)
            y = self.Wy @ h + self.by
            p = np.exp(y) / np.sum(np.exp(y))
            loss -= np.log(p[target, 0])
            self.cache.append((z, f, i, g, o, before, c, h, p, target))
        return loss

    def backward(self):
        grads = {"d" + name: np.zeros_like(p) for name, p in vars(self).items() if isinstance(p, np.ndarray)}
        dh_next, dc_next = np.zeros((4, 1)), np.zeros((4, 1))
        for z, f, i, g, o, before, c, h, p, target in reversed(self.cache):
            dy = p.copy()
            dy[target] -= 1
            grads["dWy"] += dy @ h.T
            grads["dby"] += dy
            dh = self.Wy.T @ dy + dh_next
            inner = c if self.slip == "input for output" else np.tanh(c)
            dc = dh * o * (1 - inner**2) + (0 if self.slip == "no carry of c" else dc_next)
            df = dc * (c if self.slip == "c for the one before" else before)
            slope = i if self.slip == "a factor missing" else i * (1 - i)
            of_gates = {
                "f": df * f * (1 - f),
                "i": dc * g * slope,
                "c": dc * i * (1 - g**2),
                "o": dh * np.tanh(c) * o * (1 - o),
            }
            dz = 0
            for gate, d in of_gates.items():
                grads["dW" + gate] += d @ z.T
                grads["db" + gate] += d
                if not (gate == "o" and self.slip == "a path forgotten"):
                    dz = dz + getattr(self, "W" + gate).T @ d
            dh_next = dz[:4]
            dc_next = dc if self.slip == "no way through f" else dc * f
        return grads


MISTAKES = {
    "input for output": "in dc, the derivative of tanh(c[t]) is taken as 1 - c[t]**2: at the input of tanh, in the "
    "place of its output",
    "c for the one before": "in df, dc[t] * c[t] stands in the place of dc[t] * c[t-1]",
    "a factor missing": "in dz_i, the derivative of i[t] is taken as i[t]: the factor 1 - i[t] is missing",
    "a path forgotten": "in dz, the path Wo.T @ dz_o[t] is forgotten",
    "no way through f": "in dc, dc[t] stands in the place of dc[t] * f[t]",
    "no carry of c": "the carry of dc from step t+1 is missing: nothing comes back from later steps",
}
INPUTS, TARGETS = [0, 1, 2, 3, 4, 1], [1, 2, 3, 4, 1, 2]


def test_the_right_class_is_right():
    assert bptt.examine(LSTM(slip=""), INPUTS, TARGETS).check().verdict == "right"


@pytest.mark.slow
@pytest.mark.parametrize(
    "slip", [pytest.param(s, marks=[pytest.mark.slow] if k % 3 else []) for k, s in enumerate(MISTAKES)]
)
def test_a_slip_is_named(slip):
    found = bptt.examine(LSTM(slip), INPUTS, TARGETS)
    assert found.mistakes == (MISTAKES[slip],)
    assert not {"Wy", "by"} & set(found.wrong)
