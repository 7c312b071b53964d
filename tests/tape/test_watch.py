"""Hooks, the watch for values that are not finite, the kept lines of code, and the memory that a tape holds."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


def recurrence(**options):
    W = tg.Tensor([[0.5]], name="W")
    h = tg.Tensor([[1.0]], name="h0")
    with tg.Tape(**options) as tape:
        for t in range(3):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(h @ W))
        loss = h.sum()
    return tape, loss, W


# ---------------------------------------------------------------------------------------------- hooks


def test_a_hook_sees_each_cotangent_of_a_name_and_changes_nothing():
    tape, loss, W = recurrence()
    before = tape.gradient(loss, W)
    seen = []
    remove = tape.hook(lambda entry, g: seen.append((dict(entry.scope)["t"], g.item())), "h")
    np.testing.assert_array_equal(tape.gradient(loss, W), before)
    assert [t for t, _ in seen] == [2, 1, 0]
    exact = {s.entry.scope: s.cotangent.item() for s in tape.rewind(loss) if s.entry.out.name == "h"}
    assert [g for _, g in seen[:3]] == list(exact.values())
    remove()
    seen.clear()
    tape.gradient(loss, W)
    assert not seen


def test_a_hook_cuts_scales_and_clips():
    tape, loss, W = recurrence()
    with_all = tape.gradient(loss, W)
    remove = tape.hook(lambda entry, g: 0 * g, "h", t=1)  # truncation: nothing goes back beyond step 2
    h1 = tape.find("h", t=1).data
    h2 = tape.find("h", t=2).data
    np.testing.assert_allclose(tape.gradient(loss, W), (1 - h2**2) * h1, rtol=1e-15)
    loss.backward()
    np.testing.assert_allclose(W.grad, (1 - h2**2) * h1, rtol=1e-15)
    remove()
    np.testing.assert_array_equal(tape.gradient(loss, W), with_all)
    tape.hook(lambda entry, g: np.clip(g, -1e-3, 1e-3), t=2)
    assert abs(tape.gradient(loss, tape.find("h", t=1))).max() <= 1e-3


def test_a_hook_on_a_leaf_and_a_recorded_hook():
    tape, loss, W = recurrence()
    g = tape.gradient(loss, W)
    tape.hook(lambda entry, g: g * 2 if entry is None else None, "W")
    np.testing.assert_allclose(tape.gradient(loss, W), 2 * g)
    x = tg.Tensor(3.0)
    with tg.Tape() as outer:
        with tg.Tape() as inner:
            y = tg.named("y", x * x)
            z = y * y
        inner.hook(lambda entry, g: g * 10, "y")
        slope = inner.gradient(z, x)  # 10 * 4 x^3
    assert slope.item() == 10 * 4 * 27
    assert outer.gradient(slope, x) == 10 * 12 * 9


def test_a_hook_may_not_change_the_shape_nor_write_into_the_cotangent():
    tape, loss, W = recurrence()
    remove = tape.hook(lambda entry, g: np.ones(5), "h")
    with pytest.raises(ValueError, match=r"hook: returned shape \(5,\) for the cotangent of 'h' \(1, 1\)\nreturn the"):
        tape.gradient(loss, W)
    remove()
    tape.hook(lambda entry, g: g.fill(0))
    with pytest.raises(ValueError, match="read-only"):
        tape.gradient(loss, W)


# ---------------------------------------------------------------------------------------------- the watch


def test_the_first_nan_forward_is_named_with_its_place():
    x = tg.Tensor([[1.0, -0.5]], name="z")
    with np.errstate(invalid="ignore"), tg.Tape(check_finite=True) as tape, tg.scope(layer=0, t=3, gate="f"):
        y = x * 2
        with pytest.raises(FloatingPointError) as caught:
            np.log(y)
    wrong, remedy = str(caught.value).split("\n")
    assert wrong.startswith("log: 1 of 2 values not finite (first: nan at [0, 1]), in layer=0 t=3 gate=f, at ")
    assert "test_watch.py:" in wrong
    assert "inputs: an array (1, 2) from -1 to 2" in wrong
    assert "domain of log" in remedy
    assert [entry.op.name for entry in tape] == ["multiply", "log"]


def test_a_nan_that_came_in_is_said_to_have_come_in():
    x = tg.Tensor([1.0, np.inf], name="x")
    with (
        tg.Tape(check_finite=True),
        pytest.raises(FloatingPointError, match=r"add: .*\nit came in with x \(2,\) from 1 to 1 where finite"),
    ):
        x + 1


def test_the_first_inf_backward_is_named_with_its_place():
    x = tg.Tensor([4.0, 0.0], name="x")
    with tg.Tape(check_finite=True) as tape, tg.scope(t=1):
        y = np.sqrt(x).sum()
    with pytest.raises(FloatingPointError) as caught, np.errstate(divide="ignore"):
        tape.gradient(y, x)
    wrong, remedy = str(caught.value).split("\n")
    assert "sqrt, backward: the cotangent for 'x' (2,) has 1 of 2 values not finite (first: inf at [1])" in wrong
    assert "in t=1, at " in wrong
    assert "test_watch.py:" in wrong
    assert "x (2,) from 0 to 4" in wrong
    assert "the cotangent that arrived is an array (2,) from 1 to 1" in remedy


def test_the_watch_follows_an_exploding_gradient_of_a_part_and_of_a_recorded_walk():
    x = tg.Tensor(np.zeros(3), name="x")
    with tg.Tape(check_finite=True) as tape:
        y = (x[1] ** 0.5) * 1.0
    with np.errstate(divide="ignore"):
        with pytest.raises(FloatingPointError, match="power, backward"):
            tape.gradient(y, x)
        with pytest.raises(FloatingPointError, match="power, backward"), tg.Tape():
            tape.gradient(y, x)


def test_a_finite_run_is_as_without_the_watch():
    plain, loss, W = recurrence()
    watched, watched_loss, watched_W = recurrence(check_finite=True)
    np.testing.assert_array_equal(plain.gradient(loss, W), watched.gradient(watched_loss, watched_W))


# ---------------------------------------------------------------------------------------------- lines of code


def test_each_entry_knows_its_line_of_code():
    tape, _, _ = recurrence(lines=True)
    assert all(entry.line.split(":")[0].endswith("test_watch.py") for entry in tape)
    assert tape[0].line == tape[1].line != tape[-1].line
    shown = str(tape).splitlines()
    assert shown[0].split()[-1] == "line"
    assert shown[1].endswith(tape[0].line.rpartition("/")[2])
    assert recurrence()[0][0].line is None
    for again in (copy.copy(tape), pickle.loads(pickle.dumps(tape))):
        assert [entry.line for entry in again] == [entry.line for entry in tape]
        assert str(again) == str(tape)


def test_the_line_of_a_cell_is_the_cells():
    params = nn.init.gru(np.random.default_rng(0), 2, 3)
    with tg.Tape(lines=True) as tape:
        nn.unroll(nn.gru, params, np.ones((2, 1, 2)))
    assert any(entry.line.split(":")[0].endswith("cells.py") for entry in tape)
    assert not any("engine" in entry.line for entry in tape)


# ---------------------------------------------------------------------------------------------- memory


def test_nbytes_counts_each_array_once_and_splits_by_scope():
    x = tg.Tensor(np.zeros((4, 5)), name="x")  # 160 bytes
    with tg.Tape() as tape:
        for t in range(2):
            with tg.scope(t=t):
                y = x[t] * 2.0  # a view, and 40 bytes
        (y * np.ones(5, np.float32)).sum()  # 40 + 20 + 8
    assert tape.nbytes == 160 + 2 * 40 + 40 + 20 + 8
    assert tape.nbytes_by("t") == {0: 200, 1: 40, None: 68}
    assert tape.nbytes_by("gate") == {None: tape.nbytes}
