"""Right derivations in more than forty styles: how states are kept, how the walk back goes, by which conventions."""

from itertools import product

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn

# ------------------------------------------------------------------------------------------------ how states are kept


def in_a_list(step, xs, h):
    hs = [h]
    for x in xs:
        hs.append(step(x, hs[-1]))
    return lambda t: hs[t + 1]


def in_an_array(step, xs, h):
    hs = np.zeros((len(xs) + 1, *h.shape), h.dtype)
    hs[-1] = h  # the initial state is the last row
    for t, x in enumerate(xs):
        hs[t] = step(x, hs[t - 1])
    return lambda t: hs[t]


def in_a_dict(step, xs, h):
    hs = {-1: np.copy(h)}
    for t in range(len(xs)):
        hs[t] = step(xs[t], hs[t - 1])
    return hs.__getitem__


def in_caches(step, xs, h):
    caches = []
    for x in xs:
        before, h = h, step(x, h)
        caches.append((before, h))
    return lambda t: caches[0][0] if t < 0 else caches[t][1]


def computed_again(step, xs, h):
    def state(t):
        found = h
        for x in xs[: t + 1]:
            found = step(x, found)
        return found

    return state


KEPT = [in_a_list, in_an_array, in_a_dict, in_caches, computed_again]

# ------------------------------------------------------------------------------------------------ how the walk goes


def with_a_carry(h, xs, dhs, W, U):
    dW, dU, db, carry = np.zeros_like(W), np.zeros_like(U), np.zeros(len(U)), np.zeros_like(dhs[0])
    for t in range(len(xs) - 1, -1, -1):
        dz = (1.0 - h(t) ** 2) * (dhs[t] + carry)
        dW += dz.T @ xs[t]
        dU += dz.T @ h(t - 1)
        db += np.sum(dz, axis=0)
        carry = dz @ U
    return dW, dU, db


def from_each_loss(h, xs, dhs, W, U):
    dW, dU, db = 0, 0, 0
    for s in range(len(xs)):
        delta = dhs[s]
        for k in range(s, -1, -1):
            dz = delta * (1 - h(k) * h(k))
            dW, dU, db = dW + dz.T @ xs[k], dU + dz.T @ h(k - 1), db + dz.sum(0)
            delta = dz @ U
    return dW, dU, db


def by_recursion(h, xs, dhs, W, U):
    def back(t, carry):
        if t < 0:
            return 0, 0, 0
        dz = (dhs[t] + carry) * (1 - np.square(h(t)))
        dW, dU, db = back(t - 1, dz @ U)
        return dW + np.einsum("bi,bj->ij", dz, xs[t]), dU + np.einsum("bi,bj->ij", dz, h(t - 1)), db + dz.sum(0)

    return back(len(xs) - 1, 0)


def by_jacobians(h, xs, dhs, W, U):
    """All deltas first, by the Jacobians of the steps; then all products at once."""
    steps = [np.einsum("bi,ij->bij", 1 - h(t) ** 2, U) for t in range(len(xs))]
    deltas = [dhs[-1]]
    for t in reversed(range(len(xs) - 1)):
        deltas.insert(0, dhs[t] + np.einsum("bi,bij->bj", deltas[0], steps[t + 1]))
    dzs = np.array([d * (1 - h(t) ** 2) for t, d in enumerate(deltas)])
    before = np.array([h(t - 1) for t in range(len(xs))])
    return np.einsum("tbi,tbj->ij", dzs, xs), np.einsum("tbi,tbj->ij", dzs, before), dzs.sum(axis=(0, 1))


WALKS = [with_a_carry, from_each_loss, by_recursion, by_jacobians]

# ------------------------------------------------------------------------------------------------ by which conventions


CONVENTIONS = {
    "none": {},
    "zero state": {"zero": True},
    "one bias": {"biases": ("bias_ih",)},
    "a mean over T": {"scale": lambda T, B: 1 / T},
    "a mean over the batch": {"scale": lambda T, B: 1 / B},
    "a mean over both": {"scale": lambda T, B: 1 / (T * B)},
    "clipped": {"bound": 5.0},
    "float32": {"dtype": np.float32},
    "zero state and a mean": {"zero": True, "scale": lambda T, B: 1 / T},
    "one bias and a mean": {"biases": ("bias_hh",), "scale": lambda T, B: 1 / B},
}


def derivation(
    kept, walk, zero=False, biases=("bias_ih", "bias_hh"), scale=lambda T, B: 1.0, bound=np.inf, dtype=np.float64
):
    def gradients(params, xs, state, dhs):
        W, U = params["weight_ih"].astype(dtype), params["weight_hh"].astype(dtype)
        b = sum(params[name] for name in biases).astype(dtype)
        xs, h0 = xs.astype(dtype), (np.zeros_like(state[0]) if zero else state[0]).astype(dtype)
        h = kept(lambda x, h: np.tanh(x @ W.T + h @ U.T + b), xs, h0)
        dW, dU, db = (scale(len(xs), len(h0)) * g for g in walk(h, xs, dhs.astype(dtype), W, U))
        found = {"weight_ih": dW, "weight_hh": dU, **dict.fromkeys(biases, db)}
        return {name: np.clip(g, -bound, bound) for name, g in found.items()}

    return gradients


STYLES = [(kept, walk, "none") for kept, walk in product(KEPT, WALKS)]
STYLES += [(KEPT[k % len(KEPT)], walk, name) for k, name in enumerate(CONVENTIONS) if k for walk in WALKS]


def test_there_are_enough_styles():
    assert len(STYLES) >= 40


@pytest.mark.parametrize(("kept", "walk", "convention"), STYLES, ids=lambda v: getattr(v, "__name__", v))
def test_no_style_is_called_wrong(kept, walk, convention):
    found = bptt.doctor(nn.rnn, derivation(kept, walk, **CONVENTIONS[convention])).check()
    assert found.mistake is None
    if convention == "none":
        assert found.remarks == ()
        assert ": right\n" in str(found)
