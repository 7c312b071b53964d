"""Forward mode: tangents against differences, against the walk back, and at what cost."""

import numpy as np
import pytest
from cells import WITH_HAND

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.transforms.forward import pushforward


@pytest.mark.parametrize("cell", WITH_HAND.values())
@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_forward_through_time_equals_bptt(cell, T):
    rng = np.random.default_rng(T)
    params = getattr(nn.init, cell.__name__)(rng, 2, 3)
    xs = rng.standard_normal((T, 2, 2))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, xs)
        loss = (np.sin(hs) * hs).sum()
    v = {p: rng.standard_normal(p.shape) for p in params.values()}
    (along,) = pushforward(tape, v, [loss])
    gradients = tape.gradient(loss, list(v))
    back = sum((g * d).sum() for g, d in zip(gradients, v.values(), strict=True))
    assert along == pytest.approx(back, rel=1e-12)
    assert type(along) is np.ndarray


def test_a_tangent_of_a_result_takes_the_place_of_what_it_is_made_of():
    x = tg.Tensor(2.0)
    with tg.Tape() as tape:
        y = x * x
        z = y * y
    assert pushforward(tape, {y: 1.0}, [z, y]) == [8.0, 1.0]
    assert pushforward(tape, {x: 1.0}, [z]) == [32.0]
    assert pushforward(tape, {y: 1.0, x: 5.0}, [z]) == [8.0]


def test_constants_in_a_stack_do_not_move():
    x = tg.Tensor([1.0, 2.0])
    with tg.Tape() as tape:
        y = np.concatenate([x, [5.0], x * 0.5])
        z = np.stack([x, np.ones(2)])
    found = pushforward(tape, {x: [10.0, 20.0]}, [y, z])
    assert found[0].tolist() == [10, 20, 0, 5, 10]
    assert found[1].tolist() == [[10, 20], [0, 0]]


def test_dtypes_and_broadcasting():
    x = tg.Tensor(np.ones((3, 1), np.float32))
    with tg.Tape() as tape:
        y = x + np.ones((3, 4), np.float32)
        z = x + np.ones((3, 4))
    y_dot, z_dot = pushforward(tape, {x: np.ones((3, 1))}, [y, z])
    assert (y_dot.dtype, z_dot.dtype) == (np.float32, np.float64)
    assert y_dot.tolist() == z_dot.tolist() == np.ones((3, 4)).tolist()


def test_it_records_one_line_or_few_for_each_line():
    """The cost of forward mode is that of about one more run, whatever the number of inputs."""
    rng = np.random.default_rng(0)
    params = nn.init.lstm(rng, 4, 5)
    xs = rng.standard_normal((20, 2, 4))
    v = {p: np.ones(p.shape) for p in params.values()}
    with tg.Tape() as outer:
        with tg.Tape() as tape:
            hs, _ = nn.unroll(nn.lstm, params, xs)
        before = len(outer)
        pushforward(tape, v, [hs])
    assert len(outer) - before < 3.5 * before


def test_a_wrong_tangent():
    x = tg.Tensor([1.0, 2.0], name="x")
    with tg.Tape() as tape:
        y = x * x
    with pytest.raises(ValueError, match=r"the tangent of 'x' \(2,\) has shape \(3,\)"):
        pushforward(tape, {x: np.ones(3)}, [y])


def test_a_result_that_depends_on_what_does_not_move_alone_has_derivative_zero():
    x, y = np.array([0.5, -1.0]), 2.0
    for tangents in ((None, 1.0), (np.zeros(2), 1.0)):
        value, moved = tg.jvp(lambda a, b: np.sin(a), (x, y), tangents)
        np.testing.assert_allclose(value, np.sin(x))
        assert np.array_equal(moved, np.zeros(2))
    value, moved = tg.jvp(lambda a, b: {"a": [np.sin(a)], "b": 3}, (x, y), (None, 1.0))
    assert (moved["a"][0].tolist(), moved["b"].tolist()) == ([0, 0], 0)
    value, moved, aux = tg.jvp(lambda a, b: (np.sum(a), "seen"), (x, y), (None, 1.0), has_aux=True)
    assert (value.item(), moved.item(), aux) == (-0.5, 0, "seen")
    nested = tg.jvp(lambda c: tg.jvp(lambda a, b: np.sin(a) * 1.0, (x, c), (None, 1.0))[1], (y,), (1.0,))
    assert not np.any(nested[1])


@pytest.mark.parametrize("take", [lambda b: b.data, lambda b: b.item()])
def test_values_that_were_taken_off_the_tape_are_no_constants(take):
    with pytest.raises(TypeError, match="what it was made of is not on the tape"):
        tg.jvp(lambda a, b: np.sin(a) * take(b), (1.0, 2.0), (None, 1.0))
    with pytest.raises(TypeError, match="what it was made of is not on the tape"):
        tg.jvp(lambda b: take(b), (2.0,), (1.0,))
