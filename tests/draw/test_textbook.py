"""A textbook's figure: the rolled network beside the unrolled one, with a box for each x, h, y and L."""

import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from drawings import NETWORKS, SVG, hidden_arrows, needs_dot, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw.dot import digraph
from tinygrad_rnn.draw.layout.annotations import furniture
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.layout.sizes import text_width
from tinygrad_rnn.draw.style import THEMES
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.boxes import Folded
from tinygrad_rnn.draw.views.picture import picture


def stepwise(T):
    """Output and loss made in each step, by names of one's own."""
    rng = np.random.default_rng(0)
    A, B, C = (tg.Tensor(rng.standard_normal((4, 4)), name=name) for name in ("A", "B", "C"))
    x, h, total = tg.Tensor(rng.standard_normal((T, 2, 4)), name="x"), tg.Tensor(np.zeros((2, 4)), name="s0"), 0
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t):
                h = tg.named("s", np.tanh(x[t] @ A + h @ B))
                y = tg.named("ŷ", h @ C)
                loss = tg.named("L", ((y - 1.0) ** 2).sum())
            total = total + loss
        total = tg.named("L", total)
    return tape, total


def at_once(T, readout=lambda hs, V: np.tanh(hs @ V + 1.0), cell="lstm"):
    """The output of all steps at once."""
    rng = np.random.default_rng(0)
    V = tg.Tensor(rng.standard_normal((4, 4)), name="V")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, cell), getattr(nn.init, cell)(rng, 3, 4), rng.standard_normal((T, 2, 3)))
        y = tg.named("y", readout(hs, V))
        loss = tg.named("L", nn.mse(y, np.zeros(y.shape)))
    return tape, loss


def halves(pic):
    """The boxes of both sides: by name, the title without numbers of steps and the column."""
    folded = {name: box for name, box in pic.boxes.items() if name in pic.folded.boxes}
    return folded, {name: box for name, box in pic.boxes.items() if name not in folded}


def bare(title):
    return title.split("[")[0].rstrip("₀₁₂₃₄₅₆₇₈₉₋ₜt") or title


def acting(pic, names):
    return {
        (bare(pic.boxes[a].title), bare(pic.boxes[b].title), names_there)
        for (a, b), names_there in pic.weights.items()
        if a in names and not pic.boxes[a].initial
    }


def test_x_h_y_and_l_are_on_both_sides_with_the_same_parameters_on_the_arrows():
    tape, _ = stepwise(3)
    pic = picture(tape, view="textbook")
    folded, unrolled = halves(pic)
    assert [isinstance(column, Folded) for column in pic.columns] == [True, False, False, False]
    assert pic.columns[1:] == [0, 1, 2]
    assert sorted(bare(box.title) for box in folded.values()) == sorted(["x", "s", "ŷ", "L", "L"])
    for t in range(3):
        inside = [bare(box.title) for box in unrolled.values() if box.column == t and not box.initial]
        assert sorted(inside) == sorted(["x", "s", "ŷ", "L"])
    assert [box.title for box in unrolled.values() if box.column is None] == ["L"]
    wanted = {("x", "s", ("A",)), ("s", "s", ("B",)), ("s", "ŷ", ("C",))}
    assert acting(pic, folded) == acting(pic, unrolled) == wanted
    ((source, target),) = pic.loops
    assert bare(pic.boxes[source].title) == bare(pic.boxes[target].title) == "s"
    assert pic.legend == [
        "The same at every step: A (4×4), B (4×4), C (4×4).",
        "So dL/dA is the sum of what each step adds to it.",
    ]


def test_an_output_of_all_steps_at_once_stands_in_each_step():
    tape, _ = at_once(3)
    pic = picture(tape, view="textbook")
    _, unrolled = halves(pic)
    states = {box.column: name for name, box in unrolled.items() if box.kind == "cell"}
    outputs = {box.column: name for name, box in unrolled.items() if bare(box.title) == "y"}
    (total,) = (name for name, box in unrolled.items() if box.title == "L")
    assert list(states) == list(outputs) == [0, 1, 2]
    for t in range(3):
        assert {(a, b) for a, b in pic.arrows if b == outputs[t] and a in states.values()} == {(states[t], outputs[t])}
        assert (outputs[t], total) in pic.arrows
    assert not any("hs" in box.title or "stack" in box.label for box in pic.boxes.values())
    assert {names for (a, b), names in pic.weights.items() if b in outputs.values()} == {("V",)}
    assert "V (4×4)" in pic.legend[0]


@pytest.mark.parametrize(
    "readout",
    [
        pytest.param(lambda hs, V: np.cumsum(hs, axis=0) @ V, id="cumsum"),
        pytest.param(lambda hs, V: hs @ V - np.mean(hs, axis=0), id="mean over time"),
        pytest.param(lambda hs, V: hs[::-1] @ V, id="reversed"),
        pytest.param(lambda hs, V: (hs @ V) * (hs[::-1] @ V), id="two orders"),
        pytest.param(lambda hs, V: hs[-1] @ V, id="last"),
    ],
)
def test_an_output_that_mixes_steps_stays_outside_of_them(readout):
    tape, _ = at_once(3, readout)
    pic = picture(tape, view="textbook")
    assert [box.column for box in pic.boxes.values() if bare(box.title) == "y"] == [None, None]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("T", [1, 3, pytest.param(7, marks=pytest.mark.slow)])
def test_every_network_has_its_figure_and_nothing_stands_on_anything(name, T):
    tape, _, _ = recorded(name, T)
    pic = picture(tape, view="textbook")
    places = layout(pic)
    for a, b in combinations(pic.boxes, 2):
        (x, y), (x1, y1) = places.centre[a], places.centre[b]
        high = (places.tall.get(a, places.height) + places.tall.get(b, places.height)) / 2
        assert abs(x - x1) >= (places.width[a] + places.width[b]) / 2 or abs(y - y1) >= high, (a, b)
    assert hidden_arrows(pic) == []
    folded, unrolled = halves(pic)
    assert max(places.centre[name][0] for name in folded) < min(places.centre[name][0] for name in unrolled)
    rows = {}
    for name_, box in pic.boxes.items():
        if box.kind == "cell":
            rows.setdefault(box.band, set()).add(round(places.centre[name_][1], 6))
    assert all(len(heights) == 1 for heights in rows.values()), "a state is as high on both sides"
    drawn = svg(pic)
    assert drawn == svg(picture(tape, view="textbook"))
    root = ET.fromstring(drawn)
    assert [g.get("id") for g in root.findall(f"{SVG}g")] == list(pic.boxes)
    assert "=" in [text.text for text in root.iter(f"{SVG}text")]
    words = str(digraph(pic))
    assert all(f"id={name_}" in words or f'id="{name_}"' in words for name_ in pic.boxes)


@needs_dot
@pytest.mark.needs_dot
def test_graphviz_draws_it_and_a_notebook_shows_it(tmp_path):
    tape, _ = stepwise(3)
    path = draw.render(tape, tmp_path / "a.svg", view="textbook", engine="dot").path
    ids = {g.get("id") for g in ET.parse(path).getroot().iter(f"{SVG}g")}
    assert set(picture(tape, view="textbook").boxes) <= ids
    shown = draw.show(tape, view="textbook", style="slide")
    assert "<svg" in shown.svg
    assert "t = 2" in shown.text


def test_long_sequences_show_both_ends_and_wrong_requests_are_refused():
    tape, loss = stepwise(9)
    assert picture(tape, view="textbook").columns[1:] == [0, 1, "gap", 8]
    assert picture(tape, [3, 4], view="textbook").columns[1:] == ["gap", 3, 4, "gap1"]
    with pytest.raises(ValueError, match="leave level out"):
        picture(tape, view="textbook", level="gates")
    for more in ({"flow": loss}, {"show": ("value",)}, {"cuts": [2], "loss": loss}):
        with pytest.raises(ValueError, match="names and single numbers alone"):
            picture(tape, view="textbook", **more)
    with tg.Tape() as empty:
        tg.Tensor(1.0) * 2
    with pytest.raises(ValueError, match="no steps"):
        picture(empty, view="textbook")


@pytest.mark.parametrize("name", NETWORKS)
def test_no_name_stands_on_the_sign_of_equality(name):
    pic = picture(recorded(name, 3)[0], view="textbook")
    texts = furniture(pic, layout(pic), THEMES["light"]).texts
    (equal,) = (text for text in texts if text.text == "=")
    for text in texts:
        if text is not equal:
            half = text_width(text.text, text.size) / 2
            aside = abs(text.x + (half if text.start else 0) - equal.x) - half - 8
            assert max(aside, abs(text.y - equal.y) - 12) > 0, text.text


@pytest.mark.parametrize("slide", [False, True], ids=["page", "slide"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_the_name_of_what_is_carried_stands_at_its_arrow(name, slide):
    """And not above, where the arrows to the outputs run."""
    pic = picture(recorded(name, 3)[0], level="cells", slide=slide)
    places = layout(pic)
    (height,) = {places.curves[arrow][0][1] for arrow in pic.arrows if pic.carried(*arrow)}
    texts = furniture(pic, places, THEMES["light"]).texts
    names = [text for text in texts if text.fill == THEMES["light"].carried]
    assert len(names) == 2
    assert all(0 < text.y - height < 12 for text in names)
