"""What is not compared is not called right; what is right is not called wrong for the way in which it is handed in."""

import numpy as np
import pytest

from tinygrad_rnn import bptt

X, Y = np.random.default_rng(1).normal(size=(5, 2)), np.random.default_rng(2).normal(size=(5, 3))


def passes(W, U, V, x, h0, wrong=False):
    """The loss, and the gradients by W, U and V, of a simple network with a readout."""
    hs, loss = [h0], 0.0
    for t in range(len(x)):
        hs.append(np.tanh(x[t] @ W + hs[t] @ U))
        loss += np.sum((hs[t + 1] @ V - Y[t]) ** 2)
    dW, dU, dV, dh = np.zeros_like(W), np.zeros_like(U), np.zeros_like(V), np.zeros(4)
    for t in reversed(range(len(x))):
        dy = 2 * (hs[t + 1] @ V - Y[t])
        dV += np.outer(hs[t + 1], dy)
        dz = (V @ dy + dh) * (1 - hs[t + 1] ** 2)
        dW += np.outer(x[t], dz)
        dU += np.outer(hs[t], dz)
        dh = dz @ (U if wrong else U.T)
    return loss, dW, dU, dV


def weights():
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.5, shape) for shape in ((2, 4), (4, 4), (4, 3))]


@pytest.mark.parametrize("scale", [1, -17])
def test_a_second_dict_of_parameters_whose_gradient_has_another_name(scale):
    W, U, V = weights()

    def run(net, out, x):
        loss, dW, dU, dV = passes(net["W"], net["U"], out["V"], x, np.zeros(4))
        return loss, {"W": dW, "U": dU, "readout": scale * dV}

    found = bptt.examine(run, {"W": W, "U": U}, {"V": V}, X)
    assert not found.missing
    assert list(found.wrong) == (["V"] if scale != 1 else [])


def test_a_parameter_without_a_gradient_is_said():
    W, U, V = weights()

    def run(net, out, x):
        loss, dW, dU, _ = passes(net["W"], net["U"], out["V"], x, np.zeros(4))
        return loss, {"W": dW, "U": dU, "norm": np.linalg.norm(dW)}

    found = bptt.examine(run, {"W": W, "U": U}, {"V": V}, X)
    assert not found
    assert found.missing == ("V",)
    assert found.verdict.startswith("INCOMPLETE")


@pytest.mark.parametrize("wrong", [False, True])
def test_clipping_that_one_number_alone_meets(wrong):
    def run(W, U, V, x):
        loss, *grads = passes(W, U, V, x, np.zeros(4), wrong)
        bound = np.sort(np.abs(np.concatenate([g.ravel() for g in passes(*weights(), X, np.zeros(4))[1:]])))[-2]
        dW, dU, dV = [np.clip(g, -bound - 1e-3, bound + 1e-3) for g in grads]
        return loss, dW, dU, dV

    assert bool(bptt.examine(run, *weights(), X)) is not wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_each_gradient_scaled_down_to_a_norm(wrong):
    def run(W, U, V, x):
        loss, *grads = passes(W, U, V, x, np.zeros(4), wrong)
        dW, dU, dV = [g * min(1, 2 / np.linalg.norm(g)) for g in grads]
        return loss, dW, dU, dV

    found = bptt.examine(run, *weights(), X)
    assert bool(found) is not wrong
    assert wrong or "each gradient is scaled down to a norm of 2 at most" in found.verdict


class Adding:
    """Gradients are added to what is there, as people do before they call zero_grad."""

    def __init__(self):
        self.W, self.U, self.V = weights()
        self.dW, self.dU, self.dV = (np.zeros_like(p) for p in (self.W, self.U, self.V))

    def forward(self, x):
        self.x = x
        return passes(self.W, self.U, self.V, x, np.zeros(4))[0]

    def backward(self):
        for name, g in zip("WUV", passes(self.W, self.U, self.V, self.x, np.zeros(4))[1:], strict=True):
            setattr(self, "d" + name, getattr(self, "d" + name) + g)


def test_gradients_left_by_an_earlier_call_are_no_mistake():
    net = Adding()
    net.forward(X)
    net.backward()
    assert bptt.examine(net, X).check()


@pytest.mark.parametrize("wrong", [False, True])
def test_steps_that_a_mask_leaves_out(wrong):
    mask = np.array([1.0, 1.0, 0.0, 1.0, 1.0])

    def run(params, x, m):
        W, U = params["W"], params["U"]
        h, kept, loss = np.zeros(4), [], 0.0
        for t in range(len(x)):
            new = 1 / (1 + np.exp(-(x[t] @ W + h @ U)))
            kept.append((h, new))
            h = m[t] * new + (1 - m[t]) * h
            loss += np.sum(h**2)
        dW, dU, dh, after = np.zeros_like(W), np.zeros_like(U), np.zeros(4), h
        for t in reversed(range(len(x))):
            before, new = kept[t]
            dh = dh + 2 * after
            dz = dh * m[t] * new * (1 - new)
            dW += np.outer(x[t], dz)
            dU += np.outer(before, dz)
            dh, after = dz @ U.T + (0 if wrong else (1 - m[t]) * dh), before
        return loss, {"W": dW, "U": dU}

    W, U, _ = weights()
    assert bool(bptt.examine(run, {"W": W, "U": U}, X, mask)) is not wrong


READS = ["rows", "entries", "in place"]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("stack", ["vstack", "concatenate"])
def test_the_mistake_is_named_for_states_in_arrays_and_stacked_inputs(read, stack):
    def run(params, inputs, targets, hprev):
        W, V = params["W"], params["V"]
        hs, p, loss = {-1: np.copy(hprev)}, np.zeros((len(inputs), 5)), 0.0
        zs = {}
        for t, k in enumerate(inputs):
            x = np.zeros((5, 1))
            x[k] = 1
            zs[t] = np.vstack((hs[t - 1], x)) if stack == "vstack" else np.concatenate([hs[t - 1], x])
            hs[t] = np.tanh(W @ zs[t])
            y = (V @ hs[t])[:, 0]
            p[t] = np.exp(y)
            if read == "in place":
                p[t] /= p[t].sum()
            else:
                p[t] = p[t] / np.exp(y).sum()
            loss += -np.log(p[t][targets[t]] if read == "rows" else p[t, targets[t]])
        dW, dV, dh = np.zeros_like(W), np.zeros_like(V), np.zeros_like(hprev)
        for t in reversed(range(len(inputs))):
            dy = p[t].copy()[:, None]
            dy[targets[t]] -= 1
            dV += dy @ hs[t].T
            dz = (V.T @ dy + dh) * (1 - hs[t] ** 2)
            dW += dz @ zs[t].T
            dh = (W.T @ dz)[5:]
        return loss, {"W": dW, "V": dV}

    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (4, 9)), "V": rng.normal(0, 0.5, (5, 4))}
    found = bptt.examine(run, params, [0, 1, 2, 3, 1, 4], [1, 2, 3, 1, 4, 0], np.zeros((4, 1)))
    assert found.method == "tape"
    assert found.mistakes[0].startswith("in dh, entries 5:9 of dz stand in the place of 0:4")
