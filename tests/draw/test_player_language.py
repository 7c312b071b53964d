"""The player in Chinese: its words are Chinese at each position, and its data those of the English page."""

import json
import re

import cells
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import draw
from tinygrad_rnn.draw.player_page import SCRIPTS, read, templates
from tinygrad_rnn.language.chinese.catalogues import CHINESE

ENGLISH = re.compile(r"[A-Za-z]{3,}")
NO_WORDS = {"NaN", "tanh", "sum", "Home", "End", "Enter", "Esc", "Tab", "LSTM"}
"""What is no English word: names of functions and of keys."""
FORMULAS = {"add", "sum"}
"""What stands in a formula, and in an English sentence as well."""


@pytest.fixture(scope="module")
def pages():
    """(English page, Chinese page) of an LSTM."""
    tape, loss, *_ = cells.recorded("lstm", T=3)
    english = draw.play(tape, loss).page
    with tg.speak("zh"):
        return english, draw.play(tape, loss).page


def data_of(page):
    return json.loads(re.search(r'id="play-data">(.*?)</script>', page, flags=re.DOTALL).group(1))


def test_the_page_says_its_language_and_has_the_words_as_data(pages):
    english, chinese = pages
    assert '<html lang="en"' in english
    assert '<html lang="zh"' in chinese
    data = data_of(chinese)
    assert data.pop("words") == {each: CHINESE[each] for each in templates("".join(map(read, SCRIPTS["tape"])))}
    in_english = re.sub(r"（(\d+) 项）", r" (\1 terms)", json.dumps(data, ensure_ascii=False))
    assert json.loads(in_english) == data_of(english)


def test_the_words_of_the_page_outside_of_scripts_are_of_its_language(pages):
    shown = [re.sub(r"<(script|style|svg|code|kbd).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL) for page in pages]
    assert "Gradients so far" in shown[0]
    assert set(ENGLISH.findall(shown[1])) <= NO_WORDS
    labels = re.findall(r'(?:title|aria-label)="([^"]*)"', re.sub(r"<svg.*?</svg>", "", pages[1], flags=re.DOTALL))
    assert set(ENGLISH.findall(" ".join(labels))) <= NO_WORDS
    assert not re.search(r"\{\{|\}\}", re.sub(r"<(script|style).*?</\1>", "", pages[0], flags=re.DOTALL))


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize("level", ["gates", "ops"])
def test_each_position_is_told_in_chinese(pages, level, opened, tmp_path):
    path = tmp_path / "zh.html"
    path.write_text(pages[1], encoding="utf-8")
    with opened(path, f"#{level}-0") as page:
        shown = page.evaluate(
            """() => { const found = [];
              for (const p of level.stops) {
                go(p); open("node", true); showNode();
                const copy = document.getElementById("play-side").cloneNode(true);
                copy.querySelectorAll("code").forEach(each => each.remove());
                found.push([copy.textContent, part("position").textContent, part("said").textContent]);
              }
              return found; }"""
        )
    assert len(shown) > 20
    said = set(ENGLISH.findall(" ".join(templates("".join(map(read, SCRIPTS["tape"])))))) - FORMULAS
    for panels, position, told in shown:
        assert not said & set(ENGLISH.findall(f"{panels} {position} {told}"))
        assert re.search("[一-鿿]", told)
