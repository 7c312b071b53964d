"""What a notebook shows of each object: HTML that is whole, escaped, the same each time, and reaches nothing else."""

import base64
import copy
import json
import pickle
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from html.parser import HTMLParser
from inspect import isclass

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, draw, nn
from tinygrad_rnn.lm.run_state import Settings, start
from tinygrad_rnn.notebook import html_parts
from tinygrad_rnn.notebook.html_parts import GROUNDS, badge, box, escaped, labelled, table
from tinygrad_rnn.notebook.inline_svg import FITS
from tinygrad_rnn.notebook.line_chart import chart
from tinygrad_rnn.tape import notebook_trees

HOSTILE = "<script>alert(1)</script> $a$ & \"q\" 'r' \x00\ud800 权重"
VOID = {"img", "br", "rect", "line", "circle", "path", "polyline", "polygon", "ellipse", "stop"}


def halves(params, xs, state, dhs, dlast=None):
    right = bptt.by_hand.rnn(params, xs, state, dhs, dlast)
    return {**right, "weight_hh": right["weight_hh"] / 2}


def one_step(W, x):
    h = np.tanh(W @ x)
    return h @ h, np.outer(h, x)


def recorded(name="x"):
    rng = np.random.default_rng(0)
    params, xs = nn.init.rnn(rng, 2, 3), tg.Tensor(rng.normal(size=(3, 1, 2)), name=name)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.rnn, params, xs)
        loss = nn.mse(hs, np.zeros((3, 1, 3)))
    return tape, loss, params, xs


def compiled():
    _, _, params, xs = recorded()
    function = tg.compile(lambda params, xs: nn.mse(nn.unroll(nn.rnn, params, xs)[0], np.zeros((3, 1, 3))))
    function(params, xs)
    return function, function.program(params, xs)


def trained():
    tape, loss, params, _ = recorded()
    adam = nn.optim.Adam()
    return adam.step(params, tape.gradient(loss, params), adam.init(params))[1]


def step_back(tape, loss, *_):
    return next(step for step in tape.rewind(loss) if step.entry.op.name == "getitem")


def deviation(tape, loss, params, _):
    return bptt.bias_and_variance(tape, loss, params, bptt.Randomized(0.5), rng=np.random.default_rng(0), draws=3)


def forward_learning(tape, loss, params, xs):
    return bptt.rtrl(nn.rnn, params, xs.data, lambda t, h: (h * h).sum())


MADE = {
    "Tape": lambda *run: run[0],
    "Tensor": lambda *run: run[0].find("h", t=1),
    "Entry": lambda *run: run[0][0],
    "Step": step_back,
    "Compiled": lambda *_: compiled()[0],
    "Program": lambda *_: compiled()[1],
    "Stats": lambda *_: compiled()[1].stats["tape"],
    "State": lambda *_: trained(),
    "Report": lambda *run: bptt.compare(nn.rnn, run[2], run[3].data, halves),
    "Diagnosis": lambda *_: bptt.doctor(nn.rnn, halves),
    "Examination": lambda *_: bptt.examine(one_step, np.arange(6.0).reshape(3, 2) / 7, np.ones(2)),
    "Flow": lambda *run: bptt.flow(nn.rnn, run[2], run[3].data),
    "Deviation": deviation,
    "Rtrl": forward_learning,
    "Cost": lambda *run: forward_learning(*run).cost,
    "Shown": lambda *run: draw.show(run[0]),
    "Picture": lambda *run: draw.picture(run[0]),
    "Played": lambda *run: draw.play(run[0], run[1]),
    "Progress": lambda *_: start(Settings("book.txt", hidden=3)),
}
"""By the name of a class whose form is HTML, what makes one from a tape, its loss, parameters and inputs."""
EACH = [pytest.param(n, marks=pytest.mark.slow if n in ("Diagnosis", "Examination") else ()) for n in MADE]


def made(name, called="x"):
    """Make an object of that class, of values that are called by that name."""
    return MADE[name](*recorded(called))


ours = cache(made)


class Whole(HTMLParser):
    """Says whether every element is closed where it belongs, and which elements, styles and texts there are."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.said = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


@pytest.mark.parametrize("name", EACH)
def test_a_form_is_whole_and_reaches_nothing_around_it(name):
    assert type(ours(name)).__name__ == name
    whole = Whole(ours(name)._repr_html_())
    assert whole.tags
    for tag, attributes in whole.tags:
        assert tag not in ("script", "link", "h1", "h2", "body", "html")
        assert not [key for key in attributes if key.startswith("on")]
    for text in re.findall(r"<style>(.*?)</style>", ours(name)._repr_html_()):
        mark = re.search(r'<div id="(tg\w+)"', ours(name)._repr_html_())[1]
        rules = text.replace("@media (prefers-color-scheme:dark){", "").rstrip("}").split("}")
        assert all(f"#{mark} img" in rule for rule in rules)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in MADE if n not in ("Rtrl", "Cost")])  # they measure the time
def test_the_same_object_gives_the_same_bytes(name):
    assert ours(name)._repr_html_() == ours(name)._repr_html_() == made(name)._repr_html_()


@pytest.mark.parametrize("name", EACH)
def test_a_repr_is_short(name):
    text = repr(ours(name))
    assert len(text) < 200
    assert len(text.splitlines()) < 3
    assert " at 0x" not in text
    assert text.startswith(("<", "Tensor(", "Stats("))


@pytest.mark.parametrize("name", ["Tape", "Entry", "Step", "Shown", "Picture", "Played"])
def test_hostile_names_are_text(name):
    form = made(name, HOSTILE)._repr_html_()
    whole = Whole(form)
    assert "script" not in [tag for tag, _ in whole.tags]
    form.encode("utf-8")
    json.dumps(form)
    assert "\x00" not in form


def test_hostile_names_in_tables_and_verdicts():
    x = tg.Tensor([1.0, np.nan, np.inf, -2.0], name=HOSTILE)
    for form in (x._repr_html_(), notebook_trees.form({HOSTILE: x}), box(HOSTILE, labelled([f"{HOSTILE}: {HOSTILE}"]))):
        whole = Whole(form)
        assert "script" not in [tag for tag, _ in whole.tags]
        assert "<script>alert(1)</script> $a$ & \"q\" 'r' \ufffd\ufffd 权重" in "".join(whole.said)
        assert "mathjax_ignore" in whole.tags[0][1]["class"]


PLAIN = {"Span", "Chunked", "Full", "RandomChunks", "Randomized", "Scaled", "WilliamsPeng", "Window"}
PLAIN |= {"Exact", "SnAp", "EProp", "RFLO", "UORO", "KFRTRL"}
PLAIN |= {"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Embedding", "LayerNorm", "Linear"}
"""Descriptions, whose text is the call that makes them: `Chunked(k=2)`."""


@pytest.mark.parametrize("module", [tg, nn, bptt, draw])
def test_every_public_class_has_a_rich_form_or_is_a_description(module):
    for name in module.__all__:
        found = getattr(module, name)
        if isclass(found) and name not in PLAIN:
            assert any(hasattr(found, f"_repr_{kind}_") for kind in ("html", "latex")), name
            assert found.__repr__ is not object.__repr__, name


@pytest.mark.parametrize("way", [bptt.Chunked(2), bptt.Window(3), bptt.Randomized(0.5), nn.LSTM(3, 4), nn.optim.Adam()])
def test_a_description_is_one_line(way):
    assert re.fullmatch(r"\w+\(.{0,150}\)", repr(way))


# ---------------------------------------------------------------------------------------------- what they say


def test_a_report_says_what_its_text_says():
    report = ours("Report")
    said = " ".join(Whole(report._repr_html_()).said)
    assert "✗ 1 of 6 gradients do not agree" in said
    assert said.count("✓ ok") == 5
    assert "✗ WRONG: HAND" in said
    for finding in report.findings:
        assert finding in said
    assert not report


def test_a_report_that_agrees_is_right():
    _, _, params, xs = recorded()
    said = " ".join(Whole(bptt.compare(nn.rnn, params, xs.data, bptt.by_hand.rnn)._repr_html_()).said)
    assert "✓ all agree" in said
    assert "✗" not in said


@pytest.mark.parametrize("name", [each for each in EACH if each.values[0] in ("Diagnosis", "Examination", "Flow")])
def test_findings_say_every_sentence_of_their_text(name):
    said = re.sub(r"\s+", " ", " ".join(Whole(ours(name)._repr_html_()).said))
    sentences = ours(name).verdict() if name == "Flow" else str(ours(name)).splitlines()[1:]
    assert sentences
    for sentence in sentences:
        words = sentence.partition(": ")[2] or sentence
        assert re.sub(r"\s+", " ", words).strip() in said


def test_a_tensor_shows_its_numbers_on_tints_of_their_size():
    form = tg.Tensor([[2.0, -1.0, 0.0]], name="h")._repr_html_()
    said = " ".join(Whole(form).said)
    assert "Tensor (1, 3) float64: 2, −1, 0" in said
    grounds = re.findall(r"background:(rgba\([^)]*\)|transparent)\">([^<]+)<", form)
    assert grounds == [("rgba(33,102,172,0.42)", "2"), ("rgba(179,88,6,0.21)", "−1"), ("transparent", "0")]


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.array(True), np.arange(5), np.full((2, 2), np.nan)])
def test_odd_tensors_have_a_form(values):
    assert Whole(tg.Tensor(values)._repr_html_()).tags


def test_a_sealed_tape_keeps_its_values():
    with tg.Tape(sealed=True) as tape:
        x = tg.Tensor([1.2345])
        y = np.tanh(x)
        for form in (y._repr_html_(), tape[0]._repr_html_(), notebook_trees.form({"y": y})):
            assert "values on a sealed tape" in form
            assert "0.84" not in form
    assert "0.844" in y._repr_html_()


def test_looking_records_nothing():
    with tg.Tape() as tape:
        y = np.tanh(tg.Tensor([1.0, 2.0], name="x"))
        loss = y.sum()
        step = next(iter(tape.rewind(loss)))
        count = len(tape)
        assert all(shown._repr_html_() for shown in (y, tape, tape[0], step))
        assert len(tape) == count


def test_the_state_of_an_optimiser_is_a_dict():
    state = ours("State")
    assert str(state) == str(dict(state))
    assert state.keys() == {"count", "mean", "square"}
    for other in (copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert repr(other) == repr(state) == "<state of an optimiser after 1 step: mean, square of 4 parameters>"
        np.testing.assert_array_equal(other["mean"]["weight_ih"], state["mean"]["weight_ih"])


# ---------------------------------------------------------------------------------------------- pictures and the player


def pictures(form):
    """The SVGs that a form shows as images: the light one, and, where there is one, the dark one."""
    images = [attributes for tag, attributes in Whole(form).tags if tag == "img"]
    start = "data:image/svg+xml;base64,"
    assert all(image["src"].startswith(start) and image["alt"] for image in images)
    return images, [base64.b64decode(image["src"].removeprefix(start)).decode() for image in images]


@pytest.mark.parametrize("name", ["Shown", "Picture", "Flow"])
def test_a_picture_is_never_wider_than_its_cell_and_keeps_its_shape(name):
    images, drawn = pictures(ours(name)._repr_html_())
    assert [image["style"] for image in images] == ["max-width:100%;height:auto", FITS + ";display:none"]
    assert all(ElementTree.fromstring(svg).get("viewBox") for svg in drawn)


def test_the_light_picture_is_that_of_the_file_and_a_dark_page_shows_the_dark_one():
    tape, _, _, _ = recorded()
    shown = draw.show(tape, engine="grid")
    _, drawn = pictures(shown._repr_html_())
    assert drawn[0] == shown.svg
    dark = draw.show(tape, engine="grid", theme="dark")
    assert drawn[1] == dark.svg
    assert pictures(dark._repr_html_())[1] == [dark.svg]
    assert "<style>" not in dark._repr_html_()
    rules = re.search("<style>(.*)</style>", shown._repr_html_())[1]
    mark = re.search(r'<div id="(tg\w+)"', shown._repr_html_())[1]
    assert f".vscode-dark #{mark} img+img{{display:inline!important}}" in rules


def test_a_page_that_takes_drawings_and_frames_out_leaves_no_text_of_them():
    for name in ("Shown", "Picture", "Flow"):
        inside = re.findall("<svg.*?</svg>", ours(name)._repr_html_())
        assert not any(Whole(svg).said for svg in inside)
    assert Whole(ours("Played")._repr_html_()).said == [
        "The player is here once this cell is run, or the notebook is trusted."
    ]


def test_the_player_is_the_page_that_a_file_would_hold(tmp_path):
    tape, loss, _, _ = recorded()
    played = draw.play(tape, loss)
    frame = next(attributes for tag, attributes in Whole(played._repr_html_()).tags if tag == "iframe")
    assert frame["srcdoc"] == played.page
    assert frame["sandbox"] == "allow-scripts"
    assert frame["title"]
    draw.play(tape, loss, tmp_path / "a.html")
    played.save(tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    with pytest.raises(ValueError, match="play"):
        played.save(tmp_path / "b.png")


def test_a_rendered_file_is_shown_as_it_lies_there(tmp_path):
    tape, _, _, _ = recorded()
    rendered = draw.render(tape, tmp_path / "a.svg", engine="grid")
    image = next(attributes for tag, attributes in Whole(rendered._repr_html_()).tags if tag == "img")
    assert image["src"].startswith("data:image/svg+xml;base64,")
    assert image["style"] == "max-width:100%;height:auto"
    rendered.path.unlink()
    assert "<img" not in rendered._repr_html_()
    assert "<img" not in draw.render(tape, tmp_path / "a.dot")._repr_html_()


# ---------------------------------------------------------------------------------------------- the parts


@pytest.mark.parametrize("right", [True, False, None])
def test_a_verdict_is_read_without_colours_and_on_any_ground(right):
    text = badge("words", right)
    assert GROUNDS[right] in text
    assert Whole(text).said == [{True: "✓ words", False: "✗ words", None: "words"}[right]]
    channels = [int(GROUNDS[right][k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    assert 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) > 4.5


def test_text_is_escaped_once():
    assert escaped("<b>") == "&lt;b&gt;"
    assert escaped(html_parts.strong("<b>")) == "<b>&lt;b&gt;</b>"
    assert table(["<"], [[html_parts.strong("<")]]).count("&lt;") == 2


def test_a_chart_draws_each_run_of_finite_values():
    form = chart({"a": [0.0, -1.0, np.nan, -3.0], "b": [-np.inf, -1.0, -2.0, -3.0]}, "step k", "norms")
    whole = Whole(pictures(form)[1][0])
    lines = [a["points"].split() for tag, a in whole.tags if tag == "polyline"]
    assert [len(points) for points in lines] == [2, 3]
    assert len([tag for tag, _ in whole.tags if tag == "circle"]) == 1
    heights = [float(point.split(",")[1]) for point in lines[1]]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.11)
    assert {"1", "0.1", "0.01", "0.001"} <= set(whole.said)


@pytest.mark.parametrize("curve", [[], [1.0], [np.nan, np.nan]], ids=["none", "one", "nan"])
def test_a_chart_of_nothing_is_empty(curve):
    assert chart({"a": curve}, "x", "y") == ""
