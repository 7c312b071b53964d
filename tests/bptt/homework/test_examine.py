"""`examine`: a person's code as it is, right or wrong, against its own loss."""

import numpy as np
import pytest

from tinygrad_rnn import bptt


class Net:
    """One sequence of indices, a readout and a mean loss inside; the gradients in a dict."""

    def __init__(self, carry=lambda net, dz: net.U.T @ dz):
        rng = np.random.default_rng(0)
        self.W, self.U, self.b = rng.normal(0, 0.5, (4, 5)), rng.normal(0, 0.5, (4, 4)), np.zeros(4)
        self.Wy, self.carry = rng.normal(0, 0.5, (5, 4)), carry

    def forward(self, inputs, targets):
        h, loss, self.kept = np.zeros(4), 0.0, []
        for k, target in zip(inputs, targets, strict=True):
            x = np.eye(5)[k]
            before, h = h, np.tanh(self.W @ x + self.U @ h + self.b)
            p = np.exp(self.Wy @ h) / np.sum(np.exp(self.Wy @ h))
            loss += -np.log(p[target])
            self.kept.append((x, before, h, p))
        return loss / len(inputs)

    def backward(self, targets):
        grads = {"d" + name: np.zeros_like(getattr(self, name)) for name in ("W", "U", "b", "Wy")}
        carry = np.zeros(4)
        for (x, before, h, p), target in zip(reversed(self.kept), reversed(targets), strict=True):
            dy = p - np.eye(5)[target]
            dz = (self.Wy.T @ dy + carry) * (1 - h**2)
            for name, g in {"W": np.outer(dz, x), "U": np.outer(dz, before), "b": dz, "Wy": np.outer(dy, h)}.items():
                grads["d" + name] += g / len(targets)
            carry = self.carry(self, dz)
        return grads


INPUTS, TARGETS = [0, 1, 2, 3, 4, 1, 2], [1, 2, 3, 4, 1, 2, 0]


def test_a_right_class_is_right():
    found = bptt.examine(Net(), INPUTS, TARGETS).check()
    assert set(found.gradients) == {"W", "U", "b", "Wy"}
    assert {T for T, _, _ in found.trials} == {1, 2, 3, 7}


def test_a_wrong_class_is_wrong_where_it_is():
    found = bptt.examine(Net(carry=lambda net, dz: net.U @ dz), INPUTS, TARGETS)
    assert set(found.wrong) == {"W", "U", "b"}
    assert found.verdict == "WRONG from T = 2 on (right at T = 1)"
    with pytest.raises(AssertionError, match="wrong: dW"):
        found.check()


def test_the_mistake_is_named_in_the_code_s_own_variables():
    found = bptt.examine(Net(carry=lambda net, dz: net.U @ dz), INPUTS, TARGETS)
    assert found.mistakes == ("in dh, U @ dz[t] stands in the place of U.T @ dz[t]",)
    assert found.first.startswith("dh as it is handed to step t-1 at step 1, of T = 2 steps")
