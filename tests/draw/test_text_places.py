"""The places of texts, by the widths of real fonts: no text over text, none beyond its box, in both engines."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from drawings import SVG, needs_dot, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw
from tinygrad_rnn.draw.layout.annotations import _wrapped
from tinygrad_rnn.draw.layout.layout import layout
from tinygrad_rnn.draw.slide import styled
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.text_tables import width

NAMES = ["rnn", "lstm", "gru", "bidirectional", "two_layers", "own"]
LEVELS = ["ops", "gates", "cells"]


@pytest.fixture(scope="module")
def measure():
    """The width of a text in points, in DejaVu Sans: the widest of the fonts that drawings ask for."""
    matplotlib = pytest.importorskip("matplotlib", reason="Matplotlib, which has the font, is not installed")
    fonts = pytest.importorskip("fontTools.ttLib", reason="fontTools is not installed")
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    tables = {}
    for bold, name in ((False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")):
        font = fonts.TTFont(folder / name)
        tables[bold] = font.getBestCmap(), font["hmtx"].metrics, font["head"].unitsPerEm

    def width(text, size, bold):
        known, metrics, em = tables[bold]
        wide = sum(metrics[known[ord(c)]][0] for c in text if ord(c) in known) / em
        return size * (wide + sum("\u3000" <= c <= "\uffef" for c in text))  # of Chinese characters, squares

    return width


def areas(root, measure):
    """(left, right, top, bottom, words) of each text of an SVG, where it stands in a font that is wide."""
    found = []
    for text in root.iter(f"{SVG}text"):
        size = float(text.get("font-size", "11"))
        wide = measure(text.text or "", size, False)
        for span in text:
            own = float(span.get("font-size", size))
            wide += measure(span.text or "", own, span.get("font-weight") == "bold")
            wide += measure(span.tail or "", size, False)
        x, y = float(text.get("x")), float(text.get("y"))
        left = x if text.get("text-anchor") == "start" else x - wide / 2
        found.append((left, left + wide, y - 0.76 * size, y, "".join(text.itertext())))
    return found


def assert_apart(found):
    found = sorted(found)
    for k, a in enumerate(found):
        for b in found[k + 1 :]:
            if b[0] >= a[1] - 0.5:
                break
            assert a[3] <= b[2] or b[3] <= a[2], (a, b)


@pytest.mark.parametrize("T", [1, 2, pytest.param(3, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_on_another_or_leaves_its_box(name, level, T, measure):
    tape, loss, _ = recorded(name, T)
    for options in ({}, {"view": "rolled"}, {"show": ("shape", "value", "grad"), "loss": loss}, {"flow": loss}):
        pic = picture(tape, level=level, **options)
        root, places = ET.fromstring(svg(pic)), layout(pic)
        for group in root.findall(f"{SVG}g"):
            wide = places.width[group.get("id")]
            for left, right, _, _, words in areas(group, measure):
                assert right - left <= wide - 2, (words, options)
        assert_apart(areas(root, measure))


CHINESE = {
    "parameters": ("lstm", {"level": "gates"}),
    "sums": ("gru", {"level": "gates", "show": ("shape", "value", "grad"), "flow": ...}),
    "layers": ("two_bidirectional", {"level": "cells", "flow": ...}),
    "rolled": ("lstm", {"level": "gates", "view": "rolled"}),
    "textbook": ("own", {"view": "textbook"}),
    "cut": ("lstm", {"level": "gates", "flow": ..., "cuts": [1]}),
    "slide": ("lstm", {"style": "slide", "loss": ...}),
    "long": ("rnn", {"level": "cells", "steps": 1}),
}
"""Networks and options; the loss stands where they have three dots."""


@pytest.mark.parametrize("kind", CHINESE)
def test_chinese_pictures_have_no_text_on_another_and_no_english_word(kind, measure):
    name, options = CHINESE[kind]
    tape, loss, _ = recorded(name, 9 if kind == "long" else 3)
    options = {key: loss if value is ... else value for key, value in options.items()}
    english = svg(styled(tape, **options))
    with tg.speak("zh"):
        pic = styled(tape, **options)
        drawn, places = svg(pic), layout(pic)
    root = ET.fromstring(drawn)
    wide, high = (float(number) for number in root.get("viewBox").split()[2:])
    for group in root.findall(f"{SVG}g"):
        for left, right, _, _, words in areas(group, measure):
            assert right - left <= places.width[group.get("id")] - 2, words
    found = areas(root, measure)
    assert_apart(found)
    assert all(left >= -1 and right <= wide + 1 and top >= -1 and low <= high + 1 for left, right, top, low, _ in found)
    notes = ["".join(text.itertext()) for text in root.findall(f"{SVG}text")]
    parameters = {
        d + name for leaf in tape.leaves() for name in re.findall(r"[a-z]+", leaf.name or "") for d in ("", "d")
    }
    assert set(re.findall(r"[a-z]{3,}", " ".join(notes))) - parameters <= {"log"}
    assert any("一" <= c <= "鿿" for c in "".join(notes))
    assert svg(styled(tape, **options)) == english
    assert "Noto Sans CJK SC" in root.get("font-family")
    assert "CJK" not in english


def test_a_long_chinese_note_is_broken_between_characters_and_no_mark_begins_a_line():
    lines = _wrapped("梯度在 t = 2 之前截断：没有梯度越过截断处传回，" * 8, 60)
    assert len(lines) > 4
    assert all(width(line) <= 60 and line[0] not in "，：。、 " for line in lines)
    assert "".join(lines).replace(" ", "") == ("梯度在t=2之前截断：没有梯度越过截断处传回，" * 8)


@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["lstm", "bidirectional"])
def test_the_texts_of_graphviz_are_those_of_the_grid_in_the_middle_of_its_boxes(name, level, tmp_path):
    tape, loss, _ = recorded(name, 2)
    wanted = {"level": level, "flow": loss}
    path = draw.render(tape, tmp_path / "a.svg", engine="dot", **wanted).path
    root, grid = ET.parse(path).getroot(), ET.fromstring(svg(picture(tape, **wanted)))
    words = [sorted("".join(text.itertext()) for text in each.iter(f"{SVG}text")) for each in (root, grid)]
    assert words[0] == words[1]
    boxes = picture(tape, **wanted).boxes
    for group in root.iter(f"{SVG}g"):
        if group.get("id") in boxes:
            shape = next(e for e in group.iter() if e.tag in (f"{SVG}polygon", f"{SVG}path"))
            numbers = (shape.get("points") or shape.get("d")).translate(str.maketrans("MC,", "   ")).split()
            middle = (min(map(float, numbers[::2])) + max(map(float, numbers[::2]))) / 2
            assert {round(float(text.get("x")) - middle) for text in group.iter(f"{SVG}text")} == {0}


@pytest.mark.needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_subscripts_lower_and_smaller(chromium, theme):
    pic = picture(recorded("lstm", 2)[0], level="gates")
    page = chromium.new_page()
    page.set_content(svg(pic, theme=theme).partition("\n")[2])
    under = page.evaluate(
        """() => [...document.querySelectorAll('tspan[dy]')].filter(s => s.getAttribute('font-size')).map(s => {
             const own = s.getBoundingClientRect(), whole = s.parentNode.getBoundingClientRect();
             return [own.height / whole.height, own.bottom - whole.bottom] })"""
    )
    assert len(under) > 10
    assert all(share < 0.9 and low > -1 for share, low in under)
    page.close()
