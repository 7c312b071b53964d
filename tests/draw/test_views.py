"""The views of a drawing: what is in each, in both engines; its order, places, numbers, colours, and its text."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import make_drawings
import make_gallery
import numpy as np
import pytest
from drawings import DOT, NETWORKS, SVG, VIEWS, assert_no_overlaps, hidden_arrows, needs_dot, options_for, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw import rendering
from tinygrad_rnn.draw.dot import digraph
from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.sizes import box_width
from tinygrad_rnn.draw.style import THEMES, heat_colour, ink, level
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.boxes import Box
from tinygrad_rnn.draw.views.formula import in_ascii
from tinygrad_rnn.draw.views.picture import Gap, picture
from tinygrad_rnn.tape.array_text import heat, log10_norm, norm, summary

EVERY = [(name, view, depth) for name in NETWORKS for view, depth in VIEWS]


def test_every_view_of_every_network_has_the_boxes_and_arrows_that_were_read():
    written = (Path(__file__).parents[1] / "oracles" / "drawings.txt").read_text(encoding="utf-8")
    assert make_drawings.text().splitlines() == written.splitlines(), "run: python tests/oracles/make_drawings.py"


@pytest.mark.parametrize(("name", "view", "depth"), EVERY)
@pytest.mark.parametrize("T", [1, 2, 3, 7])
def test_time_runs_to_the_right_and_no_boxes_overlap(name, view, depth, T):
    tape, _, options = recorded(name, T, batch=1)
    pic = picture(tape, view=view, level=depth, **options_for(options, view))
    places = layout(pic)
    steps = [t for t in pic.columns if not isinstance(t, Gap)]
    assert steps == sorted(steps)
    assert len(steps) == (1 if view == "rolled" else min(T, len(steps)))
    edges = [places.columns[column] for column in pic.columns]
    assert all(a[1] < b[0] for a, b in pairwise(edges))
    assert_no_overlaps(pic, places)
    for source, target in pic.arrows:
        a, b = pic.boxes[source], pic.boxes[target]
        if a.column == b.column and not pic.carried(source, target) and not a.initial:
            assert places.centre[source][1] < places.centre[target][1], "within a step, upwards"


@pytest.mark.parametrize("name", ["two_layers", "two_bidirectional"])
def test_layers_stand_on_one_another_and_the_states_of_a_layer_in_one_line(name):
    tape, _, _ = recorded(name, 3)
    pic = picture(tape, level="cells")
    places = layout(pic)
    rows = {}
    for box in pic.boxes.values():
        if box.kind == "cell":
            rows.setdefault(box.band, set()).add(places.centre[box.id][1])
    assert all(len(heights) == 1 for heights in rows.values())
    flat = [heights.pop() for heights in rows.values()]
    assert flat == sorted(flat)
    assert len(set(flat)) == len(rows) == {"two_layers": 2, "two_bidirectional": 4}[name]
    carried = [arrow for arrow in pic.arrows if pic.carried(*arrow)]
    assert len(carried) == 2 * len(rows)
    for arrow in carried:
        heights = {round(y, 6) for _, y in places.curves[arrow]}
        assert len(heights) == 1, "a state flows in a straight line"
        direction = dict(pic.boxes[arrow[0]].band).get("direction", "forward")
        rightward = places.curves[arrow][0][0] < places.curves[arrow][-1][0]
        assert rightward == (direction == "forward")
    words = [text.text for text in ET.fromstring(svg(pic)).iter(f"{SVG}text")]
    assert "layer 1 reverse" in words or name == "two_layers"


@pytest.mark.parametrize(("name", "view", "depth"), EVERY)
def test_both_engines_draw_the_same_boxes_and_arrows(name, view, depth):
    tape, _, options = recorded(name)
    pic = picture(tape, view=view, level=depth, **options_for(options, view))
    root = ET.fromstring(svg(pic))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert [g.get("id") for g in root.findall(f"{SVG}g")] == list(pic.boxes)
    assert all(g.find(f"{SVG}title").text for g in root.findall(f"{SVG}g"))
    assert {p.get("id") for p in root.findall(f"{SVG}path")} - {None} == {"-".join(arrow) for arrow in pic.arrows}
    text = str(digraph(pic))
    assert re.findall(r"^\tv\w+ \[.*?\bid=(v\w+)", text, flags=re.M) == list(pic.boxes)
    assert set(re.findall(r'\bid="(v\w+-v\w+)"', text)) == {"-".join(arrow) for arrow in pic.arrows}


@pytest.mark.slow
@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize(("view", "depth"), VIEWS)
def test_dot_draws_them_under_the_same_ids(view, depth, tmp_path):
    for name in ("lstm", "two_bidirectional", "truncated"):
        tape, loss, options = recorded(name)
        wanted = {"show": ("shape", "value", "grad", "heat"), "loss": loss, **options_for(options, view)}
        pic = picture(tape, view=view, level=depth, **wanted)
        drawn = draw.render(tape, tmp_path / "a.svg", engine="dot", view=view, level=depth, **wanted)
        root = ET.parse(drawn.path).getroot()
        assert root.get("role") == "img"
        ids = {g.get("id") for g in root.iter(f"{SVG}g")}
        assert set(pic.boxes) <= ids
        assert {"-".join(arrow) for arrow in pic.arrows} <= ids


@pytest.mark.slow
def test_two_processes_draw_the_same_bytes_of_every_view():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from drawings import *\n"
        "from tinygrad_rnn import draw\n"
        "from tinygrad_rnn.draw.svg import svg\n"
        "from tinygrad_rnn.draw.views.picture import picture\n"
        "for name in ('lstm', 'gru', 'residual_rnn', 'two_layers', 'own'):\n"
        "    tape, loss, options = recorded(name)\n"
        "    for view, level in VIEWS:\n"
        "        wanted = dict(view=view, level=level, show=('value', 'grad', 'heat'), flow=loss)\n"
        "        text = str(draw.graph(tape, **wanted)) + svg(picture(tape, **wanted), theme='dark')\n"
        "        wanted.pop('flow'), wanted.pop('show')\n"
        "        sys.stdout.buffer.write((text + draw.text(tape, **wanted)).encode())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parents[1])],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 400_000


# ---------------------------------------------------------------------------------------------- gradients


def rnn_by_hand(params, xs, cut=()):
    """h_t = tanh(x_t W' + b + h_{t-1} U' + c), L = mean of squares: dL/dh_t, dL/dz_t, dL/dU by step, a plain loop."""
    W, U, b, c = (params[k].data for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    hs = [np.full((xs.shape[1], U.shape[0]), 0.1)]
    for x in xs:
        hs.append(np.tanh(x @ W.T + b + hs[-1] @ U.T + c))
    size, carried = np.size(hs[1:]), np.zeros_like(hs[0])
    to_h, to_z, to_U = [], [], []
    for t in reversed(range(len(xs))):
        to_h.insert(0, 2 * hs[t + 1] / size + carried)
        to_z.insert(0, to_h[0] * (1 - hs[t + 1] ** 2))
        to_U.insert(0, to_z[0].T @ hs[t])
        carried = to_z[0] @ U if t not in cut else np.zeros_like(carried)
    return to_h, to_z, to_U


def rnn_tape(T, batch=2):
    rng = np.random.default_rng(1)
    params, xs = nn.init.rnn(rng, 3, 4), rng.standard_normal((T, batch, 3))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, params, xs, np.full((batch, 4), 0.1))
        loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape)))
    return tape, loss, params, xs


@pytest.mark.parametrize("cut", [(), (2,), (1, 2)])
def test_boxes_arrows_and_copies_have_the_norms_of_bptt_by_hand(cut):
    tape, loss, params, xs = rnn_tape(3)
    to_h, to_z, to_U = rnn_by_hand(params, xs, cut)
    for depth in ("ops", "gates"):
        pic = picture(tape, level=depth, flow=loss, cuts=cut)
        for t in range(3):
            (h,) = (box for box in pic.boxes.values() if box.title == f"h{'₀₁₂'[t]}")
            (z,) = (box for box in pic.boxes.values() if box.title == f"z{'₀₁₂'[t]}")
            (U,) = (box for box in pic.boxes.values() if box.title == "weight_hhᵀ" and box.column == t)
            assert h.flow == pytest.approx(np.log10(np.linalg.norm(to_h[t])), abs=1e-12)
            assert z.flow == pytest.approx(np.log10(np.linalg.norm(to_z[t])), abs=1e-12)
            assert pic.flows[z.id, h.id] == pytest.approx(z.flow, abs=1e-12)
            assert U.flow == pytest.approx(np.log10(np.linalg.norm(to_U[t])), abs=1e-12)
        for source, target in pic.arrows:
            if pic.carried(source, target):
                t = pic.boxes[target].column
                norm_back = np.linalg.norm(to_z[t] @ params["weight_hh"].data)
                expected = -np.inf if t in cut else np.log10(norm_back)
                assert pic.flows[source, target] == pytest.approx(expected, abs=1e-12)
    assert pic.cuts == list(cut)
    if cut:
        assert "cut before t = " + ", ".join(map(str, cut)) in pic.notes[0]
        texts = [e.text for e in ET.fromstring(svg(pic)).iter(f"{SVG}text")]
        assert texts.count("cut") == len(cut)


def test_a_cell_has_the_norm_of_all_its_states_and_of_all_its_parameters():
    tape, loss, _ = recorded("lstm", 3)
    pic = picture(tape, level="cells", flow=loss)
    ops = picture(tape, flow=loss)
    both = [box.flow for box in ops.boxes.values() if box.column == 1 and box.kind == "state"]
    copies = [box.flow for box in ops.boxes.values() if box.column == 1 and box.kind == "parameter"]
    (cell,) = (box for box in pic.boxes.values() if box.kind == "cell" and box.column == 1)
    (weights,) = (box for box in pic.boxes.values() if box.kind == "parameter" and box.column == 1)
    assert weights.label == "4 parameters"
    assert weights.tip == "weight_ihᵀ, bias_ih, weight_hhᵀ, bias_hh"
    assert 10**cell.flow == pytest.approx(np.hypot(*(10**v for v in both)), rel=1e-12)
    assert 10**weights.flow == pytest.approx(np.linalg.norm([10**v for v in copies]), rel=1e-12)


def test_uses_of_one_parameter_add_up_before_their_norm_is_taken():
    h, x, w = np.array([0.3, -0.5]), np.array([1.0, 2.0]), np.array([0.7, -0.2])
    with tg.Tape() as tape:
        state, weight = tg.Tensor(h, name="h0"), tg.Tensor(w, name="w")
        for t in range(2):
            with tg.scope(t=t):
                state = tg.named("h", np.tanh(weight * state + weight * x))
        loss = tg.named("L", state.sum())
    h1 = np.tanh(w * h + w * x)
    h2 = np.tanh(w * h1 + w * x)
    to_z2 = 1 - h2**2
    to_z1 = to_z2 * w * (1 - h1**2)
    pic = picture(tape, level="cells", flow=loss)
    copies = {box.column: box for box in pic.boxes.values() if box.kind == "parameter"}
    for t, wanted in ((0, to_z1 * (h + x)), (1, to_z2 * (h1 + x))):
        assert copies[t].label == "w"
        assert copies[t].flow == pytest.approx(np.log10(np.linalg.norm(wanted)), abs=1e-12)
        (flow,) = (v for (source, _), v in pic.flows.items() if source == copies[t].id)
        assert flow == pytest.approx(copies[t].flow, abs=1e-12)


@pytest.mark.parametrize("depth", ["ops", "cells"])
def test_what_joins_two_layers_has_the_gradient_of_all_that_read_it(depth):
    tape, loss, _ = recorded("two_bidirectional", 3)
    joined = next(entry for entry in tape if entry.op.name == "concatenate")
    to_joined = tape.gradient(loss, joined.out)
    to_states = [tape.gradient(loss, stack) for stack in joined.args]
    pic = picture(tape, level=depth, flow=loss)
    boxes = [box for box in pic.boxes.values() if box.band[:1] == ("joined",)]
    assert sorted(box.column for box in boxes) == [0, 1, 2]
    for box in boxes:
        assert box.flow == pytest.approx(np.log10(np.linalg.norm(to_joined[box.column])), abs=1e-12)
        sources = [source for source, target in pic.arrows if target == box.id]
        for source, gradient in zip(sources, to_states, strict=True):
            wanted = np.log10(np.linalg.norm(gradient[box.column]))
            assert pic.flows[source, box.id] == pytest.approx(wanted, abs=1e-12)


def test_flow_of_given_gradients_is_that_of_the_loss_on_the_boxes():
    tape, loss, _ = recorded("gru", 3)
    outs = [entry.out for entry in tape]
    grads = dict(zip(outs, tape.gradient(loss, outs), strict=True))
    ours, given = picture(tape, flow=loss), picture(tape, flow=grads)
    for box in ours.boxes.values():
        if box.kind not in ("parameter", "input", "constant") and box.flow > -30:
            assert given.boxes[box.id].flow == pytest.approx(box.flow, abs=1e-9)


def test_a_gradient_that_vanishes_or_is_not_finite_is_drawn_as_such():
    x = tg.Tensor([1.0, 2.0], name="x")
    with tg.Tape() as tape:
        dead = tg.named("dead", x * 0.0)
        y = tg.named("y", (np.sqrt(dead) + x).sum())
        tg.named("aside", x * 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        pic = picture(tape, flow=y)
    flows = {box.title: box.flow for box in pic.boxes.values()}
    assert flows["aside"] == -np.inf
    assert flows["y"] == 0
    assert not np.isfinite(flows["dead"])
    text = svg(pic)
    assert ">none<" in text
    assert ">not finite<" in text
    assert THEMES["light"].not_finite in text
    ET.fromstring(text)


def test_the_legend_spans_whole_decades_and_its_colours_those_of_the_boxes():
    tape, loss, _ = recorded("lstm", 3)
    pic = picture(tape, level="cells", flow=loss)
    text = svg(pic)
    theme = THEMES["light"]
    values = [box.flow for box in pic.boxes.values()] + list(pic.flows.values())
    low, high = np.floor(min(values)), np.ceil(max(values))
    words = [e.text for e in ET.fromstring(text).iter(f"{SVG}text")]
    assert f"{low:.1f}".replace("-", "−") in words
    assert f"{high:.1f}" in words
    for box in pic.boxes.values():
        colour = theme.scale[min(int((box.flow - low) / (high - low) * 7), 6)]
        drawn = text[text.index(f'<g id="{box.id}">') :]
        assert re.search(r'<rect [^>]*fill="(#\w+)"', drawn).group(1) == colour


# ---------------------------------------------------------------------------------------------- numbers


def test_scalars_read_as_name_value_and_grad_and_small_arrays_as_numbers():
    a, b = tg.Tensor(2.0, name="a"), tg.Tensor([1.0, -3.0], name="b")
    with tg.Tape() as tape:
        y = tg.named("y", (a * b).sum())
    pic = picture(tape, show=("value", "grad"), loss=y)
    labels = {box.label: box.lines for box in pic.boxes.values()}
    assert labels["y | −4 | 1"] == ()
    assert labels["a | 2 | −2"] == ()
    assert labels["b"] == ("1, −3", "grad 2, 2")
    given = picture(tape, show=("grad",), grads={b: np.array([5.0, 6.0])})
    assert {box.label: box.lines for box in given.boxes.values()}["b"] == ("grad 5, 6",)
    assert all(box.shape == "" for box in pic.boxes.values())


def test_large_arrays_read_as_range_and_norm():
    a = np.array([[1.0, -2.0, 0.5], [4.0, 0.0, 3.0]])
    assert summary(a) == "−2 … 4  norm 5.5"
    assert summary(np.array([1.0, np.nan, 2.0, np.inf, 3.0])) == "1 … 3  norm 3.74  2 not finite"
    assert summary(np.array(1e-300)) == "1e−300"
    assert summary(np.zeros((0, 3))) == ""
    assert summary(np.array([1, 2, 3])) == "1, 2, 3"
    big = np.array([3e200, 4e200])
    assert norm(big) == pytest.approx(5e200, rel=1e-15)
    assert log10_norm(big * 1e-300 * 1e-200) == pytest.approx(np.log10(5) - 300, abs=1e-12)
    assert log10_norm(np.zeros(3)) == -np.inf
    assert np.isnan(log10_norm(np.array([1.0, np.nan])))
    assert not np.isfinite(log10_norm(np.array([1.0, np.inf])))


def test_heat_maps_are_the_array_over_its_largest_entry():
    a = np.array([[1.0, -2.0], [0.5, np.nan]])
    rows = heat(a)
    assert rows[0] == (0.5, -1.0)
    assert np.isnan(rows[1][1])
    assert heat(np.zeros((2, 2))) == ((0.0, 0.0), (0.0, 0.0))
    assert len(heat(np.ones((100, 1)))) <= 12
    tape, loss, _ = recorded("rnn")
    pic = picture(tape, show=("heat", "grad"), loss=loss)
    theme = THEMES["light"]
    text = svg(pic)
    (h,) = (box for box in pic.boxes.values() if box.title == "h₀")
    assert [np.shape(rows) for rows in h.heat] == [(2, 4), (2, 4)]
    part = text[text.index(f'<g id="{h.id}">') :]
    drawn = re.findall(r'width="4" height="4" fill="(#\w+)"', part[: part.index("</g>")])
    assert drawn == [heat_colour(theme, v) for rows in h.heat for row in rows for v in row]


# ---------------------------------------------------------------------------------------------- one step for all


@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
def test_what_is_computed_before_and_between_and_after_the_steps_has_its_place(depth):
    rng = np.random.default_rng(0)
    params, second = nn.init.rnn(rng, 3, 4), nn.init.rnn(rng, 4, 4)
    with tg.Tape() as tape:
        x = tg.Tensor(rng.standard_normal((3, 2, 3)), name="x")
        before = tg.named("before", x @ params["weight_ih"].T)
        h, hs = np.zeros((2, 4)), []
        for t in range(3):
            with tg.scope(t=t, layer=0):
                h = tg.named("h", np.tanh(before[t] + h @ params["weight_hh"].T))
                hs.append(h)
        between = tg.named("between", np.tanh(np.stack(hs)).cumsum(axis=0))
        with tg.scope(layer=1):
            outputs, _ = nn.unroll(nn.rnn, second, between)
        loss = tg.named("after", (outputs * outputs).sum())
    pic = picture(tape, level=depth, flow=loss)
    places = layout(pic)
    assert_no_overlaps(pic, places)
    outside = [box for box in pic.boxes.values() if box.column is None and box.kind == "named"]
    heights = {box.title: places.centre[box.id][1] for box in outside}
    layers = {0: [], 1: []}
    for box in pic.boxes.values():
        if box.kind in ("state", "cell"):
            layers[dict(box.band)["layer"]].append(places.centre[box.id][1])
    assert heights["before"] < min(layers[0])
    assert max(layers[0]) < heights["between"] < min(layers[1])
    assert max(layers[1]) < heights["after"]
    ET.fromstring(svg(pic))
    assert draw.text(tape, level=depth).isascii()


def test_an_arrow_over_a_step_passes_above_its_boxes():
    hs = [tg.Tensor([1.0], name="h0")] * 2
    with tg.Tape() as tape:
        for t in range(5):
            with tg.scope(t=t):
                hs.append(tg.named("h", np.tanh(hs[-1] + hs[-2])))
    pic = picture(tape, level="cells")
    places = layout(pic)
    far = [a for a in pic.arrows if pic.carried(*a) and pic.boxes[a[1]].column - pic.boxes[a[0]].column == 2]
    assert len(far) == 3
    for source, target in far:
        between = pic.boxes[source].column + 1
        left, right = places.columns[between]
        ((_, y),) = (
            places.centre[box.id] for box in pic.boxes.values() if box.column == between and box.kind == "cell"
        )
        top = max(py for _, py in places.curves[source, target])
        flat = [px for px, py in places.curves[source, target] if py == top]
        assert min(flat) <= left <= right <= max(flat)
        assert top > y + places.height / 2


def test_one_step_has_its_recurrent_edges_and_says_which_steps_differ():
    tape, _, _ = recorded("lstm", 7)
    pic = picture(tape, view="rolled", level="gates")
    assert pic.columns == [3]
    named = {box.title: box.id for box in pic.boxes.values()}
    assert pic.loops == {(named["cₜ"], named["cₜ"]), (named["hₜ"], named["affine(xₜ, hₜ₋₁)"])}
    assert pic.boxes[named["cₜ"]].detail == "f × cₜ₋₁ + i × g"
    assert "xₜ" in named
    assert pic.notes[0] == "drawn: t = 3; all 7 steps are alike"
    assert pic.notes[1] == "t = 0 reads the initial state h₋₁, c₋₁"
    assert len(pic.notes) == 2
    assert "every step" in svg(pic)


def test_irregular_lengths_are_said():
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        nn.unroll(nn.rnn, nn.init.rnn(rng, 3, 4), rng.standard_normal((15, 2, 3)), lengths=[7, 15])
    notes = picture(tape, view="rolled").notes
    assert notes[1] == "t = 0 reads the initial state h₋₁"
    assert "where step 7 has" in notes[2]
    assert notes[-1].endswith("more steps differ")


def test_a_single_step_has_no_loop_and_both_directions_have_theirs():
    assert picture(recorded("gru", 1)[0], view="rolled").loops == set()
    assert "the only step" in picture(recorded("gru", 1)[0], view="rolled").notes[0]
    pic = picture(recorded("bidirectional", 5)[0], view="rolled", level="cells")
    assert {source for source, _ in pic.loops} == {box.id for box in pic.boxes.values() if box.kind == "cell"}


def test_the_steps_that_are_asked_for_are_drawn_with_a_gap_for_each_run_between():
    tape, _, _ = recorded("rnn", 9)
    pic = picture(tape, steps=[0, 4, 8], level="cells")
    assert pic.columns == [0, "gap", 4, "gap1", 8]
    assert [pic.boxes[g].label for g in ("gap", "gap1")] == ["… 3 steps …"] * 2
    assert any(source == "gap" for source, _ in pic.arrows)
    assert picture(tape, steps=range(9)).columns == list(range(9))
    assert picture(tape, budget=10).columns == [0, "gap", 8]
    assert len(picture(recorded("rnn", 40)[0], level="cells").columns) == 7  # more would not fit side by side


# ---------------------------------------------------------------------------------------------- text


def test_the_text_of_an_lstm():
    tape, _, _ = recorded("lstm", 4)
    assert draw.text(tape, width=80).splitlines() == [
        "   t = 0                     ... 2 steps ...  t = 3",
        "   #7 = affine(x_0, h_{-1})                   #70 = affine(x_3, h_2)",
        "i  sigmoid(#7[:, 0:4])                        sigmoid(#70[:, 0:4])",
        "f  sigmoid(#7[:, 4:8])                        sigmoid(#70[:, 4:8])",
        "g  tanh(#7[:, 8:12])                          tanh(#70[:, 8:12])",
        "o  sigmoid(#7[:, 12:16])                      sigmoid(#70[:, 12:16])",
        "c  f * c_{-1} + i * g                         f * c_2 + i * g",
        "h  o * tanh(c)                                o * tanh(c)",
        "hs = stack(h_0, h_1, h_2, h_3)",
        "L = sum((hs - array)**2) / 32",
    ]
    assert "σ(#7[:, 0:4])" in draw.text(tape, ascii=False)
    whole = draw.text(tape, width=300).splitlines()
    assert "#7 = x_0 @ weight_ih.T + bias_ih + h_{-1} @ weight_hh.T + bias_hh" in whole[1]
    assert whole[-1] == "L = sum((hs - array)**2) / 32"


@pytest.mark.parametrize(("name", "view", "depth"), EVERY)
def test_text_is_ascii_names_every_state_and_shows_every_step_that_fits(name, view, depth):
    tape, _, _ = recorded(name, 3)
    text = draw.text(tape, view=view, level=depth, width=400)
    assert text.isascii()
    columns = [f"t = {t}" for t in range(3)] if view == "unrolled" else ["every t"]
    assert [word.strip() for word in text.splitlines()[0].split("  ") if word.strip()] == columns
    states = {box.title[0] for box in picture(tape).boxes.values() if box.kind == "state"}
    assert states <= set(re.findall(r"\b([a-z])\b", text))


def test_text_keeps_to_its_width_where_it_can():
    tape, _, _ = recorded("rnn", 30)
    for width in (60, 100, 200):
        text = draw.text(tape, width=width, level="cells")
        assert max(map(len, text.splitlines())) <= width
    with pytest.raises(ValueError, match="width=5"):
        draw.text(tape, width=5)


@pytest.mark.parametrize("engine", ["grid", pytest.param("dot", marks=needs_dot)])
def test_a_notebook_shows_the_drawing_with_text_beside_it(engine):
    tape, loss, _ = recorded("gru")
    shown = draw.show(tape, engine=engine, level="cells", theme="dark", flow=loss)
    assert shown.engine == engine
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert ET.fromstring(shown._repr_svg_()).get("role") == "img"
    assert bundle["text/plain"] == repr(shown) == f"<Shown: a graph drawn by {engine}; print it for the text>"
    assert str(shown) == draw.text(tape, level="cells", ascii=False)
    json.dumps(bundle)


def test_a_notebook_shows_gradients_of_a_loss_with_text_beside_them():
    tape, loss, _ = recorded("rnn")
    for depth in ("gates", "ops"):
        shown = draw.show(tape, level=depth, show=("grad",), loss=loss, engine="grid")
        assert str(shown) == draw.text(tape, level=depth, show=("grad",), loss=loss, ascii=False)
    for view in ("rolled", "textbook"):
        assert str(draw.show(tape, view=view, engine="grid")) == draw.text(tape, view=view, ascii=False)


# ---------------------------------------------------------------------------------------------- colours


def luminance(colour):
    """Relative luminance of sRGB (WCAG 2.1)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_is_read_on_every_ground_and_the_scale_in_greyscale(name):
    theme = THEMES[name]
    for style in theme.styles.values():
        assert contrast(theme.text, style.fill) > 7
        assert contrast(theme.faint, style.fill) > 4.5
        assert contrast(style.border, theme.ground) > 1.8
    for colour in (*theme.scale, theme.no_gradient):
        assert contrast(ink(theme, colour), colour) > 4.5
    for colour in (theme.faint, theme.cut, theme.carried, theme.arrow):
        assert contrast(colour, theme.band) > 4.5
    greys = [luminance(colour) for colour in theme.scale]
    assert greys == sorted(greys, reverse=name == "light")
    assert all(contrast(a, b) > 1.15 for a, b in pairwise(theme.scale))
    colours = re.findall(r"#\w+", str(theme))
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


def test_a_value_has_its_place_on_the_scale():
    theme = THEMES["light"]
    assert [level(theme, v, -7.0, 0.0) for v in (-7, -6.5, -0.5, 0, -20, 3)] == [0, 0, 6, 6, 0, 6]
    assert level(theme, np.nan, 0, 1) is None


# ---------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("hostile", ["<script>", 'a"b\\', "a:b", "…😀", "x" * 10_000, "\x00", "\\N", "|", "h₀"])
@pytest.mark.parametrize(("view", "depth"), VIEWS)
def test_hostile_names_are_text_in_every_view(hostile, view, depth, tmp_path):
    h, x = tg.Tensor([1.0, 2.0, 3.0], name=hostile), tg.Tensor([1.0, 0.0, 2.0], name=hostile)
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t, layer=hostile), tg.scope(gate=hostile):
                h = tg.named(hostile, np.tanh(h * x))
        loss = tg.named(hostile, h.sum())
    wanted = {"view": view, "level": depth, "flow": loss}
    root = ET.fromstring(svg(picture(tape, **wanted)))
    assert not root.findall(f".//{SVG}script")
    assert draw.text(tape, view=view, level=depth).isascii()
    if DOT and depth != "gates":
        ET.parse(draw.render(tape, tmp_path / "x.svg", engine="dot", **wanted).path)


def test_many_boxes_are_drawn_by_the_grid_and_dot_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "MOST_FOR_DOT", 10)
    monkeypatch.setattr(rendering.shutil, "which", lambda name: "/nowhere/dot")
    assert draw.render(recorded("rnn")[0], tmp_path / "a.svg").engine == "grid"


def test_float32_batches_of_one_and_integers_are_drawn():
    for batch in (1, 3):
        tape, loss, _ = recorded("lstm", 1, batch, "float32")
        ET.fromstring(svg(picture(tape, show=("shape", "value", "grad", "heat"), loss=loss, flow=loss)))
    ids = tg.Tensor([0, 1], name="ids")
    with tg.Tape() as tape:
        tg.Tensor(np.ones((3, 2)), name="E")[ids].sum()
    ET.fromstring(svg(picture(tape, show=("value", "heat"))))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"view": "sideways"}, "view='sideways'"),
        ({"level": "atoms"}, "level='atoms'"),
        ({"show": ("colour",)}, "show='colour'"),
        ({"show": "grad"}, "no loss is given"),
        ({"cuts": [1]}, "no loss is given"),
        ({"steps": 0}, "steps=0"),
        ({"steps": [5]}, "steps 5"),
        ({"steps": []}, "steps none"),
        ({"budget": 0}, "budget=0"),
        ({"cuts": ["a"], "loss": {}}, "the step 'a' is not a number"),
        ({"view": "rolled", "steps": 1}, "rolled"),
        ({"flow": tg.Tensor(1.0)}, "not made on this tape"),
    ],
)
def test_wrong_requests_are_refused_in_two_lines(wanted, message):
    tape, _, _ = recorded("rnn", 3)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        draw.graph(tape, **wanted)
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(ValueError, match="theme='blue'"):
        draw.graph(tape, theme="blue")
    with pytest.raises(TypeError, match="gradients by str"):
        draw.graph(tape, flow={"h": 1})


def test_without_time_there_is_no_step_to_stand_for_all():
    with tg.Tape() as tape:
        tg.Tensor([1.0]) * 2
    with pytest.raises(ValueError, match="no steps"):
        draw.graph(tape, view="rolled")
    with pytest.raises(ValueError, match="the tape has none"):
        draw.graph(tape, steps=[1])
    assert draw.text(tape).splitlines()[-1] == "#0 = leaf * 2" or "leaf * 2" in draw.text(tape)


# ---------------------------------------------------------------------------------------------- the gallery


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_the_gallery_is_what_the_code_draws(language):
    drawings = {
        f"{name}_{view}.svg": text
        for name, views in make_gallery.drawings(language).items()
        for view, text in views.items()
    }
    folder = make_gallery.FOLDERS[language]
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.svg")}
    assert sorted(written) == sorted(drawings), "run: python docs/tools/make_gallery.py"
    for name, text in drawings.items():
        assert written[name] == text, f"{name} is another drawing\nrun: python docs/tools/make_gallery.py"
        ET.fromstring(text)
    assert make_gallery.PAGES[language].read_text(encoding="utf-8") == make_gallery.page(language)


# ---------------------------------------------------------------------------------------------- what meets the eye


@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("name", ["rnn", "two_bidirectional"])
def test_what_goes_forward_is_painted_on_top_of_what_comes_back(name, tmp_path):
    tape, loss, _ = recorded(name, 3)
    pic = picture(tape, level="cells", flow=loss)
    root = ET.parse(draw.render(tape, tmp_path / "a.svg", level="cells", flow=loss, engine="dot").path).getroot()
    edges = [g for g in root.iter(f"{SVG}g") if g.get("class") == "edge"]
    for arrow in pic.flows:
        title = "->".join(arrow)
        over = [g for g in edges if g.find(f"{SVG}title").text == title]
        assert not [g for g in edges if g.find(f"{SVG}title").text == "->".join(arrow[::-1])]
        back, forth = over if pic.flows[arrow] > -np.inf else (None, *over)
        assert forth.get("id") == "-".join(arrow)
        assert forth.find(f"{SVG}polygon") is not None
        if back is not None:
            wide, thin = (float(g.find(f"{SVG}path").get("stroke-width")) for g in (back, forth))
            assert wide > 2 > thin
            assert back.find(f"{SVG}polygon") is None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "view", "depth"), EVERY)
def test_no_arrow_runs_behind_a_box_to_which_it_does_not_belong(name, view, depth):
    for T in (1, 3, 7):
        tape, loss, options = recorded(name, T, batch=1)
        for flow in ({}, {"flow": loss}):
            assert hidden_arrows(picture(tape, view=view, level=depth, **options_for(options | flow, view))) == []


@pytest.mark.parametrize(
    "cell", ["gru_textbook", "peephole_lstm", "coupled_lstm", "layer_norm_lstm", "mgu", "leaky_rnn"]
)
def test_no_arrow_of_the_other_cells_does_either(cell):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        nn.unroll(getattr(nn, cell), getattr(nn.init, cell)(rng, 3, 4), rng.standard_normal((6, 2, 3)))
    for view, depth in VIEWS:
        assert hidden_arrows(picture(tape, view=view, level=depth)) == []
    assert hidden_arrows(picture(tape, [0, 1, 5], level="gates")) == []


@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
@pytest.mark.parametrize("lengths", [[4, 2], [1, 1], [4, 4], None])
def test_padded_sequences_leave_no_box_that_nothing_comes_of(depth, lengths):
    net, rng = nn.LSTM(3, 4), np.random.default_rng(0)
    with tg.Tape() as tape:
        net(net.init(rng), rng.standard_normal((4, 2, 3)), lengths=lengths)
    pic = picture(tape, level=depth)
    read = {source for source, _ in pic.arrows}
    assert [box.label for box in pic.boxes.values() if box.title.startswith("x") and box.id not in read] == []
    assert all("x" + "₀₁₂₃"[t] in {box.title for box in pic.boxes.values()} for t in range(4))
    assert "x" not in {box.title for box in pic.boxes.values()}


@pytest.mark.parametrize("depth", ["ops", "gates"])
@pytest.mark.parametrize("T", [1, 2, 3])
def test_what_is_outside_of_time_stands_on_no_step_s_ground(depth, T):
    rng = np.random.default_rng(0)
    params = {name: tg.Tensor(a.data, name=name) for name, a in nn.init.rnn(rng, 3, 4).items()}
    with tg.Tape() as outer:
        with tg.Tape() as inner:
            hs, _ = nn.unroll(nn.rnn, params, rng.standard_normal((T, 2, 3)))
            loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape)))
        g = inner.gradient(loss, params["weight_hh"])
        tg.named("N", (g * g).sum())
    pic = picture(outer, level=depth)
    places = layout(pic)
    grounds = furniture(pic, places, THEMES["light"]).rects
    assert len(grounds) > T, "forward and backward stand apart"
    for box in pic.boxes.values():
        x, y = places.centre[box.id]
        wide, high = places.width[box.id], places.height
        over = [r for r in grounds if abs(r.x - x) < (r.width + wide) / 2 and abs(r.y - y) < (r.height + high) / 2]
        assert len(over) == (box.column is not None), box.label


@pytest.mark.slow
@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("letter", ["n", "€", "\\", '"'])
def test_dot_draws_names_of_any_length(letter, tmp_path):
    long, tensor = letter * 10_000, tg.Tensor(np.ones((2, 2)), name="w")
    with tg.Tape() as tape:
        with tg.scope(t=0):
            h = tg.named(long, np.tanh(tensor * 2))
        with tg.scope(t=1):
            tg.named(long, np.tanh(h * 2))
    for depth in ("ops", "gates", "cells"):
        drawn = draw.render(tape, tmp_path / "a.svg", level=depth, engine="dot").path
        assert letter * 20 in "".join(ET.parse(drawn).getroot().itertext())


def test_a_box_has_room_for_wide_letters():
    # Bold letters in the widest of the usual fonts, DejaVu Sans Bold, in parts of the size: M, W, m, a Chinese sign.
    wide = {
        "MMMMMMMM": 0.995,
        "WWWWWWWW": 1.103,
        "mmmmmmmm": 1.042,
        "HHHHHHHH": 0.837,
        "漢字漢字": 1.0,
        "tttttttt": 0.478,
    }
    for text, em in wide.items():
        box = Box("v0", "named", text, "", "", None)
        assert box_width(box) >= 11 * em * len(text), text
        assert box_width(replace(box, title="n", lines=(text,))) >= 8 * 0.9 * em * len(text), text
        under = box_width(replace(box, title=f"{text}₀₁₂")) - box_width(box)
        assert 11 * 0.73 * 0.696 * 3 <= under < 11 * 0.696 * 3  # digits, in the smaller type


@pytest.mark.parametrize("view", ["unrolled", "rolled"])
@pytest.mark.parametrize("name", ["bidirectional", "two_bidirectional"])
def test_the_states_of_a_direction_say_which(name, view):
    tape, _, _ = recorded(name, 3)
    for depth in ("cells", "gates", "ops"):
        said = [box.label for box in picture(tape, view=view, level=depth).boxes.values() if box.detail == "stack"]
        assert sorted(label for label in said if label.startswith("hs")) == ["hs forward = stack", "hs reverse = stack"]


@pytest.mark.parametrize(
    ("loss", "written", "ascii"),
    [
        pytest.param(lambda h: ((h - 1) ** 2).sum(), "sum((h₁ − 1)²)", "sum((h_1 - 1)**2)", id="square"),
        pytest.param(lambda h: ((h - 1) * (h - 1)).sum(), "sum((h₁ − 1) × (h₁ − 1))", None, id="two-differences"),
        pytest.param(lambda h: nn.mse(h, np.zeros(4)), "sum((h₁ − array)²) ÷ 4", None, id="mean-square"),
        pytest.param(lambda h: (h**3).sum(), "sum(h₁³)", "sum(h_1**3)", id="cube"),
        pytest.param(lambda h: (2 * h**4).sum(), "sum(2 × h₁^4)", "sum(2 * h_1**4)", id="fourth"),
        pytest.param(lambda h: ((h + 2) ** -0.5).sum(), "sum((h₁ + 2)^(-0.5))", None, id="negative"),
        pytest.param(lambda h: (2**h).sum(), "sum(2^h₁)", None, id="exponential"),
        pytest.param(lambda h: (2 ** (h + 1)).sum(), "sum(2^(h₁ + 1))", None, id="sum-above"),
        pytest.param(lambda h: (-(h**2)).sum(), "sum(−(h₁²))", None, id="minus"),
        pytest.param(lambda h: ((h**2) ** 3).sum(), "sum((h₁²)³)", None, id="power-of-power"),
        pytest.param(lambda h: (1 / h**2).sum(), "sum(1 ÷ h₁²)", "sum(1 / h_1**2)", id="below"),
    ],
)
def test_powers_are_written_as_on_paper(loss, written, ascii):
    with tg.Tape() as tape:
        _, h = nn.unroll(nn.rnn, nn.init.rnn(np.random.default_rng(0), 3, 4), np.ones((2, 3)))
        tg.named("L", loss(h))
    box = next(box for box in picture(tape, level="gates").boxes.values() if box.title == "L")
    assert box.tip == written
    if ascii is not None:
        assert in_ascii(box.tip) == ascii


@pytest.mark.parametrize("size", [1, 3], ids=["a state of one unit", "a state of three units"])
def test_a_cell_that_ends_in_a_loss_has_the_numbers_and_the_shape_of_its_state(size):
    U, h, losses = tg.Tensor(0.5 * np.eye(size), "U"), tg.Tensor(np.ones(size), "h_0"), []
    with tg.Tape() as tape:
        for t in (1, 2):
            with tg.scope(t=t):
                h = tg.named("h", np.tanh(U @ h))
                losses.append(tg.named("L", (h**2).sum() / 2))
        loss = tg.named("L", losses[0] + losses[1])
    boxes = picture(tape, level="cells", loss=loss, show=("shape", "scalar")).boxes.values()
    cell = next(box for box in boxes if box.kind == "cell" and box.column == 1)
    assert cell.title == "h₁"
    if size == 1:
        gradient = tape.gradient(loss, tape.find("h", t=1)).item()
        assert [float(number) for number in cell.scalar.split(" | ")] == pytest.approx(
            [np.tanh(0.5), gradient], rel=1e-2
        )
    else:
        assert (cell.scalar, cell.shape) == ("", "3")
