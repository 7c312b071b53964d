"""Truncations: each against a NumPy loop written for it; the random ones against the sum over all their outcomes."""

import math
from dataclasses import FrozenInstanceError
from functools import partial

import numpy as np
import pytest
from cells import EVERY

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt import Chunked, Full, RandomChunks, Randomized, Scaled, Span, WilliamsPeng, Window

I, H = 3, 4


# ------------------------------------------------------------------------------------ NumPy alone


class HandRNN:
    """One step of the tanh RNN forward and backward, by hand; gradients add up in `grads`."""

    def __init__(self, params, xs):
        self.p, self.xs, self.hs = params, xs, [np.zeros((xs.shape[1], H))]
        for x in xs:
            z = x @ params["weight_ih"].T + params["bias_ih"] + self.hs[-1] @ params["weight_hh"].T + params["bias_hh"]
            self.hs.append(np.tanh(z))
        self.grads = {name: np.zeros_like(p) for name, p in params.items()}

    def nothing(self):
        return (np.zeros_like(self.hs[0]),)

    def back(self, t, dh, carry):
        dz = (dh + carry[0]) * (1 - self.hs[t + 1] ** 2)
        self.add(t, dz)
        return (dz @ self.p["weight_hh"],)

    def add(self, t, dz):
        self.grads["weight_ih"] += dz.T @ self.xs[t]
        self.grads["weight_hh"] += dz.T @ self.hs[t]
        self.grads["bias_ih"] += dz.sum(axis=0)
        self.grads["bias_hh"] += dz.sum(axis=0)


class HandLSTM(HandRNN):
    """The same of the LSTM, gates in the order i, f, g, o."""

    def __init__(self, params, xs):
        self.p, self.xs, self.hs = params, xs, [np.zeros((xs.shape[1], H))]
        self.cs, self.gates = [self.hs[0]], []
        for x in xs:
            z = x @ params["weight_ih"].T + params["bias_ih"] + self.hs[-1] @ params["weight_hh"].T + params["bias_hh"]
            i, f, g, o = (np.tanh(a) if k == 2 else 1 / (1 + np.exp(-a)) for k, a in enumerate(np.split(z, 4, axis=1)))
            self.gates.append((i, f, g, o))
            self.cs.append(f * self.cs[-1] + i * g)
            self.hs.append(o * np.tanh(self.cs[-1]))
        self.grads = {name: np.zeros_like(p) for name, p in params.items()}

    def nothing(self):
        return np.zeros_like(self.hs[0]), np.zeros_like(self.hs[0])

    def back(self, t, dh, carry):
        (i, f, g, o), tanh_c, dh = self.gates[t], np.tanh(self.cs[t + 1]), dh + carry[0]
        dc = carry[1] + dh * o * (1 - tanh_c**2)
        gates = [dc * g * i * (1 - i), dc * self.cs[t] * f * (1 - f), dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)]
        dz = np.concatenate(gates, axis=1)
        self.add(t, dz)
        return dz @ self.p["weight_hh"], dc * f


HAND = {"rnn": HandRNN, "lstm": HandLSTM}


def chunked_loop(hand, dhs, k):
    for start in range(0, len(dhs), k):
        carry = hand.nothing()
        for t in reversed(range(start, min(start + k, len(dhs)))):
            carry = hand.back(t, dhs[t], carry)


def window_loop(hand, dhs, k):
    for t in range(len(dhs)):
        carry = hand.back(t, dhs[t], hand.nothing())
        for s in range(t - 1, max(t - k, -1), -1):
            carry = hand.back(s, 0, carry)


def williams_peng_loop(hand, dhs, k1, k2):
    counted = 0
    for t in range(len(dhs)):
        if (t + 1) % k1 == 0 or t == len(dhs) - 1:  # it is time to walk back k2 steps
            carry = hand.nothing()
            for s in range(t, max(t - k2, -1), -1):
                carry = hand.back(s, dhs[s] if s >= counted else 0, carry)
            counted = t + 1


def scaled_loop(hand, dhs, factors):
    carry = hand.nothing()
    for t in reversed(range(len(dhs))):
        carry = hand.back(t, dhs[t], carry)
        carry = tuple(factors[t - 1] * c for c in carry) if t else carry


# ------------------------------------------------------------------------------------ the same on a tape


def recorded(cell, T, B=2, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    params = {name: tg.Tensor(2 * p.data, name=name) for name, p in getattr(nn.init, cell)(rng, I, H, dtype).items()}
    xs, dhs = rng.standard_normal((T, B, I)).astype(dtype), rng.standard_normal((T, B, H)).astype(dtype)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, cell), params, xs)
        loss = (hs * dhs).sum()
    return tape, loss, params, xs, dhs


def layered(layer, T=6, B=2):
    rng = np.random.default_rng(1)
    params = layer.init(rng)
    with tg.Tape() as tape:
        hs, _ = layer(params, rng.standard_normal((T, B, I)))
        loss = (hs * rng.standard_normal(hs.shape)).sum()
    return tape, loss, params


def assert_alike(found, expected, rtol=1e-12):
    assert set(found) == set(expected)
    for name in expected:
        assert found[name].shape == expected[name].shape
        assert np.abs(found[name] - expected[name]).max() <= rtol * max(np.abs(expected[name]).max(), 1e-3), name


def against_loop(cell, T, loop, how, *arguments, B=2):
    tape, loss, params, xs, dhs = recorded(cell, T, B)
    hand = HAND[cell]({name: p.data for name, p in params.items()}, xs)
    loop(hand, dhs, *arguments)
    assert_alike(bptt.truncated_gradient(tape, loss, params, how), hand.grads)


@pytest.mark.parametrize("cell", HAND)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 20])
def test_chunked_against_its_loop(cell, T):
    for k in range(1, T + 2):
        against_loop(cell, T, chunked_loop, Chunked(k), k)


@pytest.mark.parametrize("cell", HAND)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 20])
def test_window_against_its_loop(cell, T):
    for k in range(1, T + 2):
        against_loop(cell, T, window_loop, Window(k), k)


@pytest.mark.parametrize("cell", HAND)
@pytest.mark.parametrize("T", [1, 2, 7])
def test_williams_and_peng_against_its_loop(cell, T):
    for k2 in range(1, T + 2):
        for k1 in range(1, k2 + 1):
            against_loop(cell, T, williams_peng_loop, WilliamsPeng(k1, k2), k1, k2)


@pytest.mark.parametrize("k1", range(1, 21))
def test_williams_and_peng_against_its_loop_over_twenty_steps(k1):
    for k2 in range(k1, 21):
        against_loop("rnn", 20, williams_peng_loop, WilliamsPeng(k1, k2), k1, k2, B=1)


@pytest.mark.parametrize("cell", HAND)
@pytest.mark.parametrize("B", [1, 3])
def test_scaled_against_its_loop(cell, B):
    rng = np.random.default_rng(5)
    for T in (1, 2, 3, 7, 20):
        for factors in (rng.uniform(-1, 2, T - 1), rng.integers(0, 2, T - 1) * 2.0):
            against_loop(cell, T, scaled_loop, Scaled(factors), factors, B=B)


def test_what_is_full_is_full():
    for cell in ("rnn", "residual_rnn", "lstm", "gru", "gru_textbook", "peephole_lstm"):
        tape, loss, params, _, _ = recorded(cell, 5)
        whole = tape.gradient(loss, params)
        for how in (Full(), Chunked(5), WilliamsPeng(2, 6), Window(5), Scaled([1] * 4), Randomized(1.0)):
            rng = np.random.default_rng(0)
            assert_alike(bptt.truncated_gradient(tape, loss, params, how, rng=rng), whole, 1e-13)


def test_the_ways_are_one_family():
    """Where k1 divides T, BPTT(k; k) is chunked; BPTT(k; 1) is the window."""
    tape, loss, params, _, _ = recorded("gru", 12)
    for k in (1, 2, 3, 4, 6, 12):
        for how, same in ((WilliamsPeng(k, k), Chunked(k)), (WilliamsPeng(1, k), Window(k))):
            one, other = (bptt.truncated_gradient(tape, loss, params, way) for way in (how, same))
            assert_alike(one, other, 1e-13)
    apart = bptt.truncated_gradient(tape, loss, params, WilliamsPeng(5, 5))  # the last block, of 2, reaches 5 back
    assert (
        np.abs(apart["weight_hh"] - bptt.truncated_gradient(tape, loss, params, Chunked(5))["weight_hh"]).max() > 1e-6
    )


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_two_layers_are_cut_at_the_same_steps(name):
    """Each chunk by itself, from the state that the run had there, adds up to the chunked gradient."""
    layer = {"rnn": nn.RNN, "lstm": nn.LSTM}[name](I, H, num_layers=2)
    rng = np.random.default_rng(2)
    params, xs, dhs = layer.init(rng), rng.standard_normal((7, 2, I)), rng.standard_normal((7, 2, H))
    with tg.Tape() as tape:
        hs, _ = layer(params, xs)
        loss = (hs * dhs).sum()
    for k in range(1, 8):
        state, expected = None, dict.fromkeys(params, 0)
        for start in range(0, 7, k):
            with tg.Tape() as chunk:
                hs, last = layer(params, xs[start : start + k], state)
                part = (hs * dhs[start : start + k]).sum()
            state = tuple(s.data for s in last) if isinstance(last, tuple) else last.data
            expected = {name: expected[name] + g for name, g in chunk.gradient(part, params).items()}
        assert_alike(bptt.truncated_gradient(tape, loss, params, Chunked(k)), expected)


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 3), (2, 3), (3, 5), (1, 7)])
def test_two_layers_reach_as_far_back_as_one(k1, k2):
    """For each block its steps and those before it, from the state that the run had there, and the block's losses."""
    layer = nn.LSTM(I, H, num_layers=2)
    rng = np.random.default_rng(2)
    params, xs, dhs = layer.init(rng), rng.standard_normal((7, 2, I)), rng.standard_normal((7, 2, H))
    with tg.Tape() as tape:
        hs, _ = layer(params, xs)
        loss = (hs * dhs).sum()
    expected = dict.fromkeys(params, 0)
    for first in range(0, 7, k1):
        stop = min(first + k1, 7)
        start = max(stop - k2, 0)
        state = tuple(s.data for s in layer(params, xs[:start])[1]) if start else None
        with tg.Tape() as part:
            hs, _ = layer(params, xs[start:stop], state)
            own = (hs[first - start :] * dhs[first:stop]).sum()
        expected = {name: expected[name] + g for name, g in part.gradient(own, params).items()}
    assert_alike(bptt.truncated_gradient(tape, loss, params, WilliamsPeng(k1, k2)), expected)
    if k1 == 1:
        assert_alike(bptt.truncated_gradient(tape, loss, params, Window(k2)), expected)


def test_a_bidirectional_layer_is_cut_in_both_directions():
    layer = nn.GRU(I, H, bidirectional=True)
    rng = np.random.default_rng(2)
    params, xs, dhs = layer.init(rng), rng.standard_normal((6, 2, I)), rng.standard_normal((6, 2, 2 * H))
    forward = {k: v for k, v in params.items() if not k.endswith("_reverse")}
    back = {k: params[f"{k}_reverse"] for k in forward}
    with tg.Tape() as tape:
        hs, _ = layer(params, xs)
        loss = (hs * dhs).sum()
    with tg.Tape() as one:
        hs, _ = nn.GRU(I, H)(forward, xs)
        ahead = (hs * dhs[:, :, :H]).sum()
    with tg.Tape() as other:  # the reverse direction is the same layer on the reversed sequence
        hs, _ = nn.GRU(I, H)(back, xs[::-1].copy())
        behind = (hs * dhs[::-1, :, H:]).sum()
    for how in (Window(2), Window(3), Chunked(3), WilliamsPeng(2, 4), Scaled([0.5] * 5)):
        found = bptt.truncated_gradient(tape, loss, params, how)
        expected = bptt.truncated_gradient(one, ahead, forward, how)
        reverse = bptt.truncated_gradient(other, behind, back, how)
        assert_alike(found, expected | {f"{k}_reverse": g for k, g in reverse.items()})


def test_paths_that_go_back_and_forth_are_cut_but_not_scaled():
    tape, loss, params = layered(nn.RNN(I, H, num_layers=2, bidirectional=True))
    with pytest.raises(ValueError, match="meet a factor twice"):
        bptt.truncated_gradient(tape, loss, params, Randomized(0.5), rng=np.random.default_rng(0))
    cut = bptt.truncated_gradient(tape, loss, params, Scaled([1, 0, 1, 0, 1]))
    assert_alike(cut, bptt.truncated_gradient(tape, loss, params, Chunked(2)), 1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dtypes_and_shapes_of_the_answer(dtype):
    tape, loss, params, _, _ = recorded("lstm", 4, B=1, dtype=dtype)
    W = params["weight_hh"]
    alone = bptt.truncated_gradient(tape, loss, W, Window(2))
    assert alone.dtype == dtype
    (listed,) = bptt.truncated_gradient(tape, loss, [W], Window(2))
    named = bptt.truncated_gradient(tape, loss, {"U": W}, Window(2))["U"]
    np.testing.assert_array_equal(alone, listed)
    np.testing.assert_array_equal(alone, named)
    exact = recorded("lstm", 4, B=1)
    if dtype == "float32":
        close = bptt.truncated_gradient(tape, loss, params, Chunked(2))
        double = {name: tg.Tensor(p.data.astype(float)) for name, p in params.items()}
        with tg.Tape() as other:
            hs, _ = nn.unroll(nn.lstm, double, recorded("lstm", 4, 1, dtype)[3].astype(float))
            loss = (hs * recorded("lstm", 4, 1, dtype)[4]).sum()
        assert_alike(close, bptt.truncated_gradient(other, loss, double, Chunked(2)), 1e-5)
    assert not bptt.truncated_gradient(exact[0], exact[1], tg.Tensor(np.ones(2)), Full()).any()


def test_intermediate_results_and_inputs():
    tape, loss, _, _, dhs = recorded("rnn", 6)
    h_2, x = tape.find("h", t=2), tape.find("x")
    np.testing.assert_array_equal(bptt.truncated_gradient(tape, loss, h_2, Chunked(3)), dhs[2])
    assert np.abs(bptt.truncated_gradient(tape, loss, h_2, Chunked(4)) - dhs[2]).max() > 1e-6
    every = bptt.truncated_gradient(tape, loss, x, Window(1))
    for t in range(6):
        dz = dhs[t] * (1 - tape.find("h", t=t).data ** 2)
        np.testing.assert_allclose(every[t], dz @ tape.find("weight_ih").data, rtol=1e-12, atol=1e-15)


# ------------------------------------------------------------------------------------ losses


def by_steps(T=6, inside=False):
    """An RNN with a loss at each step, added up outside of the steps, or inside of them."""
    rng = np.random.default_rng(3)
    params, h, total, losses = nn.init.rnn(rng, I, H), None, 0, []
    dhs = rng.standard_normal((T, 2, H))
    with tg.Tape() as tape:
        for t, x in enumerate(rng.standard_normal((T, 2, I))):
            with tg.scope(t=t):
                h = nn.rnn(params, x, h)
                losses.append((h * dhs[t]).sum())
                total = total + losses[-1] if inside else total
            total = total if inside else total + losses[-1]
    return tape, total, losses, params


@pytest.mark.parametrize("how", [Full(), Chunked(2), WilliamsPeng(2, 3), Window(3), Scaled([0.5, 2, 0, 1, 3])])
def test_losses_in_every_form(how):
    tape, total, losses, params = by_steps()
    expected = bptt.truncated_gradient(tape, total, params, how)
    for form in (losses, tuple(losses), dict(enumerate(losses))):
        assert_alike(bptt.truncated_gradient(tape, form, params, how), expected, 1e-13)
    tape, total, losses, params = by_steps(inside=True)
    for form in (losses, dict(enumerate(losses))):
        assert_alike(bptt.truncated_gradient(tape, form, params, how), expected, 1e-13)


def test_a_loss_that_is_added_up_inside_the_steps_is_refused_and_not_cut():
    tape, total, _, params = by_steps(inside=True)
    assert_alike(bptt.truncated_gradient(tape, total, params, Full()), tape.gradient(total, params), 1e-13)
    for how in (Chunked(2), Window(6), Scaled([1] * 5)):
        with pytest.raises(ValueError, match="step 5 adds to what step 4 made") as caught:
            bptt.truncated_gradient(tape, total, params, how)
        assert len(str(caught.value).splitlines()) == 2
    with tape:
        perplexity = np.exp(total / tg.Tensor(6.0)) + 1.0
    for given in ([total], perplexity):
        with pytest.raises(ValueError, match="added up inside"):
            bptt.truncated_gradient(tape, given, params, Chunked(2))


@pytest.mark.parametrize(
    "carry", ["0.9 * L + loss", "L - -loss", "(L * 4 + loss) / 4", "np.stack([L, loss]).sum(axis=0)"]
)
def test_other_forms_of_adding_up_are_refused_too(carry):
    """Discounted, averaged, stacked, and one number for each example."""
    h, total, w = tg.Tensor(np.ones((2, 1))), np.zeros(2), tg.Tensor(0.5)
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t):
                h = np.tanh(w * h)
                total = eval(carry, {"L": total, "loss": h[:, 0] * h[:, 0], "np": np})
        total = total.mean()
    with pytest.raises(ValueError, match="added up inside"):
        bptt.truncated_gradient(tape, total, w, Chunked(1))


@pytest.mark.parametrize("cell", [nn.rnn, nn.residual_rnn, nn.lstm, nn.gru, nn.leaky_rnn, nn.mgu, nn.peephole_lstm])
def test_a_state_is_no_sum_of_losses(cell):
    """The loss of the last step alone, made inside of it: its paths go through the states, and are cut."""
    params = getattr(nn.init, cell.__name__)(np.random.default_rng(0), 1, 1)
    state, xs = (), np.ones((3, 1, 1))
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t):
                after = cell(params, xs[t], *state)
                state = after if isinstance(after, tuple) else (after,)
        loss = state[-1].sum()
    full = bptt.truncated_gradient(tape, loss, params["weight_hh"], Full())
    assert (bptt.truncated_gradient(tape, loss, params["weight_hh"], Chunked(2)) != full).any()


def test_the_step_of_a_loss_may_be_given():
    """A loss outside of all steps that looks two steps back: from its own step the window is shorter."""
    tape, _, params, _, dhs = recorded("rnn", 6)
    with tape:
        late = (tape.find("h", t=3) * dhs[3]).sum()
    as_entered = bptt.truncated_gradient(tape, late, params, Window(1))
    assert_alike(bptt.truncated_gradient(tape, {5: late}, params, Window(3)), as_entered, 1e-13)
    assert not bptt.truncated_gradient(tape, {5: late}, params["weight_hh"], Window(2)).any()


def test_what_cannot_be_truncated_says_so():
    tape, loss, params, _, _ = recorded("rnn", 4)
    h_1 = tape.find("h", t=1)
    wrong = [
        (lambda: bptt.truncated_gradient(tape, h_1, params, Full()), "is not a scalar"),
        (lambda: bptt.truncated_gradient(tape, 1.0, params, Full()), "is a float, not a Tensor"),
        (lambda: bptt.truncated_gradient(tape, [], params, Full()), "no losses"),
        (lambda: bptt.truncated_gradient(tape, {9: loss}, params, Full()), "steps 0 to 3"),
        (lambda: bptt.truncated_gradient(tape, {loss: 1.0}, params, Full()), "not a Tensor"),
        (lambda: bptt.truncated_gradient(tape, loss, params["bias_ih"].data, Full()), "wrt"),
        (lambda: bptt.truncated_gradient(tape, loss, params, Chunked), "no way to truncate"),
        (lambda: bptt.truncated_gradient(tape, loss, params, Randomized(0.5)), "is random"),
        (lambda: bptt.truncated_gradient(tape, loss, params, Randomized(0.5), rng=0), "rng is 0"),
        (lambda: bptt.truncated_gradient(tape, loss, params, Scaled([1, 1])), "2 factors for 4 steps"),
        (lambda: Randomized([0.5, 0.5]).draw(np.random.default_rng(0), 4), "2 values of pi for 4 steps"),
        (lambda: bptt.truncated_gradient(tape, tg.Tensor(1.0), params, Full()), "was not made on this tape"),
        (lambda: bptt.truncated_gradient(tg.Tape(), loss, params, Full()), "no steps"),
        (lambda: Chunked(0), "k = 0"),
        (lambda: Window(2.5), "k = 2.5"),
        (lambda: Chunked(True), "k = True"),
        (lambda: WilliamsPeng(3, 2), "k1 = 3 is more than k2 = 2"),
        (lambda: Randomized(0), "pi = 0.0"),
        (lambda: Randomized(1.5), "pi = 1.5"),
        (lambda: Randomized((0.5, float("nan"))), "nan"),
        (lambda: Scaled([float("inf")]), "finite"),
        (lambda: list(Randomized(0.5).outcomes(64)), "2\\^63 outcomes"),
        (lambda: RandomChunks(1), "mean = 1"),
        (lambda: RandomChunks(4, power=2), "power = 2"),
        (lambda: bptt.bias_and_variance(tape, loss, params, Randomized(0.5)), "no rng"),
        (
            lambda: bptt.bias_and_variance(tape, loss, params, Randomized(0.5), rng=np.random.default_rng(0), draws=1),
            "draws = 1",
        ),
    ]
    for call, words in wrong:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(FrozenInstanceError):
        Chunked(2).k = 3
    with tg.Tape() as lettered, tg.scope(t="a"):
        square = params["bias_ih"] @ params["bias_ih"]
    with pytest.raises(ValueError, match="the steps \\['a'\\]"):
        bptt.truncated_gradient(lettered, square, params, Full())
    with tg.Tape() as later, tg.scope(t=2):
        square = params["bias_ih"] @ params["bias_ih"]
        with tg.scope(t=3):
            np.tanh(square)
    with pytest.raises(ValueError, match="step 2 made it"):
        bptt.truncated_gradient(later, {3: square}, params, Full())


def test_a_nan_stays_a_nan():
    params = {"w": tg.Tensor(np.nan)}
    h = 1.0
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t):
                h = np.tanh(params["w"] * h)
    assert np.isnan(bptt.truncated_gradient(tape, h, params, Window(2))["w"])


# ------------------------------------------------------------------------------------ chance

RANDOM = [Randomized(0.6), Randomized((0.2, 0.5, 0.7, 1.0, 0.9)), RandomChunks(2.5), RandomChunks(2.5, power=4)]


@pytest.mark.parametrize("how", RANDOM, ids=str)
@pytest.mark.parametrize(
    "network", [nn.RNN(I, H), nn.LSTM(I, H), nn.LSTM(I, H, num_layers=2)], ids=["rnn", "lstm", "2"]
)
def test_the_expectation_over_all_masks_is_the_full_gradient(how, network):
    tape, loss, params = layered(network, T=6)
    expected = dict.fromkeys(params, 0)
    chances = []
    for probability, drawing in how.outcomes(6):
        chances.append(probability)
        for name, g in bptt.truncated_gradient(tape, loss, params, drawing).items():
            expected[name] = expected[name] + probability * g
    assert math.isclose(math.fsum(chances), 1, rel_tol=1e-14)
    assert_alike(expected, tape.gradient(loss, params))


def test_without_compensation_the_expectation_is_another():
    """What the test above would miss if it could not fail."""
    tape, loss, params = layered(nn.RNN(I, H), T=6)
    expected = 0
    for probability, drawing in Randomized(0.6).outcomes(6):
        cut = Scaled([float(f != 0) for f in drawing.factors])
        expected = expected + probability * bptt.truncated_gradient(tape, loss, params["weight_hh_l0"], cut)
    assert np.abs(expected - tape.gradient(loss, params["weight_hh_l0"])).max() > 0.01


def test_the_recursion_of_d2l():
    """z_t = df/dw + xi_t df/dh z_{t-1}, forward in time, for h_t = tanh(w h_{t-1} + x_t)."""
    rng = np.random.default_rng(4)
    xs, xi, w, h = rng.standard_normal(6), (0.0, 2.5, 2.5, 0.0, 1.25), tg.Tensor(0.8), tg.Tensor(0.3)
    before, z, expected = 0.3, 0.0, 0.0
    with tg.Tape() as tape:
        losses = []
        for t in range(6):
            with tg.scope(t=t):
                h = np.tanh(w * h + xs[t])
            losses.append(h * h)
            value = np.tanh(0.8 * before + xs[t])
            slope = 1 - value**2
            z = slope * before + (xi[t - 1] if t else 0) * slope * 0.8 * z
            before = value
            expected += 2 * value * z
    assert math.isclose(bptt.truncated_gradient(tape, losses, w, Scaled(xi)), expected, rel_tol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("how", [Randomized(0.6), RandomChunks(2.5, power=4)], ids=str)
def test_the_variance_of_seeded_draws_is_that_of_all_outcomes(how):
    tape, loss, params = layered(nn.RNN(I, H), T=6)
    exact = bptt.bias_and_variance(tape, loss, params, how, exact=True)
    drawn = bptt.bias_and_variance(tape, loss, params, how, rng=np.random.default_rng(0), draws=400)
    again = bptt.bias_and_variance(tape, loss, params, how, rng=np.random.default_rng(0), draws=400)
    assert drawn == again
    assert exact.relative < 1e-13
    assert exact.draws == 0
    assert math.isclose(exact.cosine, 1, rel_tol=1e-12)
    vectors = [
        (p, np.concatenate([g.ravel() for g in bptt.truncated_gradient(tape, loss, params, s).values()]))
        for p, s in how.outcomes(6)
    ]
    mean = sum(p * v for p, v in vectors)
    squares = [(p, float((v - mean) @ (v - mean))) for p, v in vectors]
    variance = math.fsum(p * s for p, s in squares)
    assert math.isclose(exact.variance, variance, rel_tol=1e-12)
    # Its own standard deviation is sqrt(Var |G - EG|^2 / draws), to first order: four of these.
    error = math.sqrt(math.fsum(p * (s - variance) ** 2 for p, s in squares) / 400)
    assert abs(drawn.variance - variance) < 4 * error
    assert drawn.bias < 4 * drawn.uncertainty
    assert math.isclose(drawn.uncertainty, math.sqrt(drawn.variance / 400), rel_tol=1e-12)


def test_bias_of_what_is_not_random():
    tape, loss, params, xs, dhs = recorded("rnn", 7)
    hand = HandRNN({name: p.data for name, p in params.items()}, xs)
    chunked_loop(hand, dhs, 2)
    full = np.concatenate([g.ravel() for g in tape.gradient(loss, params).values()])
    cut = np.concatenate([hand.grads[name].ravel() for name in params])
    found = bptt.bias_and_variance(tape, loss, params, Chunked(2))
    assert math.isclose(found.bias, np.linalg.norm(cut - full), rel_tol=1e-11)
    assert math.isclose(found.relative, np.linalg.norm(cut - full) / np.linalg.norm(full), rel_tol=1e-11)
    assert math.isclose(found.cosine, cut @ full / np.linalg.norm(full) / np.linalg.norm(cut), rel_tol=1e-11)
    assert (found.variance, found.draws) == (0, 1)
    assert "cosine" in str(found)
    nothing = bptt.bias_and_variance(tape, loss, tg.Tensor(np.ones(2)), Chunked(2))
    assert nothing.relative == 0
    assert math.isnan(nothing.cosine)


def test_the_lengths_of_random_chunks_have_their_mean():
    for how in (RandomChunks(4), RandomChunks(4, power=5)):
        survives, mean = 1.0, 0.0
        for n in range(1, 20000):  # E L = sum over n of P(L >= n)
            mean += survives
            survives *= 1 - how.chance(0, n)
        assert math.isclose(mean, 4, rel_tol=1e-3)
    factors = RandomChunks(4).draw(np.random.default_rng(0), 4000).factors
    assert factors == Randomized(0.75).draw(np.random.default_rng(0), 4000).factors
    assert abs(sum(f == 0 for f in factors) / 3999 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 3999)


def test_spans():
    assert Full().spans(5) == [Span(0, 0, 5)]
    assert Chunked(2).spans(5) == [Span(0, 0, 2), Span(2, 2, 4), Span(4, 4, 5)]
    assert WilliamsPeng(2, 3).spans(5) == [Span(0, 0, 2), Span(1, 2, 4), Span(2, 4, 5)]
    assert Window(2).spans(3) == [Span(0, 0, 1), Span(0, 1, 2), Span(1, 2, 3)]
    assert Scaled([2, 0, 1, 0]).spans(5) == [Span(0, 0, 2), Span(2, 2, 4), Span(4, 4, 5)]


# ------------------------------------------------------------------------------------ what looks like a state

ADDED_UP = [
    "tot + l",
    "Tensor(1.0) * tot + l",
    "np.where(True, tot + l, tot)",
    "np.maximum(tot, tot + l)",
    "tot.astype(float) + l",
    "np.squeeze(tot) + l",
    "np.dot(np.stack([tot, l]), ones)",
    "np.stack([tot, l]) @ ones",
    "np.einsum('i->', np.stack([tot, l]))",
    "np.cumsum(np.stack([tot, l]))[-1]",
    "np.broadcast_to(tot, (1,)).sum() + l",
    "tot ** 1 + l",
    "tot.T + l",
    "np.logaddexp(tot, l)",
]


def _own_loop(step, T=6, B=1, H=3, seed=0):
    """h_t = tanh(x W + h U), and what `step(t, h, before, l, P)` hands on beside it: tape, that, the losses, P, h_t."""
    rng = np.random.default_rng(seed)
    P = {"W": tg.Tensor(rng.standard_normal((2, H))), "U": tg.Tensor(rng.standard_normal((H, H)))}
    h, other, losses, hs = tg.Tensor(np.zeros((B, H))), tg.Tensor(0.0), [], []
    with tg.Tape() as tape:
        for t, x in enumerate(rng.standard_normal((T, B, 2))):
            with tg.scope(t=t):
                h = np.tanh(x @ P["W"] + h @ P["U"])
                losses.append((h**2).sum())
                hs.append(h)
                other = step(other, losses[-1])
    return tape, other, losses, P


@pytest.mark.parametrize("expression", ADDED_UP)
def test_losses_added_up_inside_are_refused_however_it_is_written(expression):
    def step(tot, l):
        return eval(expression, {"np": np, "Tensor": tg.Tensor, "ones": np.ones(2), "tot": tot, "l": l})

    tape, tot, losses, P = _own_loop(step)
    for given in (tot, [tot], {5: tot}, [losses[0], tot]):
        with pytest.raises(ValueError, match="step 5 adds to what step 4 made") as caught:
            bptt.truncated_gradient(tape, given, P, Window(2))
        assert len(str(caught.value).splitlines()) == 2
    bptt.truncated_gradient(tape, losses, P, Window(2))
    bptt.truncated_gradient(tape, {5: losses[5]}, P, Window(2))


@pytest.mark.parametrize("cell", EVERY.values())
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 3, 1), (2, 1, 3)], ids=str)
def test_no_cell_is_taken_for_a_sum_of_losses(cell, sizes):
    """Batches and layers of one number too, on top of a larger layer or alone; the loss linear or not, in any form."""
    B, size, top = sizes
    rng = np.random.default_rng(0)
    lower, upper = nn.init.rnn(rng, 2, size), getattr(nn.init, cell.__name__)(rng, size, top)
    P = {**{f"lower_{k}": p for k, p in lower.items()}, **upper}
    with tg.Tape() as tape:
        with tg.scope(layer=0):
            below, _ = nn.unroll(nn.rnn, lower, rng.standard_normal((5, B, 2)))
        with tg.scope(layer=1):
            hs, last = nn.unroll(cell, upper, below)
        last = last[0] if isinstance(last, tuple) else last
        forms = [hs.sum(), (hs**2).sum(), last.sum(), np.exp(last.sum())]
        own = [[hs[t].sum() for t in range(5)], [(hs[t] ** 2).sum() for t in range(5)]]
    for given in (*forms, *own, *(dict(enumerate(each)) for each in own), {4: forms[2]}):
        for wrt in (P, {"bias_hh": P["bias_hh"]} if "bias_hh" in P else P):
            bptt.truncated_gradient(tape, given, wrt, Chunked(2))


@pytest.mark.parametrize("B", [1, 3])
def test_a_linear_state_with_constant_decay(B):
    """h_t = 0.9 h_{t-1} + x_t w: within a chunk dh_t/dw is the sum of 0.9^(t-k) x_k."""
    rng = np.random.default_rng(0)
    xs, w = rng.standard_normal((6, B, 2)), tg.Tensor(rng.standard_normal((2, 3)))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(lambda p, x, h: 0.9 * h + x @ p["w"], {"w": w}, xs, np.zeros((B, 3)))
        losses = [(hs[t] ** 2).sum() for t in range(6)]
        linear = [hs[t].sum() for t in range(6)]
        whole, last = (hs**2).sum(), (hs[5] ** 2).sum()
    for k in (1, 2, 4, 6):
        squares, plain = np.zeros((2, 3)), np.zeros((2, 3))
        terms = []
        for t in range(6):
            reached = sum(0.9 ** (t - s) * xs[s] for s in range(t - t % k, t + 1))
            terms.append(reached.T @ (2 * hs[t].data))
            squares, plain = squares + terms[-1], plain + reached.T @ np.ones((B, 3))
        for given, expected in (
            (losses, squares),
            (dict(enumerate(losses)), squares),
            (whole, squares),
            (linear, plain),
            (dict(enumerate(linear)), plain),
            ({5: last}, terms[5]),
            (last, terms[5]),
        ):
            np.testing.assert_allclose(bptt.truncated_gradient(tape, given, w, Chunked(k)), expected, rtol=1e-12)


def test_a_weight_that_one_step_prepares_for_the_others_is_refused():
    rng = np.random.default_rng(0)
    P = {"W": tg.Tensor(rng.standard_normal((2, 3))), "U": tg.Tensor(rng.standard_normal((3, 3)))}
    tapes = []
    for inside in (True, False):
        h, U_T, losses = tg.Tensor(np.zeros((1, 3))), None if inside else P["U"].T * 1.0, []
        with tg.Tape() as tape:
            U_T = None if inside else P["U"].T * 1.0
            for t, x in enumerate(np.random.default_rng(1).standard_normal((6, 1, 2))):
                with tg.scope(t=t):
                    U_T = P["U"].T * 1.0 if U_T is None else U_T
                    h = np.tanh(x @ P["W"] + h @ U_T)
                    losses.append((h**2).sum())
        tapes.append((tape, losses))
    with pytest.raises(ValueError, match="made in step 0 from parameters alone, is read in 5 other steps") as caught:
        bptt.truncated_gradient(*tapes[0], P, Chunked(2))
    assert len(str(caught.value).splitlines()) == 2
    assert_alike(bptt.truncated_gradient(*tapes[0], P, Full()), bptt.truncated_gradient(*tapes[1], P, Chunked(6)))
    bptt.truncated_gradient(*tapes[1], P, Chunked(2))


def _held(p, x, h):
    return h if x[0, 0] > 0 else np.tanh(x @ p["W"] + h @ p["U"])


@pytest.mark.parametrize("how", [Chunked(2), Window(2), WilliamsPeng(2, 3), Scaled([0.5, 2, 0, 3, 0.25])], ids=str)
def test_a_state_that_is_handed_on_belongs_to_the_step_that_made_it(how):
    """{step: loss} is what a run gives; a list of losses outside of the steps is of the steps that made the states."""
    rng = np.random.default_rng(0)
    P = {"W": tg.Tensor(rng.standard_normal((2, 3))), "U": tg.Tensor(rng.standard_normal((3, 3)))}
    xs, start = rng.standard_normal((6, 1, 2)), rng.standard_normal((1, 3))
    xs[:, 0, 0] = [-1, 1, 1, -1, 1, -1]
    with tg.Tape() as tape:
        hs, _ = nn.unroll(_held, P, xs, start)
        losses = [(hs[t] ** 2).sum() for t in range(6)]
    by_step = bptt.truncated_gradient(tape, dict(enumerate(losses)), P, how)
    assert_alike(bptt.truncated_bptt(_held, P, xs, lambda t, h: (h**2).sum(), how, start)[1], by_step)
    made = bptt.truncated_gradient(tape, losses, P, how)
    if how == Chunked(2):
        assert np.abs(made["W"] - by_step["W"]).max() > 1e-3
    assert_alike(bptt.truncated_gradient(tape, losses, P, Full()), tape.gradient(dict.fromkeys(losses, 1.0), P))


def test_a_run_that_records_nothing_at_some_steps():
    """Where a step hands its state on and has no loss, the tape of a walk is shorter than the walk."""
    rng = np.random.default_rng(0)
    P = {"W": tg.Tensor(rng.standard_normal((2, 3))), "U": tg.Tensor(rng.standard_normal((3, 3)))}
    xs, start = rng.standard_normal((6, 1, 2)), rng.standard_normal((1, 3))
    for held in ([0], [5], [0, 1, 4], [2, 3], [0, 5]):
        xs[:, 0, 0] = [1.0 if t in held else -1.0 for t in range(6)]
        with tg.Tape() as tape:
            hs, _ = nn.unroll(_held, P, xs, start)
            losses = {t: (hs[t] ** 2).sum() for t in range(6) if t not in held}
        loss = partial(_loss_at, tuple(losses))
        for how in (Scaled([0.5, 2, 0, 3, 0.25]), Randomized(0.6), RandomChunks(2.5)):
            found = bptt.truncated_bptt(_held, P, xs, loss, how, start, rng=np.random.default_rng(1))[1]
            again = bptt.truncated_gradient(tape, losses, P, how, rng=np.random.default_rng(1))
            assert_alike(found, again)


def _loss_at(steps, t, h):
    return (h**2).sum() if t in steps else 0.0


def test_an_open_tape_records_nothing_of_it():
    tape, loss, params, _, _ = recorded("rnn", 6)
    expected = bptt.truncated_gradient(tape, loss, params, Window(2))
    with tg.Tape() as outer:
        found = bptt.truncated_gradient(tape, loss, params, Window(2))
        how = bptt.bias_and_variance(tape, loss, params, Randomized(0.5), rng=np.random.default_rng(0), draws=3)
    assert not len(outer)
    assert_alike(found, expected, 0)
    assert how.draws == 3
    before = len(tape)
    with tape:
        assert_alike(bptt.truncated_gradient(tape, loss, params, Window(2)), expected, 0)
    assert len(tape) == before


def test_ways_of_other_kinds_of_numbers_say_so():
    tape, loss, params, _, _ = recorded("rnn", 4)
    rng = np.random.default_rng(0)
    wrong = [
        (lambda: Scaled(0.5), "factors = 0.5"),
        (lambda: Scaled(np.ones((2, 2))), "an array of shape \\(2, 2\\)"),
        (lambda: Scaled("ab"), "factors = 'ab'"),
        (lambda: Scaled([1.0, None]), "factors"),
        (lambda: Randomized("0.5"), "pi = '0.5'"),
        (lambda: Randomized(None), "pi = None"),
        (lambda: Randomized([0.5, "a"]), "pi"),
        (lambda: RandomChunks("a"), "mean = 'a'"),
        (lambda: RandomChunks(None), "mean = None"),
        (lambda: RandomChunks(3, "a"), "power = 'a'"),
        (lambda: bptt.bias_and_variance(tape, loss, {}, Chunked(2)), "nothing to differentiate by"),
        (lambda: bptt.bias_and_variance(tape, loss, params, Randomized(0.5), rng=rng, draws=2.5), "draws = 2.5"),
        (lambda: bptt.bias_and_variance(None, loss, params, Randomized(0.5), exact=True), "the tape is a NoneType"),
        (lambda: bptt.truncated_gradient(None, loss, params, Chunked(2)), "the tape is a NoneType"),
    ]
    for call, words in wrong:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2
    assert Randomized(np.array(0.5)) == Randomized(0.5)
    assert Randomized(np.array([0.5, 0.25])).pi == (0.5, 0.25)
    assert Scaled(np.float32([1, 2])).factors == (1.0, 2.0)


def test_a_truncated_gradient_is_built_like_what_it_is_by():
    rng = np.random.default_rng(0)
    p = nn.init.rnn(rng, 2, 3)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, p, rng.standard_normal((4, 1, 2)))
        loss = (hs * hs).sum()
    nested = {"in": [p["weight_ih"]], "rest": {name: p[name] for name in p if name != "weight_ih"}}
    flat, found = (bptt.truncated_gradient(tape, loss, wrt, bptt.Window(2)) for wrt in (p, nested))
    assert np.array_equal(found["in"][0], flat["weight_ih"])
    assert all(np.array_equal(found["rest"][name], flat[name]) for name in nested["rest"])
