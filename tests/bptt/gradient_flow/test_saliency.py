"""dL_t/dx_k over a text: the values against central differences, the picture, and what is refused."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.lm.alphabet import Alphabet
from tinygrad_rnn.lm.language_model import Model
from tinygrad_rnn.tape.full_tape import Tape

TEXT = "明月松间照，\n清泉石上流。"
SVG = "{http://www.w3.org/2000/svg}"


def differences(losses, xs, size=1e-5):
    """|dL_t/dx_k| by central differences in each entry of x_k."""
    found = np.zeros((len(losses(xs)), *xs.shape))
    for place in np.ndindex(xs.shape):
        moved = np.zeros(xs.shape)
        moved[place] = size
        found[(slice(None), *place)] = (losses(xs + moved) - losses(xs - moved)) / (2 * size)
    return np.sqrt((found**2).reshape(*found.shape[:2], -1).sum(axis=-1))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("embedding", [0, 3])
def test_a_language_model_by_central_differences(cell, embedding):
    model = Model(cell, 4, 2, alphabet=Alphabet.of(TEXT), embedding=embedding)
    params = {name: p.data for name, p in model.init(np.random.default_rng(0), np.float64).items()}
    ids = model.alphabet.indices(TEXT[:7])
    xs = params["embedding.weight"][ids[:-1]] if embedding else np.eye(model.alphabet.size)[ids[:-1]]

    def losses(xs):
        hs, _ = model._layer()({k[4:]: p for k, p in params.items() if k.startswith("rnn.")}, xs[:, None])
        scores = hs[:, 0] @ params["head.weight"].T + params["head.bias"]
        return np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(xs)), ids[1:]]

    found = model.saliency(params, TEXT[:7])
    np.testing.assert_allclose(found.norms, differences(losses, xs), rtol=1e-6, atol=1e-9)
    assert (found.norms[np.triu_indices(6, 1)] == 0).all()  # no prediction leans on what comes after it
    assert (found.norms[np.tril_indices(6)] > 0).all()
    assert ("".join(found.read), "".join(found.predicted)) == (TEXT[:6], TEXT[1:7])


def test_what_stands_before_is_read_and_not_predicted():
    model = Model("gru", 4, alphabet=Alphabet.of(TEXT), embedding=3)
    params = model.init(np.random.default_rng(0), np.float64)
    whole, found = model.saliency(params, "\n月上，"), model.saliency(params, "月上，", before="\n")
    assert ("".join(found.read), "".join(found.predicted)) == ("\n月上", "月上，")
    np.testing.assert_array_equal(found.norms, whole.norms)
    found = model.saliency(params, "月上，", before="照\n")
    assert (found.norms.shape, "".join(found.predicted)) == ((3, 4), "月上，")
    with pytest.raises(ValueError, match="a text of 1 character\ngive two"):
        model.saliency(params, "月")
    with pytest.raises(ValueError, match="does not know: '海'"):
        model.saliency(params, "月海")


def recorded(separate=False):
    """A loop of one's own with a batch of two: the tape, its losses and its inputs, and the losses as a function."""
    rng = np.random.default_rng(1)
    params = nn.init.rnn(rng, 3, 4)
    values, start = rng.normal(size=(5, 2, 3)), np.zeros((2, 4))
    xs = [Tensor(x, name=f"x{k}") for k, x in enumerate(values)] if separate else Tensor(values, name="x")
    with Tape() as tape:
        h, losses = start, []
        for t in range(5):
            with scope(t=t):
                h = nn.rnn(params, xs[t], h)
                losses.append((h * h).sum())

    def by_values(values):
        h, found = start, []
        arrays = {name: p.data for name, p in params.items()}
        for x in values:
            h = nn.rnn(arrays, x, h)
            found.append((h * h).sum())
        return np.array(found)

    return tape, losses, xs, by_values, values


@pytest.mark.parametrize("separate", [False, True], ids=["one Tensor", "a Tensor for each step"])
def test_any_tape_by_central_differences(separate):
    tape, losses, xs, by_values, values = recorded(separate)
    found = bptt.saliency(tape, losses, xs)
    np.testing.assert_allclose(found.norms, differences(by_values, values), rtol=1e-6, atol=1e-9)
    assert (found.read[4], found.predicted[0]) == ("x4", "L0")
    np.testing.assert_allclose(found.shares.max(axis=1), 1)
    few = bptt.saliency(tape, losses[3:], xs, predicted="ab")
    np.testing.assert_array_equal(few.norms, found.norms[3:])


def test_norms_too_small_for_a_number_keep_their_share():
    tiny = Tensor(np.array(1e-200), name="tiny")
    with Tape() as tape:
        x = Tensor(np.ones((2, 1)), name="x")
        loss = (x[0] * tiny * tiny + x[1] * tiny * tiny * 0.5).sum()
    found = bptt.saliency(tape, [loss], x)
    assert (found.log10 == -np.inf).all()  # it has underflowed on the tape itself
    assert (found.shares == 0).all()
    with Tape() as tape:
        x = Tensor(np.ones((2, 1)), name="x")
        loss = (x[0] * tiny + x[1] * tiny * 0.5).sum()
    found = bptt.saliency(tape, [loss], x)
    np.testing.assert_allclose(found.log10, [[-200, -200 + np.log10(0.5)]])
    np.testing.assert_allclose(found.shares, [[1, 0.5]])


# ---------------------------------------------------------------------------------------------- the picture


def saliency_of(shares, read, predicted):
    with np.errstate(divide="ignore"):
        return bptt.Saliency(np.log10(np.array(shares, float)), tuple(read), tuple(predicted))


def test_the_picture_has_a_coloured_cell_for_each_share_and_every_character():
    found = saliency_of([[3.0, 0, 0], [1, 2, 0], [0.01, 1, 0.5]], "月\n<", "a 。")
    drawing = ET.fromstring(found.svg())
    texts = [text.text for text in drawing.iter(f"{SVG}text")]
    assert texts[2:] == ["read →", "predicted ↓", "月", "↵", "<", "a", "␣", "。"]
    cells = [cell for cell in drawing.iter(f"{SVG}rect") if cell.get("width") == cell.get("height") == "24"]
    assert len(cells) == 5  # of nine, three are zero, and one is too small to be seen
    places = {(int(c.get("x")) // 24 - 3, (int(c.get("y")) - 94) // 24): c.get("fill") for c in cells}
    full, half = "#2166ac", "#8caed2"
    assert places[0, 0] == places[1, 1] == places[1, 2] == full
    assert places[0, 1] == places[2, 2] == half
    assert found.svg() == found.svg()


def test_the_text_of_one_prediction_ends_in_what_is_predicted():
    found = saliency_of([[3.0, 0, 0], [1, 2, 0]], "月上中", "ab")
    for t in (0, -2):
        texts = [text.text for text in ET.fromstring(found.svg(t)).iter(f"{SVG}text")]
        assert texts[0] == "What the prediction of a leans on: |dL/dx|"
        assert texts[2:] == ["月", "a"]
    assert [text.text for text in ET.fromstring(found.svg(1)).iter(f"{SVG}text")][2:] == ["月", "上", "b"]
    with pytest.raises(ValueError, match=r"t=2\nthere are the predictions 0 to 1"):
        found.svg(2)


def test_a_long_text_is_refused_as_a_whole_and_drawn_in_lines_for_one_prediction():
    found = saliency_of(np.tril(np.ones((81, 81))), "月" * 81, "月" * 81)
    with pytest.raises(ValueError, match=r"81 predictions from 81 inputs .*\ndraw at most 80, or one prediction"):
        found.svg()
    drawing = ET.fromstring(found.svg(80))
    assert len({text.get("y") for text in drawing.iter(f"{SVG}text")}) == 2 + 3
    assert "<img" in found._repr_html_()


def test_what_is_not_finite_has_a_colour_of_its_own():
    found = saliency_of([[np.nan, 1.0]], "ab", "c")
    assert "#b000b0" in found.svg()
    assert "?" in str(found)


def test_words_a_notebook_and_plain_values():
    found = saliency_of([[0.0, 1.0], [0.5, 0.25]], "月\n", "ab")
    assert str(found).splitlines() == [
        "the prediction of b leans on",
        "k  x_k  |dL/dx_k|",
        "0  月    5.00e-01  ####################",
        "1  ↵     2.50e-01  ##########",
    ]
    assert repr(found) == "<Saliency of 2 predictions from 2 inputs>"
    assert re.search(r'<img alt="the prediction of b.*src="data:image/svg\+xml', found._repr_html_(), flags=re.S)
    plain = found.to_dict()
    assert (plain["read"], plain["predicted"]) == (["月", "\n"], ["a", "b"])
    assert plain["log10_norms"][0] == ["-Infinity", 0.0]
    assert str(saliency_of(np.zeros((0, 2)), "ab", "")) == "no prediction"
    assert "<img" not in saliency_of(np.zeros((0, 2)), "ab", "")._repr_html_()


def test_what_does_not_fit_is_refused():
    tape, losses, xs, *_ = recorded()
    with pytest.raises(TypeError, match="saliency: the losses are a Tensor"):
        bptt.saliency(tape, losses[0], xs)
    with pytest.raises(LookupError, match=r"saliency: .* is not on this tape"):
        bptt.saliency(tape, losses, Tensor(np.ones((5, 2, 3))))
    with pytest.raises(ValueError, match="saliency: 2 names read for 5\ngive a name for each"):
        bptt.saliency(tape, losses, xs, read="ab")
    with pytest.raises(ValueError, match="saliency: 1 names predicted for 5"):
        bptt.saliency(tape, losses, xs, predicted="a")
    with pytest.raises(TypeError, match="saliency: the tape is a list"):
        bptt.saliency([], losses, xs)
