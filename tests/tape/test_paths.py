"""The walk back in parts: they add up to the gradient, each is what a derivation gives, and edges scale what passes."""

import tracemalloc

import numpy as np
import pytest
from cells import WITH_HAND, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.tape.paths import split_gradient, total
from tinygrad_rnn.tape.steps import time_of


def by_step(tag, labels):
    t = time_of(labels)
    return tag if t is None else t


@pytest.mark.parametrize("cell", WITH_HAND)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_parts_by_step_add_up_to_the_gradient(cell, T, dtype):
    tape, loss, params, _ = recorded(cell, T, dtype=dtype)
    whole = tape.gradient(loss, params)
    for name, parts in zip(params, split_gradient(tape, loss, list(params.values()), by_step), strict=True):
        assert set(parts) == set(range(T))
        assert all(part.dtype == dtype for part in parts.values())
        apart = np.abs(total(parts, params[name]) - whole[name]).max()
        assert apart <= (1e-13 if dtype == "float64" else 1e-5) * np.abs(whole[name]).max()


def test_a_part_by_step_is_the_term_of_the_sum_over_time():
    tape, loss, params, _ = recorded("rnn", T=5)
    parts = split_gradient(tape, loss, [params["weight_hh"]], by_step)[0]
    for k in range(1, 5):
        dz = tape.gradient(loss, tape.find("z", t=k))
        np.testing.assert_allclose(parts[k], dz.T @ tape.find("h", t=k - 1).data, rtol=1e-12, atol=1e-15)


def test_parameters_prepared_outside_of_time_are_split_too():
    """W.T is made once, before the loop: the transposition has no step, what comes to it has."""
    W, h = tg.Tensor(np.arange(4.0).reshape(2, 2) / 4, name="W"), tg.Tensor(np.ones((1, 2)))
    with tg.Tape() as tape:
        W_T = W.T
        for t in range(3):
            with tg.scope(t=t):
                h = np.tanh(h @ W_T)
        loss = h.sum()
    parts = split_gradient(tape, loss, [W], by_step)[0]
    assert set(parts) == {0, 1, 2}
    np.testing.assert_allclose(total(parts, W), tape.gradient(loss, W), rtol=1e-14)


def test_an_edge_of_zero_cuts_and_one_of_a_half_halves():
    tape, loss, params, _ = recorded("lstm")
    cut = split_gradient(
        tape, loss, [params["weight_hh"]], by_step, lambda tag, reader, maker: float(time_of(reader) is None)
    )[0]
    assert cut == {}  # nothing passes from an entry of a step to another
    state = tg.Tensor(2.0)
    with tg.Tape() as tape:
        h = state
        for t in range(3):
            with tg.scope(t=t):
                h = 3 * h
    halved = split_gradient(tape, h, [state], by_step, lambda tag, reader, maker: 0.5)
    assert total(halved[0], state) == 27 / 4  # two edges between three steps


def test_intermediate_results_and_seeds():
    tape, loss, _, hs = recorded("gru")
    h_2 = tape.find("h", t=2)
    whole = tape.gradient(loss, h_2)
    np.testing.assert_allclose(total(split_gradient(tape, loss, [h_2], by_step)[0], h_2), whole, rtol=1e-13)
    seed = np.random.default_rng(1).standard_normal(hs.shape)
    seeded = total(split_gradient(tape, hs, [h_2], by_step, seed=seed)[0], h_2)
    np.testing.assert_allclose(seeded, tape.gradient(hs, h_2, seed), rtol=1e-13)
    together = total(split_gradient(tape, {loss: 1.0, hs: seed}, [h_2], by_step)[0], h_2)
    np.testing.assert_allclose(together, whole + seeded, rtol=1e-13)


def test_what_is_not_reached_has_no_parts_and_a_foreign_loss_is_refused():
    tape, loss, _, _ = recorded("rnn")
    other = tg.Tensor(np.ones(2))
    assert split_gradient(tape, loss, [other], by_step) == [{}]
    assert not total({}, other).any()
    with pytest.raises(ValueError, match="was not made on this tape"):
        split_gradient(tape, other, [other], by_step)


def test_a_part_of_a_tape_holds_everything_else_constant():
    tape, _, params, _ = recorded("rnn")
    numbers = tg.tape.steps.steps(tape)[2]
    step = tape.part(numbers)
    assert len(step) == len(numbers)
    assert str(step[0]) == str(tape[numbers[0]])
    z, before = tape.find("z", t=2), tape.find("h", t=1)
    seed = np.random.default_rng(0).standard_normal(z.shape)
    dU = step.gradient(z, params["weight_hh"], seed)
    np.testing.assert_allclose(dU, seed.T @ before.data, rtol=1e-13)  # not the way through h_1
    assert np.abs(tape.gradient(z, params["weight_hh"], seed) - dU).max() > 0.1


def test_where_parts_start_and_under_which_tag_they_end():
    w, h = tg.Tensor(0.5), tg.Tensor(1.0)
    losses = []
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t):
                h = w * h
                losses.append(1.0 * h)
    start = {x: f"loss {t}" for t, x in enumerate(losses)}
    parts = split_gradient(tape, dict.fromkeys(losses, 1.0), [w], lambda tag, labels: tag, start=start)[0]
    assert parts == {"loss 0": 1.0, "loss 1": 2 * 0.5, "loss 2": 3 * 0.25}
    merged = split_gradient(
        tape, dict.fromkeys(losses, 1.0), [w], lambda tag, labels: tag, start=start, at_leaf=lambda tag: tag == "loss 2"
    )[0]
    assert merged == {False: 2.0, True: 0.75}


def test_a_part_of_a_stack_goes_to_what_it_touches_alone():
    x = tg.Tensor(2.0)
    with tg.Tape() as tape:
        values = []
        for t in range(3):
            with tg.scope(t=t):
                values.append(x * (t + 1))
        stacked = np.stack(values)
        reads = [stacked[t] * 1.0 for t in range(3)]
    start = {y: t for t, y in enumerate(reads)}
    seen = set()

    def edge(tag, reader, maker):
        seen.add((tag, time_of(maker)))
        return 1.0

    parts = split_gradient(tape, dict.fromkeys(reads, 1.0), [x], lambda tag, labels: tag, edge, start=start)[0]
    assert parts == {0: 1.0, 1: 2.0, 2: 3.0}
    assert seen == {(t, s) for t in range(3) for s in (t, None)}


INDICES = [2, -1, slice(1, 3), (1, slice(None)), (slice(0, 4, 2), 1), (-2, 1), (slice(None), [0, 1]), [0, 0, 2], ...]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("join", ["stack", "stack last", "concatenate", "concatenate first", "mixed dtypes"])
def test_parts_of_what_was_joined_are_those_of_the_whole(index, join):
    rng = np.random.default_rng(0)
    xs = [tg.Tensor(rng.standard_normal((3, 2))) for _ in range(4)]
    if join == "mixed dtypes":
        xs[1], xs[2] = tg.Tensor(xs[1].data.astype(np.float32)), tg.Tensor(np.ones((3, 2), int))
    with tg.Tape() as tape:
        if join.startswith("concatenate"):
            joined = np.concatenate(xs, axis=0 if "first" in join else 1)
        else:
            joined = np.stack(xs, axis=-1 if "last" in join else 0)
        with tg.scope(t=0):
            first = joined[index]
        with tg.scope(t=1):
            second = joined[1] * 2.0
        whole = joined * 3.0
    seeds = {y: rng.standard_normal(y.shape) for y in (first, second, whole)}
    wrt = [x for x in xs if x.dtype.kind == "f"]
    for x, parts, expected in zip(
        wrt, split_gradient(tape, seeds, wrt, by_step), tape.gradient(seeds, wrt), strict=True
    ):
        assert all(part.shape == x.shape and part.dtype == x.dtype for part in parts.values())
        np.testing.assert_allclose(total(parts, x), expected, rtol=1e-6 if x.dtype == np.float32 else 1e-13, atol=1e-13)
        for t, y in ((0, first), (1, second), (None, whole)):
            own = tape.gradient({y: seeds[y]}, x)
            np.testing.assert_allclose(parts.get(t, np.zeros(x.shape)), own, rtol=1e-6, atol=1e-13)


def test_parts_of_a_sequence_that_is_read_whole_and_by_place_and_twice_at_once():
    """A leaf gets arrays and places under one tag, in either order; a value may be both factors of a product."""
    xs = tg.Tensor(np.arange(6.0).reshape(3, 2))
    with tg.Tape() as tape:
        squares = []
        for t in range(3):
            with tg.scope(t=t):
                x = xs[t]
                squares.append((x * x).sum())
        loss = sum(squares, (xs * xs).sum() + (xs[1] * 5.0).sum())
    parts = split_gradient(tape, loss, [xs], by_step)[0]
    own = [2 * np.eye(3)[:, [t]] * xs.data for t in range(3)]
    np.testing.assert_array_equal(parts[None], 2 * xs.data + 5 * np.eye(3)[:, [1]])
    for t in range(3):
        np.testing.assert_array_equal(parts[t], own[t])
    np.testing.assert_array_equal(total(parts, xs), tape.gradient(loss, xs))


def test_a_wrong_derivative_rule_is_named_and_an_error_of_a_tag_comes_as_it_is():
    wrong = tg.primitive(lambda x: x * 1.0, lambda g, y, x: np.ones(7), name="test_paths_wrong")
    x = tg.Tensor(np.ones(2), name="x")
    with tg.Tape() as tape:
        y = wrong(x).sum()
    with pytest.raises(ValueError, match="test_paths_wrong, backward: "):
        split_gradient(tape, y, [x], by_step)

    def refused(tag, labels):
        raise LookupError("mine")

    with pytest.raises(LookupError, match=r"\Amine\Z"):
        split_gradient(tape, y, [x], refused)


def test_parts_between_two_layers_take_memory_as_their_number():
    """Of each step the layer above reads one place of the layer below: no part is as long as the sequence."""
    peaks = []
    for T in (60, 240):
        layer = nn.RNN(2, 32, num_layers=2, bidirectional=True)
        params = layer.init(np.random.default_rng(0))
        with tg.Tape() as tape:
            hs, _ = layer(params, np.ones((T, 4, 2)))
            loss = (hs * hs).sum()
        tracemalloc.start()
        split_gradient(tape, loss, [params["weight_ih_l0"]], by_step, at_leaf=lambda t: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]
