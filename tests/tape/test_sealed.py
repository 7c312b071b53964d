"""A sealed tape: while it is open, no value that was made on it leaves it, and what says nothing of values goes on."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.core.values import not_recording

ONE = np.array([0.5])

WAYS_OUT = {
    "bool()": bool,
    "bool() in a condition": lambda x: 1 if x > 0 else 2,
    "bool() of two conditions": lambda x: (x > 0) and 2,
    "bool() of an equality": lambda x: x == 1 or 2,
    "bool() of not": lambda x: not x,
    "bool() of a comparison of tuples": lambda x: (x, 1) == (x + 0, 1),
    "bool() of the larger of two": lambda x: max(x, x + 1),
    "bool() of what is in a list": lambda x: (x + 0) in [x],
    "x.item()": lambda x: x.item(),
    "x.data": lambda x: x.data,
    "float()": float,
    "float() in Python's mathematics": math.exp,
    "float() of a complex number": complex,
    "int()": int,
    "np.array()": np.asarray,
    "np.array() of a list": lambda x: np.array([x, x]),
    "np.array() as an index": lambda x: np.zeros(3)[x.astype(int)],
    "backward()": lambda x: x.sum().backward(),
    "format with '.3f'": lambda x: f"{x[0]:.3f}",
    "a copy or pickle": pickle.dumps,
    "a copy or pickle of a deep copy": copy.deepcopy,
    "a copy or pickle of a shallow copy": copy.copy,
    "an index of booleans": lambda x: x[x > 0],
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_every_way_out_is_closed_while_the_tape_is_open(way):
    leaf = tg.Tensor(ONE, name="h")
    with tg.Tape(sealed=True) as tape, tg.scope(t=3, gate="f"):
        x = tg.named("x", leaf * 1)
        with pytest.raises(TypeError) as refusal:
            WAYS_OUT[way](x)
    wrong, remedy = str(refusal.value).split("\n")
    assert wrong.startswith(f"{way.split(' of ')[0].split(' in ')[0].split(' as ')[0]}")
    assert wrong.endswith("off a sealed tape, in t=3 gate=f")
    assert "recorded once" in remedy
    assert "np.where(...)" in remedy
    assert len(tape) >= 1
    if way != "backward()":
        WAYS_OUT[way](x)  # afterwards values may go where they like


def test_the_refusal_names_the_tensor_and_its_shape():
    with tg.Tape(sealed=True), tg.scope(layer=1):
        h = tg.named("h", tg.Tensor(np.ones((2, 3))) * 2)
        with pytest.raises(TypeError, match=r"^x\.data: would take the values of 'h' \(2, 3\) off .*, in layer=1\n"):
            _ = h.data
        with pytest.raises(TypeError, match=r"^x\.item\(\): would take the values of unnamed \(\) off a sealed tape"):
            h.sum().item()


def test_what_says_nothing_of_values_goes_on():
    with tg.Tape(sealed=True) as tape:
        x = tg.named("x", tg.Tensor(np.ones((2, 3), np.float32)) * 2)
        assert (x.shape, x.dtype, x.ndim, x.size, len(x), x.name) == ((2, 3), np.float32, 2, 6, 2, "x")
        assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
        like = [np.zeros_like(x), np.ones_like(x), np.full_like(x, 7), np.empty_like(x, dtype=int)]
        assert [(type(a), a.shape) for a in like] == [(np.ndarray, (2, 3))] * 4
        assert [row.shape for row in x] == [(3,), (3,)]
        assert repr(x) == f"{x}" == "Tensor(values on a sealed tape, shape=(2, 3), dtype=float32, name='x')"
        assert str(tape).count("\n") == len(tape)
        picked = x[np.array([True, False])]  # a constant mask picks as many entries in every run
        assert picked.shape == (1, 3)
    assert str(x).startswith("Tensor([[2., 2., 2.]")


def test_leaves_are_constants_unless_they_are_sealed_too():
    constant, given = tg.Tensor(ONE, name="k"), tg.Tensor(ONE, name="x")
    tape = tg.Tape(sealed=True)
    tape.seal(given)
    assert given.item() == 0.5  # the tape is not open yet
    with tape:
        y = constant * given
        assert constant.item() == 0.5
        assert constant.data == 0.5
        assert bool(constant)
        with pytest.raises(TypeError, match=r"bool\(\): would take the values of 'x' \(1,\) off a sealed tape"):
            bool(given)
    assert (given.item(), y.item()) == (0.5, 0.25)


def test_a_sealed_tape_computes_and_walks_back_as_any_other():
    rng = np.random.default_rng(0)
    params, xs = nn.init.lstm(rng, 3, 4), rng.standard_normal((3, 2, 3))
    found = []
    for sealed in (False, True):
        with tg.Tape(sealed=sealed) as tape:
            hs, (_, c) = nn.unroll(nn.lstm, params, xs)
            loss = nn.mse(hs, np.zeros(hs.shape)) + (c * c).sum()
            recorded = tape.gradient(loss, params)
        found.append((tape.gradient(loss, params), {k: g.data for k, g in recorded.items()}, len(tape)))
    (plain, plain_recorded, plain_length), (sealed, sealed_recorded, sealed_length) = found
    assert plain_length == sealed_length
    for name in params:
        assert np.array_equal(plain[name], sealed[name])
        assert np.array_equal(plain_recorded[name], sealed_recorded[name])


def test_transforms_and_tapes_inside_are_sealed_with_it():
    def slope(x):
        return tg.grad(lambda y: (y * y * y).sum())(x)

    x = tg.Tensor(np.array([1.0, 2.0]))
    with tg.Tape(sealed=True):
        with tg.Tape() as inner:
            y = (x * x).sum()
            with pytest.raises(TypeError, match="sealed"):
                y.item()
        g = inner.gradient(y, x)
        with pytest.raises(TypeError, match="sealed"):
            _ = g.data
        with pytest.raises(TypeError, match="sealed"):
            inner.backward(y)
        second = slope(x * 1)
        with pytest.raises(TypeError, match="sealed"):
            _ = second.data
    assert np.array_equal(g.data, [2.0, 4.0])
    assert np.array_equal(second.data, [3.0, 12.0])


def test_what_runs_without_recording_is_refused():
    params = nn.init.rnn(np.random.default_rng(0), 3, 4)
    with tg.Tape(sealed=True), tg.scope(t=1):
        with pytest.raises(TypeError, match=r"values that are not recorded would leave a sealed tape, in t=1\nin a"):
            with not_recording():
                pass
        with pytest.raises(TypeError, match="sealed"):
            bptt.flow(nn.rnn, params, np.ones((2, 1, 3)))
    with not_recording():
        pass


def test_a_sealed_tape_is_opened_first():
    with tg.Tape(), pytest.raises(RuntimeError, match=r"sealed tape cannot be opened inside another one\nopen it"):
        tg.Tape(sealed=True).__enter__()
    with tg.Tape(sealed=True), pytest.raises(RuntimeError, match="cannot be opened inside another"):
        tg.Tape(sealed=True).__enter__()


def test_it_is_sealed_while_it_is_open_and_again_when_it_is_opened_again():
    tape = tg.Tape(sealed=True)
    assert not tape.sealed
    with tape:
        x = tg.Tensor(ONE) * 1
        assert tape.sealed
    assert not tape.sealed
    assert x.item() == 0.5
    with tape, pytest.raises(TypeError, match="sealed"):
        x.item()
    with pytest.raises(ValueError, match="do not fit"), tape:
        x * np.ones((2, 3)) @ np.ones((2, 3))
    assert x.item() == 0.5
    with copy.copy(tape) as other:
        assert other.sealed
    with pickle.loads(pickle.dumps(tape)) as loaded:
        assert loaded.sealed
        with pytest.raises(TypeError, match="sealed"):
            loaded[0].out.item()
    with tg.Tape() as plain:
        assert not plain.sealed


def test_another_thread_does_not_read_it_either():
    errors = []

    def read(x):
        try:
            x.item()
        except TypeError as error:
            errors.append(str(error))

    with tg.Tape(sealed=True):
        x = tg.Tensor(ONE) * 1
        thread = threading.Thread(target=read, args=(x,))
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert "sealed" in errors[0]


def test_a_tensor_whose_tape_is_gone_is_free():
    with tg.Tape(sealed=True) as tape:
        x = tg.Tensor(ONE) * 1
    del tape
    assert x.item() == 0.5
    assert f"{x[0]:.1f}" == "0.5"
