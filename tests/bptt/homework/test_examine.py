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


class Summed(Net):
    """The loss is a sum over T, the gradients are a mean."""

    def forward(self, inputs, targets):
        return super().forward(inputs, targets) * len(inputs)


class Clipped(Net):
    def backward(self, targets):
        return {name: np.clip(g, -0.02, 0.02) for name, g in super().backward(targets).items()}


CONVENTIONS = {
    Summed: "gradients are a mean over T",
    Clipped: "gradients are clipped to [-0.02, 0.02]",
}


@pytest.mark.parametrize("kind", CONVENTIONS, ids=lambda kind: kind.__name__)
def test_a_convention_is_no_mistake(kind):
    assert bptt.examine(kind(), INPUTS, TARGETS).check().verdict == f"right, where {CONVENTIONS[kind]}"


@pytest.mark.parametrize("kind", CONVENTIONS, ids=lambda kind: kind.__name__)
def test_a_convention_and_a_mistake_are_both_named(kind):
    found = bptt.examine(kind(carry=lambda net, dz: net.U @ dz), INPUTS, TARGETS)
    assert found.conventions == (CONVENTIONS[kind],)
    assert found.mistakes == ("in dh, U @ dz[t] stands in the place of U.T @ dz[t]",)


class Columns:
    """States in arrays (H, B, T); what comes from above is cut after some steps. `window`: how far it reaches."""

    def __init__(self, window):
        self.window = window

    def forward(self, x, h0, params):
        h, hs = h0, np.zeros((*h0.shape, x.shape[2]))
        for t in range(x.shape[2]):
            h = np.tanh(params["W"] @ x[:, :, t] + params["U"] @ h + params["b"])
            hs[:, :, t] = h
        return hs, (x, h0, hs, params)

    def backward(self, dhs, cache):
        x, h0, hs, params = cache
        dx, dh0 = np.zeros_like(x), np.zeros_like(h0)
        g = {"W": np.zeros_like(params["W"]), "U": np.zeros_like(params["U"]), "b": np.zeros_like(params["b"])}
        for last in range(x.shape[2]):
            dh = dhs[:, :, last]
            for t in range(last, max(-1, last - self.window), -1):
                dz = dh * (1 - hs[:, :, t] ** 2)
                before = hs[:, :, t - 1] if t else h0
                g["W"] += dz @ x[:, :, t].T
                g["U"] += dz @ before.T
                g["b"] += dz.sum(axis=1, keepdims=True)
                dx[:, :, t] += params["W"].T @ dz
                dh = params["U"].T @ dz
                if t == 0:
                    dh0 += dh
        return {**{"d" + name: value for name, value in g.items()}, "dx": dx, "dh0": dh0}


def columns(window, **options):
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(0, 0.5, (4, 2)), "U": rng.normal(0, 0.5, (4, 4)), "b": rng.normal(0, 0.5, (4, 1))}
    net = Columns(window)
    x, h0 = rng.normal(size=(2, 3, 7)), rng.normal(size=(4, 3))
    return bptt.examine((net.forward, net.backward), params, x, h0, **options)


def test_arrays_of_states_batches_and_times_on_any_axis():
    found = columns(window=9).check()
    assert set(found.gradients) == {"W", "U", "b", "x", "h0"}
    assert {(T, B) for T, B, _ in found.trials} == {(T, B) for T in (1, 2, 3, 7) for B in (1, 3)}
    assert found.verdict == "right"


def test_truncation_that_was_not_said_is_seen():
    found = columns(window=3).check()
    assert found.verdict == "right, where this is BPTT truncated to windows of 3"


def test_truncation_that_was_said_is_allowed_and_no_other():
    assert columns(window=3, truncation=bptt.Window(3))
    assert not columns(window=3, truncation=bptt.Window(4))
    assert not columns(window=9, truncation=bptt.Window(4))


def test_no_way_back_at_all_is_no_truncation():
    found = columns(window=1)
    assert not found
    assert "carry of dh" in found.mistakes[0]
