"""The parameters on the arrows along which they act, found by what the tape multiplies and not by their names."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawings import NETWORKS, SVG, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.draw.dot import digraph
from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.style import THEMES
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture


def own(cell, names, T=3, readout=None):
    """A tape of a cell over T steps. Its parameters are 4 x 4, named as told, and so is the readout at the end."""
    rng = np.random.default_rng(0)
    params = {name: tg.Tensor(rng.standard_normal((4, 4)), name=name) for name in names}
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, params, rng.standard_normal((T, 2, 4)), np.zeros((2, 4)))
        if readout:
            hs = tg.named(
                "y", hs @ tg.Tensor(rng.standard_normal((4, 2)), name=readout) + tg.Tensor([1.0, 2.0], name="c")
            )
        tg.named("L", (hs * hs).sum())
    return tape


def acting(pic):
    """(kind or name of what flows, name of the box that it enters, the parameters), without steps."""
    said = set()
    for (a, b), names in pic.weights.items():
        source, target = pic.boxes[a], pic.boxes[b]
        what = "initial" if source.initial else "x" if source.kind == "input" else source.title.rstrip("₀₁₂₃")
        said.add((what, target.title.rstrip("₀₁₂₃").split("(")[0], names))
    return said


def elman(p, x, h):
    return tg.named("h", np.tanh(tg.named("z", x @ p["alpha"] + h @ p["beta"])))


def joined(p, x, h):
    return tg.named("h", np.tanh(tg.named("z", np.concatenate([x, h], axis=1) @ np.concatenate([p["a"], p["b"]]))))


def transposed_outside(p, x, h):
    return tg.named("h", np.tanh(tg.named("z", x @ p["a"].T * 0.5 + (h * 2.0) @ p["b"].T)))


def masked(p, x, h):
    mask = np.tril(np.ones((4, 4)))
    return tg.named("h", np.tanh(tg.named("z", x @ p["a"] + h @ (p["b"] * mask))))


def gated(p, x, h):
    r = tg.named("r", tg.sigmoid(x @ p["Wr"] + h @ p["Ur"]))
    return tg.named("h", np.tanh(tg.named("n", x @ p["Wn"] + (r * h) @ p["Un"])))


A_AND_B = {("x", "z", ("a",)), ("h", "z", ("b",)), ("initial", "z", ("b",))}
CELLS = {
    "elman": (elman, ["alpha", "beta"], {("x", "z", ("alpha",)), ("h", "z", ("beta",)), ("initial", "z", ("beta",))}),
    "joined": (
        joined,
        ["a", "b"],
        {("x", "z", ("a", "b")), ("h", "z", ("a", "b")), ("initial", "z", ("a", "b"))},
    ),
    "transposed": (
        transposed_outside,
        ["a", "b"],
        A_AND_B,
    ),
    "masked": (masked, ["a", "b"], A_AND_B),
    "gated": (
        gated,
        ["Wr", "Ur", "Wn", "Un"],
        {
            ("x", "r", ("Wr",)),
            ("h", "r", ("Ur",)),
            ("initial", "r", ("Ur",)),
            ("x", "n", ("Wn",)),
            ("h", "n", ("Un",)),
            ("initial", "n", ("Un",)),
            ("r", "n", ("Un",)),
        },
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_of_one_s_own_has_its_parameters_where_they_act(name):
    cell, names, wanted = CELLS[name]
    assert acting(picture(own(cell, names), level="gates")) == wanted


@pytest.mark.parametrize(("cell", "box"), [("rnn", "z"), ("lstm", "affine"), ("gru", "affine")])
def test_the_cells_of_the_package_have_w_on_x_and_u_on_h(cell, box):
    wanted = {("x", box, ("W",)), ("h", box, ("U",)), ("initial", box, ("U",))}
    assert acting(picture(recorded(cell, 3)[0], level="gates")) == wanted


def test_a_readout_of_all_steps_carries_its_matrix_and_is_no_shared_parameter():
    pic = picture(own(elman, ["alpha", "beta"], readout="V"), level="gates")
    assert ("hs", "y", ("V",)) in acting(pic)
    assert not any(box.title in ("V", "c") for box in pic.boxes.values())
    assert pic.legend[0] == "The same at every step: alpha (4×4), beta (4×4)."
    assert pic.legend[-1] == "Once for all steps: V (4×2)."


def test_a_readout_in_each_step_is_on_the_arrow_from_its_state():
    rng = np.random.default_rng(0)
    W, U, V = (tg.Tensor(rng.standard_normal((4, 4)), name=name) for name in "WUV")
    h = tg.Tensor(np.zeros((2, 4)), name="h0")
    with tg.Tape() as tape:
        for t in range(3):
            with tg.scope(t=t):
                x = tg.Tensor(rng.standard_normal((2, 4)), name="x")
                h = tg.named("h", np.tanh(x @ W + h @ U))
                y = tg.named("y", h @ V)
        tg.named("L", (y * y).sum())
    assert {(a, b, w) for a, b, w in acting(picture(tape, level="gates"))} == {
        ("x", "h", ("W",)),
        ("h", "h", ("U",)),
        ("initial", "h", ("U",)),
        ("h", "y", ("V",)),
    }


def test_a_parameter_is_a_copy_or_a_name_on_an_arrow_but_never_both():
    tape, loss, _ = recorded("lstm", 3)
    for depth in ("ops", "gates", "cells"):
        assert picture(tape, level=depth, flow=loss).weights == {}
    assert picture(tape, level="ops").weights == {}
    assert picture(tape, level="cells").weights != {}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("depth", ["gates", "cells"])
@pytest.mark.parametrize("view", ["unrolled", "rolled"])
def test_the_names_stand_beside_their_arrows_and_on_no_box_and_no_other_name(name, depth, view):
    tape, _, _ = recorded(name, 3)
    pic = picture(tape, level=depth, view=view)
    places = layout(pic)
    texts = [t for t in furniture(pic, places, THEMES["light"]).texts if t.size == 9]
    names = [t for t in texts if t.fill == THEMES["light"].weight]
    assert len(names) >= 0.8 * sum(not pic.boxes[source].initial for source, _ in pic.weights)
    areas = [(t.x, t.y, 2.3 * len(t.text), 3.5) for t in texts]
    boxes = [(*places.centre[b], places.width[b] / 2, places.tall.get(b, places.height) / 2) for b in pic.boxes]
    for k, (x, y, w, h) in enumerate(areas):
        for other, (x1, y1, w1, h1) in enumerate([*areas, *boxes]):
            if k != other:
                assert abs(x - x1) >= w + w1 - 0.1 or abs(y - y1) >= h + h1 - 0.1, texts[k].text


def test_both_engines_write_the_names_and_the_legend_lists_each_once():
    tape, _, _ = recorded("rnn", 3)
    pic = picture(tape, level="gates")
    words = [text.text for text in ET.fromstring(svg(pic)).iter(f"{SVG}text")]
    assert (words.count("W"), words.count("U")) == (3, 3)
    drawn = str(digraph(pic))
    assert drawn.count("label=W ") == drawn.count("label=U ") == 3
    assert pic.legend[1] == "So dL/dW is the sum of what each step adds to it."
    legend = " ".join(pic.legend)
    assert legend.count("W = weight_ih (4×3)") == legend.count("U = weight_hh (4×4)") == 1
    assert "b_ih, b_hh" in legend
