"""The player on paper: the whole picture, what is told of a position, and nothing to press."""

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn

WIDTH = 1032
"""Of a sheet of A4 on its side without its margins, in CSS pixels."""


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize(("hidden", "T", "at"), [(4, 3, 100), (15, 12, 400), (2, 1, 0)])
def test_paper_shows_the_whole_picture_the_bars_and_the_tables_and_no_buttons(hidden, T, at, chromium, tmp_path):
    rng = np.random.default_rng(0)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(nn.lstm, nn.init.lstm(rng, 3, hidden), rng.standard_normal((T, 1, 3)))
        loss = tg.named("L", (hs**2).sum())
    path = draw.play(tape, loss, tmp_path / "a.html")
    page = chromium.new_page(viewport={"width": WIDTH, "height": 700})
    page.goto(f"{path.as_uri()}#{at}")
    assert page.locator("button:visible").count() > 5
    page.emulate_media(media="print")
    buttons = page.locator("button:visible, select:visible, input:visible")
    assert all(text.startswith(("Gradients so far", "Node")) for text in buttons.all_inner_texts())  # the headings
    assert buttons.count() == 2
    assert re.match(r"at the start|backward \d+ of", page.locator("#play-position:visible").inner_text())
    frame, svg = (page.locator(where).bounding_box() for where in ("#play-graph", "#play-graph svg:visible"))
    assert svg["width"] <= frame["width"] <= WIDTH
    assert svg["height"] <= frame["height"] + 1
    ends = "[...document.querySelectorAll('table, td, p, svg')].map((e) => e.getBoundingClientRect().right)"
    assert page.evaluate(f"Math.max(...{ends})") <= WIDTH
    cut = "[...document.querySelectorAll('td')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    bars = page.locator(".bar > span")
    assert bars.count() == 7
    colours = bars.evaluate_all("(all) => all.map((e) => getComputedStyle(e).printColorAdjust)")
    assert set(colours) == {"exact"}
    pdf = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[([\d. ]+)\]", pdf)
    assert 1 <= len(boxes) <= 3
    assert all(float(box.split()[2]) > float(box.split()[3]) for box in boxes), "on its side"
    page.close()
