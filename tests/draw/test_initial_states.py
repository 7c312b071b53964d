"""An initial state stands beside what reads it, where the state comes from in other steps; in a single step as well."""

import subprocess

import numpy as np
import pytest
from drawings import CELLS, LAYERS, VIEWS, needs_dot, options_for, recorded
from odd_tapes import ODD, odd_tape

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.views.picture import picture

NAMES = [*CELLS, "gru_textbook", *LAYERS, "truncated", "own"]


def assert_beside(pic):
    """Each initial state and its one reader in a row, with an arrow along it, and no box between. Return how many."""
    places = layout(pic)
    initial = [name for name, box in pic.boxes.items() if box.initial]
    for name in initial:
        ((_, reader),) = [arrow for arrow in pic.arrows if arrow[0] == name]
        (x, y), (x1, y1) = places.centre[name], places.centre[reader]
        assert y == y1
        assert {point[1] for point in places.curves[name, reader]} == {y}
        between = [b for b, (bx, by) in places.centre.items() if by == y and min(x, x1) < bx < max(x, x1)]
        assert not between
        assert pic.boxes[name].column == pic.boxes[reader].column
        assert pic.boxes[name].kind == "input"
    return len(initial)


def two_states(h0, T, read_by=None):
    """A step that reads two states in one operation; and a scalar, an unnamed leaf, and an input by itself."""
    W = tg.Tensor(np.ones((3, 2)), name="W")
    h, m = h0, tg.Tensor(np.ones(h0.shape), name="m0")
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t):
                u = tg.Tensor(np.ones((*h0.shape[:-1], 3)), name=read_by)
                both = h * m
                m = tg.named("m", h + m)
                h = tg.named("h", np.tanh(both + u @ W))
        tg.named("L", h.sum())
    return tape


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_initial_states_stand_beside_their_readers(name, batch, T):
    tape, _, options = recorded(name, T, batch)
    for view, depth in VIEWS:
        count = assert_beside(picture(tape, view=view, level=depth, **options_for(options, view)))
        assert count or view == "rolled"


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_initial_states_of_odd_tapes_stand_beside_their_readers(name):
    tape = odd_tape(name)
    for view, depth in VIEWS:
        for steps in (None, 1) if view == "unrolled" else (None,):
            assert_beside(picture(tape, steps, view=view, level=depth))


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
@pytest.mark.parametrize("level", ["ops", "gates", "cells"])
@pytest.mark.parametrize("T", [1, 3])
def test_initial_states_beside_masks_are_those_of_both_directions(kind, level, T):
    rng = np.random.default_rng(0)
    net = kind(3, 4, 1, bidirectional=True)
    with tg.Tape() as tape:
        hs, _ = net(net.init(rng), rng.normal(size=(T, 2, 3)), lengths=[T, max(T - 1, 1)])
        tg.named("L", (hs**2).mean())
    pic = picture(tape, level=level)
    assert_beside(pic)
    assert {box.column for box in pic.boxes.values() if box.initial} == {0, T - 1}


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 2)])
@pytest.mark.parametrize("level", ["ops", "gates", "cells"])
def test_initial_states_that_one_box_reads_are_one_box(level, shape, T):
    pic = picture(two_states(tg.Tensor(np.ones(shape), name="h0"), T), level=level)
    assert_beside(pic)
    assert "h₋₁, m₋₁" in {box.title for box in pic.boxes.values() if box.initial}


@pytest.mark.parametrize("shape", [(), (2,), (3, 2)])
@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
def test_a_box_of_several_initial_states_shows_the_numbers_of_none(depth, shape):
    h, m = (tg.Tensor(np.full(shape, value), name=name) for name, value in (("h0", 3.0), ("m0", 5.0)))
    with tg.Tape() as tape:
        for t in range(2):
            with tg.scope(t=t):
                both = h * m
                h, m = tg.named("h", both * 0.5), tg.named("m", both + 1.0)
        tg.named("L", (h + m).sum())
    pic = picture(tape, level=depth, show=("shape", "value", "heat"))
    (box,) = [box for box in pic.boxes.values() if box.initial]
    assert box.label == "h₋₁, m₋₁"
    assert (box.lines, box.heat) == ((), ())


@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", [name for name in NAMES if "bidirectional" not in name])
def test_a_single_step_is_drawn_as_the_first_of_two(name, batch, depth):
    def first_step(T):
        tape, _, _ = recorded(name, T, batch)
        pic = picture(tape, [0] if T > 1 else None, level=depth)
        return sorted((box.kind, box.label, box.shape) for box in pic.boxes.values() if box.column == 0)

    assert first_step(1) == first_step(2)


@pytest.mark.parametrize("name", ["u", None, "x"])
@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
def test_what_might_be_an_input_of_a_single_step_is_drawn(depth, name):
    tape = two_states(tg.Tensor(np.ones((1, 2)), name="h0"), 1, name)
    assert any(
        box.title == (name or "leaf") and box.kind == "input" for box in picture(tape, level=depth).boxes.values()
    )


def test_vectors_and_scalars_of_a_single_step_are_drawn_where_nothing_tells_what_they_are():
    a, x, U = (tg.Tensor(np.ones(2), name=name) for name in ("a", "x", "U"))
    with tg.Tape() as tape, tg.scope(t=0):
        tg.named("h", np.tanh(a * x + U))
    boxes = picture(tape, level="cells").boxes.values()
    assert {box.title for box in boxes if box.kind == "input"} == {"a", "x", "U"}


@pytest.mark.slow
@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", NAMES)
def test_graphviz_puts_initial_states_beside_their_readers(name, T):
    tape, _, _ = recorded(name, T)
    pic = picture(tape, level="gates")
    text = str(draw.graph(tape, level="gates"))
    plain = subprocess.run(
        ["dot", "-Tplain"], input=text, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    height = {words[1]: words[3] for line in plain.splitlines() if (words := line.split())[0] == "node"}
    pairs = [(a, b) for a, b in pic.arrows if pic.boxes[a].initial]
    assert pairs
    assert all(height[a] == height[b] for a, b in pairs)
