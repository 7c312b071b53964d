"""Odd tapes: in no view does an arrow run behind a box that it has nothing to do with, and no boxes overlap."""

import pytest
from drawings import NETWORKS, VIEWS, assert_no_overlaps, hidden_arrows, recorded, shared_lines
from odd_tapes import ODD, attention, encoder_and_decoder, odd_tape

import tinygrad_rnn as tg
from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.sizes import short
from tinygrad_rnn.draw.style import THEMES
from tinygrad_rnn.draw.views.picture import Gap, picture


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_an_odd_tape_has_arrows_beside_boxes_and_names_beside_both(name):
    tape = odd_tape(name)
    for view, depth in VIEWS:
        for steps in (None, 1) if view == "unrolled" else (None,):
            pic = picture(tape, steps, view=view, level=depth)
            places = layout(pic)
            assert hidden_arrows(pic, places) == [], (view, depth, steps)
            assert_no_overlaps(pic, places)
            assert_nothing_on_a_gap(pic, places)
            assert_arrows_end_at_their_boxes(places)
            assert_room_around_texts(pic, places)
            if steps is None:
                assert_names_apart(pic, places)


def assert_nothing_on_a_gap(pic, places):
    gaps = [box for box in pic.boxes.values() if isinstance(box.column, Gap)]
    for gap in gaps:
        (x, y), half, tall = places.centre[gap.id], places.width[gap.id] / 2, places.tall[gap.id] / 2
        for box, (bx, by) in places.centre.items():
            beside = abs(bx - x) >= half + places.width[box] / 2 or abs(by - y) >= tall + places.height / 2
            assert box == gap.id or beside, box


def assert_arrows_end_at_their_boxes(places):
    for arrow, curve in places.curves.items():
        for end, point in zip(arrow, (curve[0], curve[-1]), strict=True):
            (x, y), high = places.centre[end], places.tall.get(end, places.height) / 2
            assert abs(point[0] - x) <= places.width[end] / 2 + 0.01
            assert abs(point[1] - y) <= high + 0.01


def assert_room_around_texts(pic, places):
    """The names of arrows, and the word "cut", from the tallest letter to the lowest, do not touch a box."""
    theme = THEMES["light"]
    for text in furniture(pic, places, theme).texts:
        if text.fill in (theme.carried, theme.cut):
            low, high, half = text.y - 6, text.y + 3, 0.28 * text.size * len(text.text)
            for name, (x, y) in places.centre.items():
                wide, tall = places.width[name] / 2, places.tall.get(name, places.height) / 2
                aside = abs(text.x - x) - half - wide
                assert max(aside, low - y - tall, y - tall - high) >= 2.5, (text.text, pic.boxes[name].label)


def assert_names_apart(pic, places):
    """The names of arrows are printed over no box and over no other, and there is one for each."""
    theme = THEMES["light"]
    names = [t for t in furniture(pic, places, theme).texts if t.fill == theme.carried]
    areas = [(t.x, t.y, 0.45 * t.size * len(t.text), t.size - 2) for t in names]
    boxes = [(*c, places.width[b], places.tall.get(b, places.height)) for b, c in places.centre.items()]
    for k, (x, y, wide, high) in enumerate(areas):
        for bx, by, box_wide, box_high in (*areas[:k], *boxes):
            apart = abs(x - bx) * 2 >= wide + box_wide or abs(y - by) * 2 >= high + box_high
            assert apart, names[k].text
    if any(pic.arrows.values()):
        assert {t.text for t in names} == {short(says) for says in pic.arrows.values() if says}


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_name_of_an_arrow_and_no_word_at_a_cut_touches_a_box(name, T):
    tape, loss, _ = recorded(name, T)
    for view, depth in VIEWS:
        cuts = {"cuts": range(1, T), "flow": loss} if view == "unrolled" else {}
        for shown in ({}, {"steps": 1, **cuts}, cuts) if cuts else ({},):
            pic = picture(tape, view=view, level=depth, **shown)
            assert_room_around_texts(pic, layout(pic))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("T", "steps"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 3), (3, 7), (7, 2), (7, 7), (20, 20)])
def test_arrows_of_an_encoder_and_a_decoder_share_no_line_in_opposite_directions(cell, T, steps):
    with tg.Tape() as tape:
        tg.named("L", encoder_and_decoder(cell, T, steps))
    for ends in (None, 1):
        pic = picture(tape, ends, level="cells")
        assert shared_lines(pic) == set()
        assert hidden_arrows(pic) == []
        assert_no_overlaps(pic, layout(pic))


@pytest.mark.parametrize("name", ["order [3, 2, 1, 0]", "clockwork", "feedback", "lags (1, 2)", "rnn 3 and 3"])
def test_a_way_back_between_two_boxes_has_a_line_of_its_own(name):
    pic = picture(odd_tape(name), level="cells")
    assert shared_lines(pic) == set()
    a, b = next(arrow for arrow in pic.arrows if pic.carried(*arrow))
    pic.arrows[b, a] = ""
    assert layout(pic).detours & {(a, b), (b, a)}
    assert shared_lines(pic) == set()


@pytest.mark.parametrize("steps", [2, 3])
def test_arrows_of_attention_share_no_line_in_opposite_directions(steps):
    with tg.Tape() as tape:
        tg.named("L", attention(steps, steps))
    for depth in ("ops", "gates", "cells"):
        pic = picture(tape, level=depth)
        assert shared_lines(pic) == set(), depth
        assert hidden_arrows(pic) == []


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", NETWORKS)
def test_arrows_of_plain_networks_share_no_line_in_opposite_directions(name, T):
    tape, _, _ = recorded(name, T)
    for level in ("gates", "cells"):
        pic = picture(tape, level=level)
        assert shared_lines(pic) == set()
