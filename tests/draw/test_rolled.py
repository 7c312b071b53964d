"""One step that stands for all loses no arrow: to what reads another step, from what all steps read of one."""

import numpy as np
import pytest
from drawings import recorded
from odd_tapes import ODD, W, first, odd_tape

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.sizes import text_width
from tinygrad_rnn.draw.style import LIGHT
from tinygrad_rnn.draw.views.picture import picture

LEVELS = ["ops", "gates", "cells"]


def arrows(pic):
    """The arrows by the names of their boxes, without steps."""
    name = {box.id: "".join(c for c in box.title if c.isascii()) for box in pic.boxes.values()}
    return {(name[a], name[b]) for a, b in pic.arrows}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("level", LEVELS)
def test_a_loss_of_the_last_state_reads_the_state(cell, T, level):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        _, last = nn.unroll(getattr(nn, cell), getattr(nn.init, cell)(rng, 3, 4), rng.standard_normal((T, 2, 3)))
        h = last[0] if isinstance(last, tuple) else last
        tg.named("L", np.tanh(h).sum())
    pic = picture(tape, view="rolled", level=level, flow=tape[-1].out)
    read_by = "tanh" if level == "ops" else "L"
    (reader,) = (b.id for b in pic.boxes.values() if b.column is None and b.title == read_by)
    (source,) = (a for a, b in pic.arrows if b == reader)
    assert pic.boxes[source].title.startswith("hₜ")
    assert pic.flows[source, reader] > -np.inf
    here = pic.columns[0]
    told = [note for note in pic.notes if note.endswith("alone")]
    assert told == ([] if here == T - 1 else [f"{read_by} reads h at t = {T - 1} alone"])
    if level == "gates" and here != T - 1:
        assert pic.boxes[reader].detail == f"sum(tanh(h{'₀₁₂₃₄₅₆'[T - 1]}))"


@pytest.mark.parametrize("T", [2, 3, 4, 7])
def test_a_value_that_one_step_makes_for_all_is_a_small_box(T):
    h = first()
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t):
                if t == 0:
                    key = tg.named("key", h @ W)
                h = tg.named("h", np.tanh(h @ W + key))
        tg.named("L", h.sum())
    for level in LEVELS:
        pic = picture(tape, view="rolled", level=level)
        (key_box,) = (b for b in pic.boxes.values() if b.title.startswith("key"))
        assert (key_box.title, key_box.shape, key_box.kind) == ("key₀", "1×2", "input") or T == 2
        (reader,) = (b for a, b in pic.arrows if a == key_box.id)
        assert pic.boxes[reader].label[0] == {"ops": "+", "gates": "h", "cells": "h"}[level]
        assert (reader, reader) in pic.loops or level == "ops"
    assert picture(tape, view="rolled", level="gates").boxes[reader].detail.endswith("key₀)") or T == 2
    assert "key" in draw.text(tape, view="rolled")


@pytest.mark.parametrize("level", LEVELS)
def test_what_every_step_makes_and_all_read_of_the_first_is_no_loop(level):
    h, keys = first(), []
    with tg.Tape() as tape:
        for t in range(5):
            with tg.scope(t=t):
                keys.append(tg.named("key", h @ W))
                h = tg.named("h", np.tanh(keys[t] + keys[0]))
    pic = picture(tape, view="rolled", level=level)
    assert "key₀" in {pic.boxes[a].title for a, _ in pic.arrows}
    assert all(not pic.boxes[a].title.startswith("key") for a, _ in pic.loops)


def test_a_context_from_outside_and_states_of_several_steps_ago():
    z = first("z")
    with tg.Tape() as tape:
        h = tg.named("context", np.tanh(z @ W))
        for t in range(5):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(h @ W))
    pic = picture(tape, view="rolled", level="gates")
    assert ("context", "h") in arrows(pic)
    assert "of the steps t = 0 alone reads context" in pic.notes
    hs = [first("a"), first("b")]
    with tg.Tape() as tape:
        for t in range(7):
            with tg.scope(t=t):
                hs.append(tg.named("h", np.tanh(hs[-2] @ W)))
    pic = picture(tape, view="rolled", level="gates")
    (h,) = (b.id for b in pic.boxes.values() if b.kind == "state")
    assert pic.loops == {(h, h)}
    assert pic.arrows[h, h] == "hₜ₋₂"


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("level", LEVELS)
def test_what_reads_something_in_the_unrolled_picture_does_in_the_rolled_one(name, level):
    tape = odd_tape(name)
    pic, steps = picture(tape, view="rolled", level=level), {entry.scope for entry in tape}
    whole = picture(tape, list(dict.fromkeys(dict(s)["t"] for s in steps if "t" in dict(s))), level=level)
    reading, rolled = ({b for _, b in p.arrows} for p in (whole, pic))
    assert reading & pic.boxes.keys() <= rolled


@pytest.mark.parametrize("level", ["cells", "gates", "ops"])
@pytest.mark.parametrize("slide", [False, True], ids=["page", "slide"])
def test_the_title_of_a_step_stands_on_its_ground(level, slide):
    tape, _, _ = recorded("rnn", 3)
    for view in ("rolled", "unrolled"):
        pic = picture(tape, view=view, level=level, slide=slide)
        around = furniture(pic, layout(pic), LIGHT)
        titles = [text for text in around.texts if not text.start and text.text.startswith(("t =", "every step"))]
        assert len(titles) == len(pic.columns)
        for text in titles:
            half = text_width(text.text, text.size) / 2
            assert any(
                rect.fill == LIGHT.band
                and rect.x - rect.width / 2 <= text.x - half
                and text.x + half <= rect.x + rect.width / 2
                for rect in around.rects
            ), text.text
