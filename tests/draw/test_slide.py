"""A slide: 1920 x 1080, type of 18 points or more, the steps that fit, and numbers that are the tape's."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawings import SVG, needs_dot, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.cli import main
from tinygrad_rnn.draw.layout.page import LEAST, on_page
from tinygrad_rnn.draw.slide import styled, type_size
from tinygrad_rnn.draw.svg import svg

SLIDES = [
    pytest.param("rnn", {"level": "gates"}, id="rnn-gates"),
    pytest.param("rnn", {"level": "gates", "flow": True}, id="rnn-gates-flow"),
    pytest.param("rnn", {"level": "ops"}, id="rnn-ops"),
    pytest.param("lstm", {"level": "gates"}, id="lstm-gates"),
    pytest.param("lstm", {"level": "gates", "flow": True}, id="lstm-gates-flow"),
    pytest.param("lstm", {"level": "gates", "view": "rolled"}, id="lstm-rolled"),
    pytest.param("lstm", {"level": "cells", "flow": True}, id="lstm-cells-flow"),
    pytest.param("lstm", {"level": "ops"}, id="lstm-ops"),
    pytest.param("gru", {"level": "gates"}, id="gru-gates"),
    pytest.param("gru", {"level": "ops"}, id="gru-ops"),
    pytest.param("bidirectional", {"level": "cells"}, id="bidirectional-cells"),
    pytest.param("bidirectional", {"level": "cells", "flow": True}, id="bidirectional-cells-flow"),
    pytest.param("two_layers", {"level": "cells"}, id="two-layers-cells"),
    pytest.param("two_layers", {"level": "gates"}, id="two-layers-gates"),
    pytest.param("two_layers", {"level": "cells", "flow": True}, id="two-layers-cells-flow"),
]
PIXELS_A_POINT = 96 / 72


def asked(options, loss):
    return {**options, "flow": loss} if options.get("flow") else options


def numbers(T=3):
    """A recurrence of single numbers: its tape, loss and values by name and step."""
    p = {name: tg.Tensor(value, name=name) for name, value in {"w": 0.5, "u": 0.8, "b": 0.1}.items()}

    def cell(p, x, h):
        return tg.named("h", np.tanh(p["w"] * x + p["u"] * h + p["b"]))

    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, p, np.linspace(1.0, -2.0, T), np.array(0.25))
        loss = tg.named("L", (hs * hs).sum())
    return tape, loss, p


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "options"), SLIDES)
def test_the_grid_draws_a_page_of_1920_by_1080_with_large_type(name, options, theme, tmp_path):
    tape, loss, _ = recorded(name, 5)
    path = tmp_path / "a.svg"
    draw.render(tape, path, style="slide", engine="grid", theme=theme, **asked(options, loss))
    root = ET.parse(path).getroot()
    assert (root.get("width"), root.get("height")) == ("1920", "1080")
    _, _, wide, high = map(float, root.get("viewBox").split())
    assert wide / high == pytest.approx(16 / 9, abs=0.01)
    scale = 1920 / wide
    inherited = float(root.get("font-size"))
    for text in root.iter(f"{SVG}text"):
        sizes = [float(part.get("font-size", text.get("font-size", inherited))) for part in text.iter()]
        assert scale * min(sizes) / PIXELS_A_POINT >= LEAST - 0.05, "".join(text.itertext())
        assert 0 < float(text.get("x")) < wide
        assert 0 < float(text.get("y")) < high
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    debugger = re.compile(r"\bentry\b|\bops\b|#\d|float64|alike|no step made|leaf")
    assert [line for line in words if debugger.search(line)] == []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("x") is not None:
            left, top, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
            assert left >= 0 <= top
            assert left + w <= wide
            assert top + h <= high
    again = tmp_path / "b.svg"
    draw.render(tape, again, style="slide", engine="grid", theme=theme, **asked(options, loss))
    assert path.read_bytes() == again.read_bytes()


@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize(("name", "options"), [SLIDES[1], SLIDES[3], SLIDES[6], SLIDES[10]])
def test_dot_draws_the_same_page(name, options, tmp_path):
    tape, loss, _ = recorded(name, 5)
    path = draw.render(tape, tmp_path / "a.svg", style="slide", engine="dot", **asked(options, loss)).path
    root = ET.parse(path).getroot()
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(1440, abs=3)
    assert float(root.get("height").removesuffix("pt")) == pytest.approx(810, abs=3)
    graph = root.find(f"{SVG}g")
    scale = float(re.search(r"scale\(([\d.]+)", graph.get("transform"))[1])
    types = [part for text in root.iter(f"{SVG}text") for part in text.iter() if part.get("font-size")]
    sizes = [float(part.get("font-size")) for part in (root, *types)]
    assert len(set(sizes)) > 1  # subscripts have a size of their own
    assert min(sizes) * scale >= LEAST - 0.05
    pic = styled(tape, style="slide", **asked(options, loss))
    ids = {g.get("id") for g in root.iter(f"{SVG}g")}
    assert set(pic.boxes) <= ids


@pytest.mark.needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), SLIDES)
def test_no_text_is_on_another_and_each_is_as_large_in_a_browser(chromium, name, options):
    tape, loss, _ = recorded(name, 5)
    page = chromium.new_page(viewport={"width": 1920, "height": 1080})
    page.set_content(f'<body style="margin:0">{svg(styled(tape, style="slide", **asked(options, loss)))}</body>')
    found = page.evaluate(
        """() => [...document.querySelectorAll('text')].map(t => {
            const b = t.getBoundingClientRect(), m = t.getScreenCTM();
            return {words: t.textContent, left: b.left, right: b.right, top: b.top, bottom: b.bottom,
                    size: parseFloat(getComputedStyle(t).fontSize) * m.d,
                    smallest: Math.min(...[t, ...t.querySelectorAll('tspan')].map(
                        part => parseFloat(getComputedStyle(part).fontSize))) * m.d};
        })"""
    )
    page.close()
    assert min(text["smallest"] for text in found) >= 24 - 0.1
    for k, a in enumerate(found):
        assert 0 <= a["left"] < a["right"] <= 1920, a["words"]
        assert 0 <= a["top"] < a["bottom"] <= 1080, a["words"]
        for b in found[:k]:
            wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
            high = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
            assert wide <= 1 or high <= 0.3 * a["size"], (a["words"], b["words"])


@pytest.mark.parametrize("T", [1, 3, 5, pytest.param(40, marks=pytest.mark.slow)])
def test_steps_that_do_not_fit_are_left_out_and_counted(T):
    tape, _, _ = recorded("lstm", T)
    pic = styled(tape, style="slide", level="gates")
    gaps = [box.title for box in pic.boxes.values() if box.kind == "gap"]
    shown = [t for t in pic.columns if t not in pic.boxes]
    left_out = T - len(shown)
    assert gaps == ([f"… {left_out} step{'s' if left_out > 1 else ''} …"] if left_out else [])
    assert shown[0] == 0
    assert type_size(pic) >= LEAST
    if len(shown) < T:  # one more does not fit
        more = range(len(shown) + 1)
        with pytest.raises(ValueError, match="fewest to be read"):
            styled(tape, more, "slide", level="gates")


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_one_step_at_ops_stands_without_the_loss_and_says_so(name):
    tape, _, _ = recorded(name, 3)
    pic = styled(tape, style="slide", level="ops")
    whole = draw.picture(tape, [0], level="ops")
    outside = {key for key, box in whole.boxes.items() if box.column is None}
    assert pic.boxes.keys() == whole.boxes.keys() - outside
    assert pic.arrows.keys() == {arrow for arrow in whole.arrows if not outside & set(arrow)}
    assert f"Left out: {len(outside)} boxes outside of the steps." in pic.legend
    assert not any(line.startswith("name |") for line in pic.legend)  # no number is left to explain


def test_a_readout_after_the_steps_is_left_out_with_its_parameters():
    rng = np.random.default_rng(0)
    V = tg.Tensor(rng.standard_normal((4, 2)), name="V")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.gru, nn.init.gru(rng, 3, 4), rng.standard_normal((3, 2, 3)))
        tg.named("L", nn.mse(hs @ V, np.zeros((3, 2, 2))))
    for level, there in (("gates", True), ("ops", False)):
        pic = styled(tape, style="slide", level=level)
        ends = {name for arrow in (*pic.arrows, *pic.weights) for name in arrow}
        assert ends <= pic.boxes.keys()
        assert any("V" in line for line in pic.legend) == there
        assert svg(pic)


def test_steps_without_a_loss_have_nothing_left_out():
    with tg.Tape() as tape:
        nn.unroll(nn.lstm, nn.init.lstm(np.random.default_rng(0), 3, 4), np.ones((3, 2, 3)))
    assert not any(line.startswith("Left out") for line in styled(tape, style="slide", level="gates").legend)


def test_what_is_too_large_is_told_what_fits():
    tape, loss, _ = recorded("lstm", 2)
    with pytest.raises(ValueError, match="fewest to be read") as caught:
        styled(tape, style="slide", level="ops", flow=loss)
    assert str(caught.value).splitlines()[1] == ('draw less: leave out flow=, or level="gates"; or take style="page"')
    styled(tape, style="slide", level="ops")
    styled(tape, style="slide", level="gates", flow=loss)


@pytest.mark.slow
def test_what_does_not_fit_at_all_is_refused_with_what_to_do(tmp_path):
    tape, loss, _ = recorded("two_bidirectional", 3)
    for options in ({"level": "ops"}, {"level": "ops", "flow": loss}, {"level": "gates", "view": "rolled"}):
        with pytest.raises(
            ValueError, match=r"one step of this network has type of [\d.]+ points on a slide"
        ) as caught:
            draw.render(tape, tmp_path / "a.svg", style="slide", **options)
        assert len(str(caught.value).splitlines()) == 2
        assert 'level="cells"' in str(caught.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="style='wall'"):
        draw.render(tape, tmp_path / "a.svg", style="wall")


def test_scalars_read_as_name_data_and_grad_of_the_tape():
    tape, loss, p = numbers()
    pic = styled(tape, style="slide", level="gates", loss=loss)
    outs = {f"v{k}": entry.out for k, entry in enumerate(tape)}
    checked = 0
    for box in pic.boxes.values():
        if box.kind == "state" or box.title == "L":
            name, data, grad = box.label.split(" | ")
            assert float(data.replace("−", "-")) == pytest.approx(float(outs[box.id].data), rel=6e-3), name
            gradient = float(tape.gradient(loss, outs[box.id]))
            assert float(grad.replace("−", "-")) == pytest.approx(gradient, rel=6e-3), name
            checked += 1
    assert checked >= 3
    assert "name | data | grad" in pic.legend
    assert {row.name: float(row.total.replace("−", "-")) for row in pic.sums} == {
        f"dL/d{name}": pytest.approx(float(tape.gradient(loss, a)), rel=6e-3) for name, a in p.items()
    }
    assert "name | data" in styled(tape, style="slide", level="gates").legend
    assert styled(tape, style="slide", level="gates").sums == []


def test_a_page_is_16_to_9_around_what_is_drawn():
    for reach in ((0, 0, 900, 100), (-5, -300, 20, 600), (0, 0, 1, 1)):
        left, bottom, right, top = on_page(reach)
        assert (right - left) / (top - bottom) == pytest.approx(16 / 9)
        assert left <= reach[0] < reach[2] <= right
        assert bottom <= reach[1] < reach[3] <= top


def test_the_command_draws_slides_and_textbook_figures(tmp_path, capsys):
    path = tmp_path / "a.svg"
    asked_for = ["draw", "--cell", "lstm", "--steps", "3", "--engine", "grid", "-o", str(path)]
    assert main([*asked_for, "--style", "slide", "--theme", "dark"]) == 0
    assert ET.parse(path).getroot().get("width") == "1920"
    assert main([*asked_for, "--view", "textbook"]) == 0
    words = [text.text for text in ET.parse(path).getroot().iter(f"{SVG}text")]
    assert words.count("L") == 2
    assert "=" in words
    assert main([*asked_for, "--layers", "2", "--level", "ops", "--style", "slide"]) == 2
    assert "fewest to be read" in capsys.readouterr().err


@pytest.mark.parametrize("layer", [nn.RNN(2, 2), nn.LSTM(2, 2), nn.RNN(2, 2, num_layers=2)], ids=repr)
def test_the_weights_on_the_input_stand_at_their_arrows_on_a_slide_too(layer, tmp_path):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        hs, _ = layer(layer.init(rng), rng.standard_normal((3, 1, 2)))
        loss = tg.named("L", (hs * hs).sum())
    drawn = draw.render(tape, tmp_path / "a.svg", loss=loss, level="gates", style="slide", engine="grid").path
    text = drawn.read_text(encoding="utf-8")
    for k in range(layer.num_layers):
        assert text.count(f">W_l{k}</text>") >= 2
        assert text.count(f">U_l{k}</text>") >= 2
