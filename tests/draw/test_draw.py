"""The drawings: structure, order in time, no overlaps, the same bytes every time, and honest failures."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import graphviz
import numpy as np
import pytest
from cells import WITH_HAND
from drawings import DOT, SVG, assert_no_overlaps, needs_dot

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw import rendering
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import GAP, picture


def cell_tape(name, T=3, loss=True):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, name), getattr(nn.init, name)(rng, 3, 4), rng.standard_normal((T, 2, 3)))
        if loss:
            tg.named("L", nn.mse(hs, np.zeros((T, 2, 4))))
    return tape


def test_the_boxes_and_arrows_of_an_rnn():
    pic = picture(cell_tape("rnn", T=2, loss=False))
    labels = {name: box.label for name, box in pic.boxes.items()}
    assert labels == {
        "v2": "@",
        "v2_0": "x₀",
        "v2_1": "weight_ihᵀ",
        "v3": "+",
        "v3_1": "bias_ih",
        "v5": "@",
        "v5_0": "h₋₁",
        "v5_1": "weight_hhᵀ",
        "v6": "+",
        "v6_1": "bias_hh",
        "v7": "z₀ = +",
        "v8": "h₀ = tanh",
        "v11": "@",
        "v11_0": "x₁",
        "v11_1": "weight_ihᵀ",
        "v12": "+",
        "v12_1": "bias_ih",
        "v14": "@",
        "v14_1": "weight_hhᵀ",
        "v15": "+",
        "v15_1": "bias_hh",
        "v16": "z₁ = +",
        "v17": "h₁ = tanh",
        "v18": "hs = stack",
    }
    kinds = {box.label: box.kind for box in pic.boxes.values()}
    assert kinds["weight_hhᵀ"] == kinds["bias_hh"] == "parameter"
    assert kinds["x₁"] == kinds["h₋₁"] == "input"
    assert kinds["h₀ = tanh"] == kinds["h₁ = tanh"] == "state"
    assert [arrow for arrow in pic.arrows if pic.carried(*arrow)] == [("v8", "v14")]
    assert {("v3", "v7"), ("v6", "v7"), ("v7", "v8"), ("v8", "v18"), ("v17", "v18")} <= set(pic.arrows)
    assert pic.columns == [0, 1]


def test_gates_are_recognised_and_shapes_are_shown():
    pic = picture(cell_tape("lstm", T=2))
    gates = [box for box in pic.boxes.values() if box.kind == "gate" and box.column == 0]
    assert [box.title for box in gates] == ["i₀", "f₀", "g₀", "o₀"]
    assert {box.shape for box in gates} == {"2×4"}


@pytest.mark.parametrize("name", WITH_HAND)
@pytest.mark.parametrize("T", [1, 2, 5, 60])
def test_steps_stand_in_order_and_no_boxes_overlap(name, T):
    pic = picture(cell_tape(name, T))
    places = layout(pic)
    edges = [places.columns[column] for column in pic.columns]
    assert edges == sorted(edges)
    assert all(right < left for (_, right), (left, _) in pairwise(edges))
    assert_no_overlaps(pic, places)
    for (source, target), curve in places.curves.items():
        assert len(curve) % 3 == 1
        (x0, _), (x1, _) = curve[0], curve[-1]
        assert abs(x0 - places.centre[source][0]) <= places.width[source] / 2 + 0.01
        assert abs(x1 - places.centre[target][0]) <= places.width[target] / 2 + 0.01
        if not pic.carried(source, target) and GAP not in (source, target):
            beside = pic.boxes[source].initial and curve[0][1] == curve[-1][1]
            assert beside or curve[0][1] < curve[-1][1]  # within a step, upwards


def test_steps_that_are_alike_are_drawn_alike():
    pic = picture(cell_tape("lstm", T=4))
    places = layout(pic)
    shapes = []
    for t in (1, 2, 3):
        left = places.columns[t][0]
        shapes.append(
            [(round(places.centre[n][0] - left, 3), places.centre[n][1]) for n, b in pic.boxes.items() if b.column == t]
        )
    assert np.allclose(shapes[0], shapes[1], atol=0.01)
    assert np.allclose(shapes[0], shapes[2], atol=0.01)


def test_a_long_sequence_shows_its_ends_and_says_how_many_steps_lie_between():
    pic = picture(cell_tape("lstm", T=200))
    assert pic.columns == [0, 1, 2, GAP, 197, 198, 199]
    assert pic.boxes[GAP].label == "… 194 steps …"
    assert "194 steps" in str(draw.graph(cell_tape("lstm", T=200)))
    assert picture(cell_tape("rnn", T=200), steps=1).columns == [0, GAP, 199]
    h, hs = f"v{9 * 3 - 1}", next(n for n, b in pic.boxes.items() if b.label == "hs = stack")
    assert (GAP, hs) in pic.arrows
    assert any(target == GAP for _, target in pic.arrows), h


def test_a_tape_outside_of_time_is_cut_in_the_middle_too():
    x = tg.Tensor(0.5, name="x")
    with tg.Tape() as tape:
        for _ in range(1000):
            x = np.tanh(x)
    pic = picture(tape)
    assert len(pic.boxes) == 302
    assert pic.boxes[GAP].label == "… 700 entries …"
    ET.fromstring(svg(pic))


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_drawn_by_their_ends():
    x = tg.Tensor(0.5)
    with tg.Tape() as tape:
        for t in range(50_000):
            with tg.scope(t=t):
                x = np.tanh(2 * x)
    assert len(str(draw.graph(tape))) < 20_000


def test_the_graph_is_a_digraph_with_the_places_in_it():
    graph = draw.graph(cell_tape("gru"))
    assert isinstance(graph, graphviz.Digraph)
    assert "layout=nop2" in str(graph)
    assert re.search(r'v\d+ -> v\d+ \[id="v\d+-v\d+" pos="e,', str(graph))


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", 'a"b\\', "a:b:c", "…😀é", "&amp;", "x" * 10_000, "\x00\x1b", "\\N"]
)
def test_hostile_names_are_shown_as_text(hostile, tmp_path):
    x = tg.Tensor([1.0], name=hostile)
    with tg.Tape() as tape:
        tg.named(hostile, x * 2)
    root = ET.fromstring(svg(picture(tape)))
    assert not root.findall(f".//{SVG}script")
    shown = "".join(root.itertext())
    assert hostile in shown or "\x00" in hostile
    if DOT:
        ET.parse(draw.render(tape, tmp_path / "x.svg", engine="dot").path)


def test_the_svg_has_a_box_for_each_box_and_can_be_read_aloud():
    pic = picture(cell_tape("gru"))
    root = ET.fromstring(svg(pic))
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert [g.get("id") for g in root.findall(f"{SVG}g")] == list(pic.boxes)
    texts = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
    assert {"t = 0", "t = 1", "t = 2", "z1 = σ"} <= set(texts)


def test_without_dot_the_grid_draws_and_says_once_how_to_get_graphviz(tmp_path, no_dot, monkeypatch, caplog):
    monkeypatch.setattr(rendering, "_said", set())
    tape = cell_tape("rnn")
    for _ in range(2):
        assert draw.render(tape, tmp_path / "a.svg") == (tmp_path / "a.svg", "grid")
    assert len(caplog.records) == 1
    assert "apt install graphviz" in caplog.text
    ET.parse(tmp_path / "a.svg")
    assert draw.render(tape, tmp_path / "a.dot").engine == "text"
    with pytest.raises(RuntimeError, match=r"`dot` is not installed\n.*apt install"):
        draw.render(tape, tmp_path / "b.svg", engine="dot")
    with pytest.raises(RuntimeError, match=r"\.png needs the program `dot`"):
        draw.render(tape, tmp_path / "b.png")
    assert sorted(os.listdir(tmp_path)) == ["a.dot", "a.svg"]


@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("name", WITH_HAND)
def test_dot_draws_every_box_where_the_layout_puts_it(name, tmp_path):
    tape = cell_tape(name)
    drawn = draw.render(tape, tmp_path / "a.svg")
    assert drawn.engine == "dot"
    root = ET.parse(drawn.path).getroot()
    nodes = {g.find(f"{SVG}title").text for g in root.iter(f"{SVG}g") if g.get("class") == "node"}
    assert set(picture(tape).boxes) <= nodes
    for ending, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        assert draw.render(tape, tmp_path / f"a{ending}").path.read_bytes().startswith(start)
    plain = subprocess.run(
        ["dot", "-Tplain"], input=str(draw.graph(tape)), capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert not plain.stderr
    places = layout(picture(tape))
    x = {words[1]: float(words[2]) * 72 for line in plain.stdout.splitlines() if (words := line.split())[0] == "node"}
    offset = x["v2"] - places.centre["v2"][0]
    assert all(abs(x[box] - offset - places.centre[box][0]) < 1 for box in places.centre)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("echo nonsense", "no svg"),
        ("echo '<nonsense'", "no svg"),
        ("echo '<html>oops</html>'", "no svg"),
        ("echo '<svg xmlns=\"http://www.w3.org/2000/svg\"><g>'", "no svg"),
        ("echo broken >&2; exit 3", "broken"),
        ("kill -9 $$", "exit status -9"),
        ("exec sleep 60", "longer than"),
    ],
)
def test_a_dot_that_fails_is_reported_and_leaves_no_file(does, message, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(rendering, "TIME_LIMIT", 2.0)
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError, match=message):
        draw.render(cell_tape("rnn"), tmp_path / "out" / "a.svg", engine="dot")
    assert not os.listdir(tmp_path / "out")


def test_half_a_picture_and_a_program_that_is_none_are_reported(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    program.write_text("#!/bin/sh\nprintf '\\211PNG'\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="no png"):
        draw.render(cell_tape("rnn"), tmp_path / "a.png", engine="dot")
    program.write_bytes(b"\x00\x01\x02")
    with pytest.raises(RuntimeError, match=r"cannot be run: .*\n.*draw an \.svg"):
        draw.render(cell_tape("rnn"), tmp_path / "a.png", engine="dot")
    assert not (tmp_path / "a.png").exists()


def test_a_view_that_nobody_reads_is_drawn_itself():
    x = tg.Tensor(np.ones((2, 3)), name="x")
    with tg.Tape() as tape:
        x.T[0]
    pic = picture(tape)
    assert {name: box.label for name, box in pic.boxes.items()} == {"v1": "[0]", "v1_0": "xᵀ"}
    ET.fromstring(svg(pic))


def test_layers_stand_in_one_column_for_each_step():
    rng = np.random.default_rng(0)
    first, second = nn.init.rnn(rng, 3, 4), nn.init.rnn(rng, 4, 4)
    with tg.Tape() as tape:
        with tg.scope(layer=0):
            hs, _ = nn.unroll(nn.rnn, first, rng.standard_normal((3, 2, 3)))
        with tg.scope(layer=1):
            nn.unroll(nn.rnn, second, hs)
    pic = picture(tape)
    assert pic.columns == [0, 1, 2]
    states = [name for name, box in pic.boxes.items() if box.kind == "state" and box.column == 1]
    assert len(states) == 2
    places = layout(pic)
    assert places.centre[states[0]][1] < places.centre[states[1]][1]  # the second layer above the first
    assert [box.label for box in pic.boxes.values()].count("hs = stack") == 1
    assert all(f"[{t}]" not in {box.label for box in pic.boxes.values()} for t in range(3))
    ET.fromstring(svg(pic))
    assert "layout=nop2" in str(draw.graph(tape))


def test_bad_requests_are_refused(tmp_path):
    tape = cell_tape("rnn")
    with pytest.raises(ValueError, match=r"ends in none of .svg"):
        draw.render(tape, tmp_path / "a.jpeg")
    with pytest.raises(ValueError, match="engine='neato'"):
        draw.render(tape, tmp_path / "a.svg", engine="neato")
    with pytest.raises(ValueError, match="the tape is empty"):
        draw.graph(tg.Tape())
    with pytest.raises(ValueError, match="steps=0"):
        draw.graph(tape, steps=0)


@pytest.mark.needs_chromium
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_a_picture_in_a_real_browser_is_not_blank(tmp_path):
    chromium = shutil.which("chromium")
    path = draw.render(cell_tape("lstm"), tmp_path / "a.svg", engine="grid").path
    shot = tmp_path / "a.png"
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            *quiet,
            "--window-size=900,500",
            f"--screenshot={shot}",
            path.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert len(shot.read_bytes()) > 5_000  # a blank page of this size is under 4 kB


# ---------------------------------------------------------------------------------------------- what is refused


def lstm_tape(T=4):
    rng = np.random.default_rng(0)
    params = nn.init.lstm(rng, 3, 4)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.lstm, params, rng.standard_normal((T, 2, 3)))
        loss = (hs**2).sum()
    return tape, loss, params


@pytest.mark.parametrize("cut", [99, -1, 1.5, float("nan"), True])
def test_a_cut_before_no_step_is_refused(cut):
    tape, loss, _ = lstm_tape()
    with pytest.raises(ValueError, match=r"a cut before .*, of a tape with the steps 0 to 3\ngive steps of the tape"):
        draw.graph(tape, flow=loss, cuts=[cut])
    assert draw.picture(tape, flow=loss, cuts=2).cuts  # one cut need not stand in a list


def test_a_cut_among_the_steps_left_out_is_said():
    tape, loss, _ = lstm_tape(20)
    notes = draw.picture(tape, flow=loss, cuts=[1, 10]).notes
    assert notes[-1] == "among the steps left out, and so not drawn: the cut before t = 10"


def test_gradients_are_of_tensors_of_the_tape_and_of_their_shape():
    tape, loss, params = lstm_tape()
    f = tape.find("f", t=2)
    for wrong in (np.ones(7), "a", None):
        with pytest.raises(ValueError, match=r"a gradient of shape .* for 'f' .*\na gradient is numbers"):
            draw.graph(tape, show="grad", grads={f: wrong})
    with pytest.raises(ValueError, match="which is not on this tape"):
        draw.graph(tape, show="grad", grads={tg.Tensor(1.0): 1.0})
    leaves = {x: tape.gradient(loss, x) for x in params.values()}
    with pytest.raises(ValueError, match="flow has no gradient of a value that the tape made"):
        draw.graph(tape, flow=leaves)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show": None}, "show=None"),
        ({"show": 3}, "show=3"),
        ({"cuts": None}, "cuts=None"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"steps": True}, "steps=True"),
        ({"steps": [[1]]}, "steps="),
        ({"budget": "a"}, "budget=a"),
        ({"levle": "gates"}, "no option 'levle'\nthe options are steps, view, level"),
    ],
)
def test_a_slip_in_the_options_is_told_in_two_lines(options, message):
    tape, _, _ = lstm_tape(2)
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        draw.graph(tape, **options)
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(TypeError, match="a list, not a Tape\nrecord one"):
        draw.graph([])


def test_steps_of_numpys_integers_run_forward_in_time():
    h = tg.Tensor([0.5])
    with tg.Tape() as tape:
        for k in np.arange(3)[::-1]:
            with tg.scope(t=k):
                h = tg.named("h", np.tanh(h * 0.5))
    assert draw.picture(tape).columns == [0, 1, 2]


def test_a_heat_map_of_an_attention_mask():
    mask = tg.Tensor([[0.0, -np.inf], [0.0, 0.0]], name="mask")
    with tg.Tape() as tape:
        tg.named("y", mask + 0.0)
    ET.fromstring(svg(draw.picture(tape, show="heat")))
