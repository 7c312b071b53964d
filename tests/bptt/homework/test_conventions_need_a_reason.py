"""A convention acquits only where there is a reason for it in the loss, and where several answers show it."""

import numpy as np
import pytest
from people import few_fast

from tinygrad_rnn import bptt

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(5, 3, 2)), RNG.normal(size=(5, 3, 4))
LABELS = RNG.integers(0, 4, (5, 3))


def params():
    rng = np.random.default_rng(0)
    return {"W": rng.normal(0, 0.6, (2, 4)), "U": rng.normal(0, 0.6, (4, 4)), "V": rng.normal(0, 0.6, (4, 4))}


def passes(p, x, y, loss="sum", steps="all", wrong=None):
    """The loss, and its gradients. x (T, B, 2), y (T, B, 4) or labels (T, B). Divided by what the loss is a mean of."""
    T, B, _ = x.shape
    over = {"sum": 1, "mean over T": T, "mean over B": B, "mean": T * B}[loss]
    hs, outs, total = [np.zeros((B, 4))], [], 0.0
    for t in range(T):
        hs.append(np.tanh(x[t] @ p["W"] + hs[t] @ p["U"]))
        o = hs[-1] @ p["V"]
        if y.ndim == 2:
            probabilities = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
            error, part = probabilities - np.eye(4)[y[t]], -np.log(probabilities[np.arange(B), y[t]]).sum()
        else:
            error, part = 2 * (o - y[t]), ((o - y[t]) ** 2).sum()
        counts = steps == "all" or t == T - 1
        outs.append(counts * error / over)
        total = total + counts * part / over
    grads, carry = {name: np.zeros_like(v) for name, v in p.items()}, 0
    for t in reversed(range(T)):
        grads["V"] += hs[t + 1].T @ outs[t]
        dz = (outs[t] @ p["V"].T + carry) * (1 - hs[t + 1] ** 2)
        grads["W"] += x[t].T @ dz
        grads["U"] += hs[t + (wrong == "state")].T @ dz
        carry = dz @ (p["U"] if wrong == "carry" else p["U"].T)
    return total, grads


def examined(change, y=Y, **how):
    """The examination of gradients to which a change was made: change(gradients, T, B)."""

    def run(p, x, targets):
        loss, grads = passes(p, x, targets, **how)
        return loss, change(grads, len(x), x.shape[1])

    return bptt.examine(run, params(), X, y)


def scaled(factor):
    return lambda grads, T, B: {name: g * factor(T, B) for name, g in grads.items()}


NO_REASON = {
    "T times too large, loss of the last step": (scaled(lambda T, B: T), {"steps": "last"}),
    "1/T, loss of the last step": (scaled(lambda T, B: 1 / T), {"steps": "last"}),
    "T times too large, loss a sum": (scaled(lambda T, B: T), {}),
    "B times too large, loss a sum": (scaled(lambda T, B: B), {}),
    "a second mean over B": (scaled(lambda T, B: 1 / B), {"loss": "mean over B"}),
    "a second mean over T": (scaled(lambda T, B: 1 / T), {"loss": "mean over T"}),
    "a second mean over both": (scaled(lambda T, B: 1 / T / B), {"loss": "mean"}),
    "T times too large, last step and mean over B": (scaled(lambda T, B: T), {"steps": "last", "loss": "mean over B"}),
    "half, cross-entropy": (scaled(lambda T, B: 0.5), {"y": LABELS}),
    "twice, cross-entropy": (scaled(lambda T, B: 2), {"y": LABELS, "loss": "mean"}),
}


@pytest.mark.parametrize("case", few_fast(NO_REASON, ["1/T, loss of the last step", "a second mean over B"]))
def test_a_factor_without_a_reason_in_the_loss_is_wrong(case):
    change, how = NO_REASON[case]
    found = examined(change, **how)
    assert not found
    assert len(found.wrong) == 3


REASONS = {
    "mean over T": (scaled(lambda T, B: 1 / T), {}),
    "mean over B, labels": (scaled(lambda T, B: 1 / B), {"y": LABELS}),
    "mean over both": (scaled(lambda T, B: 1 / T / B), {}),
    "mean over B, loss of the last step": (scaled(lambda T, B: 1 / B), {"steps": "last"}),
    "sum over T": (scaled(lambda T, B: T), {"loss": "mean over T", "y": LABELS}),
    "sum over B": (scaled(lambda T, B: B), {"loss": "mean over B"}),
    "sum over both": (scaled(lambda T, B: T * B), {"loss": "mean"}),
    "sum over B, mean over T": (scaled(lambda T, B: B / T), {"loss": "mean over B"}),
    "without the 2 of a square": (scaled(lambda T, B: 0.5), {}),
    "sum over B, loss of the last step": (scaled(lambda T, B: B), {"loss": "mean over B", "steps": "last"}),
}


@pytest.mark.parametrize("case", few_fast(REASONS, ["mean over both", "sum over T"]))
def test_a_factor_with_a_reason_in_the_loss_is_a_convention(case):
    change, how = REASONS[case]
    found = examined(change, **how)
    assert found, str(found)
    assert found.conventions


def test_off_the_tape_the_targets_tell_of_what_the_loss_is_a_mean():
    def run(p, x, targets, factor):
        if not isinstance(np.asarray(p["W"] + 0.0).sum() + 0.0, np.floating | complex):
            raise TypeError("numbers alone")
        loss, grads = passes(p, x, targets, loss="mean over T")
        return loss, {name: g * (len(x) if factor else 1 / len(x)) for name, g in grads.items()}

    assert bptt.examine(lambda p, x, y: run(p, x, y, True), params(), X, Y)
    assert not bptt.examine(lambda p, x, y: run(p, x, y, False), params(), X, Y)


@pytest.mark.parametrize("factor", few_fast([1, 2, 4], [4]))
def test_a_pair_that_gives_the_last_state_alone_has_no_reason_for_a_factor(factor):
    def forward(x, h0, p):
        h, cache = h0, []
        for x_t in x:
            before, h = h, np.tanh(x_t @ p["W"] + h @ p["U"])
            cache.append((x_t, before, h))
        return h, (cache, p)

    def backward(dh, kept):
        cache, p = kept
        grads = {"W": 0, "U": 0}
        for x_t, before, h in reversed(cache):
            dz = dh * (1 - h**2)
            grads["W"], grads["U"] = grads["W"] + x_t.T @ dz, grads["U"] + before.T @ dz
            dh = dz @ p["U"].T
        by = {1: 1, 2: 2, 4: len(cache)}[factor]
        return {name: by * g for name, g in grads.items()}

    p = {name: v for name, v in params().items() if name != "V"}
    assert bool(bptt.examine((forward, backward), X, RNG.normal(size=(3, 4)), p)) == (factor == 1)


@pytest.mark.parametrize("by", few_fast(["1", "T", "1/T", "B"], ["T"]))
def test_one_target_for_a_sequence(by):
    def run(p, x, target):
        T, B, _ = x.shape
        loss, grads = passes(p, x, np.broadcast_to(target, (T, B, 4)), steps="last", loss="mean over B")
        return loss, {name: g * {"1": 1, "T": T, "1/T": 1 / T, "B": B}[by] for name, g in grads.items()}

    assert bool(bptt.examine(run, params(), X, Y[0])) == (by in ("1", "B"))


def clipped(bound):
    return lambda grads, T, B: {name: np.clip(g, -bound, bound) for name, g in grads.items()}


def shared(grads, T, B):
    """Two wrong gradients with the same largest value, and no clipping."""
    top = 0.5 * max(np.abs(g).max() for g in grads.values())
    found = {name: g.copy() for name, g in grads.items()}
    for name in ("W", "U"):
        at = np.unravel_index(np.abs(found[name]).argmax(), found[name].shape)
        found[name] *= 0.3 * top / np.abs(found[name]).max()
        found[name][at] = top
    found["V"] *= 0.1
    return found


def a_constant(grads, T, B):
    return {**{name: 0.01 * g for name, g in grads.items()}, "W": np.full((2, 4), 1.0)}


@pytest.mark.parametrize("change", few_fast([shared, a_constant], [a_constant]))
def test_wrong_gradients_that_share_a_largest_value_are_not_taken_for_clipped(change):
    found = examined(change)
    assert not found
    assert not [c for c in found.conventions if "clipped" in c], str(found)


@pytest.mark.parametrize("bound", few_fast([0.4, 3.0], [3.0]))
def test_clipped_gradients_are_right(bound):
    found = examined(clipped(bound))
    assert found, str(found)
    assert f"gradients are clipped to [-{bound:g}, {bound:g}]" in found.verdict


@pytest.mark.parametrize("wrong", few_fast(["carry", "state"], ["carry"]))
def test_clipping_beside_a_mistake_is_told_with_it(wrong):
    found = examined(clipped(3.0), wrong=wrong)
    assert not found
    assert found.conventions == ("gradients are clipped to [-3, 3]",)
    assert len(found.mistakes) == 1
