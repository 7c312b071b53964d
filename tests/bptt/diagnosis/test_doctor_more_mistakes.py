"""Mistakes that people make with indices, brackets, carries, stacked inputs; two and three of them at once."""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn


def cell(p, x, h):
    return np.tanh(x @ p["W"] + h @ p["U"] + p["b"])


def example(rng, T, B, zero=False):
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3)), "b": rng.normal(0, 0.5, 3)}
    return params, rng.standard_normal((T, B, 2)), (0 if zero else 1) * rng.standard_normal((B, 3))


def by_hand(p, xs, state, dhs, *, slips=()):
    """BPTT of the cell, with slips by name."""
    U, h, hs = p["U"], state[0], []
    for x in xs:
        h = cell(p, x, h)
        hs.append(h)
    dW, dU, db, carry = 0, 0, 0, 0
    for t in reversed(range(len(xs))):
        before = hs[t - 1] if t or "index -1" in slips else state[0]
        dh = dhs[t] + carry
        dz = dh * (1 + hs[t] ** 2 if "slope's sign" in slips else 1 - hs[t] ** 2)
        keep = 0 if "= for +=" in slips else 1
        dW = keep * dW + xs[t].T @ dz
        dU = keep * dU + (hs[t] if "h_t" in slips else before).T @ dz
        db = keep * db + (dz.mean(0) if "b averaged" in slips else dz.sum(0))
        carry = dz @ (U if "no .T" in slips else U.T)
        if "dh back" in slips:
            carry = dh
        if "matrix first" in slips:
            carry = (dh @ U.T) * (1 - hs[t] ** 2)
    return {"W": 2 * dW if "W twice" in slips else dW, "U": dU, "b": db}


def test_without_slips_it_is_right():
    bptt.doctor(cell, by_hand, example=example).check()


WORDS = {
    "index -1": "in dU at step 0, h[T-1] (the last state: index -1) stands in the place of h0",
    "dh back": "dh[t] is handed to step t-1 as it is: the way back through the step is missing",
    "matrix first": "in dh, the matrix comes before the derivative of h[t]: Jacobians in the order of time",
    "= for +=": "the gradient of every parameter: only the first step counts (`=` for `+=`)",
    "no .T": "in dh, d(x @ W + h @ U + b)[t] @ U stands in the place of d(x @ W + h @ U + b)[t] @ U.T",
    "slope's sign": "the derivative of h[t] is taken as 1 + h[t]**2: the sign",
    "h_t": "in dU, h[t].T @ d(x @ W + h @ U + b)[t] stands in the place of h[t-1].T @ d(x @ W + h @ U + b)[t]",
    "b averaged": "db: divided by the batch size B",
    "W twice": "dW: a factor 2 too many",
}


@pytest.mark.parametrize("slip", WORDS)
def test_each_is_named(slip):
    found = bptt.doctor(cell, partial(by_hand, slips=(slip,)), example=example)
    assert WORDS[slip] in str(found.mistake)
    assert found.complete
    assert found.second is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "slips",
    [
        ("= for +=", "no .T"),
        ("= for +=", "dh back"),
        ("h_t", "b averaged"),
        ("index -1", "b averaged"),
        ("slope's sign", "no .T"),
        ("slope's sign", "= for +="),
        ("no .T", "W twice"),
        ("h_t", "b averaged", "W twice"),
    ],
)
@pytest.mark.parametrize(
    "zero", [pytest.param(False, marks=pytest.mark.slow), True], ids=["random states", "zero states"]
)
def test_several_at_once_are_named(slips, zero):
    if zero and "index -1" in slips:
        pytest.skip("an index of -1 is another mistake where the states are zero")
    found = bptt.doctor(cell, partial(by_hand, slips=slips), example=partial(example, zero=zero))
    assert found.complete, found
    told = [str(found.mistake), *map(str, found.others)]
    assert len(told) == len(slips)
    for slip in slips:
        assert any(WORDS[slip] in words for words in told), (slip, told)


def lstm(p, xs, state, dhs, *, gates="", once_more=False):
    """BPTT of nn.lstm with the carry of c outside of the bracket of some gates, or each slope taken once more."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    W, U, b = p["weight_ih"], p["weight_hh"], p["bias_ih"] + p["bias_hh"]
    (h, c), kept = state, []
    for x in xs:
        i, f, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        kept.append((x, h, c, new, i, f, g, o))
        c, h = new, o * np.tanh(new)
    dW, dU, dh, dc = 0, 0, 0, 0
    for (x, before, c, new, i, f, g, o), upstream in zip(kept[::-1], dhs[::-1], strict=True):
        d, tc = upstream + dh, np.tanh(new)
        here = d * o * (1 - tc**2)

        def gate(name, factor, y, here=here, dc=dc):
            if once_more:
                y = np.tanh(y) if name == "g" else sigmoid(y)
            slope = 1 - y**2 if name == "g" else y * (1 - y)
            return dc * factor + here * factor * slope if name in gates else (dc + here) * factor * slope

        so = sigmoid(o) * (1 - sigmoid(o)) if once_more else o * (1 - o)
        dz = np.concatenate([gate("i", g, i), gate("f", c, f), gate("g", i, g), d * tc * so], axis=1)
        dW, dU, dh, dc = dW + dz.T @ x, dU + dz.T @ before, dz @ U, (dc + here) * f
    return {"weight_ih": dW, "weight_hh": dU}


@pytest.mark.slow
@pytest.mark.parametrize(("gates", "of"), [("i", "i[t]"), ("f", "f[t]"), ("g", "g[t]"), ("ifg", "i[t], f[t], g[t]")])
def test_a_missing_bracket(gates, of):
    bptt.doctor(nn.lstm, lstm).check()
    found = bptt.doctor(nn.lstm, partial(lstm, gates=gates))
    assert f"(dc) is added after the derivative of {of}, not before: a bracket is missing" in str(found.mistake)
    assert found.complete


def test_one_slip_in_every_gate_is_one_mistake():
    found = bptt.doctor(nn.lstm, partial(lstm, once_more=True))
    assert "in each of i[t], f[t], o[t], g[t] is taken at the output, once more" in str(found.mistake)
    assert found.complete
    assert found.second is None
    assert "dz_o" in found.symptom.quantity


def stacked(p, x, h):
    return np.tanh(p["W"] @ np.concatenate([h, x]) + p["b"])


def stacked_example(rng, T, B):
    params = {"W": 0.5 * rng.standard_normal((4, 7)), "b": rng.standard_normal((4, 1))}
    return params, rng.standard_normal((3, B, T)), rng.standard_normal((4, B))


def by_stacks(p, xs, state, dhs, *, turned=False, part=slice(0, 4)):
    h, kept = state[0], []
    for t in range(xs.shape[2]):
        kept.append((h, xs[:, :, t]))
        h = stacked(p, xs[:, :, t], h)
    after = [h for h, _ in kept[1:]] + [h]
    dW, db, carry = 0, 0, 0
    for t in reversed(range(len(kept))):
        dz = (dhs[:, :, t] + carry) * (1 - after[t] ** 2)
        dW = dW + dz @ np.concatenate(kept[t][::-1] if turned else kept[t]).T
        db, carry = db + dz.sum(axis=1, keepdims=True), p["W"][:, part].T @ dz
    return {"W": dW, "b": db}


def test_the_order_and_the_parts_of_a_stacked_input():
    given = {"example": stacked_example, "layout": "columns"}
    bptt.doctor(stacked, by_stacks, **given).check()
    found = bptt.doctor(stacked, partial(by_stacks, turned=True), **given)
    assert "@ [x[t]; h[t-1]].T stands in the place of" in str(found.mistake)
    assert found.complete
    found = bptt.doctor(stacked, partial(by_stacks, part=slice(3, 7)), **given)
    assert "(columns 3:7 of W for columns 0:4)" in str(found.mistake)
    assert found.complete


def test_no_mistake_is_named_that_a_longer_problem_contradicts():
    """At T = 1 it is h_t for h_{t-1}; with more steps it is that at step 0 alone, and something else at the others."""

    def odd(p, xs, state, dhs):
        found = by_hand(p, xs, state, dhs)
        wrong = by_hand(p, xs, state, dhs, slips=("h_t",))["U"]
        return {**found, "U": wrong if len(xs) == 1 else found["U"] + np.sin(np.arange(9.0)).reshape(3, 3)}

    found = bptt.doctor(cell, odd, example=example)
    assert not found
    assert found.mistake is None


def test_a_quantity_that_was_not_seen_is_not_said_to_be_the_first():
    def odd(p, xs, state, dhs):
        found = by_hand(p, xs, state, dhs)
        return {name: g * (1 + np.sin(np.arange(g.size)).reshape(g.shape)) for name, g in found.items()}

    found = str(bptt.doctor(cell, odd, example=example))
    assert "first: dh at" not in found
    assert "first: dz at" not in found


def test_no_step_is_accused_of_a_derivation_that_reads_no_state():
    """It begins at no later step, so no term can be told apart; at T = 1 there is one term."""

    def odd(p, xs, state, dhs):
        found = by_hand(p, xs, (np.zeros_like(state[0]),), dhs)
        wrong = 1 + (len(xs) > 1) * np.sin(np.arange(9.0)).reshape(3, 3)
        return {**found, "U": found["U"] * wrong}

    found = bptt.doctor(cell, odd, example=example)
    assert not found
    assert found.symptom is None
    assert "upstream at step 1, all terms: dU" in str(found)


def test_a_search_gives_signs_of_life():
    def odd(p, xs, state, dhs):
        return {name: g + np.sin(np.arange(g.size)).reshape(g.shape) for name, g in by_hand(p, xs, state, dhs).items()}

    ticks = []
    bptt.doctor(cell, odd, example=example, progress=lambda: ticks.append(1))
    assert len(ticks) > 300
