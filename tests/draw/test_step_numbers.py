"""The numbers of steps in drawings: the initial state has one of its own, and `first_step` says where they begin."""

import numpy as np
import odd_tapes
import pytest
from drawings import LAYERS, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.draw.views.step_numbers import bare, pieces, plain, subscript


def labels_of(tape, **options):
    """The labels of the initial states of a picture, and its titles, all as plain text."""
    pic = picture(tape, **options)
    boxes = pic.boxes.values()
    return [plain(box.label) for box in boxes if box.initial], {plain(box.title) for box in boxes}


@pytest.mark.parametrize("first", [None, 0, 1])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("level", ["ops", "gates", "cells"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "two_layers"])
def test_the_initial_state_has_the_number_before_the_first_step(name, level, T, first):
    tape, _, _ = recorded(name, T)
    initial, titles = labels_of(tape, level=level, first_step=first)
    expected = f"h_{first - 1}" if first else "h_{-1}"
    assert {label.split(", ")[0] for label in initial} <= {expected, expected.replace("h", "c")}
    assert expected in {label.split(", ")[0] for label in initial}
    assert expected not in titles - set(initial)  # no other box can be taken for it
    steps = [T - 1 + (first or 0), first or 0]
    assert all(any(title.startswith(f"h_{t}") for title in titles) for t in steps)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_the_way_back_begins_after_the_last_step(T, first):
    initial, _ = labels_of(recorded("bidirectional", T)[0], level="cells", first_step=first)
    assert initial == ["h_{-1}" if first == 0 else "h_0", f"h_{T + first}"]


def test_steps_that_are_labelled_from_one_begin_with_h_0_by_themselves():
    h = np.zeros((2, 3))
    with tg.Tape() as tape:
        for t in (1, 2, 3):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(tg.Tensor(np.ones((2, 3)), name="U") * tg.Tensor(h) if t == 1 else h * 2.0))
    assert draw.text(tape).splitlines()[0].split() == ["t", "=", "1", "t", "=", "2", "t", "=", "3"]
    assert draw.text(tape, first_step=0).splitlines()[0].split()[2::3] == ["0", "1", "2"]


def test_several_states_ago_are_several_initial_states():
    with tg.Tape() as tape:
        odd_tapes.lags(1, 3)
    initial, _ = labels_of(tape, level="gates")
    assert initial == ["h_{-1}, h_{-3}", "h_{-2} = h1", "h_{-1} = h2"]
    initial, _ = labels_of(tape, level="ops", first_step=1)
    assert initial == ["h_0 = h2", "h_{-2}", "h_{-1} = h1", "h_0 = h2"]


@pytest.mark.parametrize(
    ("given", "label"),
    [("h0", "h_{-1}"), (None, "h_{-1}"), ("h_0", "h_{-1}"), ("context", "h_{-1} = context"), ("c0", "h_{-1} = c0")],
)
@pytest.mark.parametrize("T", [2, 4])
def test_an_initial_state_of_another_name_says_which_it_is(given, label, T):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        state = tg.Tensor(np.zeros((2, 4)), name=given)
        nn.unroll(nn.rnn, nn.init.rnn(rng, 3, 4), rng.standard_normal((T, 2, 3)), state)
    assert labels_of(tape, level="gates")[0] == [label]
    assert plain(picture(tape).boxes["v5_0"].tip) == label


def test_labels_that_are_no_numbers_have_an_initial_state_in_words_and_no_other_numbers():
    with tg.Tape() as tape:
        odd_tapes.in_order(["a", "b", "c"])
    assert labels_of(tape)[0] == ["initial h"]
    with pytest.raises(ValueError, match="first_step=1, and the step 'a' is not a whole number"):
        picture(tape, first_step=1)


@pytest.mark.parametrize("first", [2, -1, True, 0.0, "1"], ids=repr)
def test_steps_begin_with_0_or_1(first):
    with pytest.raises(ValueError, match="give 0 or 1"):
        picture(recorded("rnn")[0], first_step=first)


@pytest.mark.parametrize("view", ["unrolled", "rolled"])
@pytest.mark.parametrize("name", ["lstm", "two_bidirectional", "own"])
def test_only_the_numbers_of_steps_differ(name, view):
    """The drawings for 0 and 1 have the same boxes, arrows and columns, and titles that differ in numbers alone."""
    tape, loss, _ = recorded(name, 4)
    zero, one = (picture(tape, view=view, level="gates", first_step=first, flow=loss) for first in (0, 1))
    assert list(zero.boxes) == list(one.boxes)
    assert list(zero.arrows) == list(one.arrows)
    assert zero.columns == one.columns
    assert zero.flows == one.flows
    assert [bare(box.label) for box in zero.boxes.values()] == [bare(box.label) for box in one.boxes.values()]
    assert one.notes == [] or one.notes != zero.notes


def test_a_rolled_step_says_its_number_and_the_steps_unlike_it():
    tape, _, _ = recorded("lstm", 7)
    assert picture(tape, view="rolled", level="gates", first_step=1).notes == [
        "drawn: t = 4; all 7 steps are alike",
        "t = 1 reads the initial state h₀, c₀",
    ]
    text = draw.text(tape, steps=range(7), first_step=1, width=900)
    assert text.splitlines()[0].split()[2::3] == [str(t) for t in range(1, 8)]
    assert "f * c_0 + i * g" in text
    assert "stack(h_1, h_2, h_3, h_4, h_5, h_6, h_7)" in text


def test_cuts_are_given_by_label_and_written_by_number():
    tape, loss, _ = recorded("rnn", 4)
    pic = picture(tape, level="gates", flow=loss, cuts=[2], first_step=1)
    assert pic.cuts == [2]
    assert pic.notes == ["the gradient is cut before t = 3: nothing comes back across a cut"]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_parts_of_a_given_array_of_states_have_the_numbers_of_initial_states(layer, first):
    net, rng = LAYERS[layer], np.random.default_rng(0)
    count = 2 * net.num_layers if net.bidirectional else net.num_layers
    h = tg.Tensor(rng.standard_normal((count, 2, 4)), name="start")
    state = (h, np.zeros((count, 2, 4))) if isinstance(net, nn.LSTM) else h
    with tg.Tape() as tape:
        net(net.init(rng), rng.standard_normal((3, 2, 3)), state)
    boxes = picture(tape, level="gates", first_step=first).boxes.values()
    before, after = ("h_{-1}", "h_3") if first == 0 else ("h_0", "h_4")
    expected = [before, after] * count if net.bidirectional else [before] * count
    assert [plain(box.title) for box in boxes if box.detail.startswith("[")] == expected[:count]
    assert not any("h0" in box.label for box in boxes)


def test_a_subscript_is_split_off_and_written_as_in_latex():
    assert pieces("hₜ₋₁ = tanh") == [("h", False), ("t−1", True), (" = tanh", False)]
    assert [plain("h" + subscript(t)) for t in (0, 12, -1, np.int64(3))] == ["h_0", "h_12", "h_{-1}", "h_3"]
    assert [subscript(t) for t in (True, 0.5, "a", None)] == [""] * 4
    assert plain("hₜ, cₜ₊₁") == "h_t, c_{t+1}"
    assert bare("h₋₁, c₋₁") == "h, c"
