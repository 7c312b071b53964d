"""What stands beside a parameter is what this use adds to its gradient, and the sum stands once, below the steps."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawings import NETWORKS, SVG, options_for, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.draw.dot import digraph
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.tape.array_text import number
from tinygrad_rnn.tape.paths import split_gradient
from tinygrad_rnn.tape.steps import time_of

CELLS = ["rnn", "lstm", "gru", "gru_textbook"]
T = 4


def apart(cell, T=T):
    """A tape, and what each step adds to a gradient, by another tape with parameters of its own at each step."""
    rng = np.random.default_rng(0)
    params, xs = getattr(nn.init, cell)(rng, 3, 4), rng.standard_normal((T, 2, 3))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, cell), params, xs)
        loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape)))
    copies = [{name: tg.Tensor(a.data) for name, a in params.items()} for _ in range(T)]
    with tg.Tape() as other:
        states, outs = (np.zeros((2, 4)),) * (2 if cell == "lstm" else 1), []
        for x, copy in zip(xs, copies, strict=True):
            made = getattr(nn, cell)(copy, x, *states)
            states = made if isinstance(made, tuple) else (made,)
            outs.append(states[0])
        total = nn.mse(np.stack(outs), np.zeros(hs.shape))
        assert total.data == pytest.approx(loss.data)
    names = list(params)
    found = other.gradient(total, [copy[name] for copy in copies for name in names])
    return tape, loss, params, {(t, name): found[t * len(names) + k] for t in range(T) for k, name in enumerate(names)}


def size(g):
    return number(np.linalg.norm(g))


def range_of(g):
    return f"{number(g.min())} … {number(g.max())}  norm {size(g)}"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", ["ops", "gates"])
def test_beside_a_copy_stands_what_its_step_adds(cell, depth):
    tape, loss, params, parts = apart(cell)
    pic = picture(tape, range(T), level=depth, flow=loss)
    seen = set()
    for box in pic.boxes.values():
        if box.kind == "parameter":
            name, index = re.fullmatch(r"([a-z_]+)(\[.*\])?ᵀ?", box.title).groups()
            added = re.fullmatch(r"[\d×]+  adds (\S+)", box.shape)[1]
            of_step = eval(f"g{index or ''}", {"g": parts[box.column, name]})
            # A matrix that is read in two places of a step has a copy at each, of which each adds a part.
            if sum(b.title == box.title and b.column == box.column for b in pic.boxes.values()) == 1:
                assert added == size(of_step), (box.title, box.column)
                assert (
                    box.flow == pytest.approx(np.log10(max(np.linalg.norm(of_step), 1e-300)), abs=1e-9) or added == "0"
                )
            seen.add((box.column, name))
    assert seen == set(parts)
    assert len(params) * T == len(seen)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
def test_the_sum_stands_once_with_its_parts_and_is_the_tape_s_gradient(cell, depth):
    tape, loss, params, parts = apart(cell)
    pic = picture(tape, range(T), level=depth, flow=loss)
    assert [row.name for row in pic.sums] == [f"dL/d{name}" for name in dict.fromkeys(r.name[4:] for r in pic.sums)]
    assert {row.name for row in pic.sums} == {f"dL/d{name}" for name in params}
    for row in pic.sums:
        name = row.name.removeprefix("dL/d")
        assert row.parts == {t: size(parts[t, name]) for t in range(T)}
        assert row.total == size(tape.gradient(loss, params[name]))
        assert row.others == ""


def test_values_and_gradients_have_the_same_meaning_for_matrices_and_biases():
    tape, loss, params, parts = apart("rnn")
    pic = picture(tape, range(T), level="ops", show=("value", "grad"), loss=loss)
    for box in pic.boxes.values():
        if box.kind == "parameter":
            g, name = parts[box.column, box.title.removesuffix("ᵀ")], box.title.removesuffix("ᵀ")
            told = box.lines[1].removeprefix("adds ")
            assert told == (", ".join(map(number, g)) if g.size <= 4 else range_of(g)), (name, box.column)
        elif box.kind != "constant":
            assert not any("adds" in line for line in box.lines)
    states = [box for box in pic.boxes.values() if box.kind == "state"]
    makers = {f"v{k}": entry.out for k, entry in enumerate(tape)}
    for box in states:
        assert box.lines[1] == "grad " + range_of(tape.gradient(loss, makers[box.id]))
    assert {row.name: row.total for row in pic.sums}["dL/dbias_hh"] == size(tape.gradient(loss, params["bias_hh"]))


def test_steps_left_out_and_the_other_steps_of_a_rolled_cell_are_in_the_sum():
    tape, loss, params, parts = apart("rnn", 8)
    U = "weight_hh"
    pic = picture(tape, [0, 7], level="cells", flow=loss)
    row = {row.name: row for row in pic.sums}[f"dL/d{U}"]
    assert list(row.parts) == [0, "gap", 7]
    assert row.parts["gap"] == size(sum(parts[t, U] for t in range(1, 7)))
    assert row.total == size(sum(parts[t, U] for t in range(8)))
    rolled = picture(tape, view="rolled", level="gates", flow=loss)
    (here,) = rolled.columns
    row = {row.name: row for row in rolled.sums}[f"dL/d{U}"]
    assert row.parts == {here: size(parts[here, U])}
    assert row.others == size(sum(parts[t, U] for t in range(8) if t != here)) + " (the other steps)"
    assert row.total == size(tape.gradient(loss, params[U]))


def test_the_sum_of_a_single_number_can_be_added_up():
    tape, loss, _ = recorded("own", 3)
    decay = next(a for entry in tape for a in entry.args if getattr(a, "name", "") == "decay")
    pic = picture(tape, level="gates", flow=loss)
    row = {row.name: row for row in pic.sums}["dL/ddecay"]
    parts = [float(part) for part in row.parts.values()]
    assert row.single
    assert sum(parts) == pytest.approx(float(row.total), abs=2e-3)
    assert float(row.total) == pytest.approx(float(tape.gradient(loss, decay)), abs=1e-3)
    words = [text.text for text in ET.fromstring(svg(pic)).iter(f"{SVG}text")]
    assert words.count("+") == 2
    assert f"= {row.total}" in words
    assert "dL/ddecay = sum of" in words
    drawn = str(digraph(pic))
    assert all(word in drawn for word in (row.total, *row.parts.values()))


@pytest.mark.parametrize("cut", [1, 3])
def test_cut_paths_are_in_no_term_and_the_sum_is_that_of_truncated_bptt(cut):
    tape, loss, params, _ = apart("lstm")
    pic = picture(tape, level="gates", flow=loss, cuts=[cut])
    U = params["weight_hh"]
    back = truncated_gradient(tape, loss, U, cut)
    assert {row.name: row.total for row in pic.sums}["dL/dweight_hh"] == size(back)


def truncated_gradient(tape, loss, U, cut):
    """By a tape whose state is detached before the step `cut`."""
    xs = next(a for entry in tape for a in entry.args if getattr(a, "name", "") == "x").data
    params = {
        a.name: a for entry in tape for a in entry.args if str(getattr(a, "name", "")).startswith(("weight", "bias"))
    }
    with tg.Tape() as other:
        h, c, hs = np.zeros((2, 4)), np.zeros((2, 4)), []
        for t, x in enumerate(xs):
            if t == cut:
                h, c = h.detach(), c.detach()
            h, c = nn.lstm(params, x, h, c)
            hs.append(h)
        total = nn.mse(np.stack(hs), np.zeros((len(xs), 2, 4)))
    return other.gradient(total, U)


def test_parts_of_one_matrix_are_added_where_they_are_not_on_one_another():
    """A cell that takes its gates' weights from one matrix: the norm of what it adds is that of both parts."""

    def cell(params, x, h):
        W = params["W"]
        return tg.sigmoid(x @ W[:, :4]) * np.tanh(x @ W[:, 4:]) + h

    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.standard_normal((3, 8)), name="W")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, {"W": W}, rng.standard_normal((1, 2, 3)), np.zeros((2, 4)))
        loss = tg.named("L", nn.mse(hs, np.zeros(hs.shape)))
    pic = picture(tape, level="cells", flow=loss)
    (copy,) = (box for box in pic.boxes.values() if box.title.startswith("W") or "parameters" in box.title)
    assert 10**copy.flow == pytest.approx(np.linalg.norm(tape.gradient(loss, W)))


def test_without_steps_the_uses_are_counted():
    w = tg.Tensor(3.0, name="w")
    with tg.Tape() as tape:
        y = tg.named("y", w * w + w)
    pic = picture(tape, show=("value", "grad"), loss=y)
    assert [box.label for box in pic.boxes.values()].count("w | 3 | adds 3") == 2
    assert [(row.name, row.total, row.uses) for row in pic.sums] == [("dy/dw", "7", 3)]
    words = [text.text for text in ET.fromstring(svg(pic)).iter(f"{SVG}text")]
    assert "sum of 3 uses = 7" in words
    assert "Each use adds to the gradient of a shared parameter." in words
    assert not any("step" in line for line in words)


@pytest.mark.parametrize("depth", ["ops", "gates"])
def test_a_value_that_is_read_twice_in_one_place_is_counted_once_there(depth):
    tape, loss, _ = recorded("rnn")
    pic = picture(tape, level=depth, flow=loss)
    outs = {f"v{k}": entry.out for k, entry in enumerate(tape)}
    alone = {}
    for source, target in pic.arrows:
        alone.setdefault(source, []).append(target)
    checked = 0
    for source, targets in alone.items():
        if len(targets) == 1 and source in outs:
            g = tape.gradient(loss, outs[source])
            assert pic.flows[source, targets[0]] == pytest.approx(np.log10(np.linalg.norm(g))), pic.boxes[source].label
            checked += 1
    assert checked > 3


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("view", ["unrolled", "rolled"])
def test_the_rows_of_every_network_are_the_parts_of_the_tape_s_gradient(name, view):
    tape, loss, options = recorded(name, 3)
    options = options_for(options, view)
    pic = picture(tape, view=view, level="gates", **({"flow": loss} | options))
    assert pic.sums
    for row in pic.sums:
        leaf = tape.find(row.name.removeprefix("dL/d"))
        cut = set(options.get("cuts", ()))

        def edge(_, reader, maker, cut=cut):
            return 0.0 if {time_of(reader)} & cut and time_of(maker) != time_of(reader) else 1.0

        parts = split_gradient(tape, loss, [leaf], lambda tag, labels: time_of(labels), edge)[0]
        whole = sum(parts.values())
        written = size(whole) if leaf.size > 1 else number(float(whole))
        assert row.total == written
        for t, words in row.parts.items():
            part = parts.get(t, np.zeros(leaf.shape))
            assert words == (size(part) if leaf.size > 1 else number(float(part))), (row.name, t)
